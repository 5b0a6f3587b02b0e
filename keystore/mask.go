package keystore

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
	"sync"
)

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

// mask applies the envelope mask of generation g, in place; twice is none. It is the
// AES-256-CTR keystream (SP 800-38A) from the block leaf[2:14] || u32 2 on.
func (g *generation) mask(leaf, env []byte) {
	if g.stream == nil {
		g.maskAlone(leaf, env)
		return
	}
	room := maskRooms.Get().(*[]byte)
	sealed := g.stream.Seal((*room)[:0], leaf[2:14], env, nil)
	copy(env, sealed) // without the tag
	if cap(sealed) <= maxMaskRoom {
		*room = sealed
	}
	maskRooms.Put(room)
}

const maxMaskRoom = 8 << 10

var maskRooms = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

// newStream gives the keystream in a form that needs no memory for each envelope, as that of
// crypto/cipher does: what AES-256-GCM (SP 800-38D) encrypts with, whose tag is thrown away.
// Nil where expanded keys must not lie in memory that nobody wipes.
func newStream(key *Secret) cipher.AEAD {
	if runtimeSecret {
		return nil
	}
	a, err := cipher.NewGCM(newAES(key))
	if err != nil {
		panic("keystore: " + err.Error()) // only for a cipher of another block
	}
	return a
}

// maskAlone is mask with nothing prepared.
func (g *generation) maskAlone(leaf, env []byte) {
	var block [aes.BlockSize]byte
	copy(block[:], leaf[2:14])
	block[15] = 2
	cipher.NewCTR(newAES(&g.env), block[:]).XORKeyStream(env, env)
}

func newAES(key *Secret) cipher.Block {
	b, err := aes.NewCipher(key[:])
	if err != nil {
		panic("keystore: " + err.Error()) // only for a key of another length
	}
	return b
}
