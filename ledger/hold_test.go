package ledger_test

import (
	"errors"
	"maps"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/consent"
)

const (
	chatted = `{"type":"processing.performed","subject":"p","purpose":"chat-service","operation":"answer"}`
	mailed  = `{"type":"processing.performed","subject":"p","purpose":"own-products","operation":"store"}`
	held    = `{"type":"hold.placed","id":%q,"subject":"p","compartment":%q,"reason_iri":"eu-gdpr:JustificationA17LegalClaims","review_at":"2027-03-01T00:00:00Z"}`
	release = `{"type":"hold.released","subject":"p","hold":%q}`
)

// marked returns the keys of a person that are held or restricted.
func marked(t testing.TB, l *ledger.Ledger, person string) map[string]string {
	t.Helper()
	ledger.FlushDays(l)
	keys, err := ledger.Tree(l).Keys(t.Context(), ledger.Person(person))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, k := range keys {
		s := ""
		if k.Held {
			s += "held "
		}
		if k.Restricted {
			s += "restricted "
		}
		if k.Review != 0 {
			s += ledger.DayTime(k.Review).Format(time.DateOnly)
		}
		out[strings.TrimSpace(k.Compartment+" "+k.Cohort.String())] = strings.TrimSpace(s)
	}
	return out
}

func heldBy(err error) *ledger.HeldError {
	var h *ledger.HeldError
	errors.As(err, &h)
	return h
}

// TestHold places a hold on one compartment: an erasure takes the others and says why
// that one stays, one of everything is refused, and so is one that finds nothing else.
// The key of next month is held, too. After the release everything can go.
func TestHold(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	must(t, l, mailed)
	must(t, l, held, "h-1", "chat")
	if got, want := marked(t, l, "p"), (map[string]string{"chat 2026-05": "held 2027-03-01", "marketing 2026-05": "", "rights 2026": "held 2027-03-01"}); !maps.Equal(got, want) {
		t.Errorf("marked %v, want %v", got, want)
	}
	erase := ledger.EraseRequest{Subject: "p"}
	all := ledger.EraseRequest{Subject: "p", Everything: true}
	if _, _, err := l.Erase(t.Context(), all); heldBy(err) == nil || !errors.Is(err, erasure.ErrHeld) {
		t.Fatalf("erasing everything: %v", err)
	}
	p, cert, err := l.Erase(t.Context(), erase)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(cert.Terms.Erased); got != 1 || cert.Terms.Erased[0].Compartment != "marketing" {
		t.Errorf("erased %v", cert.Terms.Erased)
	}
	why := ""
	for _, k := range cert.Terms.Kept {
		if k.Compartment == "chat" {
			why = k.Reason
		}
	}
	if why != "held, Art. 17(3)(e), review on 2027-03-01" {
		t.Errorf("the certificate says %q, the plan %+v", why, p.Lines)
	}
	_, _, err = l.Erase(t.Context(), erase)
	if h := heldBy(err); h == nil || len(h.Holds) == 0 || !strings.Contains(err.Error(), "chat") || strings.Contains(err.Error(), "h-1") {
		t.Errorf("nothing but held data is left: %v", err)
	}

	w.clock.move(40 * 24 * time.Hour)
	must(t, l, chatted)
	if got := marked(t, l, "p")["chat 2026-06"]; got != "held 2027-03-01" {
		t.Errorf("the key of the next month is %q", got)
	}
	w.close(l)
	l = w.open()
	checkFsck(t, l)
	if lines, _, err := l.RunRetention(t.Context(), time.Date(2035, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil || len(lines) != 0 {
		t.Errorf("retention took %v, %v", lines, err)
	}
	stays, err := l.RetentionStays(t.Context(), time.Date(2035, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil || len(stays) != 3 {
		t.Errorf("retention leaves alone %v, %v", stays, err)
	}
	if _, err := l.Record(t.Context(), mustParse(release, "h-2")); !refusedWith(err, "bad_transition") {
		t.Errorf("releasing a hold that is not there: %v", err)
	}
	must(t, l, release, "h-1")
	if got := marked(t, l, "p"); got["chat 2026-05"]+got["chat 2026-06"]+got["rights 2026"] != "" {
		t.Errorf("after the release %v", got)
	}
	checkFsck(t, l)
	if _, _, err := l.Erase(t.Context(), all); err != nil {
		t.Error(err)
	}
	if _, err := l.Timeline(t.Context(), "p"); !isNotFound(err) {
		t.Errorf("after everything: %v", err)
	}
}

// TestHoldsOverlap has two holds on one compartment: one release frees nothing.
func TestHoldsOverlap(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	must(t, l, held, "h-1", "chat")
	must(t, l, held, "h-2", "*")
	must(t, l, release, "h-1")
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); heldBy(err) == nil {
		t.Errorf("%v", err)
	}
	all, err := l.AllHolds(t.Context())
	if err != nil || len(all.Holds) != 1 || all.Holds[0].Subject != "p" || all.Holds[0].ID != "h-2" || all.Holds[0].Compartment != "*" {
		t.Errorf("holds %v, %v", all, err)
	}
	must(t, l, release, "h-2")
	if all, err := l.AllHolds(t.Context()); err != nil || len(all.Holds)+len(all.Unread)+len(all.Missing) != 0 {
		t.Errorf("holds %v, %v", all, err)
	}
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil {
		t.Error(err)
	}
}

// TestHoldRefused leaves no flag behind where the event is refused.
func TestHoldRefused(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	for text, reason := range map[string]string{
		`{"type":"hold.placed","subject":"p","compartment":"caht","reason_iri":"eu-gdpr:JustificationA17LegalClaims","review_at":"2027-03-01T00:00:00Z"}`: "value_not_allowed",
		`{"type":"hold.placed","subject":"p","compartment":"chat","reason_iri":"eu-gdpr:JustificationA17LegalClaims","review_at":"2026-03-01T00:00:00Z"}`: "value_out_of_range",
		`{"type":"hold.placed","subject":"p","compartment":"chat","reason_iri":"because","review_at":"2027-03-01T00:00:00Z"}`:                             "value_out_of_range",
		`{"type":"hold.placed","subject":"p","compartment":"chat","reason_iri":"eu-gdpr:JustificationA17LegalClaims"}`:                                    "missing_member",
		`{"type":"restriction.lifted","subject":"p","restriction":"r","notified_subject_at":"2026-03-01T00:00:00Z"}`:                                      "bad_transition",
	} {
		if _, err := l.Record(t.Context(), mustParse("%s", text)); !refusedWith(err, reason) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if got := marked(t, l, "p"); got["chat 2026-05"] != "" {
		t.Errorf("marked %v", got)
	}
	checkFsck(t, l)
}

// TestRestriction stores data and does not use it, until the person was told that
// this ends; the person's own request for erasure is not held up.
func TestRestriction(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	must(t, l, mailed)
	decide := func(purpose, want string) {
		t.Helper()
		a, err := l.May(t.Context(), "p", question(purpose, ""))
		if err != nil {
			t.Fatal(err)
		}
		got := "allow"
		if a.Decision != consent.Allow {
			got = a.Reasons[0].Code
		}
		if got != want {
			t.Errorf("%s: %s, want %s", purpose, got, want)
		}
	}
	decide("own-products", "allow")
	must(t, l, `{"type":"restriction.applied","id":"r-1","subject":"p","compartment":"marketing","ground":"accuracy"}`)
	decide("own-products", "restricted")
	decide("chat-service", "allow")
	disclosed := `{"type":"data.disclosed","subject":"p","purpose":"own-products","recipient":"mailer","attributes":["Name"],"recipient_ref":"m-1"}`
	if _, err := l.Record(t.Context(), parse(t, disclosed)); !refusedWith(err, "restricted") {
		t.Errorf("disclosing restricted data: %v", err)
	}
	checkFsck(t, l)
	lines, _, err := l.RunRetention(t.Context(), time.Date(2035, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil || len(lines) != 1 || lines[0].Compartment != "chat" {
		t.Errorf("retention took %v, %v", lines, err)
	}
	if _, err := l.Record(t.Context(), parse(t, `{"type":"restriction.lifted","subject":"p","restriction":"r-1","notified_subject_at":"2026-06-01T00:00:00Z"}`)); !refusedWith(err, "value_out_of_range") {
		t.Errorf("lifting before the person is told: %v", err)
	}
	must(t, l, `{"type":"restriction.lifted","subject":"p","restriction":"r-1","notified_subject_at":"2026-05-04T00:00:00Z"}`)
	decide("own-products", "allow")
	must(t, l, disclosed)
	must(t, l, `{"type":"restriction.applied","id":"r-2","subject":"p","compartment":"*","ground":"claims","review_at":"2026-09-01T00:00:00Z"}`)
	_, cert, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"})
	if err != nil || cert.Terms.Erased[0].Compartment != "marketing" {
		t.Errorf("the person's own request: %v", err)
	}
}

// TestPreservation keeps a whole ledger from erasing, whoever it is about.
func TestPreservation(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	must(t, l, mailed)
	order := `{"type":"preservation.ordered","preservation_id":"case-7","reason_iri":"eu-gdpr:JustificationA17LegalClaims","review_at":"2027-01-01T00:00:00Z"%s}`
	must(t, l, order, "")
	w.close(l)
	l = w.open()
	var err error
	if _, _, err = l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); heldBy(err) == nil || !strings.Contains(err.Error(), "everything is preserved by order") {
		t.Errorf("%v", err)
	}
	// Also where the request goes past the ledger's plan.
	keys, err := ledger.Tree(l).Keys(t.Context(), ledger.Person("p"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Erasures(l).Erase(t.Context(), erasure.Request{Subject: ledger.Person("p"), Keys: keys, Reason: erasure.ReasonRequest}); !errors.Is(err, erasure.ErrHeld) {
		t.Errorf("the engine: %v", err)
	}
	late := time.Date(2035, 1, 1, 0, 0, 0, 0, time.UTC)
	if lines, _, err := l.RunRetention(t.Context(), late); err != nil || len(lines) != 0 {
		t.Errorf("retention took %v, %v", lines, err)
	}
	must(t, l, order, `,"compartments":["chat"]`)
	if lines, _, err := l.RunRetention(t.Context(), late); err != nil || len(lines) != 1 || lines[0].Compartment != "marketing" {
		t.Errorf("retention took %v, %v", lines, err)
	}
	must(t, l, order, `,"compartments":["chat"],"active":false`)
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil {
		t.Error(err)
	}
}

// TestMarksAgree takes the flags of a hold away behind the ledger's back, and puts
// others where no hold is: a full check names both, and what is there is mended.
func TestMarksAgree(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	must(t, l, mailed)
	must(t, l, held, "h-1", "chat")
	flip := func(compartment string, on bool) {
		t.Helper()
		keys, err := ledger.Tree(l).Keys(t.Context(), ledger.Person("p"))
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if k.Compartment == compartment {
				if err := ledger.Tree(l).Update(t.Context(), keystore.Change{Ref: k.Ref, Held: &on}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	problems := func() string {
		t.Helper()
		r, err := l.Fsck(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(r.Problems, "\n")
	}
	flip("chat", false)
	if p := problems(); !strings.Contains(p, "compartment chat is not marked") {
		t.Errorf("a hold that was taken away: %q", p)
	}
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p", Everything: true}); heldBy(err) == nil {
		t.Errorf("the event is still there: %v", err)
	}
	if p := problems(); p != "" {
		t.Errorf("an erasure mends it: %q", p)
	}
	flip("chat", false)
	w.close(l)
	l = w.open()
	if _, err := l.Timeline(t.Context(), "p"); err != nil {
		t.Fatal(err)
	}
	must(t, l, mailed) // whoever meets the person sets what is missing
	if got := marked(t, l, "p")["chat 2026-05"]; got != "held 2027-03-01" {
		t.Errorf("the flag that was lost is %q", got)
	}
	flip("marketing", true)
	if p := problems(); !strings.Contains(p, "compartment marketing is held or restricted, and no event says so") {
		t.Errorf("a flag without a hold: %q", p)
	}
	if _, cert, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil || cert.Terms.Erased[0].Compartment != "marketing" {
		t.Errorf("a flag without a hold keeps nothing: %v", err)
	}
}

// TestHoldCrash fails the power at every step of a hold and of its release. What was
// acknowledged counts after it: data that is held is not erased, and flags and events
// agree once the person was looked up.
func TestHoldCrash(t *testing.T) {
	type cut struct {
		w     *world
		phase int32
	}
	rng := rand.New(rand.NewPCG(4, 4))
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	var phase atomic.Int32 // 1: the hold is acknowledged, 2: its release was asked for, 3: and acknowledged
	var cuts []cut
	w.mu.Lock()
	w.onStep = func(string, int) { cuts = append(cuts, cut{w.crash(50, rng), phase.Load()}) }
	w.mu.Unlock()
	must(t, l, held, "h-1", "chat")
	phase.Store(1)
	w.during("held", func() {})
	phase.Store(2)
	must(t, l, release, "h-1")
	phase.Store(3)
	w.during("released", func() {})
	w.mu.Lock()
	w.onStep = nil
	w.mu.Unlock()
	w.close(l)
	if testing.Short() {
		rng.Shuffle(len(cuts), func(i, j int) { cuts[i], cuts[j] = cuts[j], cuts[i] })
		cuts = cuts[:min(len(cuts), 10)]
	}
	for i, c := range cuts {
		l := c.w.open()
		_, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"})
		list, herr := l.Holds(t.Context(), "p")
		if herr != nil || len(list.Unread) != 0 {
			t.Fatal(list, herr)
		}
		holds := list.Holds
		switch {
		case (heldBy(err) != nil) != (len(holds) > 0):
			t.Errorf("cut %d: %d holds, and the erasure says %v", i, len(holds), err)
		case c.phase == 1 && len(holds) == 0:
			t.Errorf("cut %d: the hold was acknowledged and is gone", i)
		case c.phase == 3 && len(holds) > 0:
			t.Errorf("cut %d: the release was acknowledged and is gone", i)
		}
		checkFsck(t, l)
		c.w.close(l)
	}
}

// TestSuppression leaves somebody alone, also after an erasure, until they lift it.
func TestSuppression(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, mailed)
	must(t, l, `{"type":"suppression.requested","subject":"p","channel":"email"}`)
	ask := `{"type":"consent.requested","subject":"p","form":"web-partner","contact":"mailto:p@shop.example"}`
	if _, err := l.Record(t.Context(), parse(t, ask)); !refusedWith(err, "suppressed") {
		t.Errorf("asking somebody who asked to be left alone: %v", err)
	}
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil {
		t.Fatal(err)
	}
	w.close(l)
	l = w.open()
	if _, err := l.Record(t.Context(), parse(t, ask)); !refusedWith(err, "suppressed") {
		t.Errorf("after the erasure: %v", err)
	}
	a, err := l.May(t.Context(), "p", question("own-products", "email"))
	if err != nil || a.Decision != consent.Deny || a.Reasons[0].Code != consent.Suppressed {
		t.Errorf("%v, %v", a, err)
	}
	if a, err := l.May(t.Context(), "p", question("chat-service", "")); err != nil || a.Decision != consent.Allow {
		t.Errorf("a contract goes on: %v, %v", a, err)
	}
	if got := marked(t, l, "p"); len(got) != 1 {
		t.Errorf("kept of somebody who is only suppressed: %v", got)
	}
	must(t, l, `{"type":"suppression.lifted","subject":"p","channel":"email"}`)
	must(t, l, ask)
	if _, err := l.Record(t.Context(), parse(t, `{"type":"suppression.lifted","subject":"p"}`)); !refusedWith(err, "bad_transition") {
		t.Errorf("lifting twice: %v", err)
	}
}
