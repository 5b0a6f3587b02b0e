package holder

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/internal/block"
)

// The vectors of docs/spec/holder-slot.md.
type allVectors struct {
	About  []string       `json:"about"`
	Slots  []slotVector   `json:"slots"`
	Sealed []sealedVector `json:"sealed_slots"`
	Pages  []pageVector   `json:"page_files"`
}

type slotVector struct {
	Name    string `json:"name"`
	Valid   bool   `json:"valid"`
	Holder  string `json:"holder,omitempty"`
	Tree    string `json:"tree,omitempty"`
	Epoch   uint64 `json:"epoch,omitempty"`
	Attempt string `json:"attempt,omitempty"`
	Share   string `json:"share,omitempty"`
	Bytes   string `json:"bytes"`
	At      int    `json:"at,omitempty"`
	Byte    int    `json:"byte,omitempty"`
}

type sealedVector struct {
	Name       string `json:"name"`
	Valid      bool   `json:"valid"`
	Passphrase string `json:"passphrase"`
	Passes     uint32 `json:"passes,omitempty"`
	Memory     uint32 `json:"memory_kib,omitempty"`
	Lanes      uint8  `json:"lanes,omitempty"`
	Salt       string `json:"salt,omitempty"`
	Key        string `json:"key"` // argon2id
	Epoch      uint64 `json:"epoch,omitempty"`
	Share      string `json:"share,omitempty"`
	Bytes      string `json:"bytes"`
}

type pageVector struct {
	Name  string     `json:"name"`
	Valid bool       `json:"valid"`
	Epoch uint64     `json:"epoch,omitempty"`
	Pages [][]string `json:"pages,omitempty"`
	Bytes string     `json:"bytes"`
}

func count(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func makeVectors() *allVectors {
	v := &allVectors{About: []string{
		"Test vectors for docs/spec/holder-slot.md. Bytes are lower-case hex. Shares are for tests only.",
		"slots: bytes are the first 128 of a block of 4,096; the others are zero, but for the one at the offset at, where there is one.",
		"sealed_slots: bytes are the first 169 of a block, the others zero; key is argon2id of the passphrase with the costs and the salt that the bytes name.",
		"page_files: pages are key and value. valid false: a reader refuses these bytes.",
	}}
	s := slot{keystore.HolderID(count(0x10, 16)), keystore.Share{
		Tree: keystore.TreeID(count(0x20, 16)), Epoch: 300, Attempt: keystore.Attempt(count(0x30, 16)), Secret: keystore.Secret(count(0x40, 32)),
	}}
	var b [block.Size]byte
	s.put(b[:])
	add := func(name string, valid bool, change func([]byte)) {
		c := bytes.Clone(b[:])
		change(c)
		x := slotVector{Name: name, Valid: valid, Bytes: hex.EncodeToString(c[:slotLen])}
		for i, o := range c[slotLen:] {
			if o != 0 {
				x.At, x.Byte = slotLen+i, int(o)
			}
		}
		if valid {
			x.Holder, x.Tree, x.Epoch = s.holder.String(), s.share.Tree.String(), s.share.Epoch
			x.Attempt, x.Share = s.share.Attempt.String(), hex.EncodeToString(s.share.Secret[:])
		}
		v.Slots = append(v.Slots, x)
	}
	add("a share", true, func([]byte) {})
	add("another magic", false, func(b []byte) { b[7] = '2' })
	add("one bit of the share changed: no share, and still to be overwritten", false, func(b []byte) { b[70] ^= 1 })
	add("the check sum cut off", false, func(b []byte) { clear(b[sumAt:]) })
	add("something behind the check sum", false, func(b []byte) { b[4095] = 1 })
	zero := s
	zero.share.Epoch = 0
	add("epoch 0", false, func(b []byte) { zero.put(b) })
	add("nothing", false, func(b []byte) { clear(b) })

	v.sealed(&s)

	file := appendPages(nil, 300, []keystore.KV{{Key: []byte("k1"), Value: []byte("value 1")}, {Key: []byte("k22"), Value: []byte("v")}})
	v.Pages = append(v.Pages,
		pageVector{"two pages", true, 300, [][]string{{"6b31", "76616c75652031"}, {"6b3232", "76"}}, hex.EncodeToString(file)},
		pageVector{"no page", true, 1, nil, hex.EncodeToString(appendPages(nil, 1, nil))},
		pageVector{Name: "cut off", Bytes: hex.EncodeToString(file[:len(file)-1])},
		pageVector{Name: "one byte more", Bytes: hex.EncodeToString(append(bytes.Clone(file), 0))},
		pageVector{Name: "an empty value", Bytes: hex.EncodeToString(appendPages(nil, 1, []keystore.KV{{Key: []byte("k")}}))},
		pageVector{Name: "epoch 0", Bytes: hex.EncodeToString(appendPages(nil, 0, nil))},
	)
	return v
}

// sealed makes the vectors of slots that a passphrase seals.
func (v *allVectors) sealed(s *slot) {
	const words = "nine quiet herons over the weir"
	l := lock{cost{2, 64, 2}, [16]byte(count(0x60, 16))}
	open := func(words string) *sealing {
		keys := Passphrase(func() ([]byte, error) { return []byte(words), nil }).ring()
		by, err := keys.sealing(l)
		if err != nil {
			panic(err)
		}
		return by
	}
	by := open(words)
	var b [block.Size]byte
	if err := s.putSealed(b[:], by); err != nil {
		panic(err)
	}
	add := func(name string, valid bool, words string, change func([]byte)) {
		c := bytes.Clone(b[:])
		change(c)
		sum := sha256.Sum256(c[:sealedSumAt])
		if !bytes.Equal(c[sealedSumAt:sealedLen], make([]byte, 32)) {
			copy(c[sealedSumAt:], sum[:]) // so that it is not the sum that refuses it
		}
		key := open(words).key
		x := sealedVector{Name: name, Valid: valid, Passphrase: words, Key: hex.EncodeToString(key[:]), Bytes: hex.EncodeToString(c[:sealedLen])}
		if valid {
			x.Passes, x.Memory, x.Lanes, x.Salt = l.passes, l.memory, l.lanes, hex.EncodeToString(l.salt[:])
			x.Epoch, x.Share = s.share.Epoch, hex.EncodeToString(s.share.Secret[:])
		}
		v.Sealed = append(v.Sealed, x)
	}
	add("a sealed share", true, words, func([]byte) {})
	add("another passphrase", false, words+" ", func([]byte) {})
	add("another magic", false, words, func(b []byte) { b[7] = '3' })
	add("the epoch changed", false, words, func(b []byte) { b[47]++ })
	add("the holder changed", false, words, func(b []byte) { b[8]++ })
	add("the share changed", false, words, func(b []byte) { b[sealedAt]++ })
	add("epoch 0", false, words, func(b []byte) { clear(b[40:48]) })
	add("more memory than a reader has to give", false, words, func(b []byte) { binary.BigEndian.PutUint32(b[68:], maxMemory+1) })
	add("no pass", false, words, func(b []byte) { clear(b[64:68]) })
	add("no lane", false, words, func(b []byte) { b[72] = 0 })
	add("the check sum cut off", false, words, func(b []byte) { clear(b[sealedSumAt:sealedLen]) })
}

func TestVectors(t *testing.T) {
	v := makeVectors()
	vectors.Same(t, "holder-slot.json", v)
	for _, x := range v.Slots {
		b := make([]byte, block.Size)
		hex.Decode(b, []byte(x.Bytes))
		if x.At > 0 {
			b[x.At] = byte(x.Byte)
		}
		var s slot
		if err := s.parse(b); (err == nil) != x.Valid || x.Valid && (s.share.Epoch != x.Epoch || s.holder.String() != x.Holder) {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
	for _, x := range v.Sealed {
		b := make([]byte, block.Size)
		hex.Decode(b, []byte(x.Bytes))
		var s slot
		l, err := s.parseSealed(b)
		if err == nil {
			by := &sealing{lock: l}
			hex.Decode(by.key[:], []byte(x.Key))
			err = s.openSealed(b, by)
		}
		if (err == nil) != x.Valid || x.Valid && (s.share.Epoch != x.Epoch || hex.EncodeToString(s.share.Secret[:]) != x.Share || l.memory != x.Memory) {
			t.Errorf("sealed slot, %s: %v", x.Name, err)
		}
	}
	for _, x := range v.Pages {
		b, _ := hex.DecodeString(x.Bytes)
		epoch, pages, err := parsePages(b)
		if (err == nil) != x.Valid || x.Valid && (epoch != x.Epoch || len(pages) != len(x.Pages)) {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
}
