package custodian

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/lacunalog/lacuna/keystore/holder"
)

// Ship takes the page file of an epoch (docs/spec/holder-slot.md) as it comes over the
// wire, and keeps it when its check sum fits. Pages are sealed; nothing here can open
// them, and the share beside them does not either.
func (c *Custodian) Ship(epoch, size uint64, from io.Reader) error {
	if c.failed != nil {
		return c.failed
	}
	const head, least = 16, 20 + sha256.Size // of a file without pages
	if size < least || size > 1<<40 {
		return fmt.Errorf("%w: a page file of %d bytes", errRequest, size)
	}
	dir := filepath.Join(c.dir, pagesDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	h := sha256.New()
	var first bytes.Buffer
	both := io.MultiWriter(f, h)
	_, err = io.CopyN(io.MultiWriter(both, &first), from, head)
	if err == nil {
		_, err = io.CopyN(both, from, int64(size-head-sha256.Size))
	}
	var sum [sha256.Size]byte
	if err == nil {
		_, err = io.ReadFull(from, sum[:])
	}
	name, empty := holder.PageFile(epoch, nil)
	if err == nil && (!bytes.Equal(first.Bytes(), empty[:head]) || !bytes.Equal(h.Sum(nil), sum[:])) {
		err = errors.New("the key pages arrived damaged")
	}
	if err == nil {
		_, err = f.Write(sum[:])
	}
	return commit(f, filepath.Join(dir, name), 0o600, err)
}

func appendShip(epoch, size uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, epoch), size)
}
