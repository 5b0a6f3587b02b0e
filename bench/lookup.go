package bench

import (
	"context"
	"fmt"
	mrand "math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/merkle/log"
)

// Units of looking a key up: loaded already; on a page that is in memory; on a page
// that has to be read and opened.
const (
	UnitLookupCached = "cached-µs"
	UnitLookupPage   = "page-µs"
	UnitLookupCold   = "cold-µs"
)

// Lookups measures how long it takes to look a key up in a tree of so many people, in
// a log on the disk. Where a page is to be read, the pages above are in memory, as they
// soon are, and the rows are where the system keeps what was read lately.
func Lookups(ctx context.Context, dir string, people, n int) (*Result, error) {
	lg, err := newLog(ctx, filepath.Join(dir, "lookups"), "k")
	if err != nil {
		return nil, err
	}
	defer lg.Close()
	root := holder.NewMem() // survives Close
	r := &Result{Name: fmt.Sprintf("Lookup/people=%d", people), N: n}
	if err := withTree(ctx, lg, root, keystore.Create, keystore.Options{}, func(t *keystore.Tree) error { return fillTree(ctx, lg, t, people) }); err != nil {
		return nil, fmt.Errorf("making a key tree to look into: %w", err)
	}
	if err := settle(ctx); err != nil {
		return nil, err
	}
	m := Start()
	for _, c := range []struct {
		unit string
		o    keystore.Options
		of   int // people who are looked up
		warm bool
	}{
		{UnitLookupCached, keystore.Options{}, min(people, 1000), true},
		{UnitLookupPage, keystore.Options{CacheKeys: 32, CachePages: 1 << 20}, people, true},
		{UnitLookupCold, keystore.Options{CacheKeys: 32, CachePages: pagesAbove(people) + 64}, people, false},
	} {
		err := withTree(ctx, lg, root, keystore.Open, c.o, func(t *keystore.Tree) error {
			one, err := lookUp(ctx, t, c.of, n, c.warm)
			r.add(c.unit, micros(one))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("looking keys up: %w", err)
		}
	}
	r.during(m.Stop().Busy)
	return r, nil
}

// pagesAbove is how many pages a tree of so many people has above those with keys, the
// system page among them.
func pagesAbove(people int) int {
	n := 2
	for level, below := 1, people/48; below > level*64; level *= 64 {
		n += level * 64
	}
	return n
}

type treeMaker func(context.Context, keystore.Rows, []keystore.Holder, keystore.Options) (*keystore.Tree, error)

func withTree(ctx context.Context, lg *log.Log, root keystore.Holder, open treeMaker, o keystore.Options, f func(*keystore.Tree) error) error {
	o.Order = new(sync.Mutex)
	t, err := open(ctx, logRows{lg}, []keystore.Holder{root}, o)
	if err != nil {
		return err
	}
	defer t.Close()
	return f(t)
}

func lookUpOne(ctx context.Context, t *keystore.Tree, person int) error {
	l, err := t.Find(ctx, keystore.Subject(Person(person)), "marketing", 0)
	if err == nil {
		l.Done()
	}
	return err
}

// lookUp returns the median of so many lookups of people at random.
func lookUp(ctx context.Context, t *keystore.Tree, people, n int, warm bool) (time.Duration, error) {
	if warm {
		for p := range people {
			if err := lookUpOne(ctx, t, p); err != nil {
				return 0, err
			}
		}
	}
	rng := mrand.New(mrand.NewPCG(1, 4))
	var took Latencies
	for range n {
		one, err := timed(func() error { return lookUpOne(ctx, t, rng.IntN(people)) })
		if err != nil {
			return 0, err
		}
		took = append(took, one)
	}
	return took.Quantile(0.5), nil
}

// fillTree makes a key for each of the people.
func fillTree(ctx context.Context, lg *log.Log, t *keystore.Tree, people int) error {
	var last *log.Ticket
	for p := range people {
		lease, err := t.Use(ctx, keystore.Subject(Person(p)), "marketing", 0)
		if err != nil {
			return err
		}
		if last, err = enqueueNew(lg, lease); err != nil {
			return err
		}
		lease.Done()
		if p%1000 == 999 {
			if err := last.Wait(ctx); err != nil {
				return err
			}
		}
	}
	return last.Wait(ctx)
}

// Units of the first event of somebody beside one of somebody who is known, in
// processor time: what a new key and its page cost.
const (
	UnitFirstEvent = "first-cpu-µs"
	UnitNextEvent  = "next-cpu-µs"
	UnitCreate     = "first÷next"
)

// Creation records first events of new people and further events of people who are
// known, in turns, and says how much more a first one costs. All pages are in memory.
func (s *Sandbox) Creation(ctx context.Context, n, rounds int) (*Result, error) {
	if s.People < n {
		return nil, fmt.Errorf("recording %d further events of %d people", n, s.People)
	}
	var first, another, ratio []float64
	m := Start()
	for range rounds {
		created, err := s.Populate(ctx, n)
		if err != nil {
			return nil, err
		}
		// Those who came last are known best.
		further, err := s.further(ctx, s.People-n, n)
		if err != nil {
			return nil, err
		}
		a, b := created.Metric(UnitCPU), further.Metric(UnitCPU)
		if b <= 0 {
			a, b = created.Metric("ns/op")/1e3, further.Metric("ns/op")/1e3
		}
		first, another, ratio = append(first, a), append(another, b), append(ratio, a/b)
	}
	u := m.Stop()
	r := &Result{Name: fmt.Sprintf("Creation/people=%d/window=%d", s.People, populateWindow), N: n * rounds}
	r.add("ns/op", float64(u.Elapsed.Nanoseconds())/float64(2*n*rounds))
	r.add(UnitFirstEvent, SpreadOf(first).Median)
	r.add(UnitNextEvent, SpreadOf(another).Median)
	r.add(UnitCreate, SpreadOf(ratio).Median)
	r.during(u.Busy)
	return r, nil
}
