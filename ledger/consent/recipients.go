package consent

import (
	"cmp"
	"slices"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
)

// Disclosure is what one recipient received for one purpose under one name.
type Disclosure struct {
	Recipient   string
	Purpose     string
	Ref         string   // how the recipient knows the person; "" if it was not said
	Attributes  []string // names, sorted
	First, Last time.Time
	Count       uint64
	Index       uint64 // of the newest disclosure
}

// share is a Disclosure as a state holds it; never changed.
type share struct {
	recipient, purpose, ref string
	attributes              []string
	first, last             int64
	count, index            uint64
}

func compareShares(a, b *share) int {
	return cmp.Or(cmp.Compare(a.recipient, b.recipient), cmp.Compare(a.purpose, b.purpose), cmp.Compare(a.ref, b.ref))
}

func (s *State) share(e *event.Event, at int64, index uint64) {
	x := &share{recipient: e.Str("recipient"), purpose: e.Str("purpose"), ref: e.Str("recipient_ref"), first: at, last: at, index: index}
	x.attributes = e.Strings("attributes")
	slices.Sort(x.attributes)
	x.attributes = slices.Compact(x.attributes)
	i, found := slices.BinarySearchFunc(s.shares, x, compareShares)
	shares := slices.Clone(s.shares)
	if found {
		old := s.shares[i]
		x.count, x.first, x.last, x.index = old.count, min(old.first, at), max(old.last, at), max(old.index, index)
		x.attributes = slices.Concat(x.attributes, old.attributes)
		slices.Sort(x.attributes)
		x.attributes = slices.Compact(x.attributes)
		shares[i] = x
	} else {
		shares = slices.Insert(shares, i, x)
	}
	x.count++
	s.shares = shares
}

// Recipients returns who received data of the person, what, and how they know
// the person: the list that Art. 19 asks for after an erasure, so it has to be
// read before the key dies. Sorted by recipient, purpose and reference.
func (s *State) Recipients() []Disclosure {
	if s == nil {
		return nil
	}
	out := make([]Disclosure, len(s.shares))
	for i, x := range s.shares {
		out[i] = Disclosure{x.recipient, x.purpose, x.ref, slices.Clone(x.attributes), fromMilli(x.first), fromMilli(x.last), x.count, x.index}
	}
	return out
}
