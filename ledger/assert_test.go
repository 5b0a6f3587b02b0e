package ledger_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/envelope"
)

// readable returns every event that opens under a key which the current root gives, in
// every copy of it that was ever stored, whatever mask lay on it.
func (g *game) readable(masks []keystore.Mask) (texts []string) {
	g.t.Helper()
	keys := g.thief().Keys()
	for _, kv := range g.ever {
		if kv.Key[0] != 'e' {
			continue
		}
		leaf, err := g.l.Log().Leaf(g.t.Context(), binary.BigEndian.Uint64(kv.Key[len(kv.Key)-8:]))
		if err != nil {
			g.t.Fatal(err)
		}
		for _, m := range masks {
			env := append([]byte(nil), kv.Value...)
			m.Envelope(leaf, env)
			for _, key := range keys {
				if text, err := envelope.Open(key, env); err == nil {
					texts = append(texts, string(text))
				}
			}
		}
	}
	return texts
}

// TestAssertionsDie: what was asserted about a chain dies with it. After an ordinary
// erasure, which keeps what the person's rights and taxes need, and its sweep, nothing
// that opens names the last entry of what was erased or how many there were, not even to
// who kept the masks of before. What was asserted about what stays is read.
func TestAssertionsDie(t *testing.T) {
	g := newGame(t)
	last := func(purpose, operation string) ledger.Recorded {
		return must(t, g.l, `{"type":"processing.performed","subject":"p","purpose":%q,"operation":%q}`, purpose, operation)[0]
	}
	must(t, g.l, `{"type":"right.requested","subject":"p","right":"A15","channel":"email"}`)
	for range 3 {
		last("chat-service", "answer")
	}
	chat, tax := last("chat-service", "answer"), last("invoices", "issue")
	for _, r := range []ledger.Recorded{chat, tax} {
		p, err := g.l.Prove(t.Context(), r.Index, ledger.ProveOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.l.Verify(p.File); err != nil {
			t.Fatal(err)
		}
		e, err := g.l.Get(t.Context(), r.Index)
		if err != nil {
			t.Fatal(err)
		}
		a, err := g.l.Get(t.Context(), p.Assertion)
		if err != nil || a.Compartment != e.Compartment || a.Cohort != e.Cohort {
			t.Fatalf("the assertion about %s %s is in %s %s, %v", e.Compartment, e.Cohort, a.Compartment, a.Cohort, err)
		}
		if of, _ := a.Event.Uint("of"); of != 3 {
			t.Errorf("the person has %d chains, the assertion says", of)
		}
	}
	g.look()
	masks := g.thief().Masks()
	tells := func() (of map[string]bool) {
		of = map[string]bool{}
		for _, text := range g.readable(append(masks, g.thief().Masks()...)) {
			of["chat's head"] = of["chat's head"] || strings.Contains(text, chat.Leaf.String())
			of["chat's count"] = of["chat's count"] || strings.Contains(text, `"compartment":"chat","count":4`)
			of["tax's head"] = of["tax's head"] || strings.Contains(text, tax.Leaf.String())
		}
		return of
	}
	if of := tells(); !of["chat's head"] || !of["chat's count"] || !of["tax's head"] {
		t.Fatalf("control: what lives does not tell: %v", of)
	}
	if _, _, err := g.l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil {
		t.Fatal(err)
	}
	g.look()
	g.sweep()
	if of := tells(); of["chat's head"] || of["chat's count"] || !of["tax's head"] {
		t.Errorf("after the erasure and the sweep what opens tells: %v", of)
	}
	checkFsck(t, g.l)
	g.w.close(g.l)
}
