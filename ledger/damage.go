package ledger

import (
	"errors"
	"slices"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
)

// Unread is an event that cannot be read although its key is there: its sealed form, or its entry, is damaged.
type Unread struct {
	Index       uint64
	Compartment string
	Cohort      string
	Why         error
}

// Known says whether it is known which entry it is.
func (u *Unread) Known() bool { return u.Index != unknownIndex }

// holdsOn returns the holds that may stand against destroying a key. Where something about the person's rights cannot
// be read, it may be the release of a hold, and nobody could record another one: then the flags of the key say whether
// it is held. They are written before a hold is recorded and taken back behind its release.
func holdsOn(k keystore.KeyInfo, holds []consent.Hold, unread []Unread) []consent.Hold {
	if !k.Held && unreadUnder(unread, event.RightsRecords) {
		return nil
	}
	return holds
}

// unreadUnder says whether something in a compartment cannot be read.
func unreadUnder(unread []Unread, compartment string) bool {
	return slices.ContainsFunc(unread, func(u Unread) bool { return u.Compartment == compartment })
}

// errEndUnread says that no event can follow the last one of a chain, because its leaf cannot be read. Chaining takes the leaf
// and not what is sealed, so it is only where the log itself, or the list of the key, is damaged.
var errEndUnread = errors.New("the last event of the chain cannot be read")
