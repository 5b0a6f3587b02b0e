package holder

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lacunalog/lacuna/keystore"
)

// A page file has the key pages of one epoch, sealed as they are in the ledger:
//
//	"LCNP0001" || u64 epoch || u32 n || n × (u16 len || key || u32 len || value) || SHA-256 of all before
const (
	pagesMagic  = "LCNP0001"
	pagesPrefix = "epoch-"
	pagesSuffix = ".pages"
	maxKey      = 64
	maxValue    = 1 << 24
)

// PageDir keeps the key pages of every epoch in a folder, one file each. It
// implements [keystore.PageTarget]. The folder belongs on another disk than the
// ledger, and into its backups: it holds no root.
type PageDir string

// Ship implements [keystore.PageTarget]: a temporary file, synced, renamed, and
// the folder synced. After a crash there is the whole file or none.
func (d PageDir) Ship(ctx context.Context, epoch uint64, pages []keystore.KV) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := string(d)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// The folder may be new, and a file in a folder without a name is lost. Whoever
	// may not read the folder above has not made this one.
	if err := syncDir(filepath.Dir(filepath.Clean(dir))); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	f, err := os.CreateTemp(dir, ".pages-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.Write(appendPages(nil, epoch, pages))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, pagesName(epoch))); err != nil {
		return err
	}
	return syncDir(dir)
}

// PageFile returns name and contents of the page file of an epoch.
func PageFile(epoch uint64, pages []keystore.KV) (name string, b []byte) {
	return pagesName(epoch), appendPages(nil, epoch, pages)
}

func pagesName(epoch uint64) string {
	return fmt.Sprintf("%s%020d%s", pagesPrefix, epoch, pagesSuffix)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// ReadPages returns the pages of every epoch after one, in rising order of
// epochs. A file that is not whole is an error: without it people would be lost
// whom it was written to keep.
func ReadPages(dir string, afterEpoch uint64) ([]keystore.KV, error) {
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, keystore.Hinted("give the folder that the ledger ships its key pages to", "reading key pages from %s: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading key pages: %w", err)
	}
	var all []keystore.KV
	for _, n := range names { // sorted
		if !strings.HasPrefix(n.Name(), pagesPrefix) || !strings.HasSuffix(n.Name(), pagesSuffix) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, n.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading key pages: %w", err)
		}
		epoch, pages, err := parsePages(b)
		if err == nil && n.Name() != pagesName(epoch) {
			err = errors.New("the file has another epoch's name")
		}
		if err != nil {
			return nil, fmt.Errorf("reading key pages from %s: %w", n.Name(), err)
		}
		if epoch > afterEpoch {
			all = append(all, pages...)
		}
	}
	return all, nil
}

func appendPages(b []byte, epoch uint64, pages []keystore.KV) []byte {
	b = append(b, pagesMagic...)
	b = binary.BigEndian.AppendUint64(b, epoch)
	b = binary.BigEndian.AppendUint32(b, uint32(len(pages)))
	for _, kv := range pages {
		b = binary.BigEndian.AppendUint16(b, uint16(len(kv.Key)))
		b = append(b, kv.Key...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(kv.Value)))
		b = append(b, kv.Value...)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

var errPages = errors.New("not a whole file of key pages")

// parsePages reads a page file strictly: what appendPages does not write is
// refused.
func parsePages(b []byte) (uint64, []keystore.KV, error) {
	const head = len(pagesMagic) + 8 + 4
	if len(b) < head+sha256.Size || string(b[:len(pagesMagic)]) != pagesMagic {
		return 0, nil, errPages
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if s := sha256.Sum256(body); !slices.Equal(s[:], sum) {
		return 0, nil, errPages
	}
	epoch := binary.BigEndian.Uint64(b[len(pagesMagic):])
	n := binary.BigEndian.Uint32(b[head-4:])
	body = body[head:]
	field := func(size, limit int) []byte {
		if len(body) < size {
			return nil
		}
		n := uint64(0)
		for _, c := range body[:size] {
			n = n<<8 | uint64(c)
		}
		if n == 0 || n > uint64(limit) || uint64(len(body)-size) < n {
			return nil
		}
		f := body[size : size+int(n)]
		body = body[size+int(n):]
		return f
	}
	var pages []keystore.KV
	for range n {
		k := field(2, maxKey)
		v := field(4, maxValue)
		if k == nil || v == nil {
			return 0, nil, errPages
		}
		pages = append(pages, keystore.KV{Key: k, Value: v})
	}
	if len(body) != 0 || epoch == 0 || epoch == math.MaxUint64 {
		return 0, nil, errPages
	}
	return epoch, pages, nil
}
