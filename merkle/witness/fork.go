package witness

import (
	"errors"

	"github.com/lacunalog/lacuna/merkle"
)

// A Fork is the evidence that a log has signed two histories, which no honest log
// does, whatever happened to it.
type Fork struct {
	Origin string
	// Cosigned is the signed checkpoint that the witness knows, Refused the one
	// that does not continue it. Both are signed by a key of the log; the first
	// is not the larger one.
	Cosigned, Refused []byte
	// If the sizes differ, Root is the root at the size of Cosigned of the tree of
	// Refused, and Proof leads from there to the root of Refused. Who can make
	// such a proof has that tree.
	Root  *merkle.Hash
	Proof []merkle.Hash
}

// fork returns the evidence that there is against the log when a checkpoint that
// it has signed does not continue the one that was cosigned last. A wrong proof
// alone says nothing.
func (w *watched) fork(r *addRequest, c merkle.Checkpoint) *Fork {
	f := &Fork{Origin: w.origin, Cosigned: w.signed, Refused: r.checkpoint}
	switch {
	case w.signed == nil || c.Size < w.last.Size:
		return nil
	case c.Size == w.last.Size:
		if c.Root == w.last.Root {
			return nil
		}
		return f
	}
	// The proof may be a correct one, of another past.
	err := merkle.VerifyConsistency(w.last.Size, c.Size, r.proof, w.last.Root, c.Root)
	other, ok := errors.AsType[*merkle.RootMismatchError](err)
	if !ok || merkle.VerifyConsistency(w.last.Size, c.Size, r.proof, other.Calculated, c.Root) != nil {
		return nil
	}
	f.Root, f.Proof = &other.Calculated, r.proof
	return f
}
