package keystore

import (
	"fmt"
	"testing"
)

// TestPlaintextInOnePlace: what an image says in the clear is written into the room that
// is wiped afterwards, or, where that is too small, into one that is made for it, which
// is wiped too. Any further one would be a copy of secrets that nobody wipes.
func TestPlaintextInOnePlace(t *testing.T) {
	many := newSystem(1)
	for i := range 200 {
		many.names = append(many.names, fmt.Sprintf("a compartment that has a long name %d", i))
	}
	for name, c := range map[string]struct {
		page *page
		fits bool
	}{
		"leaf":                     {&page{kind: kindLeaf, entries: make([]entry, maxEntries)}, true},
		"leaf of one person alone": {&page{kind: kindLeaf, entries: make([]entry, maxEntries+1)}, false},
		"interior":                 {&page{kind: kindInterior, children: randomChildren()}, true},
		"system":                   {&page{kind: kindSystem, sys: newSystem(1).open()}, true},
		"system of many names":     {&page{kind: kindSystem, sys: many}, false},
	} {
		room, most := new(scratch), 0.0
		if !c.fits {
			most = 2 // with the race detector slices.Grow makes one that stays empty
		}
		if n := testing.AllocsPerRun(10, func() { c.page.appendPlaintext(room[:0]) }); n > most {
			t.Errorf("%s: %v pieces of memory beside the room", name, n)
		}
	}
}
