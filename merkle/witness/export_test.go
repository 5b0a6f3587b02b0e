package witness

import (
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// Files is what a store needs of a disk.
type Files = files

// NewServerOn is NewServer on another kind of disk.
func NewServerOn(o Options, f Files) (*Server, error) { return newServer(o, f) }

// SetClock replaces the clock of a server.
func (s *Server) SetClock(now func() time.Time) { s.now = now }

// AddRequest is the body of add-checkpoint, SubtreeRequest that of sign-subtree.
var (
	AddRequest     = (*addRequest).marshal
	SubtreeRequest = (*subtreeRequest).marshal
	ParseAdd       = parseAdd
	ParseSubtree   = parseSubtree
	FileName       = fileName
)

type (
	Add     = addRequest
	Subtree = subtreeRequest
)

const (
	MaxBody   = maxBody
	MaxAnswer = maxAnswer
)

// NewAdd and NewSubtree make requests.
func NewAdd(old uint64, proof []merkle.Hash, checkpoint []byte) *Add {
	return &Add{old, proof, checkpoint}
}

func NewSubtree(start, end uint64, root merkle.Hash, proof []merkle.Hash, checkpoint []byte) *Subtree {
	return &Subtree{start: start, end: end, root: root, proof: proof, checkpoint: checkpoint}
}
