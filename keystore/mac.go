package keystore

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
	"sync"

	"github.com/lacunalog/lacuna/merkle/sha2"
)

// A mac is HMAC-SHA256 (RFC 2104) under one key, kept as the two states of
// SHA-256 that follow the padded key blocks. Every derivation under a key that
// is used often then costs two compressions instead of four, and no allocation.
type mac struct{ inner, outer sha2.State }

// newMAC prepares HMAC under a key of at most one block.
func newMAC(key []byte) (m mac) {
	if len(key) > sha2.Block {
		panic("keystore: an HMAC key longer than a block")
	}
	var h hasher
	h.pad(key, 0x36, &m.inner)
	h.pad(key, 0x5c, &m.outer)
	h = hasher{}
	return m
}

func (m *mac) zero() { *m = mac{} }

// A hasher computes one MAC of what is written to it. It stays on the stack, and
// finish wipes it.
type hasher struct {
	state sha2.State
	block [sha2.Block]byte // what is not compressed yet
	size  int              // of the message so far, the key's block included
}

func (h *hasher) pad(key []byte, with byte, to *sha2.State) {
	for i := range h.block {
		h.block[i] = with
		if i < len(key) {
			h.block[i] ^= key[i]
		}
	}
	*to = sha2.IV
	compress(to, h.block[:])
}

func (h *hasher) begin(m *mac) { h.state, h.size = m.inner, sha2.Block }

func (h *hasher) write(p []byte) {
	n := h.size % sha2.Block
	h.size += len(p)
	if n+len(p) < sha2.Block {
		copy(h.block[n:], p)
		return
	}
	if n > 0 {
		p = p[copy(h.block[n:], p):]
		compress(&h.state, h.block[:])
	}
	whole := len(p) / sha2.Block * sha2.Block
	compress(&h.state, p[:whole])
	copy(h.block[:], p[whole:])
}

func (h *hasher) writeByte(b byte) { h.write([]byte{b}) }

// finish ends the inner hash and computes the outer one into out.
func (h *hasher) finish(m *mac, out *[32]byte) {
	h.end()
	h.state.Put((*[32]byte)(h.block[:]))
	h.state, h.size = m.outer, sha2.Block+32
	h.end()
	h.state.Put(out)
	*h = hasher{}
}

// end compresses what is left, with its padding.
func (h *hasher) end() {
	n := h.size % sha2.Block
	h.block[n] = 0x80
	clear(h.block[n+1:])
	if n+1 > sha2.Block-8 {
		compress(&h.state, h.block[:])
		clear(h.block[:])
	}
	binary.BigEndian.PutUint64(h.block[sha2.Block-8:], uint64(h.size)*8)
	compress(&h.state, h.block[:])
}

// sum computes HMAC of a || b.
func (m *mac) sum(out *[32]byte, a, b []byte) {
	var h hasher
	h.begin(m)
	h.write(a)
	h.write(b)
	h.finish(m, out)
}

// numbered computes HMAC(label || u32 g || u64 n), the form of a row's name.
func (m *mac) numbered(out *[32]byte, label byte, g uint32, n uint64) {
	var b [13]byte
	b[0] = label
	binary.BigEndian.PutUint32(b[1:], g)
	binary.BigEndian.PutUint64(b[5:], n)
	m.sum(out, b[:], nil)
}

// number computes HMAC(u64 n).
func (m *mac) number(out *[32]byte, n uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	m.sum(out, b[:], nil)
}

// expand is HKDF-Expand (RFC 5869) of label || info to 32 or 64 bytes, where m
// is HMAC under the pseudorandom key.
func (m *mac) expand(out []byte, label string, info []byte) {
	var t [32]byte
	for i := 0; i*32 < len(out); i++ {
		var h hasher
		h.begin(m)
		if i > 0 {
			h.write(t[:])
		}
		h.write([]byte(label))
		h.write(info)
		h.writeByte(byte(i + 1))
		h.finish(m, &t)
		copy(out[i*32:], t[:])
	}
	clear(t[:])
}

// sum256 is SHA-256 of rows, which are sealed: nothing has to be wiped.
func sum256(p []byte) (out [32]byte) {
	if !fast {
		return sha256.Sum256(p)
	}
	s, whole := sha2.IV, len(p)/sha2.Block*sha2.Block
	sha2.One(&s, p[:whole])
	var end [2 * sha2.Block]byte
	sha2.One(&s, sha2.Pad(append(end[:0], p[whole:]...), len(p)))
	s.Put(&out)
	return out
}

// fast says whether MACs go through [sha2].
var fast = sha2.Fast

// compress hashes whole blocks into a state.
func compress(s *sha2.State, blocks []byte) {
	if fast {
		sha2.One(s, blocks)
		return
	}
	if len(blocks) > 0 {
		compressStandard(s, blocks)
	}
}

// compressStandard is compress by way of crypto/sha256, which takes a state and gives
// one back in the form in which it marshals itself.
func compressStandard(s *sha2.State, blocks []byte) {
	d := getDigest()
	for i, w := range s {
		binary.BigEndian.PutUint32(d.state[4+4*i:], w)
	}
	d.set()
	for len(blocks) > 0 {
		n := copy(d.buf[:], blocks) // so that they do not escape to the heap
		d.hash.Write(d.buf[:n])
		blocks = blocks[n:]
	}
	if b, err := d.hash.(encoding.BinaryAppender).AppendBinary(d.state[:0]); err != nil || len(b) != stateLen {
		panic("keystore: crypto/sha256 marshals its state differently")
	}
	for i := range s {
		s[i] = binary.BigEndian.Uint32(d.state[4+4*i:])
	}
	d.release()
}

// stateLen is the length of a marshalled state of SHA-256: the magic, the eight words,
// what is not compressed yet, which is nothing, and the length so far, which is not
// looked at where whole blocks are compressed.
const stateLen = 4 + 32 + sha2.Block + 8

// A digest is the scratch of compressStandard. It is pooled, except in secret
// mode, where memory that is to be erased must be allocated inside the call.
type digest struct {
	hash  hash.Hash
	state [stateLen]byte
	buf   [2 * sha2.Block]byte
}

var digests = sync.Pool{New: func() any { return newDigest() }}

func newDigest() *digest {
	d := &digest{hash: sha256.New()}
	copy(d.state[:], "sha\x03")
	return d
}

func getDigest() *digest {
	if runtimeSecret {
		return newDigest()
	}
	return digests.Get().(*digest)
}

// set gives the digest the state, with no bytes before it.
func (d *digest) set() {
	clear(d.state[36:])
	if err := d.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(d.state[:]); err != nil {
		panic("keystore: restoring a hash state: " + err.Error())
	}
}

// release wipes what the computation left and returns the scratch.
func (d *digest) release() {
	clear(d.state[4:])
	clear(d.buf[:])
	d.set() // overwrites state and buffer of the digest
	if !runtimeSecret {
		digests.Put(d)
	}
}
