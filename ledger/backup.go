package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// Manifest is the file manifest.json of a backup.
type Manifest struct {
	Format string `json:"format"` // "lacuna/backup/v1"
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   string `json:"root"`  // base64 root hash at that size
	Epoch  uint64 `json:"epoch"` // of the key tree
	Head   string `json:"head"`  // the signed checkpoint
}

const (
	backupFormat = "lacuna/backup/v1"
	manifestFile = "manifest.json"
)

// Backup copies the ledger into a new folder: log, sealed events and key pages,
// all at one moment. It holds neither the root of the key tree nor the log's
// signing key: whoever has it reads nothing and signs nothing. An erasure that
// comes later reaches into it, because the keys that would open it are gone.
func (l *Ledger) Backup(ctx context.Context, out string) (_ Manifest, err error) {
	if err := l.gate.enter(); err != nil {
		return Manifest{}, err
	}
	defer l.gate.leave()
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, fmt.Errorf("%s exists already", out)
	}
	// Until the last rename the backup has another name, so that a half-written
	// one is never taken for a backup.
	tmp := out + ".partial"
	if err := os.RemoveAll(tmp); err != nil {
		return Manifest{}, err
	}
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return Manifest{}, err
	}
	defer removeUnless(&err, tmp)
	epoch := l.tree.Info().Epoch // before the copy: pages of a later epoch are then looked for, not passed over
	head := l.log.Head()
	if err := l.log.Backup(ctx, filepath.Join(tmp, storeDir)); err != nil {
		return Manifest{}, fmt.Errorf("copying the log: %w", err)
	}
	m := Manifest{Format: backupFormat, Origin: l.origin, Size: head.Checkpoint.Size, Root: head.Checkpoint.Root.String(), Epoch: epoch, Head: string(head.Signed)}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, err
	}
	if err := writeFile(filepath.Join(tmp, manifestFile), append(text, '\n'), 0o644); err != nil {
		return m, err
	}
	files := []string{vkeyFile, configFile}
	if l.config.Policy {
		files = append(files, policyFile)
	}
	if l.config.MLDSA {
		files = append(files, secondVKeyFile)
	}
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(l.dir, name))
		if err != nil {
			return m, err
		}
		if err := writeFile(filepath.Join(tmp, name), b, 0o644); err != nil {
			return m, err
		}
	}
	if err := os.Rename(tmp, out); err != nil {
		return m, err
	}
	return m, syncDir(filepath.Dir(filepath.Clean(out)))
}

// RestoreOptions say where a backup goes.
type RestoreOptions struct {
	From       string            // the backup
	Dir        string            // the new ledger; must not exist
	Root       []string          // the root holder as it is now
	Passphrase holder.Passphrase // opens a sealed root
	SigningKey string            // the log's signing key (log.skey)
	SecondKey  string            // the log's second signing key (log.mldsa.skey), if it has one
	Pages      string            // folder that received key pages since; "" for none
	// Custodians are invitations of custodians that the backup does not know of, or
	// that knew the ledger by another signing key. Those that it names are asked anyway.
	Custodians []string
	Progress   func(done, total int64)
	Warn       func(string)

	custody *custody
}

// Restored says what a restored ledger can do.
type Restored struct {
	Manifest Manifest
	Known    uint64   // size of the newest head known beside the root; above Size the ledger only reads
	Imported int      // key pages taken from the page folder
	Missing  []string // key pages that are missing, by path; their people cannot be opened
}

// Restore makes a ledger from a backup, under the root as it is now. Erased
// people stay erased: the root that would open them is gone. Where the log had
// gone on since the backup the restored ledger is for reading only, because what
// it would sign next contradicts what was shown to others.
func Restore(ctx context.Context, o RestoreOptions) (_ *Restored, err error) {
	m, err := readManifest(o.From)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(o.Dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s exists already", o.Dir)
	}
	c, err := ReadConfig(o.From)
	if err != nil {
		return nil, err
	}
	skey, err := os.ReadFile(o.SigningKey)
	if err != nil {
		return nil, fmt.Errorf("reading the log's signing key: %w", err)
	}
	signer, err := merkle.NewSigner(strings.TrimSpace(string(skey)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.SigningKey, err)
	}
	second, err := o.secondKey(c)
	if err != nil {
		return nil, err
	}
	if o.custody, err = newCustody(c.Custodians, skey); err != nil {
		return nil, err
	}
	if err := o.custody.enrol(ctx, o.Custodians); err != nil {
		o.custody.close()
		return nil, err
	}
	c.Custodians = o.custody.configs()
	tmp := o.Dir + ".partial"
	if err := os.RemoveAll(tmp); err != nil {
		return nil, err
	}
	defer removeUnless(&err, tmp) // it has the signing key
	if err := copyTree(ctx, o.From, tmp, o.Progress); err != nil {
		return nil, err
	}
	if err := os.Remove(filepath.Join(tmp, manifestFile)); err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(tmp, skeyFile), []byte(strings.TrimSpace(string(skey))+"\n"), 0o600); err != nil {
		return nil, err
	}
	if second != nil {
		if err := writeFile(filepath.Join(tmp, secondKeyFile), second, 0o600); err != nil {
			return nil, err
		}
	}
	c.Root, c.Pages = nil, relativeTo(o.Dir, o.Pages)
	for _, root := range o.Root {
		c.Root = append(c.Root, relativeTo(o.Dir, root))
	}
	if err := c.write(tmp); err != nil {
		return nil, err
	}
	r := &Restored{Manifest: m}
	if known, err := headCopy(o.Root).Load(); err == nil {
		r.Known = headSize(known)
	}
	r.Known = max(r.Known, o.custody.headSize(ctx))
	if err := r.pages(ctx, filepath.Join(tmp, storeDir), log.Options{Origin: c.Origin, Signer: signer, Spaces: spaces}, o); err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, o.Dir); err != nil {
		return nil, err
	}
	return r, syncDir(filepath.Dir(filepath.Clean(o.Dir)))
}

// secondKey reads the log's second signing key, nil if it has none.
func (o *RestoreOptions) secondKey(c Config) ([]byte, error) {
	if !c.MLDSA {
		if o.SecondKey != "" {
			return nil, badConfig("the backup is of a log without a second key")
		}
		return nil, nil
	}
	if o.SecondKey == "" {
		return nil, badConfig("the log has a second signing key, %s, and backups hold none: name it", secondKeyFile)
	}
	if _, err := readSecondKey(o.From, o.SecondKey); err != nil {
		return nil, err
	}
	return os.ReadFile(o.SecondKey)
}

// pages brings the key pages that were written since the backup into the store
// and says which are still missing. It is the one place that opens a log without
// asking for the newest known head: only key pages are written, no leaf.
func (r *Restored) pages(ctx context.Context, store string, lo log.Options, o RestoreOptions) error {
	lg, err := log.Open(ctx, store, lo)
	if err != nil {
		return fmt.Errorf("opening the backup's log: %w", err)
	}
	defer lg.Close()
	root, err := lg.RootAt(ctx, r.Manifest.Size)
	if err != nil {
		return fmt.Errorf("reading the backup's root: %w", err)
	}
	if root.String() != r.Manifest.Root {
		return &VerifyError{Problems: []string{fmt.Sprintf("the backup's log has root %s, its manifest says %s", root, r.Manifest.Root)}}
	}
	rows := treeRows{lg}
	if o.Pages != "" {
		pages, err := holder.ReadPages(o.Pages, r.Manifest.Epoch)
		if err != nil {
			return fmt.Errorf("reading key pages: %w", err)
		}
		if err := keystore.ImportPages(ctx, rows, pages); err != nil {
			return fmt.Errorf("importing key pages: %w", err)
		}
		r.Imported = len(pages)
	}
	warn := o.Warn
	if warn == nil {
		warn = func(string) {}
	}
	local, err := openHolders(o.Root, o.Passphrase, warn)
	if err != nil {
		return err
	}
	hs, next := o.custody.sets(local)
	tree, err := keystore.Open(ctx, rows, hs, keystore.Options{Next: next})
	if err != nil {
		closeAll(local)
		o.custody.close()
		return err
	}
	defer tree.Close()
	if err := checkRootIsNewest(tree.Info().Epoch, o.Pages); err != nil {
		return err
	}
	r.Missing, err = tree.MissingPages(ctx)
	return err
}

// checkRootIsNewest refuses a root that is older than the key pages: a copy of the
// root file from before an erasure, together with a backup from before it, brings
// erased people back. Without a page folder nobody can tell.
func checkRootIsNewest(epoch uint64, pages string) error {
	if pages == "" {
		return nil
	}
	later, err := holder.ReadPages(pages, epoch)
	if err != nil {
		return fmt.Errorf("reading key pages: %w", err)
	}
	if len(later) > 0 {
		return &VerifyError{Problems: []string{fmt.Sprintf("the root is of epoch %d, and the page folder has later epochs: an old copy of the root would bring erased people back (if the last epoch never came to its end, take its file out of the folder)", epoch)}}
	}
	return nil
}

// removeUnless removes a folder that was not finished.
func removeUnless(err *error, dir string) {
	if *err != nil {
		_ = os.RemoveAll(dir) // the first error is the one that helps
	}
}

func readManifest(dir string) (Manifest, error) {
	var m Manifest
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, &NotFoundError{What: "no backup in " + dir}
	}
	if err != nil {
		return m, err
	}
	if m, err = parseManifest(text); err != nil {
		return m, fmt.Errorf("%s: %w", filepath.Join(dir, manifestFile), err)
	}
	return m, nil
}

func parseManifest(text []byte) (m Manifest, err error) {
	if err := parseFile(text, &m); err != nil {
		return m, err
	}
	if m.Format != backupFormat {
		return m, fmt.Errorf("format %q, this program reads %q", m.Format, backupFormat)
	}
	return m, nil
}

// copyTree copies a folder and syncs every file.
func copyTree(ctx context.Context, from, to string, progress func(done, total int64)) error {
	var total, done int64
	err := filepath.WalkDir(from, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		total += info.Size()
		return err
	})
	if err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		dst := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(dst, 0o700)
		}
		n, err := copyFile(path, dst)
		done += n
		if progress != nil {
			progress(done, total)
		}
		return err
	})
}

func copyFile(from, to string) (int64, error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return n, err
}
