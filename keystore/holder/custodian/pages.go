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

// A shipment is a page file that has arrived whole and is not kept yet.
type shipment struct {
	file *os.File
	name string // under which it is kept
}

// discard removes what was not kept.
func (p *shipment) discard() {
	p.file.Close()           // fails once it is kept
	os.Remove(p.file.Name()) // and so does this
}

// receive takes the page file of an epoch (docs/spec/holder-slot.md) as it comes over the
// wire, if its check sum fits. Pages are sealed; nothing here can open them, and the
// share beside them does not either. Unlike other methods this one does not exclude any.
func (c *Custodian) receive(epoch, size uint64, from io.Reader) (p *shipment, err error) {
	const head, least = 16, 20 + sha256.Size // of a file without pages
	if size < least || size > 1<<40 {
		return nil, fmt.Errorf("%w: a page file of %d bytes", errRequest, size)
	}
	dir := filepath.Join(c.dir, pagesDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return nil, err
	}
	name, empty := holder.PageFile(epoch, nil)
	p = &shipment{f, filepath.Join(dir, name)}
	defer func() {
		if err != nil {
			p.discard()
		}
	}()
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
	if err == nil && (!bytes.Equal(first.Bytes(), empty[:head]) || !bytes.Equal(h.Sum(nil), sum[:])) {
		err = errors.New("the key pages arrived damaged")
	}
	if err == nil {
		_, err = f.Write(sum[:])
	}
	if err == nil {
		err = f.Sync() // here, and not while others wait
	}
	return p, err
}

// keep puts a shipment in its place.
func (c *Custodian) keep(p *shipment) error {
	if c.failed != nil {
		return c.failed
	}
	return commit(p.file, p.name, 0o600, nil)
}

func appendShip(epoch, size uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, epoch), size)
}
