package keystore

import (
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

// Labels of what is derived from a DEK, docs/spec/key-tree.md.
const (
	labelExtract = "lacuna/v1"
	labelEvent   = "lacuna/v1/event"
	labelRows    = "lacuna/v1/rows"
	labelRow     = "lacuna/v1/row"
)

var extract = newMAC([]byte(labelExtract))

// keyID says which entry of the tree a key is.
type keyID struct {
	tag    [16]byte
	comp   uint16
	cohort uint16
	alias  bool // an address that leads to a person, not a key
}

// derived is what is computed once when a DEK is loaded. The DEK itself is not
// kept: the page has it.
type derived struct {
	loaded bool
	prk    mac    // HMAC under PRK = HKDF-Extract("lacuna/v1", DEK)
	kRows  Secret // HKDF-Expand(PRK, "lacuna/v1/rows")
	rows   mac
}

func (d *derived) load(dek *Secret) {
	if runtimeSecret {
		guarded(func() { d.compute(dek) })
		return
	}
	d.compute(dek)
}

func (d *derived) compute(dek *Secret) {
	var prk [32]byte
	extract.sum(&prk, dek[:], nil)
	d.prk = newMAC(prk[:])
	clear(prk[:])
	d.prk.expand(d.kRows[:], labelRows, nil)
	d.rows = newMAC(d.kRows[:])
	d.loaded = true
}

// must stops a caller that uses a lease after its end: what would be derived from
// a wiped key is known to everybody.
func (d *derived) must() {
	if d == nil || !d.loaded {
		panic("keystore: a key was used after its lease ended")
	}
}

func (d *derived) zero() { *d = derived{} }

// eventSecret is HKDF-Expand(PRK, "lacuna/v1/event" || suite || e, 32).
func (d *derived) eventSecret(suite byte, e *[16]byte, out *[32]byte) {
	d.must()
	var h hasher
	h.begin(&d.prk)
	h.write([]byte(labelEvent))
	h.writeByte(suite)
	h.write(e[:])
	h.writeByte(1)
	h.finish(&d.prk, out)
}

// minRowName is the least length of a row's name: "lacuna/v1/row" and a name "s"
// would otherwise be the label of K_rows.
const minRowName = 8

func (d *derived) rowKey(name []byte) (k [64]byte) {
	if len(name) < minRowName {
		panic("keystore: a row name of less than 8 bytes")
	}
	d.must()
	d.prk.expand(k[:], labelRow, name)
	return k
}

func (d *derived) sealRow(name, plaintext []byte) []byte {
	k := d.rowKey(name)
	defer clear(k[:])
	out := make([]byte, 32, 32+len(plaintext)+chacha20poly1305.Overhead)
	copy(out, k[32:])
	return sealAEAD(out, k[:32], plaintext, name)
}

func (d *derived) openRow(name, sealed []byte) ([]byte, error) {
	k := d.rowKey(name)
	defer clear(k[:])
	if len(sealed) < 32 || !equal(sealed[:32], k[32:]) {
		return nil, fmt.Errorf("opening a row: %w", errWrongKey)
	}
	p, err := openAEAD(nil, k[:32], sealed[32:], name)
	if err != nil {
		return nil, fmt.Errorf("opening a row: %w", err)
	}
	return p, nil
}

// A RowsKey is K_rows of one key, copied out for an erasure: with it the names
// of the person's rows can still be computed when the key is gone. It is the one
// derived secret that may outlive its key, and it belongs into a row that is
// itself sealed and erased. It prints as "[secret]".
type RowsKey struct {
	k Secret
	m mac
}

// ParseRowsKey is the inverse of [RowsKey.Bytes].
func ParseRowsKey(b []byte) (RowsKey, error) {
	if len(b) != 32 {
		return RowsKey{}, fmt.Errorf("a rows key has 32 bytes, not %d", len(b))
	}
	return RowsKey{k: Secret(b), m: newMAC(b)}, nil
}

// Bytes returns a copy of the key. Only use this to seal it into an erasure job.
func (r RowsKey) Bytes() []byte { return append([]byte(nil), r.k[:]...) }

// RowName is [Lease.RowName].
func (r RowsKey) RowName(g uint32, seq uint64) (t [32]byte) {
	r.m.numbered(&t, 1, g, seq)
	return t
}

func (RowsKey) Format(f fmt.State, _ rune)   { io.WriteString(f, redactedSecret) }
func (RowsKey) String() string               { return redactedSecret }
func (RowsKey) GoString() string             { return redactedSecret }
func (RowsKey) MarshalText() ([]byte, error) { return []byte(redactedSecret), nil }
func (RowsKey) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedSecret + `"`), nil }
