package log

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A group is what becomes durable in one batch. Callers fill the last group of
// the queue; the sequencer takes the first.
type group struct {
	ops     []op
	entries []Entry
	bytes   int
	due     atomic.Bool // is to be taken; set under the lock of the queue
	late    *time.Timer // makes it due, where nobody waits for its entries

	// Set by the commit, read after done is closed.
	index []uint64 // of each entry
	err   error
	done  chan struct{}
}

// An op is one call of Enqueue or EnqueueChange inside a group.
type op struct {
	entries int     // so many entries, or
	change  *Change // this change
}

// queue is the FIFO between callers and sequencer.
type queue struct {
	mu      sync.Mutex
	groups  []*group // never empty; the last one is being filled
	entries int      // waiting in all groups
	bytes   int
	spare   []Entry       // memory of a committed group
	err     error         // why nothing is accepted any more: closed or broken
	taken   *group        // in the hands of the sequencer
	want    int           // calls that end the sequencer's lingering, 0 when it does not
	room    chan struct{} // closed with the next taking; nil where nobody was refused since the last
	idle    bool          // the sequencer sleeps

	wake chan struct{} // has room for one
}

func newQueue() *queue {
	return &queue{groups: []*group{newGroup(nil)}, wake: make(chan struct{}, 1)}
}

func newGroup(spare []Entry) *group {
	return &group{entries: spare, done: make(chan struct{})}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// put adds entries or a change of the given weight. It returns the group and the
// position of the first entry in it.
func (q *queue) put(es []Entry, c *Change, bytes int, o *Options) (*group, int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return nil, 0, q.err
	}
	if q.entries+len(es) > o.MaxQueueEntries && q.entries > 0 || q.bytes+bytes > o.MaxQueueBytes && q.bytes > 0 {
		if q.room == nil {
			q.room = make(chan struct{})
		}
		q.push(q.groups[0]) // what can wait does not while it takes up the room
		return nil, 0, ErrBusy
	}
	g := q.groups[len(q.groups)-1]
	if len(g.ops) > 0 && g.bytes+bytes > o.MaxGroupBytes {
		g.due.Store(true)
		g = newGroup(nil)
		q.groups = append(q.groups, g)
		q.wakeSequencer()
	}
	at := len(g.entries)
	g.entries = append(g.entries, es...)
	g.ops = append(g.ops, op{entries: len(es), change: c})
	g.bytes += bytes
	q.entries += len(es)
	q.bytes += bytes
	if c == nil && len(g.entries) < gatherEntries && !g.due.Load() {
		if g.late == nil {
			g.late = time.AfterFunc(o.seams.gatherFor, func() { q.hurry(g) })
		}
		return g, at, nil
	}
	if c != nil && c.CanWait {
		return g, at, nil
	}
	g.due.Store(true)
	if q.idle || q.want > 0 && (len(g.entries) >= lingerEntries || len(g.ops) >= q.want) {
		q.wakeSequencer()
	}
	return g, at, nil
}

// hurry has a group taken that nobody has waited for yet.
func (q *queue) hurry(g *group) {
	if g.due.Load() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.push(g)
}

// push is hurry for who holds mu.
func (q *queue) push(g *group) {
	if g.due.Load() {
		return
	}
	g.due.Store(true)
	if q.idle {
		q.wakeSequencer()
	}
}

// makeRoom wakes those who were refused. The caller holds mu.
func (q *queue) makeRoom() {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}

func (q *queue) wakeSequencer() {
	q.idle, q.want = false, 0
	q.signal()
}

const (
	// A group of so many calls tells the sequencer that more are on their way.
	lingerFrom = 16
	// So many entries are worth a sync of their own.
	lingerEntries = 512

	// Who appends many entries waits for none before the last is queued. Until somebody
	// waits, so many gather, for so long: an entry of a group of a thousand costs a fifth
	// less than one of five hundred.
	gatherEntries = 1024
	gatherFor     = 10 * time.Millisecond
)

// next waits for a group and takes it. It returns nil when the queue is closed
// and empty.
//
// While one group syncs, the next gathers, so under load nobody has to wait for
// company. But the callers of the group that was just released come back one by
// one over some tens of microseconds, and to take the first of them alone would
// cost the others a whole sync. So after a group of many calls the sequencer
// lingers a little: until as many calls came as the last time, or 512 entries,
// or a millisecond. It counts calls, not entries: one caller that appends a
// hundred entries at a time has nobody to wait for. And it does not wait for
// more than came the last time: with 64 callers who all wait for their answer,
// twice as many never come, and every group would take the whole millisecond
// (measured: 32,000 entries a second instead of 70,000).
func (q *queue) next(last int, linger time.Duration, timer *time.Timer, lingering func()) *group {
	q.mu.Lock()
	for !q.groups[0].due.Load() {
		if q.err != nil {
			if len(q.groups[0].ops) > 0 {
				break
			}
			q.mu.Unlock()
			return nil
		}
		q.idle = true
		q.mu.Unlock()
		<-q.wake
		q.mu.Lock()
	}
	if want := last; last >= lingerFrom && linger > 0 && q.err == nil && len(q.groups) == 1 &&
		len(q.groups[0].entries) < lingerEntries && len(q.groups[0].ops) < want {
		select {
		case <-q.wake: // meant for an earlier wait
		default:
		}
		q.want = want
		q.mu.Unlock()
		timer.Reset(linger)
		if lingering != nil {
			lingering()
		}
		select {
		case <-q.wake:
			timer.Stop()
		case <-timer.C:
		}
		q.mu.Lock()
		q.want = 0
	}
	defer q.mu.Unlock()
	g := q.groups[0]
	if g.late != nil {
		g.late.Stop()
	}
	if len(q.groups) > 1 {
		q.groups = q.groups[1:]
	} else {
		q.groups = []*group{newGroup(q.spare)}
		q.spare = nil
	}
	q.entries -= len(g.entries)
	q.bytes -= g.bytes
	q.taken = g
	q.makeRoom()
	return g
}

// finish tells the callers of a group that it is committed, and keeps its memory
// for another.
func (q *queue) finish(g *group) {
	entries := g.entries
	clear(entries)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.taken != g {
		return // fail was faster, on behalf of the engine
	}
	q.taken = nil
	g.entries, g.ops = nil, nil
	if q.spare == nil && cap(entries) <= 1<<14 {
		q.spare = entries[:0]
	}
	close(g.done)
}

// close makes put refuse with err. What is queued will still be taken.
func (q *queue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.wakeSequencer()
}

// fail ends every group that is not committed with err.
func (q *queue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
	groups := q.groups
	if q.taken != nil {
		groups = append([]*group{q.taken}, groups...)
		q.taken = nil
	}
	q.groups = []*group{newGroup(nil)}
	q.entries, q.bytes = 0, 0
	q.makeRoom()
	for _, g := range groups {
		g.err = err
		close(g.done)
	}
	q.wakeSequencer()
}

// A Ticket stands for one call of Enqueue or EnqueueChange.
type Ticket struct {
	q     *queue
	g     *group
	first int // position of the first entry in the group
	n     int
}

// Wait returns nil when the entries are durable, integrated, and covered by the
// head that is now public. If the context ends first, only the waiting ends: the
// entries may yet be committed. An error that wraps ErrBroken leaves open
// whether they are.
func (t *Ticket) Wait(ctx context.Context) error {
	t.q.hurry(t.g)
	return t.Follow(ctx)
}

// Follow is Wait for who does not mind when: entries that nobody else waits for may
// be kept for some milliseconds, so that more of them share a commit.
func (t *Ticket) Follow(ctx context.Context) error {
	if t.Done() {
		return t.g.err // as of all but the first of a batch, without locking two channels
	}
	if done := ctx.Done(); done != nil {
		select {
		case <-t.g.done:
		case <-done:
			// Not "or": a ticket that is done reports so even if both are.
			if !t.Done() {
				return fmt.Errorf("waiting for the commit: %w", context.Cause(ctx))
			}
		}
	} else {
		<-t.g.done
	}
	return t.g.err
}

// Done reports whether Wait would return at once.
func (t *Ticket) Done() bool {
	select {
	case <-t.g.done:
		return true
	default:
		return false
	}
}

// Index returns the index of entry i of the call. It may be asked for once Wait
// has returned nil. Entries of one call need not stand beside each other.
func (t *Ticket) Index(i int) uint64 {
	if i < 0 || i >= t.n {
		panic("log: Ticket.Index: the call had fewer entries")
	}
	return t.g.index[t.first+i]
}

// Len returns the number of entries of the call.
func (t *Ticket) Len() int { return t.n }

// Enqueue hands entries to the sequencer and returns at once. They will be in
// one commit group: all of them become durable or none. Groups are committed in
// the order of the calls. The log owns all byte slices from then on, also if an
// error is returned. Until somebody waits, some milliseconds may pass in which more
// entries gather.
func (l *Log) Enqueue(es []Entry) (*Ticket, error) { return l.enqueue(es, false) }

// EnqueueUrgent is Enqueue for entries that may not wait for a bigger disk, such as
// the record of an erasure: they are accepted as long as changes are.
func (l *Log) EnqueueUrgent(es []Entry) (*Ticket, error) { return l.enqueue(es, true) }

func (l *Log) enqueue(es []Entry, urgent bool) (*Ticket, error) {
	if len(es) == 0 {
		return nil, fmt.Errorf("enqueueing: %w: no entries", ErrInvalid)
	}
	bytes := 0
	for i := range es {
		n, err := l.spaces.checkEntry(&es[i])
		if err != nil {
			return nil, fmt.Errorf("enqueueing entry %d: %w", i, err)
		}
		bytes += n
	}
	return l.put(es, nil, bytes, urgent)
}

// EnqueueChange queues rows without a leaf, like Enqueue.
func (l *Log) EnqueueChange(c Change) (*Ticket, error) {
	bytes, err := l.spaces.checkChange(&c)
	if err != nil {
		return nil, fmt.Errorf("enqueueing change: %w", err)
	}
	return l.put(nil, c.clone(), bytes, true)
}

func (l *Log) put(es []Entry, c *Change, bytes int, urgent bool) (*Ticket, error) {
	if l.opts.ReadOnly {
		return nil, fmt.Errorf("enqueueing: %w", ErrReadOnly)
	}
	if bytes > l.opts.MaxGroupBytes {
		return nil, fmt.Errorf("enqueueing %d bytes: %w of %d", bytes, ErrTooLarge, l.opts.MaxGroupBytes)
	}
	if err := l.accepting(urgent); err != nil {
		return nil, fmt.Errorf("enqueueing: %w", err)
	}
	g, first, err := l.queue.put(es, c, bytes, &l.opts)
	if err != nil {
		return nil, fmt.Errorf("enqueueing: %w", err)
	}
	return &Ticket{q: l.queue, g: g, first: first, n: len(es)}, nil
}

// Room waits while what is enqueued would be refused with ErrBusy: until the
// sequencer has taken a group since the last refusal, or nothing will be accepted
// any more. Of many who wait, those who came too late again wait on.
func (l *Log) Room(ctx context.Context) error {
	for {
		l.queue.mu.Lock()
		room := l.queue.room
		l.queue.mu.Unlock()
		if room == nil {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return fmt.Errorf("waiting for room in the queue: %w", context.Cause(ctx))
		}
	}
}

// Append is Enqueue and Wait. It returns the index of each entry.
func (l *Log) Append(ctx context.Context, es []Entry) ([]uint64, error) {
	t, err := l.Enqueue(es)
	if err != nil {
		return nil, err
	}
	if err := t.Wait(ctx); err != nil {
		return nil, err
	}
	index := make([]uint64, t.n)
	copy(index, t.g.index[t.first:])
	return index, nil
}

// Apply is EnqueueChange and Wait.
func (l *Log) Apply(ctx context.Context, c Change) error {
	t, err := l.EnqueueChange(c)
	if err != nil {
		return err
	}
	return t.Wait(ctx)
}
