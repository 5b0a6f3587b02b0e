package erasure

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
)

// people fills a world: three people with marketing and tax.
func (w *world) people() {
	w.t.Helper()
	for _, s := range []string{"s:ada", "s:bob", "s:cyn"} {
		w.mustRecord(s, "marketing", "", "newsletter of "+s, "to mailer as m-"+s[2:], "campaign of "+s)
		w.mustRecord(s, "tax", "2021", "invoice of "+s)
	}
}

// wantRead checks what is readable of a person.
func (w *world) wantRead(subject string, marketing, tax int) {
	w.t.Helper()
	for _, c := range []struct {
		compartment, cohort string
		want                int
	}{{"marketing", "", marketing}, {"tax", "2021", tax}} {
		texts, err := w.read(subject, c.compartment, c.cohort)
		if c.want == 0 && errors.Is(err, keystore.ErrNoKey) {
			continue
		}
		if err != nil || len(texts) != c.want {
			w.t.Errorf("%s of %s: %d events, %v; want %d", c.compartment, subject, len(texts), err, c.want)
		}
	}
}

func TestErase(t *testing.T) {
	w := newWorld(t)
	w.people()
	var states []State
	w.e.o.Progress = func(_ ID, s State) { states = append(states, s) }
	r := w.erasing("s:ada")

	c, err := w.e.Erase(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	w.wantRead("s:ada", 0, 1)
	w.wantRead("s:bob", 3, 1)
	w.wantRead("s:cyn", 3, 1)
	if want := []State{Requested, Checked, Fenced, Collected, Prepared, Rooted, Destroyed, Scrubbed, Recorded}; !slices.Equal(states, want) {
		t.Errorf("states %v, want %v", states, want)
	}

	w.verify(c)
	w.verify(c.Officer())
	if c.Copy != certificate.CopySubject || c.Entries != 3 || !slices.Equal(c.Terms.Recipients, []string{"mailer"}) || c.Terms.RequestedAt >= c.Terms.KeysDestroyedAt {
		t.Errorf("certificate %+v", c)
	}
	if !slices.Equal(c.Notify, []Recipient{{ID: "mailer", Ref: "m-ada"}}) {
		t.Errorf("to be told: %v", c.Notify)
	}
	shown, err := c.Opening.Disclosed()
	if err != nil || string(shown[certificate.MemberSubject]) != `"ada"` {
		t.Errorf("opened %s, %v", shown, err)
	}
	rs, _ := w.records()
	if len(rs) != 1 || rs[0].Subjects != (Subjects{Closure: "0", Request: "1-9", Retention: "0"}) || len(rs[0].Holders) != 1 {
		t.Errorf("records %+v", rs)
	}
	if len(w.e.Pending()) != 0 {
		t.Errorf("left: %v", w.e.Pending())
	}

	// The person is unknown afterwards, and may come back with a new key.
	w.mustRecord("s:ada", "marketing", "", "hello again")
	w.wantRead("s:ada", 1, 1)
	if _, err := w.e.Erase(t.Context(), w.erasing("s:ada")); err != nil {
		t.Error(err)
	}
	if rs, _ := w.records(); len(rs) != 2 || rs[1].Epoch != rs[0].Epoch+1 {
		t.Errorf("%d records", len(rs))
	}
}

// TestHandedOutOnce asks a job for its certificate twice.
func TestHandedOutOnce(t *testing.T) {
	w := newWorld(t)
	w.people()
	job, err := w.e.Submit(t.Context(), w.erasing("s:ada"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := job.Wait(t.Context())
	if err != nil || first.Opening == nil {
		t.Fatalf("%v, %v", first, err)
	}
	second, err := job.Wait(t.Context())
	if err != nil || second.Copy != certificate.CopyOfficer || second.Opening != nil || second.Notify != nil {
		t.Errorf("the opening is handed out twice: %+v, %v", second, err)
	}
	w.verify(second)
}

func TestRetire(t *testing.T) {
	w := newWorld(t)
	w.people()
	var due []keystore.KeyInfo
	for _, s := range []string{"s:ada", "s:bob"} {
		due = append(due, w.keys(s)...)
	}
	c, err := w.e.Retire(t.Context(), due)
	if err != nil {
		t.Fatal(err)
	}
	w.wantRead("s:ada", 0, 0)
	w.wantRead("s:bob", 0, 0)
	w.wantRead("s:cyn", 3, 1)
	w.verify(c)
	if c.Copy != certificate.CopyOfficer || c.Entries != 8 || len(c.Terms.Erased) != 2 || c.Terms.Reason != ReasonRetention {
		t.Errorf("certificate %+v", c)
	}
	if rs, _ := w.records(); len(rs) != 1 || rs[0].Subjects != (Subjects{Closure: "0", Request: "0", Retention: "1-9"}) {
		t.Errorf("records %+v", rs)
	}
}

func TestRefuses(t *testing.T) {
	w := newWorld(t)
	w.people()
	good := w.erasing("s:ada")
	for name, r := range map[string]Request{
		"no reason":        {Subject: good.Subject, Keys: good.Keys},
		"no key":           {Subject: good.Subject, Reason: ReasonRequest},
		"nobody":           {Keys: good.Keys, Reason: ReasonRequest},
		"a key twice":      {Subject: good.Subject, Keys: append(slices.Clone(good.Keys), good.Keys...), Reason: ReasonRequest},
		"another's key":    {Subject: "s:bob", Keys: good.Keys, Reason: ReasonRequest},
		"kept and erased":  {Subject: good.Subject, Keys: good.Keys, Reason: ReasonRequest, Kept: []Kept{{Compartment: "marketing", Reason: "because"}}},
		"kept for nothing": {Subject: good.Subject, Keys: good.Keys, Reason: ReasonRequest, Kept: []Kept{{Compartment: "tax"}}},
		"bad cohort":       {Subject: good.Subject, Keys: good.Keys, Reason: ReasonRequest, Kept: []Kept{{Compartment: "tax", Cohort: "21", Reason: "because"}}},
	} {
		if _, err := w.e.Erase(t.Context(), r); err == nil || strings.Contains(err.Error(), "ada") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.e.o.MaxKeys = 1
	if _, err := w.e.Retire(t.Context(), append(w.keys("s:ada"), w.keys("s:bob")...)); !errors.Is(err, ErrTooMany) {
		t.Errorf("four keys where one may go: %v", err)
	}
	held := true
	if err := w.tree.Update(t.Context(), keystore.Change{Ref: good.Keys[0].Ref, Held: &held}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.e.Erase(t.Context(), w.erasing("s:ada")); !errors.Is(err, ErrHeld) {
		t.Errorf("held: %v", err)
	}
	w.e.o.MaxKeys = 10
	if _, err := w.e.Retire(t.Context(), w.keys("s:ada", "marketing")); !errors.Is(err, ErrHeld) {
		t.Errorf("retention of a held key: %v", err)
	}
	w.wantRead("s:ada", 3, 1)
	if rs, _ := w.records(); len(rs) != 0 || len(w.e.Pending()) != 0 {
		t.Errorf("%d records, %d jobs left", len(rs), len(w.e.Pending()))
	}
}

// TestSharedEpoch asks for many erasures while one runs: they share the next epoch.
func TestSharedEpoch(t *testing.T) {
	w := newWorld(t)
	const n = 20
	for i := range n {
		w.mustRecord(fmt.Sprintf("s:%d", i), "marketing", "", "a", "b")
	}
	var once sync.Once
	begun := make(chan struct{}) // the first epoch has taken the first job, and no other
	w.e.o.at = func(s State) error {
		if s == Checked {
			once.Do(func() {
				close(begun)
				for waiting := 0; waiting < n-1; {
					w.e.mu.Lock()
					waiting = len(w.e.queue)
					w.e.mu.Unlock()
					runtime.Gosched()
				}
			})
		}
		return nil
	}
	var wg sync.WaitGroup
	certs := make([]*Certificate, n)
	for i := range n {
		r := w.erasing(fmt.Sprintf("s:%d", i))
		wg.Go(func() {
			var err error
			if certs[i], err = w.e.Erase(t.Context(), r); err != nil {
				t.Error(err)
			}
		})
		<-begun
	}
	wg.Wait()
	rs, _ := w.records()
	if len(rs) != 2 {
		t.Fatalf("%d epochs for %d erasures, want 2", len(rs), n)
	}
	if rs[0].Subjects.Request != "1-9" || rs[1].Subjects.Request != "10-99" {
		t.Errorf("subjects %v, %v", rs[0].Subjects, rs[1].Subjects)
	}
	places := make(map[int]bool)
	for _, c := range certs {
		w.verify(c)
		if c.Terms.Epoch == rs[1].Epoch {
			places[c.Place] = true
		}
		// Whoever holds a path sees what the others add up to, and no more.
		total := c.Entries
		for _, beside := range c.Path {
			total += beside.Count
		}
		if c.Terms.Epoch == rs[1].Epoch && total != 2*(n-1) || c.Entries != 2 {
			t.Errorf("%d entries of %d", c.Entries, total)
		}
	}
	if len(places) != n-1 {
		t.Errorf("%d places for %d requests", len(places), n-1)
	}
}

// TestMaxRequests spreads requests over epochs where one may not erase them all.
func TestMaxRequests(t *testing.T) {
	w := newWorld(t)
	w.people()
	w.e.o.MaxRequests = 1
	var jobs []*Job
	for _, s := range []string{"s:ada", "s:bob", "s:cyn"} {
		job, err := w.e.Submit(t.Context(), w.erasing(s))
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, job)
	}
	for _, job := range jobs {
		c, err := job.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.verify(c)
	}
	if rs, _ := w.records(); len(rs) != 3 {
		t.Errorf("%d epochs, want 3", len(rs))
	}
}

// TestSameKeysTwice asks twice for the same keys. One request erases them, the other learns that they are
// gone or going, and nothing is left of it.
func TestSameKeysTwice(t *testing.T) {
	w := newWorld(t)
	w.people()
	r := w.erasing("s:ada")
	errs := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := w.e.Erase(context.Background(), r)
			errs <- err
		}()
	}
	a, b := <-errs, <-errs
	if a != nil {
		a, b = b, a
	}
	if a != nil || !errors.Is(b, keystore.ErrErasing) && !errors.Is(b, keystore.ErrNoKey) {
		t.Errorf("%v, %v", a, b)
	}
	if rs, _ := w.records(); len(rs) != 1 || len(w.e.Pending()) != 0 {
		t.Errorf("%d records, %d jobs left", len(rs), len(w.e.Pending()))
	}
}

// TestFence looks at the keys while they are fenced, and from inside a lease that was given before.
func TestFence(t *testing.T) {
	w := newWorld(t)
	w.people()
	lease, err := w.tree.Find(t.Context(), "s:ada", "marketing", 0)
	if err != nil {
		t.Fatal(err)
	}
	var released atomic.Bool
	w.e.o.at = func(s State) error {
		switch s {
		case Checked:
			go func() {
				released.Store(true)
				lease.Done()
			}()
		case Fenced:
			if !released.Load() {
				t.Error("fenced while the key was in use")
			}
			if err := w.record("s:ada", "marketing", "", "too late"); !errors.Is(err, keystore.ErrErasing) {
				t.Errorf("a new seal under a fenced key: %v", err)
			}
			if err := w.record("s:ada", "tax", "2021", "another invoice"); err != nil {
				t.Errorf("a new seal under another key of the person: %v", err)
			}
			if err := w.record("s:dan", "marketing", "", "a newcomer"); err != nil {
				t.Errorf("a new key: %v", err)
			}
		case Rooted:
			// Creation never waits for an epoch.
			if err := w.record("s:eve", "marketing", "", "another"); err != nil {
				t.Errorf("a new key during the epoch: %v", err)
			}
		}
		return nil
	}
	if _, err := w.e.Erase(t.Context(), w.erasing("s:ada")); err != nil {
		t.Fatal(err)
	}
	w.wantRead("s:ada", 0, 2)
	w.wantRead("s:dan", 1, 0)
	w.wantRead("s:eve", 1, 0)
	if _, err := w.boot(); err != nil {
		t.Fatal(err)
	}
	w.wantRead("s:ada", 0, 2)
	w.wantRead("s:dan", 1, 0)
	w.wantRead("s:eve", 1, 0)
}

func TestCancel(t *testing.T) {
	for _, at := range []State{Requested, Checked, Fenced, Collected, Prepared, Rooted, Destroyed, Scrubbed, Recorded} {
		t.Run(at.String(), func(t *testing.T) {
			w := newWorld(t)
			w.people()
			cancelled := make(chan error, 1)
			var id ID
			w.e.o.Progress = func(j ID, s State) { id = j }
			w.e.o.at = func(s State) error {
				if s != at {
					return nil
				}
				go func() { cancelled <- w.e.Cancel(context.Background(), id) }()
				// Wait until Cancel has said what it wants, or was told that it is too late.
				for {
					w.e.mu.Lock()
					j := w.e.jobs[id]
					said := j != nil && j.cancelled
					w.e.mu.Unlock()
					if said || len(cancelled) > 0 {
						return nil
					}
					runtime.Gosched()
				}
			}
			_, err := w.e.Erase(t.Context(), w.erasing("s:ada"))
			cerr := <-cancelled
			rs, _ := w.records()
			if at >= Prepared {
				if err != nil || !errors.Is(cerr, ErrTooLate) || len(rs) != 1 {
					t.Fatalf("erased: %v, cancelled: %v, %d records", err, cerr, len(rs))
				}
				w.wantRead("s:ada", 0, 1)
				return
			}
			if !errors.Is(err, ErrCancelled) || cerr != nil || len(rs) != 0 {
				t.Fatalf("erased: %v, cancelled: %v, %d records", err, cerr, len(rs))
			}
			w.wantRead("s:ada", 3, 1)
			w.mustRecord("s:ada", "marketing", "", "goes on")
			certs, err := w.boot()
			if err != nil || len(certs) != 0 {
				t.Fatalf("after a restart: %d certificates, %v", len(certs), err)
			}
			w.wantRead("s:ada", 4, 1)
			if _, err := w.e.Erase(t.Context(), w.erasing("s:ada")); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestContextEndsTheWait gives up waiting; the erasure goes on.
func TestContextEndsTheWait(t *testing.T) {
	w := newWorld(t)
	w.people()
	ctx, cancel := context.WithCancel(t.Context())
	goOn := make(chan struct{})
	w.e.o.at = func(s State) error {
		if s == Checked {
			cancel()
			<-goOn
		}
		return nil
	}
	if _, err := w.e.Erase(ctx, w.erasing("s:ada")); !errors.Is(err, context.Canceled) {
		t.Errorf("wait: %v", err)
	}
	close(goOn)
	for len(w.e.Pending()) > 0 {
		runtime.Gosched()
	}
	w.e.Close()
	w.wantRead("s:ada", 0, 1)
	if rs, _ := w.records(); len(rs) != 1 {
		t.Errorf("%d records", len(rs))
	}
	if _, err := w.e.Erase(t.Context(), w.erasing("s:bob")); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestTryAgain lets one step fail once, without a crash: a request is not lost, and Resume finishes it, in
// this process or in the next.
func TestTryAgain(t *testing.T) {
	for s := Checked; s < Recorded; s++ {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, opened again %v", s, again), func(t *testing.T) {
				w := newWorld(t)
				w.people()
				failed := false
				w.e.o.at = func(at State) error {
					if at == s && !failed {
						failed = true
						return errStopped
					}
					return nil
				}
				if _, err := w.e.Erase(t.Context(), w.erasing("s:ada")); !errors.Is(err, errStopped) {
					t.Fatalf("the failure is not told: %v", err)
				}
				if s >= Rooted {
					if _, err := w.e.Erase(t.Context(), w.erasing("s:bob")); !errors.Is(err, ErrNotResumed) {
						t.Errorf("a new epoch before the last one is recorded: %v", err)
					}
				}
				resume := w.boot
				if !again {
					resume = func() ([]*Certificate, error) { return w.e.Resume(t.Context()) }
				}
				certs, err := resume()
				if err != nil || len(certs) != 1 {
					t.Fatalf("%d certificates, %v", len(certs), err)
				}
				w.settled("tried again", certs, "s:ada")
				if _, err := w.e.Erase(t.Context(), w.erasing("s:bob")); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestHolderAway lets a custodian be away for a while: before the root changes nothing has happened, and
// the request waits; afterwards nothing else may run.
func TestHolderAway(t *testing.T) {
	w := newWorld(t)
	w.people()
	away := errors.New("no route to custodian")
	h := w.holder.(*memory)
	h.fail = away
	if _, err := w.e.Erase(t.Context(), w.erasing("s:ada")); !errors.Is(err, away) {
		t.Fatalf("the failure is not told: %v", err)
	}
	if _, err := w.e.Resume(t.Context()); !errors.Is(err, away) {
		t.Fatalf("resumed without the custodian: %v", err)
	}
	h.fail = nil
	certs, err := w.e.Resume(t.Context())
	if err != nil || len(certs) != 1 {
		t.Fatalf("%d certificates, %v", len(certs), err)
	}
	w.settled("custodian back", certs, "s:ada")
}

// TestPending lets writing fail before PREPARED, for as long as it likes: others are served, and the
// request stays.
func TestPending(t *testing.T) {
	w := newWorld(t)
	w.people()
	broken := true
	w.e.o.at = func(s State) error {
		if s == Prepared && broken {
			return errStopped
		}
		return nil
	}
	if _, err := w.e.Erase(t.Context(), w.erasing("s:ada")); !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	var pending *PendingError
	if _, err := w.e.Resume(t.Context()); !errors.As(err, &pending) || pending.Jobs != 1 {
		t.Fatalf("still broken: %v", err)
	}
	var id ID
	for i, s := range w.e.Pending() {
		if id = i; s != Collected {
			t.Errorf("pending in state %s", s)
		}
	}
	broken = false
	if _, err := w.e.Erase(t.Context(), w.erasing("s:bob")); err != nil {
		t.Fatal(err)
	}
	if err := w.e.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	w.wantRead("s:ada", 3, 1)
	w.mustRecord("s:ada", "marketing", "", "goes on")
	if certs, err := w.boot(); err != nil || len(certs) != 0 {
		t.Errorf("%d certificates, %v", len(certs), err)
	}
}

// TestRestOfRequest lets requests wait while a plain erasure takes a part of their keys. What is left of them is
// erased and recorded on their day, also after a restart. Of one nothing is left, and it ends.
func TestRestOfRequest(t *testing.T) {
	w := newWorld(t)
	w.people()
	wait := func(subject string, compartments ...string) ID {
		t.Helper()
		r := w.erasing(subject)
		r.Keys, r.Kept, r.NotBefore = w.keys(subject, compartments...), nil, w.clock()
		job, err := w.e.Submit(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return job.ID()
	}
	whole := map[string]ID{"s:ada": wait("s:ada"), "s:bob": wait("s:bob")}
	nothing := wait("s:ada", "marketing")
	for subject := range whole {
		if _, err := w.e.Erase(t.Context(), w.erasing(subject)); err != nil {
			t.Fatal(err)
		}
	}
	run := func(subject string) {
		t.Helper()
		job, err := w.e.Start(whole[subject], nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := job.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.verify(c)
		if c.Entries != 1 || c.Opening == nil {
			t.Errorf("%d entries, opening %v", c.Entries, c.Opening != nil)
		}
	}
	run("s:ada")
	w.wantRead("s:ada", 0, 0)
	if _, err := w.boot(); err != nil {
		t.Fatal(err)
	}
	run("s:bob")
	w.wantRead("s:bob", 0, 0)
	if rs, _ := w.records(); len(rs) != 4 {
		t.Errorf("%d records", len(rs))
	}
	job, err := w.e.Start(nothing, nil)
	if err == nil {
		_, err = job.Wait(t.Context())
	}
	if !errors.Is(err, keystore.ErrNoKey) || len(w.e.Pending()) != 0 {
		t.Errorf("a request of which nothing is left: %v, %d jobs left", err, len(w.e.Pending()))
	}
}
