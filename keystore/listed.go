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

func (d *derived) sealListed(g uint32, seq uint64, text *[ListedSize]byte) (sealed [SealedListedSize]byte) {
	d.listedTag(sealed[:listedTag], g, seq, text)
	d.listedPad(sealed[:], text[:], sealed[listedTag:])
	return sealed
}

// OpenListed opens what SealListed sealed under the same key and numbers.
func (l *Lease) OpenListed(g uint32, seq uint64, sealed *[SealedListedSize]byte) (text [ListedSize]byte, err error) {
	l.k.derived.listedPad(sealed[:], sealed[listedTag:], text[:])
	var tag [listedTag]byte
	l.k.derived.listedTag(tag[:], g, seq, &text)
	if !equal(tag[:], sealed[:listedTag]) {
		return [ListedSize]byte{}, fmt.Errorf("opening a list row: %w", errWrongKey)
	}
	return text, nil
}

// listedTag is HKDF-Expand(PRK, "lacuna/v1/listed" || 0x01 || u32 g || u64 seq || text, 16).
func (d *derived) listedTag(tag []byte, g uint32, seq uint64, text *[ListedSize]byte) {
	d.must()
	hs := getHasher()
	hs.restore(&d.prk.inner)
	n := copy(hs.buf[:], labelListed)
	hs.buf[n] = 1
	binary.BigEndian.PutUint32(hs.buf[n+1:], g)
	binary.BigEndian.PutUint64(hs.buf[n+5:], seq)
	n += 13 + copy(hs.buf[n+13:], text[:])
	hs.buf[n] = 1
	hs.Write(hs.buf[:n+1])
	var out [32]byte
	hs.finish(&d.prk, &out)
	hs.release()
	copy(tag, out[:listedTag])
}

// listedPad puts text, xor HKDF-Expand(PRK, "lacuna/v1/listed" || 0x02 || tag, 19), into to.
func (d *derived) listedPad(sealed, text, to []byte) {
	d.must()
	hs := getHasher()
	hs.restore(&d.prk.inner)
	n := copy(hs.buf[:], labelListed)
	hs.buf[n] = 2
	n += 1 + copy(hs.buf[n+1:], sealed[:listedTag])
	hs.buf[n] = 1
	hs.Write(hs.buf[:n+1])
	var pad [32]byte
	hs.finish(&d.prk, &pad)
	hs.release()
	subtle.XORBytes(to, text, pad[:ListedSize])
	clear(pad[:])
}
