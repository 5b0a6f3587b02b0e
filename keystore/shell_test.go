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

// scans counts how often pages are read, and can lose what comes behind a page's image.
type scans struct {
	*keytest.Rows
	mu    sync.Mutex
	n     int
	short bool
}

func (s *scans) Scan(ctx context.Context, from, to []byte, f func(k, v []byte) error) error {
	s.mu.Lock()
	s.n++
	s.mu.Unlock()
	seen := 0
	return s.Rows.Scan(ctx, from, to, func(k, v []byte) error {
		if seen++; s.short && seen > 1 {
			return nil
		}
		return f(k, v)
	})
}

// everyFourth makes a key for each of so many people, and returns those of every fourth.
func everyFourth(p *plain, people int) (refs []keystore.Ref) {
	for i := range people {
		ref := p.add(fmt.Sprint("subject ", i), "contract", 0)
		if i%4 == 0 {
			refs = append(refs, ref)
		}
	}
	return refs
}

func newShells(t *testing.T) (*plain, *scans) {
	t.Helper()
	p := &plain{t: t, rows: keytest.NewRows(), h: holder.NewMem()}
	rows := &scans{Rows: p.rows}
	tree, err := keystore.Create(ctx, rows, []keystore.Holder{p.h}, keystore.Options{CachePages: 16, CacheKeys: 64})
	p.ok(err)
	p.tree = tree
	t.Cleanup(func() { p.tree.Close() })
	return p, rows
}

// TestShells makes many more keys than the cache has room for. Pages become shells,
// are added to as such, divided and changed; every key stays what it was, and a page
// is read once in a while only. People who come back are the control: theirs is read
// nearly every time.
func TestShells(t *testing.T) {
	p, rows := newShells(t)
	const people = 2500
	names := make(map[string][32]byte)
	use := func(who int, compartment string) {
		t.Helper()
		l, err := p.tree.Use(ctx, keystore.Subject(fmt.Sprint("subject ", who)), compartment, 0)
		p.ok(err)
		defer l.Done()
		commit(t, p.rows, l)
		name, at := l.RowName(1, 1), fmt.Sprint(who, compartment)
		if old, ok := names[at]; ok && old != name {
			t.Fatal("a key is another one than it was")
		}
		names[at] = name
	}
	rows.n = 0
	for i := range people {
		use(i, "contract")
	}
	if p.tree.Shells() == 0 {
		t.Fatal("no page became a shell")
	}
	if rows.n > people/8 {
		t.Errorf("%d new people: %d reads of a page", people, rows.n)
	}
	rows.n = 0
	for i := range people {
		use(i, "contract")
	}
	if rows.n < people/3 { // about half: where pages lie is drawn
		t.Errorf("%d known people: %d reads of a page; then this test cannot tell", people, rows.n)
	}
	for i := range people {
		if i%3 == 0 {
			use(i, "marketing")
		}
	}

	check := func() {
		t.Helper()
		for i := range people {
			keys, err := p.tree.Keys(ctx, keystore.Subject(fmt.Sprint("subject ", i)))
			p.ok(err)
			want := 1
			if i%3 == 0 {
				want = 2
			}
			if len(keys) != want {
				t.Fatalf("%d keys instead of %d", len(keys), want)
			}
			use(i, "contract")
		}
		r, err := p.tree.Fsck(ctx, nil)
		p.ok(err)
		if want := people + (people+2)/3; r.Keys != want || len(r.Missing)+len(r.Problems) > 0 {
			t.Fatalf("%d keys instead of %d; %v %v", r.Keys, want, r.Missing, r.Problems)
		}
	}
	check()
	// Erased on pages most of which are shells, among them what became shells under
	// the page above that the epoch replaces.
	ref := p.add("doomed", "contract", 0)
	p.tree.DropCaches()
	for i := range people / 4 {
		use(i, "contract")
	}
	p.erase(ref)
	if _, err := p.tree.Find(ctx, "doomed", "contract", 0); !errors.Is(err, keystore.ErrNoKey) {
		t.Fatalf("who was erased: %v", err)
	}
	check()
	p.reopen()
	check()
}

// TestShellThatIsNotThere lets rows of a page get lost while it is a shell. Whoever
// needs them is told that the page is missing, and nobody gets a second key in the
// place of one that was lost.
func TestShellThatIsNotThere(t *testing.T) {
	p, rows := newShells(t)
	const people = 2000
	for i := range people {
		p.add(fmt.Sprint("subject ", i), "contract", 0)
	}
	rows.short = true
	missing := 0
	for i := range people {
		l, err := p.tree.Use(ctx, keystore.Subject(fmt.Sprint("subject ", i)), "contract", 0)
		if err == nil {
			if len(l.TakePending()) > 0 {
				t.Fatal("a key was made where there is one")
			}
			l.Done()
			continue
		}
		p.is(err, keystore.ErrPageMissing)
		missing++
	}
	if missing == 0 {
		t.Fatal("nobody noticed")
	}
	rows.short = false
	for i := range people {
		l, err := p.tree.Find(ctx, keystore.Subject(fmt.Sprint("subject ", i)), "contract", 0)
		p.ok(err)
		l.Done()
	}
}

var errRefused = errors.New("refused")

// TestLeftIsWiped drives interior pages out of the cache, which may be in use then. When
// an erasure is done, or when they are many, they have no keys.
func TestLeftIsWiped(t *testing.T) {
	for _, c := range []struct {
		name   string
		people int
		then   func(*plain)
	}{
		{"few", 300, func(p *plain) { p.erase(p.add("doomed", "contract", 0)) }},
		{"many", 2500, func(p *plain) {
			l, err := p.tree.Find(ctx, "subject 1", "contract", 0)
			p.ok(err)
			l.Done()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &plain{t: t, rows: keytest.NewRows(), h: holder.NewMem()}
			tree, err := keystore.Create(ctx, p.rows, []keystore.Holder{p.h}, keystore.Options{}.Capacity(1))
			p.ok(err)
			p.tree = tree
			t.Cleanup(func() { p.tree.Close() })
			for i := range c.people {
				p.add(fmt.Sprint("subject ", i), "contract", 0)
			}
			count := tree.Unwiped()
			tree.DropCaches()
			if left, unwiped := count(); left == 0 || unwiped == 0 {
				t.Fatalf("%d pages left, %d with keys; then this test cannot tell", left, unwiped)
			}
			c.then(p)
			if left, unwiped := count(); unwiped != 0 {
				t.Errorf("%d of %d pages that left have keys", unwiped, left)
			}
		})
	}
}

// refusing refuses a piece of what is queued, after it has shown those before.
type refusing struct {
	*keytest.Rows
	after int // so many are taken; below 0 all
}

func (r *refusing) Enqueue(set []keystore.KV, del [][2][]byte) (func(context.Context) error, error) {
	if r.after == 0 {
		return nil, errRefused
	}
	r.after--
	wait, err := r.Rows.Enqueue(set, del)
	r.Commit()
	return wait, err
}

// TestPiecesOfDeltas changes many keys by deltas, in pieces of which a later one is refused. What is written next of
// the same pages is other deltas, fewer, or in part again: none of the old ones is left behind their end, where it
// would make the page look as if it were lost. And of a page that is split, both halves are there or none.
func TestPiecesOfDeltas(t *testing.T) {
	const people = 300
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 7))
		p := &plain{t: t, rows: keytest.NewRows(), h: holder.NewMem()}
		rows := &refusing{Rows: p.rows, after: -1}
		tree, err := keystore.Create(ctx, rows, []keystore.Holder{p.h}, keystore.Options{}.Capacity(16).Batch(4096))
		p.ok(err)
		p.tree = tree
		var refs []keystore.Ref
		for i := range people {
			refs = append(refs, p.add(fmt.Sprint("subject ", i), "contract", 0))
		}
		p.ok(tree.Fence(ctx, refs)) // so that every page begins with an image
		p.ok(tree.Unfence(ctx, refs))
		// A key that nobody uses goes along with what is written of its page, and is given back.
		var unused []*keystore.Lease
		for i := range people / 10 {
			l, err := tree.Use(ctx, keystore.Subject(fmt.Sprint("unused ", i)), "contract", 0)
			p.ok(err)
			unused = append(unused, l)
		}
		refused := 0
		for try := range uint16(4) {
			if try > 0 {
				for _, l := range unused {
					l.Done()
				}
				unused = nil
			}
			if try == 1 && seed%2 == 1 {
				tree.EmptyPages()
			}
			changes := make([]keystore.Change, 0, people)
			day := 22000 + try
			for _, i := range rng.Perm(people)[:people/2] {
				changes = append(changes, keystore.Change{Ref: refs[i], Expiry: &day})
			}
			rows.after = 1 + rng.IntN(5)
			if err := tree.Update(ctx, changes...); errors.Is(err, errRefused) {
				refused++
			} else {
				p.ok(err)
			}
			rows.after = -1
			opened, err := keystore.Open(ctx, p.rows, []keystore.Holder{p.h}, keystore.Options{}.Capacity(16))
			p.ok(err)
			r, err := opened.Fsck(ctx, nil)
			p.ok(err)
			if r.Keys < people || len(r.Missing)+len(r.Problems) > 0 {
				t.Fatalf("seed %d, try %d: %d keys; %v %v", seed, try, r.Keys, r.Missing, r.Problems)
			}
		}
		if refused == 0 {
			t.Fatal("nothing was refused; then this test cannot tell")
		}
		p.ok(tree.Update(ctx, keystore.Change{Ref: refs[0], Expiry: new(uint16)}))
		p.reopen()
		for _, r := range refs {
			l, err := p.tree.LeaseOf(ctx, r)
			p.ok(err)
			l.Done()
		}
		p.ok(p.tree.Close())
	}
}
