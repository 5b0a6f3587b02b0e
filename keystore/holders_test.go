package keystore_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/internal/block"
)

// A custody is a world whose holders change: each is a device, by its number.
type custody struct {
	*world
	devs []*block.Memory
	now  []int // who keeps the root
}

func newCustody(t *testing.T, seed uint64, now []int) *custody {
	w := people(t, seed, len(now))
	c := &custody{world: w, now: now}
	c.devs = append(c.devs, w.dev...)
	for len(c.devs) < 3 {
		c.devs = append(c.devs, block.NewMemory())
	}
	return c
}

func (c *custody) open(numbers []int) (hs []keystore.Holder) {
	for _, n := range numbers {
		h, err := holder.OnDevice(c.devs[n])
		c.ok(err)
		hs = append(hs, h)
	}
	return hs
}

// change makes the devices of numbers the holders. Where crash stops it, it is
// recovered with those away that are named, and change reports false if it went back.
func (c *custody) change(t *testing.T, to, away []int) bool {
	t.Helper()
	next := c.open(to)
	// One that stays is the same holder.
	for i, n := range to {
		for j, m := range c.now {
			if n == m {
				next[i] = c.tree.Holders()[j]
			}
		}
	}
	e, err := c.tree.PrepareHolders(ctx, next)
	if err == nil {
		c.attempts = append(c.attempts, e.Record().Attempt)
		if err = e.Root(ctx); err == nil {
			_, err = e.Destroy(ctx)
		}
	}
	if err == nil {
		c.now = to
		c.use(c.someone())
		c.settle()
		return true
	}
	if !errors.Is(err, errStep) {
		t.Fatal(err)
	}
	c.down()
	c.ok(c.tree.Close())
	hs, next := c.open(c.now), c.open(to)
	for _, n := range away {
		for i := range hs {
			if c.now[i] == n {
				hs[i] = awayHolder{hs[i]}
			}
		}
		for i := range next {
			if to[i] == n {
				next[i] = awayHolder{next[i]}
			}
		}
	}
	o := c.options()
	o.Next = next
	c.tree, err = keystore.Open(ctx, c.rows, hs, o)
	if err != nil {
		t.Fatal(err)
	}
	forward := ids(c.tree.Holders()) == ids(next)
	if !forward && ids(c.tree.Holders()) != ids(hs) {
		t.Fatal("the root lies with neither the old holders nor the new")
	}
	if forward {
		c.now = to
	}
	// The next opening needs no more than those that it lies with.
	c.ok(c.tree.Close())
	c.tree, err = keystore.Open(ctx, c.rows, c.open(c.now), c.options())
	c.ok(err)
	return forward
}

func ids(hs []keystore.Holder) (s string) {
	for _, h := range hs {
		s += h.Caps().ID.String() + " "
	}
	return s
}

// search asks the adversary, who has what lies on all devices.
func (c *custody) search() {
	c.dev = c.devs
	c.check()
}

// awayHolder does not answer.
type awayHolder struct{ keystore.Holder }

var errAway = errors.New("does not answer")

func (awayHolder) Current(context.Context) ([]keystore.Share, error) { return nil, errAway }

// TestChangeHoldersCrash stops a change of holders at each of its steps. Nobody is
// lost, nobody comes back, and the change can be made afterwards.
func TestChangeHoldersCrash(t *testing.T) {
	for _, x := range []struct {
		name       string
		from, to   []int
		fore, back int // at least
	}{
		{"add", []int{0}, []int{0, 1}, 3, 5},
		{"remove", []int{0, 1}, []int{0}, 3, 5},
		{"remove the first", []int{0, 1}, []int{1}, 3, 5},
		{"replace", []int{0, 1}, []int{0, 2}, 3, 5},
		{"replace all", []int{0}, []int{2}, 3, 5},
		{"renew", []int{0, 1}, []int{0, 1}, 3, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			fore, back := 0, 0
			for stop := 1; ; stop++ {
				c := newCustody(t, uint64(stop), x.from)
				c.erase(2, false)
				c.steps, c.crash, c.quiet = nil, stop, true
				forward := c.change(t, x.to, nil)
				if c.crash > 0 {
					break // it has fewer steps
				}
				if forward {
					fore++
				} else {
					back++
				}
				c.verify()
				if !c.change(t, x.to, nil) {
					t.Fatalf("after a stop at step %d, the change cannot be made", stop)
				}
				if !testing.Short() || stop%4 == 0 {
					c.search()
				}
				c.verify()
			}
			if fore < x.fore || back < x.back {
				t.Errorf("%d stops went forward, %d back", fore, back)
			}
		})
	}
}

// verify looks whether everybody opens who should.
func (c *custody) verify() {
	c.t.Helper()
	for _, p := range c.sorted() {
		k := c.people[p]
		l, err := c.tree.LeaseOf(ctx, k.ref)
		switch {
		case err == nil && k.status == erased && l.EventSecret(1, [16]byte{}) == k.secret:
			c.t.Fatalf("somebody who was erased opens")
		case err == nil:
			l.Done()
		case k.status == living:
			c.t.Fatalf("somebody is lost: %v", err)
		}
	}
}

// TestChangeHoldersAway stops a change and then has a holder away that joins or
// leaves. Where the others suffice the tree opens; a holder of both sets is needed.
func TestChangeHoldersAway(t *testing.T) {
	for _, x := range []struct {
		name     string
		from, to []int
		stop     string
		away     int
		forward  bool
	}{
		{"joining, offered nothing", []int{0}, []int{0, 1}, "prepared", 1, false},
		{"joining, offered to one", []int{0}, []int{0, 1}, "offered 0", 1, false},
		{"joining, offered to all", []int{0}, []int{0, 1}, "rooted", 1, false},
		{"leaving, offered to one", []int{0, 1}, []int{0}, "offered 0", 1, true},
		{"leaving, offered to all", []int{0, 1}, []int{0}, "rooted", 1, true},
		{"leaving, destroyed at one", []int{0, 1}, []int{0}, "destroyed 0", 1, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			for stop := 1; ; stop++ {
				c := newCustody(t, 1, x.from)
				c.erase(2, false)
				c.steps, c.crash, c.quiet = nil, stop, true
				var away []int
				if probe := stepAt(t, x.from, x.to, stop); probe == x.stop {
					away = []int{x.away}
				} else if probe == "" {
					t.Fatalf("there is no step %s", x.stop)
				} else {
					continue
				}
				if forward := c.change(t, x.to, away); forward != x.forward {
					t.Errorf("it went forward: %v", forward)
				}
				c.verify()
				if !c.change(t, x.to, nil) {
					t.Error("the change cannot be made afterwards")
				}
				c.verify()
				return
			}
		})
	}
	c := newCustody(t, 1, []int{0, 1})
	c.ok(c.tree.Close())
	hs := c.open([]int{0, 1})
	hs[1] = awayHolder{hs[1]}
	if _, err := keystore.Open(ctx, c.rows, hs, c.options()); !errors.Is(err, errAway) {
		t.Errorf("a holder that keeps a share is away: %v", err)
	}
	hs = c.open([]int{0})
	o := c.options()
	o.Next = []keystore.Holder{hs[0], awayHolder{c.open([]int{1})[0]}}
	if _, err := keystore.Open(ctx, c.rows, hs, o); !errors.Is(err, errAway) {
		t.Errorf("a holder is away without which the root cannot be derived: %v", err)
	}
}

// stepAt is the name of a step of a change, "" if there are fewer.
func stepAt(t *testing.T, from, to []int, n int) string {
	c := newCustody(t, 1, from)
	c.erase(2, false)
	c.steps = nil
	c.quiet = true
	c.change(t, to, nil)
	if n > len(c.steps) {
		return ""
	}
	return c.steps[n-1]
}

// TestRemovedHolder brings a holder back that was in the tree before, and refuses one
// that keeps the root of another.
func TestRemovedHolder(t *testing.T) {
	c := newCustody(t, 1, []int{0, 1})
	before := c.tree.Info()
	shares, err := c.open([]int{1})[0].Current(ctx)
	c.ok(err)
	for i, to := range [][]int{{0}, {0, 1}, {1}, {1, 0}, {2}} {
		if !c.change(t, to, nil) {
			t.Fatal("did not change")
		}
		c.erase(1, false)
		c.search()
		c.verify()
		if n := len(c.tree.Info().Holders); n != len(to) {
			t.Errorf("change %d: %d holders", i, n)
		}
	}
	for _, s := range shares {
		for n, d := range c.devs {
			for _, b := range d.Blocks() {
				if s.Epoch == before.Epoch && bytes.Contains(b, s.Secret[:]) {
					t.Errorf("device %d still has the share of the first epoch", n)
				}
			}
		}
	}
	other := newCustody(t, 2, []int{0})
	if _, err := c.tree.PrepareHolders(ctx, append(c.tree.Holders(), other.open([]int{0})...)); !errors.Is(err, keystore.ErrWrongTree) {
		t.Errorf("a holder of another tree joins: %v", err)
	}
	if _, err := c.tree.PrepareHolders(ctx, nil); !errors.Is(err, keystore.ErrHolderMissing) {
		t.Errorf("a root without holders: %v", err)
	}
	if e, err := c.tree.PrepareHolders(ctx, c.open([]int{2, 0})); err != nil {
		t.Fatal(err)
	} else if err := e.Abort(ctx); err != nil {
		t.Fatal(err)
	}
	c.verify()
}
