package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// ProveOptions say what a proof shows.
type ProveOptions struct {
	// Reveal names the members that are shown. Empty: all but _seq and _prev,
	// which link the entry to its neighbours in the person's chain.
	Reveal []string
	// NoAssertion leaves out the closing assertion. Only for proofs that say
	// nothing about what came later, a receipt at the moment of recording, say.
	NoAssertion bool

	person string // whose entry it is, "" where that is not known
	whole  bool   // everything is shown, _seq and _prev too
}

// Proof is a proof file and, where one was recorded, the closing assertion.
type Proof struct {
	File      []byte // a .tlog-proof file
	Asserted  bool
	Assertion uint64 // index of the closing assertion
	// Unwitnessed says why the file has the log's own head although there is a
	// policy; nil if its head satisfies the policy, or there is none.
	Unwitnessed error
	// Before is the newest published head that does not cover the entry: its
	// cosignatures say when the entry was not there yet. Nil if there is none.
	Before []byte
}

// Prove returns a file that shows, offline and for ever, that entry index is in
// the log and what it says. Before, it records a chain.asserted event: how many
// events the chain of the entry has and which is the last, signed and dated.
// Mathematics cannot show that nothing came later; the assertion makes the
// operator say so, and a receipt in the person's hand can refute it.
//
// An assertion is sealed under the key of the chain that it is about, and about no
// other, so that it dies with what it names: under a key that is kept it would tell,
// after an erasure and its sweep, how many entries went and which was the last.
func (l *Ledger) Prove(ctx context.Context, index uint64, o ProveOptions) (*Proof, error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	snap := l.view()
	var e Entry
	var lease *keystore.Lease
	var err error
	if o.person != "" {
		e, lease, err = l.findUnder(ctx, snap, personKey(o.person), index)
	} else {
		e, lease, err = l.find(ctx, snap, index)
	}
	if err != nil {
		snap.Close()
		return nil, l.whyClosed(ctx, index, err)
	}
	var opening *envelope.Opening
	if e.Public {
		opening, err = envelope.OpenPublic(e.leaf)
	} else {
		var env []byte
		if env, err = l.envelope(ctx, snap, index, e.leaf); err == nil {
			opening, err = l.openFields(lease, env, e, o)
		}
		lease.Done()
	}
	snap.Close()
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", index, err)
	}
	p := new(Proof)
	if !e.Public && !o.NoAssertion && l.readOnly == nil && e.Event.Str("subject") != "" {
		if p.Assertion, err = l.assert(ctx, e.Event.Str("subject"), chainKey{e.Compartment, e.Cohort}); err != nil {
			return nil, fmt.Errorf("recording the closing assertion: %w", err)
		}
		p.Asserted = true
	}
	if p.File, p.Unwitnessed, err = l.proofFile(ctx, index, opening); err != nil || !l.Publishes() {
		return p, err
	}
	_, before, err := l.log.Covering(ctx, index)
	p.Before = before.Signed
	return p, err
}

// Receipt is what the person gets for an event that was just recorded about them, a
// withdrawal above all: a proof file that shows all of it, with its number in its
// chain and the leaf before it. Who holds it can later show a log that pretends never
// to have heard of it, or that counts fewer events than it has.
func (l *Ledger) Receipt(ctx context.Context, person string, r Recorded) (*Proof, error) {
	return l.Prove(ctx, r.Index, ProveOptions{NoAssertion: true, person: person, whole: true})
}

func (l *Ledger) openFields(k envelope.Keys, env []byte, e Entry, o ProveOptions) (*envelope.Opening, error) {
	shown := envelope.DefaultReveal
	if o.whole {
		shown = func(string) bool { return true }
	} else if len(o.Reveal) > 0 {
		want := make(map[string]bool, len(o.Reveal))
		for _, name := range o.Reveal {
			if _, ok := e.Event.Get(name); !ok {
				return nil, &NotFoundError{What: fmt.Sprintf("the event has no member %q", name)}
			}
			want[name] = true
		}
		shown = func(name string) bool { return want[name] }
	}
	f, err := envelope.OpenFields(k, env, shown)
	if err != nil {
		return nil, err
	}
	opening := f.Opening(e.leaf)
	// The form's words go along where the event shows which form it was: they are
	// public, and the event is bound to them by their leaf hash.
	if _, ok := e.Event.Get("form"); ok && shown("form") {
		if ref, ok := e.Event.FormRef(); ok {
			if form, ok := l.register.Load().Form(ref.ID, ref.Version); ok && form.Public {
				opening.Statements = append(opening.Statements, event.Statement(form.Event))
			}
		}
	}
	return opening, nil
}

// proofFile puts an opening, the inclusion proof and the head that says best when the entry was there together.
func (l *Ledger) proofFile(ctx context.Context, index uint64, opening *envelope.Opening) (file []byte, unwitnessed, err error) {
	head, unwitnessed, err := l.headFor(ctx, index)
	if err != nil {
		return nil, nil, err
	}
	file, err = l.proofUnder(ctx, index, opening, head)
	return file, unwitnessed, err
}

// proofUnder is a proof file under a given head.
func (l *Ledger) proofUnder(ctx context.Context, index uint64, opening *envelope.Opening, head log.Head) ([]byte, error) {
	extra, err := opening.Marshal()
	if err != nil {
		return nil, err
	}
	hashes, err := l.log.InclusionProof(ctx, index, head.Checkpoint.Size)
	if err != nil {
		return nil, fmt.Errorf("building the inclusion proof of entry %d: %w", index, err)
	}
	return (&merkle.Proof{Extra: extra, Index: index, Hashes: hashes, Checkpoint: head.Signed}).Marshal()
}

// assert records chain.asserted about one chain of a person.
func (l *Ledger) assert(ctx context.Context, person string, k chainKey) (uint64, error) {
	s, err := l.submitAbout(ctx, person, func(sub *subject, now time.Time) (*event.Event, error) {
		at := sub.chains.find(k)
		if at < 0 {
			return nil, errStale // its key died since the entry was opened
		}
		c := sub.chains[at]
		return l.made(sub, now, map[string]any{"type": "chain.asserted", "subject": person, "of": len(sub.chains),
			"chains": []receipt.AssertedChain{{Compartment: k.compartment, Cohort: k.cohort.String(), Count: c.seq, Head: c.head}}})
	})
	if err != nil {
		return 0, err
	}
	rec, err := s.Wait(ctx)
	if err != nil {
		return 0, err
	}
	return rec[0].Index, nil
}

// made fills an event that the ledger itself makes.
func (l *Ledger) made(sub *subject, now time.Time, members map[string]any) (*event.Event, error) {
	text, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	short, err := event.Parse(text)
	if err != nil {
		return nil, err
	}
	c := l.fillContext(now, sub.speculative)
	c.Internal = true
	c.Actor = event.Actor{Role: "admin", Service: "lacuna"}
	full, _, err := event.Fill(c, short)
	if err != nil {
		return nil, err
	}
	return full[0], nil
}

// Verify checks a proof file against this ledger's public key.
func (l *Ledger) Verify(file []byte) (*receipt.Report, error) {
	return receipt.Verify(file, l.vkey)
}
