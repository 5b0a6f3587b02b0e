package keystore

import (
	"crypto/cipher"
	"fmt"
	"io"
	"runtime"
	"sync"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"
)

// chachaBlock is how much keystream one value of the counter gives.
const chachaBlock = 64

// A Mask covers the rows of one generation. Who has begun to read under a generation
// may end with its mask when a sweep has replaced it: a Mask stays usable.
type Mask struct{ g *generation }

// Generation is that of the mask.
func (m Mask) Generation() uint32 { return m.g.g }

// Envelope masks an envelope in place, or unmasks it: the same call does both. leaf
// is the sealed leaf that it belongs to.
func (m Mask) Envelope(leaf, env []byte) { m.g.mask(leaf, env) }

// Tags reports whether request tags can be read, too, and not only envelopes: those of
// an earlier generation that was kept for backups cannot.
func (m Mask) Tags() bool { return !m.g.kept() }

// Tag masks or unmasks a request tag and its MAC, in place. leaf is the leaf that the
// request became. The mask is that of the generation, so what a sweep leaves out
// cannot be looked for in what was written before it, and K_tags need not change.
func (m Mask) Tag(leaf []byte, tag *[32]byte) {
	var k [32]byte
	m.g.tagMAC.sum(&k, leaf, nil)
	for i := range tag {
		tag[i] ^= k[i]
	}
}

func (Mask) String() string             { return redactedSecret }
func (Mask) GoString() string           { return redactedSecret }
func (Mask) Format(f fmt.State, _ rune) { io.WriteString(f, redactedSecret) }

// mask applies the envelope mask of generation g, in place; twice is none. It is
// the ChaCha20 keystream (RFC 8439) from counter 0 on, with bytes of the leaf for
// a nonce.
func (g *generation) mask(leaf, env []byte) {
	nonce := leaf[2:14]
	head := env
	if g.stream != nil && len(env) > chachaBlock {
		head = env[:chachaBlock]
	}
	c, err := chacha20.NewUnauthenticatedCipher(g.env[:], nonce)
	if err != nil {
		panic("keystore: " + err.Error())
	}
	c.XORKeyStream(head, head)
	if rest := env[len(head):]; len(rest) > 0 {
		room := maskRooms.Get().(*[]byte)
		sealed := g.stream.Seal((*room)[:0], nonce, rest, nil)
		copy(rest, sealed) // without the tag
		if cap(sealed) <= maxMaskRoom {
			*room = sealed
		}
		maskRooms.Put(room)
	}
}

const maxMaskRoom = 8 << 10

var maskRooms = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

// newStream gives the keystream from counter 1 on, several times faster than the
// cipher itself: on amd64 x/crypto has assembly for ChaCha20 inside the AEAD only,
// which seals with the keystream from counter 1. Its tag is thrown away. Nil where
// there is nothing to win, or where keys must not lie outside of guarded memory.
func newStream(key *Secret) cipher.AEAD {
	if runtime.GOARCH != "amd64" || runtimeSecret {
		return nil
	}
	a, err := chacha20poly1305.New(key[:])
	if err != nil {
		panic("keystore: " + err.Error()) // only for a key of another length
	}
	return a
}
