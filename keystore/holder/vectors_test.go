package holder

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/internal/block"
)

var update = flag.Bool("update", false, "write the test vectors anew")

// The vectors of docs/spec/holder-slot.md.
type vectors struct {
	About []string     `json:"about"`
	Slots []slotVector `json:"slots"`
	Pages []pageVector `json:"page_files"`
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

func makeVectors() *vectors {
	v := &vectors{About: []string{
		"Test vectors for docs/spec/holder-slot.md. Bytes are lower-case hex. Shares are for tests only.",
		"slots: bytes are the first 128 of a block of 4,096; the others are zero, but for the one at the offset at, where there is one.",
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

func TestVectors(t *testing.T) {
	const file = "../../docs/spec/vectors/holder-slot.json"
	v := makeVectors()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from what the code gives; -update writes it anew", file)
	}
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
	for _, x := range v.Pages {
		b, _ := hex.DecodeString(x.Bytes)
		epoch, pages, err := parsePages(b)
		if (err == nil) != x.Valid || x.Valid && (epoch != x.Epoch || len(pages) != len(x.Pages)) {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
}

func FuzzSlot(f *testing.F) {
	var b [block.Size]byte
	s := slot{share: keystore.Share{Epoch: 1}}
	s.put(b[:])
	f.Add(b[:])
	f.Add(b[:slotLen])
	f.Add(make([]byte, block.Size))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s slot
		if s.parse(b) != nil {
			return
		}
		var c [block.Size]byte
		if s.put(c[:]); !bytes.Equal(b, c[:]) {
			t.Fatal("a slot is not written as it was read")
		}
	})
}

func FuzzPages(f *testing.F) {
	f.Add(appendPages(nil, 1, nil))
	f.Add(appendPages(nil, 7, []keystore.KV{{Key: []byte("k"), Value: []byte("v")}}))
	f.Add([]byte(pagesMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		epoch, pages, err := parsePages(b)
		if err == nil && !bytes.Equal(appendPages(nil, epoch, pages), b) {
			t.Fatal("a page file is not written as it was read")
		}
	})
}
