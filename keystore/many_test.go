package keystore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/keytest"
)

// moody refuses some of what is queued.
type moody struct {
	*keytest.Rows
	mu  sync.Mutex
	rng *rand.Rand
	one int // of how many, 0 none
}

func (m *moody) Enqueue(set []keystore.KV, del [][2][]byte) (func(context.Context) error, error) {
	m.mu.Lock()
	refuse := m.one > 0 && m.rng.IntN(m.one) == 0
	m.mu.Unlock()
	if refuse {
		return nil, errRefused
	}
	return m.Rows.Enqueue(set, del)
}

// TestManyAtOnce erases many people at once, so that their pages are read and sealed on
// several processors, while others use, change and read keys, with few pages in memory
// and a store that refuses some of it. Afterwards the rows have everybody who was not
// erased, and a thief who has all that was ever written finds those and nobody else.
func TestManyAtOnce(t *testing.T) {
	for _, one := range []int{0, 12} {
		t.Run(fmt.Sprintf("one of %d is refused", one), func(t *testing.T) { manyAtOnce(t, one) })
	}
}

func manyAtOnce(t *testing.T, one int) {
	var order sync.Mutex
	rows := &moody{Rows: keytest.NewRows(), rng: rand.New(rand.NewPCG(1, 0))}
	h, ship := holder.NewMem(), &shipment{epochs: make(map[uint64][]keystore.KV)}
	tree, err := keystore.Create(ctx, rows, []keystore.Holder{h}, keystore.Options{
		Order: &order, PageTarget: ship, CachePages: 8, CacheKeys: 64,
	}.Capacity(8).Batch(8192))
	if err != nil {
		t.Fatal(err)
	}
	rows.one = one
	const people, atOnce, epochs = 300, 60, 10
	type known struct {
		ref    keystore.Ref
		secret [32]byte
	}
	var (
		mu     sync.Mutex
		living = make(map[int]known)
		erased []known
		done   = make(chan struct{})
		beside sync.WaitGroup
	)
	subject := func(p int) keystore.Subject { return keystore.Subject(fmt.Sprint("subject ", p)) }
	// use makes the key of somebody, or finds it, and notes what was queued.
	use := func(p int) {
		l, err := tree.Use(ctx, subject(p), "marketing", 0)
		if errors.Is(err, keystore.ErrErasing) {
			return
		} else if err != nil {
			t.Errorf("using a key: %v", err)
			return
		}
		defer l.Done() // from then on it may be erased
		order.Lock()
		defer order.Unlock()
		if l.Pending() {
			if _, err := rows.Enqueue(l.TakePending(), nil); err != nil {
				l.UntakePending()
				return
			}
		}
		mu.Lock()
		defer mu.Unlock()
		living[p] = known{l.Ref(), l.EventSecret(1, [16]byte{})}
	}
	some := func(n int) (who []int, refs []keystore.Ref) {
		mu.Lock()
		defer mu.Unlock()
		for p, k := range living {
			if who, refs = append(who, p), append(refs, k.ref); len(refs) == n {
				break
			}
		}
		return who, refs
	}
	// try repeats what was refused.
	try := func(what string, f func() error) {
		t.Helper()
		err := f()
		for ; errors.Is(err, errRefused); err = f() {
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	meanwhile := func(f func(rng *rand.Rand)) {
		rng := rand.New(rand.NewPCG(2, uint64(one)))
		beside.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					f(rng)
				}
			}
		})
	}
	for p := range people {
		use(p)
	}
	for range 2 {
		meanwhile(func(rng *rand.Rand) { use(rng.IntN(people)) })
	}
	meanwhile(func(rng *rand.Rand) {
		_, refs := some(atOnce)
		day := uint16(rng.IntN(30000))
		changes := make([]keystore.Change, len(refs))
		for i := range refs {
			changes[i] = keystore.Change{Ref: refs[i], Expiry: &day}
		}
		err := tree.Update(ctx, changes...)
		if err != nil && !errors.Is(err, errRefused) && !errors.Is(err, keystore.ErrErasing) && !errors.Is(err, keystore.ErrNoKey) {
			t.Errorf("changing keys: %v", err)
		}
	})
	meanwhile(func(*rand.Rand) {
		_, refs := some(atOnce)
		release := tree.Hold(ctx, refs)
		defer release()
		if read := tree.Ahead(refs[:len(refs)/2]); read != nil {
			read(ctx)
		}
		if err := tree.Walk(ctx, func(keystore.KeyInfo) error { return nil }); err != nil && !errors.Is(err, keystore.ErrSwept) {
			t.Errorf("walking: %v", err)
		}
		rows.Commit()
	})
	for n := range epochs {
		who, refs := some(atOnce)
		try("fencing", func() error { return tree.Fence(ctx, refs) })
		var e *keystore.Epoch
		try("preparing", func() (err error) {
			if n%5 == 4 {
				e, err = tree.PrepareSweep(ctx, refs, 0)
			} else {
				e, err = tree.Prepare(ctx, refs)
			}
			return err
		})
		if e == nil {
			break
		}
		for p := range people {
			if p%epochs == n {
				use(p) // also if those beside are late
			}
		}
		if n%4 == 2 {
			try("giving up", func() error { return e.Abort(ctx) })
			try("unfencing", func() error { return tree.Unfence(ctx, refs) })
			continue
		}
		try("rooting", func() error { return e.Root(ctx) })
		mu.Lock()
		for _, p := range who {
			erased = append(erased, living[p])
			delete(living, p)
		}
		mu.Unlock()
		try("destroying", func() error { _, err := e.Destroy(ctx); return err })
	}
	close(done)
	beside.Wait()
	if held := tree.Held(); held > 0 {
		t.Errorf("%d pages are held and nobody comes back to them", held)
	}
	rows.one = 0
	rows.Commit()
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	if tree, err = keystore.Open(ctx, rows, []keystore.Holder{h}, keystore.Options{}); err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if r, err := tree.Fsck(ctx, nil); err != nil || len(r.Missing)+len(r.Problems) > 0 {
		t.Errorf("fsck: %+v %v", r, err)
	}
	thief, err := keystore.StealWithin(ctx, append(rows.Ever(), ship.ever...), []keystore.Holder{h}, 0)
	if err != nil {
		t.Fatal(err)
	}
	stolen := make(map[[32]byte]bool)
	for _, k := range thief.Keys() {
		stolen[k.EventSecret(1, [16]byte{})] = true
	}
	for p, k := range living {
		l, err := tree.LeaseOf(ctx, k.ref)
		if err != nil {
			t.Errorf("person %d: %v", p, err)
			continue
		}
		if l.EventSecret(1, [16]byte{}) != k.secret || !stolen[k.secret] {
			t.Errorf("person %d has another key, or the thief missed it", p)
		}
		l.Done()
	}
	for _, k := range erased {
		if stolen[k.secret] {
			t.Error("an erased key is found")
		}
	}
	if len(erased) < atOnce || len(living) == 0 {
		t.Errorf("%d are erased and %d alive: this shows little", len(erased), len(living))
	}
}
