package ledger_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle"
)

// an approver has a key.
type approver struct {
	merkle.Signer
	vkey string
}

func newApprover(t testing.TB, name string) approver {
	t.Helper()
	skey, vkey, err := merkle.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := merkle.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return approver{s, vkey}
}

// policy closes the ledger, sets its policy and opens it again.
func (w *world) policy(l *ledger.Ledger, p ledger.ErasePolicy) *ledger.Ledger {
	w.t.Helper()
	w.close(l)
	if err := ledger.SetErasePolicy(w.dir, p); err != nil {
		w.t.Fatal(err)
	}
	return w.open()
}

func waitingID(t testing.TB, err error) erasure.ID {
	t.Helper()
	var w *ledger.WaitingError
	if !errors.As(err, &w) {
		t.Fatalf("the erasure does not wait: %v", err)
	}
	return w.ID
}

// dueErasure asks for the erasure of p and lets its day come.
func dueErasure(t testing.TB, w *world, l *ledger.Ledger) erasure.ID {
	t.Helper()
	_, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p", NotBefore: w.clock.now().Add(time.Hour)})
	id := waitingID(t, err)
	w.clock.move(time.Hour + time.Second)
	return id
}

// TestApproval lets an erasure wait for two of three approvers, across restarts. What
// is approved is one request: the signature of another one, of an unknown key, or the
// same twice do not count. The certificate shows who approved, and a verifier sees
// when an approval was changed or the record does not name it.
func TestApproval(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	must(t, l, `{"type":"consent.given","subject":"p","form":"web-partner","contact":"mailto:p@shop.example"}`)
	must(t, l, `{"type":"processing.performed","subject":"q","purpose":"chat-service","operation":"answer"}`)
	ada, bob, eve := newApprover(t, "ada.example"), newApprover(t, "bob.example"), newApprover(t, "eve.example")
	l = w.policy(l, ledger.ErasePolicy{Approvers: []string{ada.vkey, bob.vkey}, Approvals: 2})

	ask := func(person string) (erasure.ID, certificate.Digest) {
		t.Helper()
		_, cert, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: person})
		if cert != nil {
			t.Fatal("erased without approval")
		}
		id := waitingID(t, err)
		for _, x := range l.WaitingErasures() {
			if x.ID == id {
				return id, x.Commitment
			}
		}
		t.Fatal("the request is not listed")
		return id, certificate.Digest{}
	}
	id, commitment := ask("p")
	_, other := ask("q")
	approve := func(who approver, c certificate.Digest) error {
		t.Helper()
		a, err := certificate.Approve(who, l.Origin(), c)
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.ApproveErasure(t.Context(), id, a)
		return err
	}
	if _, err := l.StartErasure(t.Context(), id, nil); !errors.Is(err, erasure.ErrNotApproved) {
		t.Errorf("without approval: %v", err)
	}
	if err := approve(eve, commitment); !errors.Is(err, erasure.ErrNotApprover) {
		t.Errorf("an approver that nobody knows: %v", err)
	}
	if err := approve(ada, other); !errors.Is(err, erasure.ErrNotApprover) {
		t.Errorf("the approval of another request: %v", err)
	}
	for range 2 {
		if err := approve(ada, commitment); err != nil {
			t.Fatal(err)
		}
	}
	w.close(l)
	l = w.open()
	if n := len(l.WaitingErasures()); n != 2 {
		t.Fatalf("%d requests wait after a restart", n)
	}
	if _, err := l.StartErasure(t.Context(), id, nil); !errors.Is(err, erasure.ErrNotApproved) {
		t.Errorf("one approver twice: %v", err)
	}
	a, err := l.May(t.Context(), "p", question("partner-mail", "email"))
	if err != nil || len(a.Reasons) > 0 {
		t.Errorf("a request that waits changes nothing yet: %v, %v", a, err)
	}
	if err := approve(bob, commitment); err != nil {
		t.Fatal(err)
	}
	w.close(l)
	l = w.open()
	cert, err := l.StartErasure(t.Context(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if cert.Opening == nil || cert.Entries != 1 {
		t.Errorf("%d entries, opening %v", cert.Entries, cert.Opening != nil)
	}
	if a, err := l.May(t.Context(), "p", question("partner-mail", "email")); err != nil || len(a.Reasons) == 0 {
		t.Errorf("consent goes on after the erasure: %v, %v", a, err)
	}
	if _, err := l.StartErasure(t.Context(), id, nil); !errors.Is(err, erasure.ErrNotWaiting) {
		t.Errorf("begun twice: %v", err)
	}

	e, err := l.Get(t.Context(), cert.Record.Index)
	if err != nil {
		t.Fatal(err)
	}
	statement := e.Event.Canonical()
	record, err := certificate.ParseRecord(statement)
	if err != nil || len(record.Approvers) != 2 {
		t.Fatalf("approvers in the record: %v, %v", record, err)
	}
	if err := certificate.Verify(cert, statement, cert.Record.Index); err != nil {
		t.Error(err)
	}
	keys := func(who ...approver) (vs []merkle.Verifier) {
		for _, x := range who {
			v, err := merkle.NewVerifier(x.vkey)
			if err != nil {
				t.Fatal(err)
			}
			vs = append(vs, v)
		}
		return vs
	}
	by, err := cert.Approvers(keys(ada, eve)...)
	if err != nil || len(by) != 1 || by[0].Name() != "ada.example" {
		t.Errorf("approved by %v, %v", by, err)
	}
	forged := *cert
	forged.Terms.Approvals = append([]certificate.Approval{}, cert.Terms.Approvals...)
	forged.Terms.Approvals[0].Signature, forged.Terms.Approvals[1].Signature = forged.Terms.Approvals[1].Signature, forged.Terms.Approvals[0].Signature
	if _, err := forged.Approvers(keys(ada, bob)...); err == nil {
		t.Error("signatures that were exchanged verify")
	}
	if certificate.Verify(&forged, statement, cert.Record.Index) == nil {
		t.Error("the record binds other approvals")
	}
	checkFsck(t, l)
}

// TestCoolingOff lets a request wait for its day, and be taken back before it.
func TestCoolingOff(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	l = w.policy(l, ledger.ErasePolicy{CoolingOff: "P3D"})
	erase := ledger.EraseRequest{Subject: "p"}
	_, _, err := l.Erase(t.Context(), erase)
	first := waitingID(t, err)
	if err := l.CancelErasure(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if _, err := l.StartErasure(t.Context(), first, nil); !errors.Is(err, erasure.ErrNotWaiting) {
		t.Errorf("a request that was taken back: %v", err)
	}
	_, _, err = l.Erase(t.Context(), erase)
	id := waitingID(t, err)
	w.clock.move(71 * time.Hour)
	if _, err := l.StartErasure(t.Context(), id, nil); !errors.Is(err, erasure.ErrCoolingOff) {
		t.Errorf("before its day: %v", err)
	}
	must(t, l, chatted) // what is recorded under the same key meanwhile goes with it
	if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); err != nil {
		t.Fatal(err)
	}
	w.clock.move(2 * time.Hour)
	must(t, l, held, "h-1", "chat")
	if _, err := l.StartErasure(t.Context(), id, nil); !errors.Is(err, erasure.ErrHeld) {
		t.Errorf("a hold that was placed meanwhile: %v", err)
	}
	w.close(l)
	l = w.open()
	must(t, l, release, "h-1")
	cert, err := l.StartErasure(t.Context(), id, nil)
	if err != nil || cert.Entries != 2 {
		t.Fatalf("%v, %v", cert, err)
	}
	if err := l.CancelErasure(t.Context(), id); !errors.Is(err, erasure.ErrTooLate) {
		t.Errorf("cancelling what is done: %v", err)
	}
	// Without a policy, a request can name its day.
	must(t, l, `{"type":"processing.performed","subject":"q","purpose":"chat-service","operation":"answer"}`)
	l = w.policy(l, ledger.ErasePolicy{})
	_, _, err = l.Erase(t.Context(), ledger.EraseRequest{Subject: "q", NotBefore: w.clock.now().Add(time.Hour)})
	id = waitingID(t, err)
	w.clock.move(time.Hour + time.Second) // its day is written down in seconds
	if _, err := l.StartErasure(t.Context(), id, nil); err != nil {
		t.Error(err)
	}
}

// TestCoolingOffLater: a cooling-off that the policy gets while a request waits applies to
// it, and one that is taken away leaves it the day that it was written down with.
func TestCoolingOffLater(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	ada := newApprover(t, "ada.example")
	l = w.policy(l, ledger.ErasePolicy{Approvers: []string{ada.vkey}, Approvals: 1})
	_, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"})
	id := waitingID(t, err)
	ready := func(p ledger.ErasePolicy) error {
		t.Helper()
		p.Approvers, p.Approvals = []string{ada.vkey}, 1
		l = w.policy(l, p)
		ws := l.WaitingErasures()
		if len(ws) != 1 || ws[0].ID != id {
			t.Fatalf("%d requests wait", len(ws))
		}
		if a, err := certificate.Approve(ada, l.Origin(), ws[0].Commitment); err != nil {
			t.Fatal(err)
		} else if ws[0], err = l.ApproveErasure(t.Context(), id, a); err != nil {
			t.Fatal(err)
		}
		return ws[0].Ready(w.clock.now())
	}
	if err := ready(ledger.ErasePolicy{}); err != nil {
		t.Fatalf("control: approved, and %v", err)
	}
	if err := ready(ledger.ErasePolicy{CoolingOff: "P3D"}); !errors.Is(err, erasure.ErrCoolingOff) {
		t.Errorf("a cooling-off that came later: %v", err)
	}
	if _, err := l.StartErasure(t.Context(), id, nil); !errors.Is(err, erasure.ErrCoolingOff) {
		t.Errorf("started before its day: %v", err)
	}
	w.clock.move(73 * time.Hour)
	if err := ready(ledger.ErasePolicy{CoolingOff: "P3D"}); err != nil {
		t.Errorf("on its day: %v", err)
	}
	if _, err := l.StartErasure(t.Context(), id, nil); err != nil {
		t.Error(err)
	}
	// The other way round.
	must(t, l, `{"type":"processing.performed","subject":"q","purpose":"chat-service","operation":"answer"}`)
	l = w.policy(l, ledger.ErasePolicy{CoolingOff: "P3D"})
	_, _, err = l.Erase(t.Context(), ledger.EraseRequest{Subject: "q"})
	id = waitingID(t, err)
	l = w.policy(l, ledger.ErasePolicy{})
	if _, err := l.StartErasure(t.Context(), id, nil); !errors.Is(err, erasure.ErrCoolingOff) {
		t.Errorf("without the policy that it was written down under: %v", err)
	}
}

// TestKeepErasing carries out what may begin, leaves alone what may not, and ends with its
// context and with the ledger.
func TestKeepErasing(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	ids := map[string]erasure.ID{}
	for p, after := range map[string]time.Duration{"p": time.Hour, "q": 2 * time.Hour, "r": 48 * time.Hour} {
		must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, p)
		_, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: p, NotBefore: w.clock.now().Add(after)})
		ids[p] = waitingID(t, err)
	}
	w.clock.move(3 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	var begun []erasure.ID
	l.KeepErasing(ctx, func(waiting erasure.Waiting) {
		if _, err := l.StartErasure(t.Context(), waiting.ID, nil); err != nil {
			t.Error(err)
		}
		if begun = append(begun, waiting.ID); len(begun) == 2 {
			cancel()
		}
	})
	if len(begun) != 2 || slices.Contains(begun, ids["r"]) {
		t.Errorf("carried out: %v of %v", begun, ids)
	}
	if ws := l.WaitingErasures(); len(ws) != 1 || ws[0].ID != ids["r"] {
		t.Errorf("%d requests wait", len(ws))
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.KeepErasing(t.Context(), func(erasure.Waiting) { t.Error("something began before its day") })
	}()
	w.close(l)
	<-ended
}

// TestEverythingApproved needs approval for what has a reason to stay, and not for
// the rest.
func TestEverythingApproved(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	must(t, l, `{"type":"right.requested","subject":"p","right":"A17","channel":"email"}`)
	l = w.policy(l, ledger.ErasePolicy{Approvers: []string{newApprover(t, "ada.example").vkey}})
	_, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p", Everything: true})
	waitingID(t, err)
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil {
		t.Error(err)
	}
}

// TestLaterPolicy sets a policy while a request waits for its day: it needs the approvals
// that are asked for when it begins. One that was written down with more needs those.
func TestLaterPolicy(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	id := dueErasure(t, w, l)
	ada, bob := newApprover(t, "ada.example"), newApprover(t, "bob.example")
	l = w.policy(l, ledger.ErasePolicy{Approvers: []string{ada.vkey, bob.vkey}, Approvals: 1})
	if _, err := l.StartErasure(t.Context(), id, nil); !errors.Is(err, erasure.ErrNotApproved) {
		t.Fatalf("a policy that came later: %v", err)
	}
	waiting := l.WaitingErasures()
	if len(waiting) != 1 || waiting[0].Need != 1 {
		t.Fatalf("waiting: %+v", waiting)
	}
	a, err := certificate.Approve(ada, l.Origin(), waiting[0].Commitment)
	if err == nil {
		_, err = l.ApproveErasure(t.Context(), id, a)
	}
	if err != nil {
		t.Fatal(err)
	}
	if cert, err := l.StartErasure(t.Context(), id, nil); err != nil || len(cert.Terms.Approvals) != 1 {
		t.Fatalf("%+v, %v", cert, err)
	}

	must(t, l, chatted)
	_, _, err = l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"})
	id = waitingID(t, err)
	l = w.policy(l, ledger.ErasePolicy{})
	if _, err := l.StartErasure(t.Context(), id, nil); !errors.Is(err, erasure.ErrNotApproved) {
		t.Errorf("a policy that went away: %v", err)
	}
}

// TestPolicyRefused names what is wrong with a policy.
func TestPolicyRefused(t *testing.T) {
	w := newWorld(t)
	ada := newApprover(t, "ada.example").vkey
	for want, p := range map[string]ledger.ErasePolicy{
		"approvers[0]":  {Approvers: []string{"ada"}},
		"approvers[1]":  {Approvers: []string{ada, ada}},
		"2 approvals":   {Approvers: []string{ada}, Approvals: 2},
		"cooling_off":   {CoolingOff: "three days"},
		"dependents[0]": {Dependents: []ledger.DependentCommand{{Name: "search"}}},
		"subjects_per":  {SubjectsPerEpoch: -1},
		"epoch_pause":   {EpochPause: -2},
	} {
		var c *ledger.ConfigError
		if err := ledger.SetErasePolicy(w.dir, p); !errors.As(err, &c) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestCap spreads a retention run over epochs of no more people than the policy allows.
func TestCap(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	for _, p := range []string{"a", "b", "c", "d", "e"} {
		must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, p)
	}
	l = w.policy(l, ledger.ErasePolicy{SubjectsPerEpoch: 2})
	lines, certs, err := l.RunRetention(t.Context(), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil || len(certs) != 3 || len(lines) != 1 || lines[0].Keys != 5 {
		t.Errorf("%d epochs, %v, %v", len(certs), lines, err)
	}
}

// TestDependents tells a search index of an erasure. One that fails is named in the
// certificate, and one that must report stops the erasure until it does.
func TestDependents(t *testing.T) {
	dir := t.TempDir()
	index := filepath.Join(dir, "told")
	script := filepath.Join(dir, "index.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ncat >> "+index+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	search := ledger.DependentCommand{Name: "search", Command: []string{"/bin/sh", script}}
	l = w.policy(l, ledger.ErasePolicy{Dependents: []ledger.DependentCommand{search, {Name: "crm", Command: []string{"/bin/false"}}}})
	_, cert, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cert.Terms.Dependents; len(d) != 2 || d[0].Name != "crm" || d[0].ReportedAt != nil || d[1].Name != "search" || d[1].ReportedAt == nil {
		t.Errorf("the certificate says %+v", d)
	}
	var told struct {
		Job, Subject, Scope string
		Erased              []erasure.Part
	}
	text, err := os.ReadFile(index)
	if err == nil {
		err = json.Unmarshal(text, &told)
	}
	if err != nil || told.Subject != "p" || len(told.Erased) != 1 || told.Erased[0].Compartment != "chat" {
		t.Errorf("the index was told %s, %v", text, err)
	}

	must(t, l, chatted)
	gate := filepath.Join(dir, "up")
	needed := ledger.DependentCommand{Name: "search", Must: true, Command: []string{"/bin/sh", "-c", "test -e " + gate}}
	l = w.policy(l, ledger.ErasePolicy{Dependents: []ledger.DependentCommand{needed}})
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); !errors.Is(err, erasure.ErrDependent) || strings.Contains(err.Error(), "test -e") {
		t.Fatalf("%v", err)
	}
	if n := l.Pending(); n != 1 {
		t.Errorf("%d requests pending", n)
	}
	w.close(l)
	l = w.open()
	if n := l.Pending(); n != 1 || !slices.ContainsFunc(w.warned, func(s string) bool { return strings.Contains(s, "still pending") }) {
		t.Errorf("%d requests pending, warned of %v", n, w.warned)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.close(l)
	l = w.open() // finishes what is open
	if _, err := l.Timeline(context.Background(), "p"); !isNotFound(err) || l.Pending() != 0 {
		t.Errorf("after the dependent answers: %v, %d pending", err, l.Pending())
	}

	// Nobody waited for the subject's copy any more, and the opening in it is the only one.
	w.unclaimed(l)
}

// TestUnclaimedBySweep has a holder away while somebody is erased. The sweep that finds it
// back finishes the erasure, and keeps the subject's copy.
func TestUnclaimedBySweep(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	away := func(is bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.away = is
	}
	away(true)
	if _, cert, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); !errors.Is(err, errAway) || cert != nil {
		t.Fatalf("%v, %v", cert, err)
	}
	away(false)
	if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); err != nil {
		t.Fatal(err)
	}
	w.unclaimed(l)
}

// unclaimed checks that one subject's copy lies beside the ledger, and that it was named.
func (w *world) unclaimed(l *ledger.Ledger) {
	t := w.t
	t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir+".certificates", "unclaimed", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("unclaimed certificates: %v, %v", files, err)
	}
	if !slices.ContainsFunc(w.warned, func(s string) bool { return strings.Contains(s, files[0]) }) {
		t.Errorf("warned of %v", w.warned)
	}
	if info, err := os.Stat(files[0]); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	kept, err := certificate.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if kept.Copy != certificate.CopySubject || kept.Opening == nil {
		t.Errorf("what was kept is %s, opening %v", kept.Copy, kept.Opening != nil)
	}
	e, err := l.Get(context.Background(), kept.Record.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := certificate.Verify(kept, e.Event.Canonical(), kept.Record.Index); err != nil {
		t.Error(err)
	}
}
