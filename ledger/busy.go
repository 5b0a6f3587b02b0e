package ledger

import (
	"sync"
	"time"
)

// busyRate is how many entries in a second make a ledger one that erasures leave room.
const busyRate = 1000

// paceEvery is over how long the rate is taken at least: services record in bursts.
const paceEvery = 100 * time.Millisecond

// A pace says whether many entries are being recorded.
type pace struct {
	mu   sync.Mutex
	at   time.Time
	size uint64
	busy bool
}

// look is given the size of the log now.
func (p *pace) look(now time.Time, size uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if since := now.Sub(p.at); since >= paceEvery {
		p.busy = !p.at.IsZero() && float64(size-p.size) >= busyRate*since.Seconds()
		p.at, p.size = now, size
	}
	return p.busy
}

// busy is asked by the erasure engine.
func (l *Ledger) busy() bool { return l.pace.look(time.Now(), l.log.Head().Size) }
