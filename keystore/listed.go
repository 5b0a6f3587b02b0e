package keystore

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// Bytes of what a list row says beside an index, as it is and as it is sealed.
const (
	ListedSize       = 19
	SealedListedSize = listedTag + ListedSize

	listedTag = 16
)

const labelListed = "lacuna/v1/listed"

// SealListed seals what the list row number seq says beside its index. The tag is the
// nonce, in the manner of SIV (RFC 5297): a number whose event was lost in a crash is
// given again, and two texts under one number show no more than that they differ. That the
// same text gives the same bytes does not matter, since the number is used for one row.
//
// What seals it is derived from the key itself, not from what [Lease.RowsKey] copies
// out: an erasure that can still find the rows of a person reads nothing in them.
func (l *Lease) SealListed(g uint32, seq uint64, text *[ListedSize]byte) (sealed [SealedListedSize]byte) {
	return l.k.derived.sealListed(g, seq, text)
}

// OpenListed opens what SealListed sealed under the same key and numbers.
func (l *Lease) OpenListed(g uint32, seq uint64, sealed *[SealedListedSize]byte) (text [ListedSize]byte, err error) {
	return l.k.derived.openListed(g, seq, sealed)
}

func (d *derived) sealListed(g uint32, seq uint64, text *[ListedSize]byte) (sealed [SealedListedSize]byte) {
	d.must()
	tag := d.listedTag(g, seq, text)
	pad := d.listedPad(&tag)
	copy(sealed[:], tag[:])
	subtle.XORBytes(sealed[listedTag:], text[:], pad[:])
	return sealed
}

func (d *derived) openListed(g uint32, seq uint64, sealed *[SealedListedSize]byte) (text [ListedSize]byte, err error) {
	d.must()
	tag := [listedTag]byte(sealed[:])
	pad := d.listedPad(&tag)
	subtle.XORBytes(text[:], sealed[listedTag:], pad[:])
	if again := d.listedTag(g, seq, &text); !equal(again[:], tag[:]) {
		return [ListedSize]byte{}, fmt.Errorf("opening a list row: %w", errWrongKey)
	}
	return text, nil
}

// listedTag is HKDF-Expand(PRK, "lacuna/v1/listed" || 0x01 || u32 g || u64 seq || text, 16).
func (d *derived) listedTag(g uint32, seq uint64, text *[ListedSize]byte) [listedTag]byte {
	var info [1 + 4 + 8 + ListedSize]byte
	info[0] = 1
	binary.BigEndian.PutUint32(info[1:], g)
	binary.BigEndian.PutUint64(info[5:], seq)
	copy(info[13:], text[:])
	var out [32]byte
	d.prk.expand(out[:], labelListed, info[:])
	return [listedTag]byte(out[:])
}

// listedPad is HKDF-Expand(PRK, "lacuna/v1/listed" || 0x02 || tag, 19).
func (d *derived) listedPad(tag *[listedTag]byte) [ListedSize]byte {
	var info [1 + listedTag]byte
	info[0] = 2
	copy(info[1:], tag[:])
	var out [32]byte
	d.prk.expand(out[:], labelListed, info[:])
	return [ListedSize]byte(out[:])
}
