package keystore_test

import (
	"crypto/subtle"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
)

// TestListed: what a list row says opens under its key, generation and number alone, and as it was sealed. Sealed
// again for another row it has nothing in common with the first; two texts for one row are under two pads.
func TestListed(t *testing.T) {
	p := newPlain(t, keystore.Options{})
	lease := func(name string) *keystore.Lease {
		t.Helper()
		l, err := p.tree.Use(ctx, keystore.Subject(name), "marketing", 0)
		p.ok(err)
		t.Cleanup(l.Done)
		return l
	}
	type row struct {
		lease *keystore.Lease
		g     uint32
		seq   uint64
	}
	first, other := lease("somebody"), lease("somebody else")
	rows := []row{{first, 1, 16}, {first, 1, 17}, {first, 2, 16}, {other, 1, 16}}
	text := [keystore.ListedSize]byte{0, 0, 7, 18: 1}
	const tag = keystore.SealedListedSize - keystore.ListedSize
	for i, r := range rows {
		sealed := r.lease.SealListed(r.g, r.seq, &text)
		for j, x := range rows {
			got, err := x.lease.OpenListed(x.g, x.seq, &sealed)
			if i == j {
				if err != nil || got != text {
					t.Errorf("row %d: %x, %v", i, got, err)
				}
				continue
			}
			if err == nil || got != [keystore.ListedSize]byte{} {
				t.Errorf("row %d opens as row %d: %x", i, j, got)
			}
			again := x.lease.SealListed(x.g, x.seq, &text)
			if [tag]byte(sealed[:]) == [tag]byte(again[:]) || [keystore.ListedSize]byte(sealed[tag:]) == [keystore.ListedSize]byte(again[tag:]) {
				t.Errorf("rows %d and %d show that they say the same", i, j)
			}
		}
		for at := range sealed {
			sealed[at] ^= 1
			if got, err := r.lease.OpenListed(r.g, r.seq, &sealed); err == nil || got != [keystore.ListedSize]byte{} {
				t.Fatalf("row %d: byte %d was changed and nobody noticed", i, at)
			}
			sealed[at] ^= 1
		}
	}
	changed := text
	changed[2]++
	a, b := first.SealListed(1, 16, &text), first.SealListed(1, 16, &changed)
	var differ, plain [keystore.ListedSize]byte
	subtle.XORBytes(differ[:], a[tag:], b[tag:])
	subtle.XORBytes(plain[:], text[:], changed[:])
	if differ == plain {
		t.Error("two texts for one row are under one pad")
	}
}
