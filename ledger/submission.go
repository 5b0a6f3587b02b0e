package ledger

import (
	"context"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle/log"
)

// Submission is a request that is queued: sealed, in its place in the person's
// chain, not yet durable.
type Submission struct {
	ticket *log.Ticket // nil where nothing had to be queued
	answer []Recorded  // index and leaf hash are filled in by Wait

	// Of whom the request is, and their state after it; nil where it is the
	// organisation's.
	stripe *stripe
	sub    *subject
	after  *consent.State
	exact  bool // the index makes no difference to after

	events []*event.Event // as the fold of the person's state takes them, where it does
	tags   [][16]byte
	mac    [16]byte
	at     time.Time
	leases []*keystore.Lease

	// urgent: part of an erasure, which does not wait for a bigger disk.
	urgent bool

	feed *feedAt // where the request stands in the queue that it came from; nil: it does not say

	id  string // of the request, "" where it came without
	tag [16]byte

	// Most requests become one event, which finds its room here.
	one struct {
		answer [1]Recorded
		events [1]*event.Event
		tags   [1][16]byte
		leases [1]*keystore.Lease
		sealed sealed
	}
}

// newSubmission begins with a request: its id, "" where it has none, and a MAC of
// its content.
func newSubmission(id string, mac [16]byte, at time.Time) *Submission {
	s := &Submission{id: id, mac: mac, at: at}
	s.answer, s.events, s.tags, s.leases = s.one.answer[:0], s.one.events[:0], s.one.tags[:0], s.one.leases[:0]
	return s
}

// Wait returns when the request is durable, integrated and covered by a signed
// checkpoint. A context that ends ends the wait, not the request: sending the
// same id again tells what became of it.
func (s *Submission) Wait(ctx context.Context) ([]Recorded, error) { return s.wait(ctx, nil) }

// wait is Wait; the answer goes into room, where it fits.
func (s *Submission) wait(ctx context.Context, room []Recorded) ([]Recorded, error) {
	if s.ticket == nil {
		return s.answer, nil
	}
	if err := s.ticket.Wait(ctx); err != nil {
		return nil, storeError(err)
	}
	out := append(room, s.answer...)
	for i := range out {
		out[i].Index = s.ticket.Index(i)
	}
	return out, nil
}

// durable reports whether a request that was queued is durable. It does not wait.
func (s *Submission) durable() bool {
	return s.ticket.Done() && s.ticket.Wait(context.Background()) == nil
}

// again is the answer to the same request, sent once more while it is on its way.
func (s *Submission) again() *Submission {
	answer := append([]Recorded(nil), s.answer...)
	for i := range answer {
		answer[i].Replayed = true
	}
	return &Submission{ticket: s.ticket, answer: answer}
}

// tagOf returns the tag of one of the request's events. The first has the id of
// the request itself, whose tag is known.
func (s *Submission) tagOf(t *tags, id string) [16]byte {
	if s.id != "" && s.id == id {
		return s.tag
	}
	return t.of(id)
}

// forgetEvents lets go of the events, which are most of what a request holds.
func (s *Submission) forgetEvents() {
	clear(s.events)
	s.events = nil
}

// release ends the leases.
func (s *Submission) release() {
	for _, lease := range s.leases {
		lease.Done()
	}
	clear(s.leases)
	s.leases = nil
}
