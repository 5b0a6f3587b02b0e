package keystore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Rows of a page that a newer image has taken the place of are removed later, by
// range, together with something else that the tree writes. That is tidiness, not
// erasure: what erases is the death of the key above.
type garbage struct {
	mu   sync.Mutex
	list []*debris
}

// debris is a range of rows that is dead once another row is durable.
type debris struct {
	rows   [2][]byte
	behind []byte // nil: dead already
}

func (g *garbage) add(rows [2][]byte, behind []byte) *debris {
	d := &debris{rows, behind}
	g.mu.Lock()
	g.list = append(g.list, d)
	g.mu.Unlock()
	return d
}

func (g *garbage) remove(d *debris) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.list, d); i >= 0 {
		g.list = slices.Delete(g.list, i, i+1)
	}
}

// maxRipe bounds how many ranges one write removes.
const maxRipe = 256

// ripe returns ranges that may go now. A range whose newer image the store does
// not show yet stays: were that image lost, the old one would be needed.
func (t *Tree) ripe(ctx context.Context) ([][2][]byte, error) {
	g := &t.garbage
	g.mu.Lock()
	list := slices.Clone(g.list[:min(len(g.list), maxRipe)])
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
