package bench

import (
	"context"
	"fmt"
	mrand "math/rand/v2"
	"path/filepath"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// Units of proofs: of making one, and of verifying one from its bytes without the
// signature of its head.
const (
	UnitProveP50  = "prove-p50-µs"
	UnitProveP99  = "prove-p99-µs"
	UnitVerifyP50 = "verify-p50-µs"
	UnitVerifyP99 = "verify-p99-µs"
)

// A Forest is a log of so many leaves, to make proofs in.
type Forest struct {
	log  *log.Log
	size uint64
	root merkle.Hash
	head []byte
	rng  *mrand.Rand
}

// NewForest makes a log of cheap leaves of a size below a folder.
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
	return forestOf(l), nil
}

// forestOf is a log as it is now. It stays its owner's.
func forestOf(l *log.Log) *Forest {
	h := l.Head()
	return &Forest{log: l, size: h.Size, root: h.Root, head: h.Signed, rng: mrand.New(mrand.NewPCG(1, 3))}
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

// file is a proof as its holder keeps it.
func (f *Forest) file(index uint64, proof []merkle.Hash) ([]byte, error) {
	p := merkle.Proof{Index: index, Hashes: proof, Checkpoint: f.head}
	return p.Marshal()
}

// verifyFile reads a proof file and checks it against the head, whose signature is
// checked once and not with every proof.
func (f *Forest) verifyFile(file, leaf []byte) error {
	p, err := merkle.ParseProof(file)
	if err != nil {
		return err
	}
	return f.Verify(p.Index, merkle.LeafHash(leaf), p.Hashes)
}

// Proofs makes n proofs and verifies each, from the bytes of its file.
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
		file, err := f.file(index, proof)
		if err != nil {
			return nil, err
		}
		if took, err = timed(func() error { return f.verifyFile(file, leaf) }); err != nil {
			return nil, fmt.Errorf("verifying a proof: %w", err)
		}
		verifying = append(verifying, took)
	}
	u := m.Stop()
	r := &Result{Name: fmt.Sprintf("Proof/leaves=%d", f.size), N: n}
	r.add("ns/op", float64(u.Elapsed.Nanoseconds())/float64(n))
	r.add(UnitProveP50, micros(making.Quantile(0.50)))
	r.add(UnitProveP99, micros(making.Quantile(0.99)))
	r.add(UnitVerifyP50, micros(verifying.Quantile(0.50)))
	r.add(UnitVerifyP99, micros(verifying.Quantile(0.99)))
	r.during(u.Busy)
	return r, nil
}

// Close closes the log.
func (f *Forest) Close() error { return f.log.Close() }
