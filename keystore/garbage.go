package keystore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
)

// Rows of a page that a newer image has taken the place of are removed later, by
// range, many at a time: after a range was removed, the first read has to sort all that
// were removed lately. That is tidiness, not erasure: what erases is the death of the key
// above. What is left when the process ends goes with its generation.
type garbage struct {
	mu    sync.Mutex
	list  []*debris
	again int // how many there have to be before somebody looks who has nothing else to write
}

// debris is a range of rows that is dead once another row is durable.
type debris struct {
	rows   [2][]byte
	behind []byte // nil: dead already
	epoch  uint64 // of both
}

// add notes ranges that are dead. It is called while nobody else may queue anything, so
// whether some lie in others is found out when they are taken.
func (g *garbage) add(dead ...[2][]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, rows := range dead {
		g.list = append(g.list, &debris{rows: rows})
	}
}

// addBehind notes a range that is dead once an image is durable that is about to be
// queued: Order is held.
func (g *garbage) addBehind(rows [2][]byte, image []byte, epoch uint64) *debris {
	d := &debris{rows, image, epoch}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = append(g.list, d)
	return d
}

// remove takes a range back. What is taken back was noted last, so it is near the end.
func (g *garbage) remove(d *debris) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, o := range slices.Backward(g.list) {
		if o == d {
			g.list = slices.Delete(g.list, i, i+1)
			return
		}
	}
}

// forget lets go of what an epoch left that came to nothing. Another attempt at it gives
// its rows the same names.
func (g *garbage) forget(epoch uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = slices.DeleteFunc(g.list, func(d *debris) bool { return d.behind != nil && d.epoch == epoch })
}

// dead takes all ranges that wait for nothing, and with them whatever lies in one of them:
// the image that such a range waits for may lie there too, and then never be shown.
func (g *garbage) dead() [][2][]byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	var dead []*debris
	for _, d := range g.list {
		if d.behind == nil {
			dead = append(dead, d)
		}
	}
	out := widest(dead)
	g.list = slices.DeleteFunc(g.list, func(d *debris) bool { return d.behind == nil || covered(out, d.rows) })
	return out
}

// widest returns ranges without those that lie in others, in the order of their keys. Two
// ranges have no row in common, or one lies in the other. Those of a page that is written
// again in one epoch after the other do, and the store would cut them all at all their ends.
func widest(list []*debris) (out [][2][]byte) {
	sorted := slices.SortedFunc(slices.Values(list), func(a, b *debris) int {
		return cmp.Or(bytes.Compare(a.rows[0], b.rows[0]), bytes.Compare(b.rows[1], a.rows[1]))
	})
	for _, d := range sorted {
		if n := len(out); n == 0 || bytes.Compare(d.rows[1], out[n-1][1]) > 0 {
			out = append(out, d.rows)
		}
	}
	return out
}

// covered reports whether a range lies in one of others, which are in order and of which
// none lies in another.
func covered(others [][2][]byte, r [2][]byte) bool {
	i, found := slices.BinarySearchFunc(others, r[0], func(o [2][]byte, from []byte) int { return bytes.Compare(o[0], from) })
	if !found {
		i-- // the last that begins before it
	}
	return i >= 0 && bytes.Compare(r[1], others[i][1]) <= 0
}

// One write removes at least ripeLeast ranges, and at most ripeMost. Epochs and changes
// remove them along with what they write. Where keys are made and nothing else happens,
// who makes one removes them once there are ripeMany: a page leaves a range behind for
// every thirty keys, for ever.
const (
	ripeLeast = 1024
	ripeMany  = 2048
	ripeMost  = 8192
)

// relieve removes ranges if there are many. The caller holds no lock.
func (t *Tree) relieve(ctx context.Context) error {
	if !t.garbage.many() {
		return nil
	}
	t.opts.Order.Lock()
	defer t.opts.Order.Unlock()
	del := t.ripe(ctx)
	t.garbage.looked()
	if len(del) == 0 {
		return nil
	}
	if _, err := t.rows.Enqueue(nil, del); err != nil {
		return fmt.Errorf("removing rows of key pages: %w", err)
	}
	return nil
}

func (g *garbage) many() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.list) >= max(g.again, ripeMany)
}

// looked notes that what could go went: what is left waits for the disk.
func (g *garbage) looked() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.again = len(g.list) + ripeMany
}

// ripe takes the ranges that may go now, if they are enough to be worth it. Images are
// noted in the order in which they are queued, and become durable in it. So where the
// store shows the newest of some, it has them all; where it does not, half as many are
// looked at. A range whose newer image is not there stays: were that image lost, the old
// one would be needed. Order is held until the removal is queued: behind an epoch that
// comes to nothing and is begun again, it would remove rows of the same names.
func (t *Tree) ripe(ctx context.Context) (out [][2][]byte) {
	g := &t.garbage
	g.mu.Lock()
	defer g.mu.Unlock()
	for n := min(len(g.list), ripeMost); n >= ripeLeast; n /= 2 {
		if !t.shown(ctx, g.list[:n]) {
			continue
		}
		out = widest(g.list[:n])
		g.list = slices.Delete(g.list, 0, n)
		return out
	}
	return nil
}

// shown reports whether the store shows the newest image that some ranges wait for.
func (t *Tree) shown(ctx context.Context, list []*debris) bool {
	for _, d := range slices.Backward(list) {
		if d.behind != nil {
			_, err := t.rows.Get(ctx, d.behind)
			return err == nil
		}
	}
	return true
}
