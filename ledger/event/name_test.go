package event

import (
	"slices"
	"testing"
)

// TestNames: every name has its number, numbers are in canonical order, and what is
// no name has none.
func TestNames(t *testing.T) {
	if !slices.IsSortedFunc(names, compareNames) {
		t.Errorf("names are not in order: %v", names)
	}
	for i, text := range names {
		if n := nameOf(text); n != name(i) {
			t.Errorf("%s has number %d, want %d", text, n, i)
		}
		if needsEscape(text) {
			t.Errorf("%s is not its own JSON", text)
		}
		for _, other := range []string{"", text + text, text[1:], text + "\x00"} {
			if n := nameOf(other); n != unnamed && names[n] != other {
				t.Errorf("%q has the number of %s", other, names[n])
			}
		}
	}
	for _, typ := range Types() {
		for i := range typ.Fields {
			if at := typ.places[nameOf(typ.Fields[i].Name)]; int(at) != i {
				t.Errorf("%s: %s is at %d, want %d", typ.Name, typ.Fields[i].Name, at, i)
			}
		}
	}
}

// TestWhole: who appends to what an event returns gets memory of their own.
func TestWhole(t *testing.T) {
	e := mustParse(t, `{ "type" : "consent.withdrawn" , "subject" : "c-2" }`)
	one, two := append(e.Members(), Member{Name: "one"}), append(e.Members(), Member{Name: "two"})
	if one[e.Len()].Name != "one" || two[e.Len()].Name != "two" {
		t.Errorf("%v and %v", one[e.Len()], two[e.Len()])
	}
	for _, e := range []*Event{e, e.WithString("id", "e-1")} {
		a, b := append(e.Canonical(), 'a'), append(e.Canonical(), 'b')
		if a[len(a)-1] != 'a' || b[len(b)-1] != 'b' {
			t.Errorf("%s and %s", a, b)
		}
	}
}
