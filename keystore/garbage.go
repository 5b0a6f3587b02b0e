package keystore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Rows of a page that a newer image has taken the place of are removed later, by
// range, together with something else that the tree writes, many at a time: after a
// range was removed, the first read has to sort all that were removed lately. That is
// tidiness, not erasure: what erases is the death of the key above. What is left when
// the process ends goes with its generation.
type garbage struct {
	mu   sync.Mutex
	list []*debris
}

// debris is a range of rows that is dead once another row is durable.
type debris struct {
	rows   [2][]byte
	behind []byte // nil: dead already
}

// add notes a range. The ranges of a page in one epoch after the other lie in each
// other, and the store would cut them all at all their ends: one is kept.
func (g *garbage) add(rows [2][]byte, behind []byte) *debris {
	d := &debris{rows, behind}
	g.mu.Lock()
	defer g.mu.Unlock()
	if behind == nil {
		g.list = slices.DeleteFunc(g.list, func(o *debris) bool {
			return o.behind == nil && bytes.Compare(rows[0], o.rows[0]) <= 0 && bytes.Compare(o.rows[1], rows[1]) <= 0
		})
	}
	g.list = append(g.list, d)
	return d
}

func (g *garbage) remove(d *debris) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.list, d); i >= 0 {
		g.list = slices.Delete(g.list, i, i+1)
	}
}

// dead takes the ranges that wait for nothing, if they are enough or if all are to go.
func (g *garbage) dead(all bool) (out [][2][]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	dead := func(d *debris) bool { return d.behind == nil }
	n := 0
	for _, d := range g.list {
		if dead(d) {
			n++
		}
	}
	if n < maxRipe && !all {
		return nil
	}
	g.list = slices.DeleteFunc(g.list, func(d *debris) bool {
		if dead(d) {
			out = append(out, d.rows)
		}
		return dead(d)
	})
	return out
}

// maxRipe is how many ranges one write removes.
const maxRipe = 256

// ripe returns ranges that may go now, if they are enough to be worth it. A range
// whose newer image the store does not show yet stays: were that image lost, the old
// one would be needed.
func (t *Tree) ripe(ctx context.Context) ([][2][]byte, error) {
	g := &t.garbage
	g.mu.Lock()
	if len(g.list) < maxRipe {
		g.mu.Unlock()
		return nil, nil
	}
	list := slices.Clone(g.list[:maxRipe])
	g.mu.Unlock()
	var out [][2][]byte
	for _, d := range list {
		if d.behind != nil {
			_, err := t.rows.Get(ctx, d.behind)
			if errors.Is(err, ErrNoRow) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("looking for a key page: %w", err)
			}
		}
		g.remove(d)
		out = append(out, d.rows)
	}
	return out, nil
}
