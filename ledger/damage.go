package ledger

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
)

// Unread is an event that cannot be read although its key is there: its sealed form, or its entry, is damaged.
type Unread struct {
	Index       uint64
	Compartment string
	Cohort      string
	Why         error
}

// holdsOn returns the holds that may stand against destroying a key. Where something about the person's rights cannot
// be read, it may be the release of a hold, and nobody could record another one: then the flags of the key say whether
// it is held. They are written before a hold is recorded and taken back behind its release.
func holdsOn(k keystore.KeyInfo, holds []consent.Hold, unread []Unread) []consent.Hold {
	release := func(u Unread) bool { return u.Compartment == event.RightsRecords }
	if !k.Held && slices.ContainsFunc(unread, release) {
		return nil
	}
	return holds
}

// consentUnread says whether what cannot be read may be a consent. It allows nothing while it cannot, and may be read
// again one day: a disk may have failed for a moment, or a row may come back from a backup.
func consentUnread(sub *subject) bool {
	return slices.ContainsFunc(sub.unread, func(u Unread) bool { return u.Compartment == event.ConsentEvidence })
}

// errEndUnread says that no event can follow the last one of a chain, because that is not known.
var errEndUnread = errors.New("the last event of the chain cannot be read")

// endsReadable says whether an event can be chained to those before it. That takes the leaf of the last one and not
// what is sealed, so it is only where the log itself, or the list of the key, is damaged that it cannot.
func (l *Ledger) endsReadable(sub *subject, ev *event.Event) error {
	if len(sub.unread) == 0 {
		return nil
	}
	route, _, err := event.Route(l.register.Load(), sub.speculative, ev)
	if err != nil {
		return err
	}
	for k, c := range sub.chains.all() {
		if k.compartment == route.Compartment && k.cohort.String() == route.Cohort && c.head == (merkle.Hash{}) {
			return fmt.Errorf("recording %s: %w", ev.Type(), errEndUnread)
		}
	}
	return nil
}
