package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
)

// A history is a random life of a ledger: several writers, each with people of
// its own, do what services do, and the reference is told of everything before
// it begins and after it was acknowledged, at moments that a crash cannot split.
type history struct {
	w   *world
	l   *ledger.Ledger
	ref *reference // guarded by w.mu

	// all is held by retention, which concerns everybody.
	all    sync.RWMutex
	serial int // guarded by w.mu
	failed atomic.Bool
}

func newHistory(w *world, l *ledger.Ledger, ref *reference) *history {
	return &history{w: w, l: l, ref: ref}
}

// run lets writers go on for so many steps each.
func (h *history) run(ctx context.Context, seed uint64, writers, people, steps int) error {
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for range steps {
				person := fmt.Sprintf("p-%d-%d", i, rng.IntN(people))
				if errs[i] = h.step(ctx, rng, person); errs[i] != nil || h.failed.Load() {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (h *history) step(ctx context.Context, rng *rand.Rand, person string) (err error) {
	// Where one writer meets an error, the others begin nothing more: of two erasures
	// that nobody acknowledged, the reference could not tell which one took what.
	defer func() {
		if err != nil {
			h.failed.Store(true)
		}
	}()
	if rng.IntN(100) == 0 {
		h.all.Lock()
		defer h.all.Unlock()
		if h.failed.Load() {
			return nil
		}
		return h.retire(ctx)
	}
	h.all.RLock()
	defer h.all.RUnlock()
	if h.failed.Load() {
		return nil
	}
	switch n := rng.IntN(100); {
	case n < 60:
		return h.record(ctx, rng, person, 1+rng.IntN(4))
	case n < 75:
		return h.optIn(ctx, rng, person)
	case n < 80:
		return h.withdraw(ctx, rng, person)
	case n < 83:
		return h.sweep(ctx)
	case n < 88:
		return h.prove(ctx, rng, person)
	case n < 91:
		ledger.Evict(h.l, person)
		return nil
	default:
		return h.erase(ctx, person, n == 99)
	}
}

// a call is a request on its way.
type call struct {
	request
	text string
	sub  *ledger.Submission
}

// marker returns a text that no other event has.
func (h *history) marker() string {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.serial++
	return fmt.Sprintf("m-%d", h.serial)
}

func (h *history) call(kind, person, purpose string, at time.Time, more string) call {
	m := h.marker()
	c := call{text: fmt.Sprintf(`{"type":%q,"id":%q,"subject":%q,"message_id":%q,%s%s}`, kind, "id-"+m, person, m, happened(at), more)}
	compartment, cohort := home(kind, purpose, at)
	c.facts = []fact{{kind: kind, marker: m + "/" + purpose, compartment: compartment, cohort: cohort}}
	return c
}

// random returns a random call that is not about consent.
func (h *history) random(rng *rand.Rand, person string) call {
	now := h.w.clock.now()
	at := now.Add(-time.Duration(rng.IntN(60)) * 30 * 24 * time.Hour)
	if rng.IntN(2) == 0 {
		at = now
	}
	switch rng.IntN(8) {
	case 0:
		return h.call("data.disclosed", person, "own-products", now, `,"purpose":"own-products","recipient":"mailer","attributes":["Name"]`)
	case 1:
		return h.call("communication.sent", person, "newsletter", at, `,"purpose":"newsletter","channel":"email","contact":"mailto:p@shop.example"`)
	case 2, 3:
		return h.call("processing.performed", person, "chat-service", at, `,"purpose":"chat-service","operation":"answer"`)
	case 4:
		return h.call("processing.performed", person, "invoices", at, `,"purpose":"invoices","operation":"store"`)
	case 5:
		return h.call("processing.performed", person, "partner-mail", now, `,"purpose":"partner-mail","operation":"store"`)
	case 6:
		return h.call("right.requested", person, "", now, `,"right":"A15","channel":"email"`)
	default:
		return h.call("notice.delivered", person, "", now, `,"notice":"privacy","channel":"email"`)
	}
}

// record sends several requests without waiting in between.
func (h *history) record(ctx context.Context, rng *rand.Rand, person string, n int) error {
	calls := make([]call, n)
	for i := range calls {
		calls[i] = h.random(rng, person)
	}
	return h.send(ctx, person, calls...)
}

// optIn asks for consent and confirms it, sometimes in one go.
func (h *history) optIn(ctx context.Context, rng *rand.Rand, person string) error {
	now := h.w.clock.now()
	if rng.IntN(3) == 0 {
		c := h.call("consent.given", person, "chat-service", now, `,"form":"chat-start","contact":"tel:+497112842222","decisions":{"chat-service":"yes","newsletter":"no"}`)
		refusal := c.facts[0]
		refusal.kind = "consent.refused"
		refusal.marker = refusal.marker[:len(refusal.marker)-len("chat-service")] + "newsletter"
		c.facts = append(c.facts, refusal)
		return h.send(ctx, person, c)
	}
	asked := h.call("consent.requested", person, "newsletter", now, "")
	tok, hash := token(asked.facts[0].marker)
	asked.text = asked.text[:len(asked.text)-1] + `,"form":"web-newsletter","contact":"mailto:p@shop.example","doi_token_sha256":"` + hash + `"}`
	given := h.call("consent.given", person, "newsletter", h.w.clock.now(), `,"form":"web-newsletter","token":"`+tok+`"`)
	if rng.IntN(2) == 0 {
		return h.send(ctx, person, asked, given)
	}
	if err := h.send(ctx, person, asked); err != nil {
		return err
	}
	return h.send(ctx, person, given)
}

// withdraw waits for nothing, but comes alone: whether the person is known decides
// where it is kept.
func (h *history) withdraw(ctx context.Context, rng *rand.Rand, person string) error {
	c := h.call("consent.withdrawn", person, "*", h.w.clock.now(), `,"purpose":"*","channel":"email"`)
	h.w.mu.Lock()
	known := false
	for _, f := range h.ref.person(person).live {
		known = known || f.kind != "consent.withdrawn"
	}
	h.w.mu.Unlock()
	if !known {
		c.facts[0].compartment = event.Suppression
	}
	return h.send(ctx, person, c)
}

// send submits calls one after another and then waits for all of them. A refusal
// is an answer.
func (h *history) send(ctx context.Context, person string, calls ...call) error {
	k := h.known(person)
	denied := false
	for i := range calls {
		ev, err := event.Parse([]byte(calls[i].text))
		if err != nil {
			return fmt.Errorf("%s: %w", calls[i].text, err)
		}
		h.w.during("asked", func() { k.ask(calls[i].request) })
		calls[i].sub, err = h.l.Submit(ctx, ev)
		if refused := (*event.Refused)(nil); errors.As(err, &refused) {
			// Nothing is open of it. The requests before it still are.
			h.w.during("refused", func() { k.open = k.open[:len(k.open)-1] })
			calls[i].sub = nil
			denied = denied || calls[i].facts[0].kind == "data.disclosed"
		} else if err != nil {
			return err
		}
	}
	for _, c := range calls {
		if c.sub == nil {
			continue
		}
		rec, err := c.sub.Wait(ctx)
		if err != nil {
			return err
		}
		h.w.during("answered", func() { err = k.answer(rec) })
		if err != nil {
			return err
		}
	}
	if denied {
		// The attempt is on record. Nobody waits for that, but what is sent after it
		// is recorded after it.
		if err := h.send(ctx, person, h.call("right.requested", person, "", h.w.clock.now(), `,"right":"A15","channel":"email"`)); err != nil {
			return err
		}
		return h.takeMade(ctx, person, k)
	}
	return nil
}

func (h *history) known(person string) *known {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	return h.ref.person(person)
}

// prove asks for a proof of some event of a person, which records an assertion.
func (h *history) prove(ctx context.Context, rng *rand.Rand, person string) error {
	k := h.known(person)
	if len(k.live) == 0 {
		return nil
	}
	var f fact
	n := rng.IntN(len(k.live))
	for _, f = range k.live {
		if n--; n < 0 {
			break
		}
	}
	p, err := h.l.Prove(ctx, f.index, ledger.ProveOptions{})
	if err != nil {
		return fmt.Errorf("proving entry %d, a %s: %w", f.index, f.kind, err)
	}
	if _, err := h.l.Verify(p.File); err != nil {
		return fmt.Errorf("the proof of entry %d: %w", f.index, err)
	}
	e, err := h.l.Get(ctx, p.Assertion)
	if err != nil {
		return err
	}
	if e.Event.Type() != "chain.asserted" {
		return fmt.Errorf("entry %d is a %s, not the assertion", p.Assertion, e.Event.Type())
	}
	h.w.during("proven", func() { k.live[e.Event.Str("id")] = factOf(e) })
	return nil
}

func (h *history) erase(ctx context.Context, person string, everything bool) error {
	k := h.known(person)
	h.w.during("erasing", func() { k.erasing = &erasing{everything: everything} })
	_, cert, err := h.l.Erase(ctx, ledger.EraseRequest{Subject: person, Everything: everything})
	kept := (*ledger.KeptError)(nil)
	if isNotFound(err) || errors.As(err, &kept) {
		h.w.during("nothing to erase", func() { k.erasing = nil })
		return nil
	}
	if err != nil {
		return err
	}
	h.w.mu.Lock()
	n := len(k.gone)
	k.erased()
	n = len(k.gone) - n
	h.w.step("erased")
	h.w.mu.Unlock()
	if cert.Entries != uint64(n) {
		return fmt.Errorf("the certificate says that %d entries were erased, the reference says %d", cert.Entries, n)
	}
	return h.takeMade(ctx, person, k)
}

// takeMade takes in what the ledger recorded on its own: the withdrawal that comes
// with an erasure, and disclosures that it refused.
func (h *history) takeMade(ctx context.Context, person string, k *known) error {
	entries, err := h.l.Timeline(ctx, person)
	if err != nil && !isNotFound(err) {
		return err
	}
	for _, e := range entries {
		if e.Event.Str("message_id") == "" {
			h.w.during("seen", func() { k.live[e.Event.Str("id")] = factOf(e) })
		}
	}
	return nil
}

// sweep lets the others go on. What it has to know of it, the next check finds.
func (h *history) sweep(ctx context.Context) error {
	if _, err := h.l.Sweep(ctx, ledger.SweepOptions{}); err != nil && !errors.Is(err, ledger.ErrSweeping) {
		return err
	}
	return nil
}

// retire runs retention a year from now.
func (h *history) retire(ctx context.Context) error {
	day := h.w.clock.now().AddDate(1, 0, 0).Truncate(24 * time.Hour)
	h.w.during("retiring", func() {
		for _, k := range h.ref.people {
			k.erasing = &erasing{day: day}
		}
	})
	if _, _, err := h.l.RunRetention(ctx, day); err != nil {
		return err
	}
	h.w.during("retired", func() {
		for _, k := range h.ref.people {
			k.erased()
		}
	})
	return nil
}
