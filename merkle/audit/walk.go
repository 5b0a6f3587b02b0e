package audit

import (
	"context"
	"fmt"
	"sync"

	"github.com/lacunalog/lacuna/merkle"
)

// defaultParallel is how many files are asked for at once. A bundle has at most
// 16 MiB, and that many of them may be in memory at the worst; those of logs that
// exist have some kilobytes.
const defaultParallel = 16

// walk verifies every full level-0 tile from the given index on, with its
// bundle, and on the way every full tile above them. Files are fetched by so
// many goroutines; done is called for one tile after the other, from left to
// right, with its hash. The first thing that is wrong, in that order, ends it.
func (v *view) walk(ctx context.Context, from uint64, parallel int, done func(index uint64, root merkle.Hash) error) error {
	ctx, stop := context.WithCancel(ctx)
	type job struct {
		index  uint64
		want   merkle.Hash
		result chan error
	}
	work := make(chan job)
	// What was begun and not yet handed on; this bounds how far the fastest can
	// be ahead of the slowest.
	order := make(chan job, 4*parallel)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() {
		defer close(order)
		defer close(work)
		for i := from; i < v.head.Size/merkle.TileWidth; i++ {
			want, err := v.above(ctx, 0, i)
			j := job{i, want, make(chan error, 1)}
			select {
			case order <- j:
			case <-ctx.Done():
				return
			}
			if err != nil {
				j.result <- err
				return
			}
			select {
			case work <- j:
			case <-ctx.Done():
				j.result <- context.Cause(ctx)
				return
			}
		}
	})
	for range parallel {
		running.Go(func() {
			for j := range work {
				j.result <- obtainLeaves(ctx, v.src, v.keep, j.index, j.want)
			}
		})
	}
	for j := range order {
		if err := <-j.result; err != nil {
			return err
		}
		if err := done(j.index, j.want); err != nil {
			return err
		}
	}
	// The producer also ends early when it is told to.
	return context.Cause(ctx)
}

// obtainLeaves verifies a full level-0 tile and its bundle.
func obtainLeaves(ctx context.Context, src Source, keep keeper, index uint64, want merkle.Hash) error {
	hashes, err := obtainTile(ctx, src, keep, 0, index, want)
	if err != nil {
		return err
	}
	_, err = obtainBundle(ctx, src, keep, index, hashes)
	return err
}

// obtainBundle verifies the bundle of a level-0 tile whose hashes are known, and
// keeps it. It returns the leaf hashes, made from the entries.
func obtainBundle(ctx context.Context, src Source, keep keeper, index uint64, hashes []merkle.Hash) ([]merkle.Hash, error) {
	width := len(hashes)
	path := merkle.EntriesPath(index, width)
	if keep != nil {
		if b := keep.stored(path, maxBundle); b != nil {
			if leaves, err := merkle.BundleHashes(b, width); err == nil && differing(leaves, hashes) < 0 {
				return leaves, nil
			}
		}
	}
	b, leaves, err := fetchBundle(ctx, src, index, width)
	if err != nil {
		return nil, err
	}
	if i := differing(leaves, hashes); i >= 0 {
		return nil, &MismatchError{Place: path, What: fmt.Sprintf("entry %d hashes to %s, the tree under the head has %s there",
			index*merkle.TileWidth+uint64(i), leaves[i], hashes[i])}
	}
	if keep != nil {
		if err := keep.put(path, b); err != nil {
			return nil, err
		}
	}
	return leaves, nil
}

// differing returns the first place at which two lists of one length differ, or
// -1.
func differing(a, b []merkle.Hash) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// obtainEdge verifies the partial bundle, and keeps it and all partial tiles. It
// returns the leaf hashes, made from the entries.
func (v *view) obtainEdge(ctx context.Context) ([]merkle.Hash, error) {
	if v.keep != nil {
		for l := range v.edge {
			if len(v.edge[l]) > 0 {
				if err := v.keep.put(v.edgeTile(l).Path(), merkle.AppendTile(nil, v.edge[l])); err != nil {
					return nil, err
				}
			}
		}
	}
	if len(v.edge[0]) == 0 {
		return nil, nil
	}
	return obtainBundle(ctx, v.src, v.keep, v.edgeTile(0).Index, v.edge[0])
}
