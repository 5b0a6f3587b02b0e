package holder

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/internal/block"
)

const (
	magic   = "LCNH0001"
	sumAt   = 8 + 16 + 16 + 8 + 16 + 32
	slotLen = sumAt + sha256.Size
	slots   = 2
)

// A slot is a share and the holder it was written for.
type slot struct {
	holder keystore.HolderID
	share  keystore.Share
}

// put writes a slot into a block, zero behind it.
func (s *slot) put(b []byte) {
	clear(b)
	w := append(b[:0], magic...)
	w = append(w, s.holder[:]...)
	w = append(w, s.share.Tree[:]...)
	w = binary.BigEndian.AppendUint64(w, s.share.Epoch)
	w = append(w, s.share.Attempt[:]...)
	w = append(w, s.share.Secret[:]...)
	sum := sha256.Sum256(w)
	copy(b[sumAt:], sum[:])
}

var errNoSlot = errors.New("not a share")

// parse reads a block strictly. A block that does not parse is no share, but
// bytes of one may be in it: it is overwritten like any other.
func (s *slot) parse(b []byte) error {
	if len(b) != block.Size || string(b[:len(magic)]) != magic {
		return errNoSlot
	}
	sum := sha256.Sum256(b[:sumAt])
	if subtle.ConstantTimeCompare(sum[:], b[sumAt:slotLen]) != 1 || len(bytes.TrimLeft(b[slotLen:], "\x00")) != 0 {
		return errNoSlot
	}
	b = b[len(magic):]
	b = b[copy(s.holder[:], b):]
	b = b[copy(s.share.Tree[:], b):]
	s.share.Epoch = binary.BigEndian.Uint64(b)
	b = b[8:]
	b = b[copy(s.share.Attempt[:], b):]
	copy(s.share.Secret[:], b)
	if s.share.Epoch == 0 {
		return errNoSlot
	}
	return nil
}
