package envelope

import (
	"encoding/binary"

	"github.com/lacunalog/lacuna/merkle/sha2"
)

// More than half of what a seal costs is SHA-256. Where the processor has
// instructions for it, suite 1 is sealed with package sha2: members are hashed two
// at a time, and so are the list of their digests and the envelope; the pads of an
// HMAC key are hashed once for all that is derived from it. The bytes are the same:
// a test holds one way against the other. Suite 2 stays with the FIPS module. A field
// opening is checked with the standard library; a full one, which has all secrets of
// its event, is checked as it was sealed.
var paired = sha2.Fast

func (s Suite) paired() bool { return paired && s == ChaCha20Poly1305 }

// hmacKey is HMAC-SHA256 under a key of 32 bytes: the states behind its two pads.
type hmacKey struct{ inner, outer sha2.State }

func (k *hmacKey) set(key *[32]byte) {
	var ipad, opad [64]byte
	pads(key, &ipad, &opad)
	k.inner, k.outer = sha2.IV, sha2.IV
	sha2.Two(&k.inner, &k.outer, ipad[:], opad[:])
	clear(ipad[:])
	clear(opad[:])
}

// sum writes the MAC of a message of n bytes, which stands at the start of whole
// blocks. Their rest is padding, and is written here.
func (k *hmacKey) sum(out *[32]byte, blocks []byte, n int) {
	padBehind(blocks, n, sha2.Block+n)
	s := k.inner
	sha2.One(&s, blocks)
	var last [sha2.Block]byte
	s.Put((*[32]byte)(last[:]))
	padBehind(last[:], 32, sha2.Block+32)
	s = k.outer
	sha2.One(&s, last[:])
	s.Put(out)
	s = sha2.State{}
	clear(last[:])
}

// padBehind fills blocks up behind their first n bytes, as the end of a message of
// a size.
func padBehind(blocks []byte, n, size int) {
	blocks[n] = 0x80
	clear(blocks[n+1:])
	binary.BigEndian.PutUint64(blocks[len(blocks)-8:], uint64(size)*8)
}

// derivePaired is derive.
func (p *parts) derivePaired(suite Suite, secret *[32]byte) {
	var k hmacKey
	k.set(secret)
	var block [sha2.Block]byte
	n := 0 // of T(i-1) before the label
	for i, out := range [4]*[32]byte{&p.k, &p.kc, &p.s, &p.r} {
		end := n + copy(block[n:], labelParts)
		block[end], block[end+1] = byte(suite), byte(i+1)
		k.sum(out, block[:], end+2)
		n = copy(block[:], out[:])
	}
	clear(block[:])
	k = hmacKey{}
}

// leafPaired is leafOf.
func leafPaired(r, origin, dE, dP *[32]byte) (leaf [34]byte) {
	leaf[0], leaf[1] = leafVersion, leafSealed
	var k hmacKey
	k.set(r)
	var blocks [2 * sha2.Block]byte
	n := copy(blocks[:], labelLeaf)
	n += copy(blocks[n:], origin[:])
	n += copy(blocks[n:], dE[:])
	n += copy(blocks[n:], dP[:])
	k.sum((*[32]byte)(leaf[2:]), blocks[:], n)
	k = hmacKey{}
	return leaf
}

// digestsPaired writes the digest of each D_i to its place in the list.
func (w *work) digestsPaired(salts, event []byte, list []byte) {
	// All D_i one behind the other, each padded to whole blocks.
	enc, at := w.enc[:0], &w.ends
	at[0] = 0
	for i := range w.spans.n {
		w.triple(salts, event, i)
		from := len(enc)
		enc = appendEncode64(enc, w.json)
		enc = sha2.Pad(enc, len(enc)-from)
		at[i+1] = uint32(len(enc))
	}
	w.enc = enc

	pair := func(i, j int) {
		s, t := sha2.IV, sha2.IV
		sha2.Two(&s, &t, enc[at[i]:at[i+1]], enc[at[j]:at[j+1]])
		s.Put((*[32]byte)(list[w.places[i]:]))
		t.Put((*[32]byte)(list[w.places[j]:]))
	}
	// Two of one length each; what is left over in the end has others for company.
	var waiting [8]int // number of the member plus one, by blocks
	for i := range w.spans.n {
		wait := &waiting[min(int(at[i+1]-at[i])/sha2.Block, len(waiting))-1]
		if *wait == 0 {
			*wait = i + 1
		} else {
			pair(i, *wait-1)
			*wait = 0
		}
	}
	left := 0
	for _, i := range waiting {
		switch {
		case i == 0:
		case left == 0:
			left = i
		default:
			pair(left-1, i-1)
			left = 0
		}
	}
	if left != 0 {
		s := sha2.IV
		sha2.One(&s, enc[at[left-1]:at[left]])
		s.Put((*[32]byte)(list[w.places[left-1]:]))
	}
}

// hashPaired hashes the list and the labelled envelope, both of which have room for
// their padding.
func hashPaired(list, labelled []byte) (dP, dE [32]byte) {
	s, t := sha2.IV, sha2.IV
	sha2.Two(&s, &t, sha2.Pad(list, len(list)), sha2.Pad(labelled, len(labelled)))
	return s.Digest(), t.Digest()
}
