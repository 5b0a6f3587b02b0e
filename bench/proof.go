package bench

import (
	"context"
	"fmt"
	mrand "math/rand/v2"
	"path/filepath"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// A Forest is a log of so many cheap leaves, to make proofs in.
type Forest struct {
	log  *log.Log
	size uint64
	root merkle.Hash
	rng  *mrand.Rand
}

// NewForest makes a log of a size below a folder.
func NewForest(ctx context.Context, dir string, size int) (*Forest, error) {
	l, err := newLog(ctx, filepath.Join(dir, "forest"), "")
	if err != nil {
		return nil, err
	}
	leaf := LeafMaker(34, 1)
	const group = 8192
	for made := 0; made < size; {
		n := min(group, size-made)
		es := make([]log.Entry, n)
		for i := range es {
			es[i].Leaf = leaf()
		}
		if _, err := l.Append(ctx, es); err != nil {
			l.Close()
			return nil, fmt.Errorf("growing a log to measure: %w", err)
		}
		made += n
	}
	h := l.Head()
	return &Forest{log: l, size: h.Size, root: h.Root, rng: mrand.New(mrand.NewPCG(1, 3))}, nil
}

// Prove makes the inclusion proof of a leaf drawn at random.
func (f *Forest) Prove(ctx context.Context) (index uint64, proof []merkle.Hash, err error) {
	index = f.rng.Uint64N(f.size)
	proof, err = f.log.InclusionProof(ctx, index, f.size)
	return index, proof, err
}

// Leaf reads a leaf.
func (f *Forest) Leaf(ctx context.Context, index uint64) ([]byte, error) {
	return f.log.Leaf(ctx, index)
}

// Verify checks a proof against the head.
func (f *Forest) Verify(index uint64, leaf merkle.Hash, proof []merkle.Hash) error {
	return merkle.VerifyInclusion(index, f.size, leaf, proof, f.root)
}

// Proofs makes n proofs and verifies each.
func (f *Forest) Proofs(ctx context.Context, n int) (*Result, error) {
	var making, verifying Latencies
	m := Start()
	for range n {
		var index uint64
		var proof []merkle.Hash
		took, err := timed(func() (err error) { index, proof, err = f.Prove(ctx); return err })
		if err != nil {
			return nil, fmt.Errorf("proving: %w", err)
		}
		making = append(making, took)
		leaf, err := f.Leaf(ctx, index)
		if err != nil {
			return nil, fmt.Errorf("reading a leaf: %w", err)
		}
		if took, err = timed(func() error { return f.Verify(index, merkle.LeafHash(leaf), proof) }); err != nil {
			return nil, err
		}
		verifying = append(verifying, took)
	}
	u := m.Stop()
	r := &Result{Name: fmt.Sprintf("Proof/leaves=%d", f.size), N: n}
	r.add("ns/op", float64(u.Elapsed.Nanoseconds())/float64(n))
	r.add("prove-p50-µs", micros(making.Quantile(0.50)))
	r.add("prove-p99-µs", micros(making.Quantile(0.99)))
	r.add("verify-p50-µs", micros(verifying.Quantile(0.50)))
	r.add("verify-p99-µs", micros(verifying.Quantile(0.99)))
	r.during(u.Busy)
	return r, nil
}

// Close closes the log.
func (f *Forest) Close() error { return f.log.Close() }
