package erasure

import (
	"errors"
	"testing"

	"github.com/lacunalog/lacuna/erasure/certificate"
)

// damage flips a bit of every row of a kind and a job.
func (w *world) damage(kind byte, id ID) {
	w.t.Helper()
	n := 0
	for k, v := range w.rows {
		if r, err := parseRowKey([]byte(k)); err == nil && r.kind == kind && r.id == id {
			v[len(v)-1] ^= 1
			n++
		}
	}
	if n == 0 {
		w.t.Fatalf("no row %q of the job", kind)
	}
}

// TestGivenUp stops behind an epoch of two requests, and damages the rows of one of them: nobody can word the record
// of the epoch any more. The keys of both die in the next sweep, because what the other has collected can be read.
func TestGivenUp(t *testing.T) {
	w := newWorld(t)
	w.people()
	var jobs []*job
	for _, who := range []string{"s:ada", "s:bob"} {
		r := w.erasing(who)
		r.NotBefore = w.clock()
		job, err := w.e.Submit(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, job.j)
	}
	if refs, err := w.e.givenUp(t.Context()); err != nil || len(refs) != 0 {
		t.Errorf("%d keys of requests that wait die in a sweep, %v", len(refs), err)
	}
	w.e.o.at = func(s State) error {
		if s == Destroyed {
			w.stop()
			return errStopped
		}
		return nil
	}
	w.e.epochs.Lock()
	err := w.e.run(t.Context(), jobs)
	w.e.epochs.Unlock()
	if !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	w.end()
	w.damage(kindJob, jobs[1].id)
	if _, err := w.reopen(); err != nil {
		t.Fatal(err)
	}
	if d, err := w.e.Account(t.Context()); err != nil || d.Open != 0 {
		t.Errorf("%d erasures are open, %v", d.Open, err)
	}
	if refs, err := w.e.givenUp(t.Context()); err != nil || len(refs) != 2 {
		t.Errorf("%d keys die in the next sweep, %v", len(refs), err)
	}
}

// TestApprovalDamaged: an approval that cannot be read does not count, and stops nothing.
func TestApprovalDamaged(t *testing.T) {
	w := newWorld(t)
	w.people()
	s := w.approver("ada.test")
	if _, err := w.boot(); err != nil {
		t.Fatal(err)
	}
	r := w.erasing("s:ada")
	r.Approvals = 1
	job, err := w.e.Submit(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	a, err := certificate.Approve(s, testOrigin, w.e.Waiting()[0].Commitment)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.e.Approve(t.Context(), job.ID(), a); err != nil {
		t.Fatal(err)
	}
	w.damage(kindApproval, job.ID())
	if _, err := w.boot(); err != nil {
		t.Fatal(err)
	}
	if waiting := w.e.Waiting(); len(waiting) != 1 || len(waiting[0].Approvals) != 0 {
		t.Errorf("waiting: %+v", waiting)
	}
	if waiting, err := w.e.Approve(t.Context(), job.ID(), a); err != nil || len(waiting.Approvals) != 1 {
		t.Errorf("approved again: %+v, %v", waiting, err)
	}
}

// TestFreeAbandoned stops where the keys of a request are fenced, and damages its rows: it is given up, and whoever it was
// about can still be erased.
func TestFreeAbandoned(t *testing.T) {
	w := newWorld(t)
	w.people()
	job := ID{}
	w.crashBehind(Fenced, "s:ada", func() {
		for id := range w.e.jobs {
			job = id
		}
		w.sync()
	})
	w.end()
	w.damage(kindJob, job)
	if _, err := w.reopen(); err != nil {
		t.Fatal(err)
	}
	w.wantRead("s:ada", 3, 1)
	if _, err := w.e.Erase(t.Context(), w.erasing("s:ada")); err != nil {
		t.Error(err)
	}
}
