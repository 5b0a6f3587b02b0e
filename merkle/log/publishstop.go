package log

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/merkle"
)

// A witness that shows a head of this log, signed by the log, that is larger than
// the log or of another tree, proves that this is an old copy, or that there are
// two of it. From then on nothing is signed.

var aheadKey = []byte{spaceHead, 'a', 'h', 'e', 'a', 'd'}

// aheadRow says that a witness has seen more of this log than there was, or another
// tree.
type aheadRow struct {
	witness string
	known   merkle.Checkpoint // what signed says
	signed  []byte            // by the log
}

func (a aheadRow) bytes() []byte { return fmt.Appendf(nil, "%s\n%s", a.witness, a.signed) }

func parseAheadRow(b []byte, origin string, v merkle.Verifier) (aheadRow, error) {
	name, signed, ok := bytes.Cut(b, []byte{'\n'})
	if !ok || len(name) == 0 {
		return aheadRow{}, errors.New("row of a witness that is ahead: want a name and a head")
	}
	c, err := merkle.OpenCheckpoint(signed, origin, v)
	if err != nil {
		return aheadRow{}, fmt.Errorf("row of a witness that is ahead: %w", err)
	}
	return aheadRow{string(name), c, bytes.Clone(signed)}, nil
}

// stopSigning ends all writing for good, because this log is an old copy. What
// waits in the queue is refused; the last thing that is written is why, so that
// the next Open does not start again.
func (p *publisher) stopSigning(row aheadRow, have Head) error {
	err := ErrRolledBack{Have: have.Checkpoint, Known: row.known, Witness: row.witness}
	if !p.behind.CompareAndSwap(nil, &err) {
		return *p.behind.Load()
	}
	written := p.queue.end(err, &Change{Set: []Row{{Key: aheadKey, Value: row.bytes()}}})
	p.alarm(Alarm{Witness: err.Witness, Err: err})
	select {
	case <-written:
	case <-p.stopped: // closed or broken before it could be written; the witness will say it again
	}
	return err
}

// RolledBack returns why this log signs nothing: a witness has seen more of it
// than there is, or another tree. Nil if it is well.
func (l *Log) RolledBack() error {
	if err := l.publisher.behind.Load(); err != nil {
		return *err
	}
	return nil
}

// end refuses what waits and what comes with err, but for one last change. The
// channel is closed when that is written, or will not be.
func (q *queue) end(err error, last *Change) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	g := newGroup(nil)
	if q.err != nil {
		close(g.done)
		return g.done
	}
	for _, waiting := range q.groups {
		waiting.err = err
		close(waiting.done)
	}
	g.ops, g.bytes = []op{{change: last}}, changeBytes(last)
	q.groups, q.entries, q.bytes = []*group{g}, 0, g.bytes
	q.err = err
	q.wakeSequencer()
	return g.done
}

// loadAhead refuses to go on with a copy that a witness has found to be old. Who
// wants to go on all the same, and answer for two histories, takes that witness
// out of the policy.
func (p *publisher) loadAhead(d rowReader, r *recovered) error {
	b, err := get(d, aheadKey)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading what a witness said: %w", err)
	}
	row, err := parseAheadRow(b, p.meta.origin, p.verifier)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	asked := false
	for _, w := range p.o.Witnesses {
		asked = asked || w.Name == row.witness
	}
	if !asked {
		return nil
	}
	rolled := ErrRolledBack{Have: r.head.Checkpoint, Known: row.known, Witness: row.witness}
	if !p.opts.ReadOnly {
		return rolled
	}
	p.behind.Store(&rolled)
	return nil
}
