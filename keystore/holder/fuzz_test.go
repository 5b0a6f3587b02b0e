package holder

import (
	"bytes"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/internal/block"
)

// FuzzSlot: what is read as a slot is written as the same bytes, whatever else lies
// in a block is refused, and no block is read in two ways.
func FuzzSlot(f *testing.F) {
	s := slot{keystore.HolderID{1}, keystore.Share{Tree: keystore.TreeID{2}, Epoch: 3, Attempt: keystore.Attempt{4}, Secret: keystore.Secret{5}}}
	by := &sealing{lock: lock{cost{1, minPerLane, 1}, [16]byte{6}}, key: keystore.Secret{7}}
	var b [block.Size]byte
	s.put(b[:])
	f.Add(bytes.Clone(b[:slotLen]))
	if err := s.putSealed(b[:], by); err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Clone(b[:sealedLen]))
	f.Add([]byte(magic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, head []byte) {
		var b, again [block.Size]byte
		copy(b[:], head)
		var plain, sealed slot
		perr := plain.parse(b[:])
		l, serr := sealed.parseSealed(b[:])
		if perr == nil && serr == nil {
			t.Fatal("a slot of both kinds")
		}
		if perr == nil {
			if plain.put(again[:]); again != b {
				t.Error("a slot is written in another way than it was read")
			}
		}
		if serr == nil {
			by := &sealing{lock: l, key: keystore.Secret{7}}
			if sealed.openSealed(b[:], by) == nil {
				if err := sealed.putSealed(again[:], by); err != nil || again != b {
					t.Errorf("a sealed slot is written in another way than it was read: %v", err)
				}
			}
		}
	})
}

// FuzzPages: what is read as a page file is written as the same bytes.
func FuzzPages(f *testing.F) {
	f.Add(appendPages(nil, 300, []keystore.KV{{Key: []byte("k1"), Value: []byte("value 1")}, {Key: []byte("k22"), Value: []byte("v")}}))
	f.Add(appendPages(nil, 1, nil))
	f.Add([]byte(pagesMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		epoch, pages, err := parsePages(b)
		if err == nil && !bytes.Equal(appendPages(nil, epoch, pages), b) {
			t.Error("a page file is written in another way than it was read")
		}
	})
}
