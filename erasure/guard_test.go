package erasure

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
)

// TestClose closes the engine while an erasure waits for somebody who does not let go of the key. The
// request stays, and the next process finishes it.
func TestClose(t *testing.T) {
	w := newWorld(t)
	w.people()
	lease, err := w.tree.Find(t.Context(), "s:ada", "marketing", 0)
	if err != nil {
		t.Fatal(err)
	}
	job, err := w.e.Submit(t.Context(), w.erasing("s:ada"))
	if err != nil {
		t.Fatal(err)
	}
	w.e.Close()
	if _, err := job.Wait(t.Context()); !errors.Is(err, context.Canceled) && !errors.Is(err, ErrNotResumed) {
		t.Errorf("the wait ended with %v", err)
	}
	lease.Done()
	certs, err := w.boot()
	if err != nil || len(certs) != 1 {
		t.Fatalf("%d certificates, %v", len(certs), err)
	}
	w.settled("after Close", certs, "s:ada")
}

// TestHeldMeanwhile places a hold while a request waits for a restart: the request ends, and the keys are
// free. Once they are fenced it is too late for a hold.
func TestHeldMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.people()
	w.crashBehind(Checked, "s:ada", w.sync)
	w.end()
	tree, err := keystore.Open(t.Context(), worldRows{w}, []keystore.Holder{worldHolder{w.holder, w}}, w.treeOptions())
	if err != nil {
		t.Fatal(err)
	}
	w.tree = tree
	held := true
	if err := tree.Update(t.Context(), keystore.Change{Ref: w.keys("s:ada", "marketing")[0].Ref, Held: &held}); err != nil {
		t.Fatal(err)
	}
	if certs := w.start(); len(certs) != 0 || len(w.e.Pending()) != 0 {
		t.Errorf("%d certificates, %d jobs left", len(certs), len(w.e.Pending()))
	}
	w.mustRecord("s:ada", "marketing", "", "goes on")
	w.wantRead("s:ada", 4, 1)
}

// TestPreservedMeanwhile records an order to preserve while a request waits for a dependent, with keys that are
// fenced. A request that began at once ends, one that was deferred waits on, and the keys of both are free again:
// after a crash, after a restart in peace, and where the same process tries again.
func TestPreservedMeanwhile(t *testing.T) {
	again := map[string]func(*world) ([]*Certificate, error){
		"crash": (*world).boot,
		"restart": func(w *world) ([]*Certificate, error) {
			w.sync()
			return w.boot()
		},
		"same process": func(w *world) ([]*Certificate, error) { return w.e.Resume(context.Background()) },
	}
	for _, deferred := range []bool{false, true} {
		for how, resume := range again {
			t.Run(fmt.Sprintf("deferred %v, %s", deferred, how), func(t *testing.T) { preservedMeanwhile(t, deferred, resume) })
		}
	}
}

func preservedMeanwhile(t *testing.T, deferred bool, resume func(*world) ([]*Certificate, error)) {
	w := newWorld(t)
	w.people()
	w.o.Dependents = []Dependent{{Name: "search", Must: true, Erase: func(context.Context, Told) error { return errors.New("down") }}}
	if _, err := w.boot(); err != nil {
		t.Fatal(err)
	}
	r, left := w.erasing("s:ada"), 0
	if deferred {
		r.NotBefore, left = w.clock(), 1
	}
	job, err := w.e.Submit(t.Context(), r)
	if err == nil && deferred {
		job, err = w.e.Start(job.ID(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := job.Wait(t.Context()); !errors.Is(err, ErrDependent) {
		t.Fatal(err)
	}
	if k := w.keys("s:ada", "marketing")[0]; k.State != keystore.Erasing {
		t.Fatalf("the key is %v", k.State)
	}
	w.mu.Lock()
	w.preserved = true
	w.mu.Unlock()
	if certs, err := resume(w); err != nil || len(certs) != 0 || len(w.e.Pending()) != left {
		t.Errorf("%d certificates, %d jobs left, %v", len(certs), len(w.e.Pending()), err)
	}
	w.mustRecord("s:ada", "marketing", "", "goes on")
	w.wantRead("s:ada", 4, 1)
}

// TestManyKeys retires more keys than fit into one epoch by mistake, and then as many as do.
func TestManyKeys(t *testing.T) {
	w := newWorld(t)
	const n = 1500
	var due []keystore.KeyInfo
	for i := range n {
		s := fmt.Sprintf("s:%d", i)
		w.mustRecord(s, "tax", "2016", "invoice")
		due = append(due, w.keys(s)...)
	}
	w.e.o.MaxKeys = n - 1
	if _, err := w.e.Retire(t.Context(), due); !errors.Is(err, ErrTooMany) {
		t.Errorf("%d keys where %d may go: %v", n, n-1, err)
	}
	w.e.o.MaxKeys = n
	c, err := w.e.Retire(t.Context(), due)
	if err != nil {
		t.Fatal(err)
	}
	w.verify(c)
	if c.Entries != n || len(c.Terms.Erased) != 1 {
		t.Errorf("%d entries, %v", c.Entries, c.Terms.Erased)
	}
	if rs, _ := w.records(); rs[0].Subjects.Retention != "1000-9999" {
		t.Errorf("subjects %v", rs[0].Subjects)
	}
	for i := range n {
		if _, err := w.read(fmt.Sprintf("s:%d", i), "tax", "2016"); !errors.Is(err, keystore.ErrNoKey) {
			t.Fatalf("person %d: %v", i, err)
		}
	}
}

// TestShare splits a queue by requests and by keys.
func TestShare(t *testing.T) {
	e := &Engine{o: Options{MaxRequests: 3, MaxKeys: 10}}
	for _, c := range []struct {
		keys []int
		want int
	}{
		{[]int{1}, 1}, {[]int{11}, 1}, {[]int{11, 1}, 1}, {[]int{5, 5, 1}, 2}, {[]int{1, 1, 1, 1}, 3}, {[]int{4, 6}, 2},
	} {
		var queue []*job
		for _, n := range c.keys {
			queue = append(queue, &job{who: &identity{Refs: make([][]byte, n)}})
		}
		if got := e.share(queue); got != c.want {
			t.Errorf("%v: %d share an epoch, want %d", c.keys, got, c.want)
		}
	}
}
