package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/holder/pkcs11"
)

// createHolders makes the root holder: one file or token, or the same share in several.
// Where one of them cannot be made, none is left.
func createHolders(roots []string, pass holder.Passphrase) ([]keystore.Holder, error) {
	h, err := pass.CreateFiles(roots...)
	if err != nil {
		return nil, err
	}
	return []keystore.Holder{h}, nil
}

func openHolders(roots []string, pass holder.Passphrase, warn func(string)) ([]keystore.Holder, error) {
	h, err := pass.OpenFiles(roots...)
	if err != nil {
		return nil, err
	}
	if w := h.Caps().Warning; w != "" {
		warn(w)
	}
	return []keystore.Holder{h}, nil
}

func closeAll(hs []keystore.Holder) {
	for _, h := range hs {
		h.Close()
	}
}

// discardAll takes away roots that were made and are no ledger's.
func discardAll(roots []string) error {
	var errs []error
	for _, root := range roots {
		if err := holder.Discard(root); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// headFiles keeps a copy of the newest signed head beside each root file. It is
// what tells a restored old copy of the ledger that the log had already gone on.
type headFiles []string

func headCopy(roots []string) headFiles {
	var h headFiles
	for _, root := range roots {
		if !alone(root) {
			h = append(h, root+".head")
		}
	}
	return h
}

// alone reports whether nothing can lie beside a root: in a token, or on a partition.
func alone(root string) bool { return holder.IsToken(root) || onPartition(root) }

// onPartition reports whether a root lies on a device of blocks.
func onPartition(root string) bool {
	st, err := os.Stat(root)
	return err == nil && st.Mode()&fs.ModeDevice != 0 && st.Mode()&fs.ModeCharDevice == 0
}

// Load returns the longest copy: all are signed by the log, and the log compares
// what it gets with what it holds.
func (h headFiles) Load() ([]byte, error) {
	var newest []byte
	var size uint64
	for _, name := range h {
		b, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n := headSize(b); newest == nil || n > size {
			newest, size = b, n
		}
	}
	return newest, nil
}

// headSize reads the second line of a checkpoint, 0 where there is none: the log
// verifies the whole.
func headSize(b []byte) uint64 {
	lines := strings.SplitN(string(b), "\n", 3)
	if len(lines) < 3 {
		return 0
	}
	var n uint64
	for _, c := range lines[1] {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}

// Store replaces every copy.
func (h headFiles) Store(checkpoint []byte) error {
	for _, name := range h {
		if err := writeFile(name, checkpoint, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes a file so that after a crash it holds either what it held or
// what is written: a temporary file beside it, synced, renamed, and the folder
// synced. Never for a root: a renamed root leaves the old one on the disk.
func writeFile(name string, b []byte, mode fs.FileMode) error {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncDir(dir)
}

// makeDir makes a folder, and those above it that are missing, so that after a
// crash it is still there. A folder that is there may have been made by somebody
// who was interrupted.
func makeDir(dir string, mode fs.FileMode) error {
	parent := filepath.Dir(filepath.Clean(dir))
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if parent != dir {
			if err := makeDir(parent, mode); err != nil {
				return err
			}
		}
		if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return syncDir(parent)
	}
	if err := syncDir(parent); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// checkRoot refuses a place where no root may be made. A URI is not printed: there may be
// a PIN in it, which is why it is refused.
func checkRoot(dir, root string) error {
	if holder.IsToken(root) {
		if _, err := pkcs11.ParseURI(root); err != nil {
			return badConfig("root: %w", err)
		}
	}
	if inside(dir, root) {
		return badConfig("root %s lies inside the ledger: whoever copies the folder would copy the root too", root)
	}
	return nil
}

// inside reports whether name lies in dir, or would if it were made, also through
// symbolic links; no token does.
func inside(dir, name string) bool {
	if holder.IsToken(name) {
		return false
	}
	rel, err := filepath.Rel(resolved(dir), resolved(name))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// resolved is where a name leads, as far as that can be told: its end need not be there.
func resolved(name string) string {
	name, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	there, end := name, ""
	for {
		path, err := filepath.EvalSymlinks(there)
		if err == nil {
			return filepath.Join(path, end)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return name
		}
		if to, err := os.Readlink(there); err == nil { // to where nothing is yet
			there = absoluteIn(filepath.Dir(there), to)
			continue
		}
		there, end = filepath.Dir(there), filepath.Join(filepath.Base(there), end)
	}
}

// relativeTo writes name as seen from dir, so that a ledger and its root can be
// moved together; an absolute name, or that of a token, stays as it is.
func relativeTo(dir, name string) string {
	if name == "" || filepath.IsAbs(name) || holder.IsToken(name) {
		return name
	}
	d, err1 := filepath.Abs(dir)
	n, err2 := filepath.Abs(name)
	if err1 != nil || err2 != nil {
		return name
	}
	rel, err := filepath.Rel(d, n)
	if err != nil {
		return n
	}
	return rel
}

func absoluteIn(dir, name string) string {
	if filepath.IsAbs(name) || holder.IsToken(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// checkOrigin refuses names that checkpoints or leaves cannot carry.
func checkOrigin(origin string) error {
	switch {
	case origin == "":
		return errors.New("is empty; a URL without scheme is usual: log.example.com/crm")
	case len(origin) > 255:
		return fmt.Errorf("has %d bytes, at most 255 are allowed", len(origin))
	case strings.ContainsFunc(origin, func(r rune) bool { return r <= ' ' || r == '+' || r == 0x7f || unicode.IsSpace(r) }):
		return errors.New("has a space, a plus or a control character")
	}
	return nil
}

// guardedHeads writes no head before the root has opened this ledger's key tree: a
// mistyped --root would leave our head beside the root of another ledger, which
// would then refuse to open.
type guardedHeads struct {
	headFiles
	custodians remoteHeads
	ours       atomic.Bool
}

func (g *guardedHeads) Load() ([]byte, error) {
	near, err := g.headFiles.Load()
	if err != nil {
		return nil, err
	}
	far, err := g.custodians.Load()
	if err != nil {
		return nil, err
	}
	if headSize(far) > headSize(near) {
		return far, nil
	}
	return near, nil
}

func (g *guardedHeads) Store(checkpoint []byte) error {
	if !g.ours.Load() {
		return nil
	}
	// The near copy comes first: a custodian that does not answer must not hold it up.
	err := g.headFiles.Store(checkpoint)
	g.custodians.Store(checkpoint)
	return err
}
