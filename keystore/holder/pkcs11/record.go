//go:build pkcs11 && cgo

package pkcs11

import (
	"encoding/binary"
	"errors"

	"github.com/lacunalog/lacuna/keystore"
)

const (
	magic     = "LCNT0001"
	headerLen = len(magic) + 16 + 16 + 8 + 16
	ivLen     = 12
	tagLen    = 16
	recordLen = headerLen + ivLen + 32 + tagLen
)

var errNoRecord = errors.New("not the record of a share")

// A record is a share as it lies in a token, sealed.
type record struct {
	holder  keystore.HolderID
	tree    keystore.TreeID
	epoch   uint64
	attempt keystore.Attempt
	iv      []byte
	sealed  []byte
}

// header is all that is not secret, and what the seal binds.
func (r *record) header() []byte {
	b := append(make([]byte, 0, recordLen), magic...)
	b = append(b, r.holder[:]...)
	b = append(b, r.tree[:]...)
	b = binary.BigEndian.AppendUint64(b, r.epoch)
	return append(b, r.attempt[:]...)
}

func (r *record) encode() []byte { return append(append(r.header(), r.iv...), r.sealed...) }

func parseRecord(b []byte) (r record, err error) {
	if len(b) != recordLen || string(b[:len(magic)]) != magic {
		return r, errNoRecord
	}
	b = b[len(magic):]
	b = b[copy(r.holder[:], b):]
	b = b[copy(r.tree[:], b):]
	r.epoch = binary.BigEndian.Uint64(b)
	b = b[8:]
	b = b[copy(r.attempt[:], b):]
	r.iv, r.sealed = b[:ivLen], b[ivLen:]
	if r.epoch == 0 {
		return record{}, errNoRecord
	}
	return r, nil
}
