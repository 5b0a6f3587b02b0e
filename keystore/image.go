package keystore

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	labelImage = "lacuna/v1/image"
	labelDelta = "lacuna/v1/delta"
	labelPage  = "lacuna/v1/page"

	suiteChaCha = 1

	saltLen    = 16
	imageSalt  = 32
	headerLen  = 1 + 1 + 1 + 1 + 16 + 8 + 8 + 4 + 32 + imageSalt
	imageOver  = headerLen + 32 + chacha20poly1305.Overhead
	deltaLen   = saltLen + entrySize + chacha20poly1305.Overhead
	maxPageLen = 1 << 24
)

// What a page's image holds.
type kind uint8

const (
	kindTop      kind = 1 // 64 child keys, under the root
	kindInterior kind = 2 // 64 child keys
	kindLeaf     kind = 3 // entries
	kindSystem   kind = 4 // the system secrets
)

// A header stands in the clear before every image and is bound to it:
//
//	suite | kind | level | bits | tree16 | u64 start | u64 epoch | u32 version | chain32 | salt32
type header struct {
	kind    kind
	at      addr
	bits    uint8
	tree    TreeID
	epoch   uint64
	version uint32
	chain   [32]byte // SHA-256 of the row before in the life of this page
	salt    [imageSalt]byte
}

func (h *header) append(b []byte) []byte {
	b = append(b, suiteChaCha, byte(h.kind), h.at.level, h.bits)
	b = append(b, h.tree[:]...)
	b = binary.BigEndian.AppendUint64(b, h.at.start)
	b = binary.BigEndian.AppendUint64(b, h.epoch)
	b = binary.BigEndian.AppendUint32(b, h.version)
	b = append(b, h.chain[:]...)
	return append(b, h.salt[:]...)
}

// parseHeader reads the head of an image strictly and returns the rest.
func parseHeader(b []byte) (h header, sealed []byte, err error) {
	if len(b) < imageOver || len(b) > maxPageLen {
		return h, nil, fmt.Errorf("a page image of %d bytes: %w", len(b), errCorrupt)
	}
	if b[0] != suiteChaCha {
		return h, nil, fmt.Errorf("a page image of suite %d: %w", b[0], errCorrupt)
	}
	h.kind = kind(b[1])
	h.at.level, h.bits = b[2], b[3]
	copy(h.tree[:], b[4:])
	h.at.start = binary.BigEndian.Uint64(b[20:])
	h.epoch = binary.BigEndian.Uint64(b[28:])
	h.version = binary.BigEndian.Uint32(b[36:])
	copy(h.chain[:], b[40:])
	copy(h.salt[:], b[72:])
	if err := h.check(); err != nil {
		return h, nil, err
	}
	return h, b[headerLen:], nil
}

// check refuses a header that no tree can have.
func (h *header) check() error {
	lo, hi := uint(0), uint(0)
	if h.at.level > 0 {
		lo, hi = slotBits*uint(h.at.level-1), slotBits*uint(h.at.level)
	}
	bits := uint(h.bits)
	ok := h.at.level <= maxLevel && h.epoch > 0
	switch h.kind {
	case kindTop:
		ok = ok && h.at == topAddr && bits == 0
	case kindSystem:
		ok = ok && h.at == systemAddr && bits == hi
	case kindInterior:
		ok = ok && h.at.level > 0 && h.at.level < maxLevel && bits == hi && h.at != systemAddr
	case kindLeaf:
		ok = ok && h.at.level > 0 && lo <= bits && bits <= hi && h.at != systemAddr
	default:
		ok = false
	}
	if !ok || h.at.start != prefix(h.at.start, bits) {
		return fmt.Errorf("a page image's header: %w", errCorrupt)
	}
	return nil
}

func (h *header) path() Path { return Path{h.at.level, h.at.start, h.bits} }

// sealImage seals plaintext, which it does not keep, under a page's key. The
// salt makes the derived key single-use even where a write is tried again with
// other contents.
func sealImage(m *mac, h header, plaintext []byte) []byte {
	rand.Read(h.salt[:])
	return sealImageSalted(m, h, plaintext)
}

func sealImageSalted(m *mac, h header, plaintext []byte) []byte {
	b := h.append(make([]byte, 0, imageOver+len(plaintext)))
	sum := sum256(b)
	var k [64]byte
	m.expand(k[:], labelImage, sum[:])
	b = append(b, k[32:]...)
	b = sealAEAD(b, k[:32], plaintext, b[:headerLen])
	clear(k[:])
	return b
}

// openImage opens what parseHeader left, where raw is the whole image. A key
// that does not fit gives errWrongKey, before the AEAD is tried: plain AEADs are
// not key-committing.
func openImage(m *mac, raw []byte) ([]byte, error) { return openImageInto(nil, m, raw) }

// openImageInto is openImage that appends the plaintext to dst.
func openImageInto(dst []byte, m *mac, raw []byte) ([]byte, error) {
	if len(raw) < imageOver {
		return nil, errCorrupt
	}
	sum := sum256(raw[:headerLen])
	var k [64]byte
	m.expand(k[:], labelImage, sum[:])
	defer clear(k[:])
	if !equal(k[32:], raw[headerLen:headerLen+32]) {
		return nil, errWrongKey
	}
	return openAEAD(dst, k[:32], raw[headerLen+32:], raw[:headerLen])
}

// deltaAD is tree16 | level | u64 start | u64 epoch | u32 n | SHA-256 of the row
// before, which for the first delta is the image.
func deltaAD(tree *TreeID, at addr, epoch uint64, n uint32, before *[32]byte) (ad [16 + 1 + 8 + 8 + 4 + 32]byte) {
	copy(ad[:], tree[:])
	ad[16] = at.level
	binary.BigEndian.PutUint64(ad[17:], at.start)
	binary.BigEndian.PutUint64(ad[25:], epoch)
	binary.BigEndian.PutUint32(ad[33:], n)
	copy(ad[37:], before[:])
	return ad
}

// sealDelta seals one entry, new or changed.
func sealDelta(m *mac, tree *TreeID, at addr, epoch uint64, n uint32, before *[32]byte, e *entry) []byte {
	var salt [saltLen]byte
	rand.Read(salt[:])
	return sealDeltaSalted(m, tree, at, epoch, n, before, e, salt)
}

func sealDeltaSalted(m *mac, tree *TreeID, at addr, epoch uint64, n uint32, before *[32]byte, e *entry, salt [saltLen]byte) []byte {
	b := append(make([]byte, 0, deltaLen), salt[:]...)
	var k [32]byte
	m.expand(k[:], labelDelta, b)
	ad := deltaAD(tree, at, epoch, n, before)
	var p [entrySize]byte
	e.put(p[:])
	b = sealAEAD(b, k[:], p[:], ad[:])
	clear(k[:])
	clear(p[:])
	return b
}

func openDelta(m *mac, tree *TreeID, at addr, epoch uint64, n uint32, before *[32]byte, raw []byte, e *entry) error {
	if len(raw) != deltaLen {
		return fmt.Errorf("a delta of %d bytes: %w", len(raw), errCorrupt)
	}
	var k [32]byte
	m.expand(k[:], labelDelta, raw[:saltLen])
	defer clear(k[:])
	ad := deltaAD(tree, at, epoch, n, before)
	var buf [entrySize]byte
	p, err := openAEAD(buf[:0], k[:], raw[saltLen:], ad[:])
	if err != nil {
		return err
	}
	defer clear(p)
	return e.parse(p)
}

// The size classes of a leaf page, in entries. A page is larger than the largest
// only where one person alone needs it.
const maxEntries = 96

func sizeClass(n int) int {
	for _, c := range [...]int{8, 16, 32, 64, maxEntries} {
		if n <= c {
			return c
		}
	}
	return (n + 31) / 32 * 32
}

// appendLeaf writes entries and pads them to their size class.
func appendLeaf(b []byte, es []entry) []byte {
	from, n := len(b), sizeClass(len(es))*entrySize
	b = slices.Grow(b, n)[:from+n]
	clear(b[from:])
	for i := range es {
		es[i].put(b[from+i*entrySize:])
	}
	return b
}

func parseLeaf(b []byte) ([]entry, error) {
	n := len(b) / entrySize
	if n == 0 || len(b)%entrySize != 0 {
		return nil, fmt.Errorf("a leaf page of %d bytes: %w", len(b), errCorrupt)
	}
	used := 0
	for used < n && b[used*entrySize+52] != 0 {
		used++
	}
	es := make([]entry, 0, used+4)
	for ; len(es) < used; b = b[entrySize:] {
		var e entry
		if err := e.parse(b[:entrySize]); err != nil {
			return nil, err
		}
		es = append(es, e)
	}
	for _, c := range b {
		if c != 0 {
			return nil, fmt.Errorf("the padding of a leaf page: %w", errCorrupt)
		}
	}
	if sizeClass(len(es)) != n {
		return nil, fmt.Errorf("the size class of a leaf page: %w", errCorrupt)
	}
	return es, nil
}

func appendChildren(b []byte, c *[slots]Secret) []byte {
	for i := range c {
		b = append(b, c[i][:]...)
	}
	return b
}

func parseChildren(b []byte) (*[slots]Secret, error) {
	if len(b) != slots*32 {
		return nil, fmt.Errorf("an interior page of %d bytes: %w", len(b), errCorrupt)
	}
	c := new([slots]Secret)
	for i := range c {
		copy(c[i][:], b[i*32:])
	}
	return c, nil
}
