package ledger

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
)

// ErrClosed says that the ledger is closed, or about to be.
var ErrClosed = errors.New("the ledger is closed")

// A gate lets calls in until it is shut. Who shuts it waits until the last of them
// has left: what they use is closed behind them.
type gate struct {
	inside atomic.Int64 // and the least number of all once it is shut
	empty  chan struct{}
	once   sync.Once
}

func newGate() *gate { return &gate{empty: make(chan struct{})} }

// enter lets a call in, which leaves when it is done. A call that is inside may
// enter again, and may be refused then.
func (g *gate) enter() error {
	if g.inside.Add(1) > 0 {
		return nil
	}
	g.leave()
	return ErrClosed
}

func (g *gate) leave() {
	if g.inside.Add(-1) == math.MinInt64 {
		g.once.Do(func() { close(g.empty) })
	}
}

// shut returns when nobody is inside. It is called once.
func (g *gate) shut() {
	if g.inside.Add(math.MinInt64) > math.MinInt64 {
		<-g.empty
	}
}
