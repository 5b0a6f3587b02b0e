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
	hs := getHasher()
	defer hs.release()
	tag := d.listedTag(hs, g, seq, text)
	pad := d.listedPad(hs, &tag)
	copy(sealed[:], tag[:])
	subtle.XORBytes(sealed[listedTag:], text[:], pad[:])
	return sealed
}

func (d *derived) openListed(g uint32, seq uint64, sealed *[SealedListedSize]byte) (text [ListedSize]byte, err error) {
	d.must()
	hs := getHasher()
	defer hs.release()
	tag := [listedTag]byte(sealed[:])
	pad := d.listedPad(hs, &tag)
	subtle.XORBytes(text[:], sealed[listedTag:], pad[:])
	if again := d.listedTag(hs, g, seq, &text); !equal(again[:], tag[:]) {
		return [ListedSize]byte{}, fmt.Errorf("opening a list row: %w", errWrongKey)
	}
	return text, nil
}

// listedTag is HKDF-Expand(PRK, "lacuna/v1/listed" || 0x01 || u32 g || u64 seq || text, 16).
func (d *derived) listedTag(hs *hasher, g uint32, seq uint64, text *[ListedSize]byte) [listedTag]byte {
	hs.restore(&d.prk.inner)
	b := append(hs.buf[:0], labelListed...)
	b = append(b, 1)
	b = binary.BigEndian.AppendUint32(b, g)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = append(b, text[:]...)
	hs.Write(append(b, 1))
	var out [32]byte
	hs.finish(&d.prk, &out)
	return [listedTag]byte(out[:])
}

// listedPad is HKDF-Expand(PRK, "lacuna/v1/listed" || 0x02 || tag, 19).
func (d *derived) listedPad(hs *hasher, tag *[listedTag]byte) [ListedSize]byte {
	hs.restore(&d.prk.inner)
	b := append(hs.buf[:0], labelListed...)
	b = append(b, 2)
	b = append(b, tag[:]...)
	hs.Write(append(b, 1))
	var out [32]byte
	hs.finish(&d.prk, &out)
	return [ListedSize]byte(out[:])
}
