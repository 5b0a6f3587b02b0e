package erasure

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/merkle"
)

// shelf is a page target that may be away.
type shelf struct{ away bool }

func (s *shelf) Ship(context.Context, uint64, []keystore.KV) error {
	if s.away {
		return errors.New("the page target is away")
	}
	return nil
}

// aside is a world with a page target, and a dependent that reports at another time whenever it is told.
func aside(t *testing.T) (*world, *shelf) {
	w := newWorld(t)
	target := new(shelf)
	w.target = target
	w.o.Dependents = []Dependent{{Name: "search", Erase: func(context.Context, Told) error { return nil }}}
	w.people()
	if _, err := w.boot(); err != nil {
		t.Fatal(err)
	}
	return w, target
}

// TestTwoAttempts prepares an epoch twice, since the page target was away, and stops where the record is in the log
// and no row says so: what the second attempt has collected is what the record commits to, and the rows of the first
// are there as well.
func TestTwoAttempts(t *testing.T) {
	for range 12 { // the names of rows are random, and with them which comes first
		w, target := aside(t)
		target.away = true
		if _, err := w.e.Erase(t.Context(), w.erasing("s:ada")); err == nil {
			t.Fatal("the page target was not missed")
		}
		target.away = false
		w.sync()
		w.end()
		w.o.at = func(s State) error {
			if s == Scrubbed {
				w.stopIn(len(w.queue)+1, true) // the record is in the log
			}
			return nil
		}
		if _, err := w.reopen(); !errors.Is(err, errStopped) {
			t.Fatal(err)
		}
		w.o.at = nil
		certs, err := w.boot()
		if err != nil || len(certs) != 1 {
			t.Fatalf("%d certificates, %v", len(certs), err)
		}
		w.settled("the second attempt", certs, "s:ada")
	}
}

// TestCollectedAnew frees the keys of a request that was collected, because of an order to preserve: what happens
// until it begins again stands in its certificate.
func TestCollectedAnew(t *testing.T) {
	for _, restart := range []bool{false, true} {
		w, target := aside(t)
		r := w.erasing("s:ada")
		r.NotBefore = w.clock()
		waiting, err := w.e.Submit(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		begin := func() (*Certificate, error) {
			t.Helper()
			job, err := w.e.Start(waiting.ID(), nil)
			if err != nil {
				t.Fatal(err)
			}
			return job.Wait(t.Context())
		}
		target.away = true
		if _, err := begin(); err == nil {
			t.Fatal("the page target was not missed")
		}
		target.away = false
		w.preserved = true
		if restart {
			w.sync()
			if _, err := w.boot(); err != nil {
				t.Fatal(err)
			}
		} else if _, err := begin(); !errors.Is(err, ErrHeld) {
			t.Fatal(err)
		}
		w.mustRecord("s:ada", "marketing", "", "to printer as p-ada")
		w.preserved = false
		c, err := begin()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(c.Terms.Recipients, "printer") || c.Entries != 4 {
			t.Errorf("restart %v: recipients %v of %d entries", restart, c.Terms.Recipients, c.Entries)
		}
	}
}

// TestApproverGone takes an approver away between an approval and the erasure, which another approved, and stops where
// the record is in the log: the approval does not count again when the request is read.
func TestApproverGone(t *testing.T) {
	w, _ := aside(t)
	var signers []merkle.Signer
	for _, name := range []string{"ada.test", "bob.test"} {
		signers = append(signers, w.approver(name))
	}
	if _, err := w.boot(); err != nil {
		t.Fatal(err)
	}
	r := w.erasing("s:ada")
	r.Approvals = 1
	job, err := w.e.Submit(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range signers {
		a, err := certificate.Approve(s, testOrigin, w.e.Waiting()[0].Commitment)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.e.Approve(t.Context(), job.ID(), a); err != nil {
			t.Fatal(err)
		}
	}
	w.o.Approvers = w.o.Approvers[:1]
	if _, err := w.boot(); err != nil {
		t.Fatal(err)
	}
	w.e.o.at = func(s State) error {
		if s == Scrubbed {
			w.stopIn(len(w.queue)+1, true)
		}
		return nil
	}
	if job, err = w.e.Start(job.ID(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := job.Wait(t.Context()); !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	certs, err := w.boot()
	if err != nil || len(certs) != 1 || len(certs[0].Terms.Approvals) != 1 {
		t.Fatalf("%d certificates, %v", len(certs), err)
	}
	w.settled("the approver is gone", certs, "s:ada")
}

// TestToldBeforeCrash stops while a dependent is told of a request that had waited: it is on its way then, and cannot
// be taken back, whatever was not waited for.
func TestToldBeforeCrash(t *testing.T) {
	w := newWorld(t)
	w.people()
	told := false
	w.o.Dependents = []Dependent{{Name: "search", Erase: func(context.Context, Told) error {
		if !told {
			told = true
			w.stop()
		}
		return nil
	}}}
	if _, err := w.boot(); err != nil {
		t.Fatal(err)
	}
	r := w.erasing("s:ada")
	r.NotBefore = w.clock()
	job, err := w.e.Submit(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if job, err = w.e.Start(job.ID(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := job.Wait(t.Context()); !errors.Is(err, errStopped) || !told {
		t.Fatal(err)
	}
	certs, err := w.boot()
	if err != nil || len(certs) != 1 || len(w.e.Waiting()) != 0 {
		t.Fatalf("%d certificates, %d requests wait, %v", len(certs), len(w.e.Waiting()), err)
	}
	w.settled("told", certs, "s:ada")
}
