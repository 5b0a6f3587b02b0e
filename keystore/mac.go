package keystore

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
	"sync"
)

// A mac is HMAC-SHA256 (RFC 2104) under one key, kept as the two states of
// SHA-256 that follow the padded key blocks. Every derivation under a key that
// is used often then costs two compressions instead of four, and no allocation.
type mac struct{ inner, outer [32]byte }

// The part of a marshalled SHA-256 state that does not depend on the key: the
// magic, an empty buffer, and the length of one block. newHasher checks at start
// that this is what crypto/sha256 writes.
const (
	stateLen = 4 + 32 + 64 + 8
	macBlock = 64
)

// A hasher is the scratch of one computation. It is pooled, except in secret
// mode, where memory that is to be erased must be allocated inside the call.
type hasher struct {
	hash.Hash
	unmarshal encoding.BinaryUnmarshaler
	append    encoding.BinaryAppender
	state     [stateLen]byte
	buf       [128]byte
	out       [32]byte
}

var hashers = sync.Pool{New: func() any { return newHasher() }}

func newHasher() *hasher {
	h := sha256.New()
	hs := &hasher{Hash: h, unmarshal: h.(encoding.BinaryUnmarshaler), append: h.(encoding.BinaryAppender)}
	copy(hs.state[:], "sha\x03")
	binary.BigEndian.PutUint64(hs.state[stateLen-8:], macBlock)
	return hs
}

func getHasher() *hasher {
	if runtimeSecret {
		return newHasher()
	}
	return hashers.Get().(*hasher)
}

// release wipes what the computation left and returns the scratch.
func (hs *hasher) release() {
	clear(hs.state[4:36])
	clear(hs.buf[:])
	clear(hs.out[:])
	hs.unmarshal.UnmarshalBinary(hs.state[:]) // overwrites state and buffer of the digest
	if !runtimeSecret {
		hashers.Put(hs)
	}
}

func (hs *hasher) restore(s *[32]byte) {
	copy(hs.state[4:36], s[:])
	if err := hs.unmarshal.UnmarshalBinary(hs.state[:]); err != nil {
		panic("keystore: restoring a hash state: " + err.Error())
	}
}

// feed hashes p by way of the scratch, so that p does not escape to the heap.
func (hs *hasher) feed(p []byte) {
	for len(p) > 0 {
		n := copy(hs.buf[:], p)
		hs.Write(hs.buf[:n])
		p = p[n:]
	}
}

func (hs *hasher) feedString(p string) {
	for len(p) > 0 {
		n := copy(hs.buf[:], p)
		hs.Write(hs.buf[:n])
		p = p[n:]
	}
}

// finish ends the inner hash and computes the outer one into out.
func (hs *hasher) finish(m *mac, out *[32]byte) {
	hs.Sum(hs.out[:0])
	hs.restore(&m.outer)
	hs.Write(hs.out[:])
	hs.Sum(hs.out[:0])
	*out = hs.out
}

// newMAC prepares HMAC under a key of at most one block.
func newMAC(key []byte) (m mac) {
	if len(key) > macBlock {
		panic("keystore: an HMAC key longer than a block")
	}
	hs := getHasher()
	hs.pad(key, 0x36, &m.inner)
	hs.pad(key, 0x5c, &m.outer)
	hs.release()
	return m
}

func (hs *hasher) pad(key []byte, with byte, to *[32]byte) {
	hs.Reset()
	for i := range macBlock {
		hs.buf[i] = with
		if i < len(key) {
			hs.buf[i] ^= key[i]
		}
	}
	hs.Write(hs.buf[:macBlock])
	b, err := hs.append.AppendBinary(hs.state[:0])
	if err != nil || len(b) != stateLen || string(b[:4]) != "sha\x03" || binary.BigEndian.Uint64(b[stateLen-8:]) != macBlock {
		panic("keystore: crypto/sha256 marshals its state differently")
	}
	copy(to[:], hs.state[4:36])
	clear(hs.state[36 : stateLen-8])
}

// sum computes HMAC of a || b.
func (m *mac) sum(out *[32]byte, a, b []byte) {
	hs := getHasher()
	hs.restore(&m.inner)
	hs.feed(a)
	hs.feed(b)
	hs.finish(m, out)
	hs.release()
}

func (m *mac) sumString(out *[32]byte, s string) {
	hs := getHasher()
	hs.restore(&m.inner)
	hs.feedString(s)
	hs.finish(m, out)
	hs.release()
}

// numbered computes HMAC(label || u32 g || u64 n), the form of a row's name.
func (m *mac) numbered(out *[32]byte, label byte, g uint32, n uint64) {
	hs := getHasher()
	hs.restore(&m.inner)
	hs.buf[0] = label
	binary.BigEndian.PutUint32(hs.buf[1:], g)
	binary.BigEndian.PutUint64(hs.buf[5:], n)
	hs.Write(hs.buf[:13])
	hs.finish(m, out)
	hs.release()
}

// expand is HKDF-Expand (RFC 5869) of label || info to 32 or 64 bytes, where m
// is HMAC under the pseudorandom key.
func (m *mac) expand(out []byte, label string, info []byte) {
	hs := getHasher()
	var t [32]byte
	for i := 0; i*32 < len(out); i++ {
		hs.restore(&m.inner)
		if i > 0 {
			hs.feed(t[:])
		}
		hs.feedString(label)
		hs.feed(info)
		hs.buf[0] = byte(i + 1)
		hs.Write(hs.buf[:1])
		hs.finish(m, &t)
		copy(out[i*32:], t[:])
	}
	clear(t[:])
	hs.release()
}

func (m *mac) zero() { *m = mac{} }

// number computes HMAC(u64 n).
func (m *mac) number(out *[32]byte, n uint64) {
	hs := getHasher()
	hs.restore(&m.inner)
	binary.BigEndian.PutUint64(hs.buf[:], n)
	hs.Write(hs.buf[:8])
	hs.finish(m, out)
	hs.release()
}
