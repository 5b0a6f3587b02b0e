// Package erasure makes records unreadable by destroying their keys, and says afterwards what it did, what
// it left and what it could not reach.
//
// Nothing is erased by deleting it. What is erased was only ever stored sealed, and its keys were only
// ever stored sealed, up to a root that is small enough to be overwritten (package keystore). An erasure
// takes the keys of one person out of that tree and changes the root; an epoch is one such change, and
// erasures that are asked for at the same time share it.
//
// # Two dates
//
// When the keys are destroyed, after milliseconds, nobody who holds every byte that was ever written,
// and the root as it is now, reads a payload or a subject identifier of what was erased. When the traces
// are swept, days later, such a person also does not learn which erased records belonged together. This
// package certifies the first date and says in every certificate that the second is still to come.
//
// # The states of a job
//
// Every request is a job. What a state did is queued before the next begins, in the one queue that all rows go
// through, so a crash keeps the states up to one of them and nothing of those after it. Five times the next step
// waits for a sync, because somebody else acts on what was written, or it cannot be done again:
//
//	REQUESTED  whoever asked may forget about it from here on
//	PREPARED   a holder must never have a root whose pages can still be lost
//	ROOTED     at each holder: the old root must not go before the new one is there
//	DESTROYED  at each holder: this is the erasure
//	RECORDED   twice: the log must have the record before a row says where it is, and the certificate
//	           names that place
//
// FENCED is remembered by the key pages, ROOTED and DESTROYED by the holders; what was COLLECTED is written
// with PREPARED, and what DESTROYED says with SCRUBBED, whose rows go through the same sync as the record. FENCED
// needs none of its own: what it changed can be done again. CHECKED needs one only where dependents are told.
//
//	REQUESTED  the request is written down, so that a crash cannot forget it
//	CHECKED    the keys exist and are free
//	FENCED     the keys are marked: no new seal, no new lease
//	COLLECTED  who must be told (Art. 19), and the names of the rows for the sweep: both need the keys
//	PREPARED   new key pages without the keys are durable beside the old ones
//	ROOTED     every holder keeps the new root beside the old one; from here there is only forward
//	DESTROYED  every holder overwrote the old root and read it back
//	SCRUBBED   caches hold nothing of the person any more; the epoch record is worded
//	RECORDED   the epoch record is in the log, exactly once; the certificate can be written
//
// Until PREPARED a job can be cancelled, unless dependents ([Options].Dependents) have been told of it, which
// happens just before. A request that asks for approvals or for a day to come stays REQUESTED until
// [Engine.Start]. After a crash, [Engine.Resume] runs the same code from the last
// durable state.
//
// # Job rows
//
// A job must write down the identifier of a person whose data is to be erased, so its rows must not
// outlive that person's keys. Each job is a subject of the key tree of its own, named by 16 random
// bytes, with two keys:
//
//   - "job-subject" seals the identifier and the keys that are to die. It dies in the very epoch that
//     erases them.
//   - "job" seals what must outlast that epoch: the names of the erased rows, for the sweep that follows,
//     and what the certificate says. It dies with the epoch of that sweep.
//
// No row is written twice and none is deleted by its own key. docs/spec/epoch-record.md describes what
// is published, docs/spec/certificate.md what is handed out.
//
// # What is not promised
//
// Whoever copied a root or a key before it was destroyed can go on reading, and nobody can see that they
// did. Rules of retention are not decided here: the ledger says which keys go and which stay, and why.
package erasure

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/merkle"
)

// Ledger is what an erasure needs of the ledger whose keys it destroys. All methods may be called
// concurrently with each other and with everything else that the ledger does.
type Ledger interface {
	// Origin is the name of the log.
	Origin() string
	// Recipients lists who received what the keys seal and so must be told. It is called before the
	// keys die, with keys that are fenced or, for a preview, not yet.
	Recipients(ctx context.Context, s keystore.Subject, keys []keystore.KeyInfo) ([]Recipient, error)
	// Guard says whether something forbids now that these keys are destroyed: an order to preserve that
	// lies on no single key. The error wraps [ErrHeld]. It is asked before the keys are fenced, and what
	// was done by [Engine.Exclusive] before is known to it.
	Guard(ctx context.Context, keys []keystore.KeyInfo) error
	// Fenced is told that nothing more is sealed under keys that are about to die: what the ledger has to
	// note about that moment, it queues. The pages without the keys are queued behind it.
	Fenced(ctx context.Context) error
	// CountEntries returns how many entries of the log were listed under a key, by the names of its
	// rows. The key itself is gone.
	CountEntries(ctx context.Context, rows keystore.RowsKey) (uint64, error)
	// Publish appends a public statement and returns its index and leaf when it is durable.
	Publish(ctx context.Context, statement []byte) (index uint64, leaf []byte, err error)
	// Published looks for a statement among the newest public statements of the log. It is asked only
	// after a crash, about a statement that would be the newest of its type.
	Published(ctx context.Context, statement []byte) (index uint64, found bool, err error)
	// Statement returns the public statement that an entry of the log is, or ErrNoStatement.
	Statement(ctx context.Context, index uint64) ([]byte, error)
	// Statements calls f with the public statements, the newest first, until it returns false.
	Statements(ctx context.Context, f func(index uint64, statement []byte) bool) error
	// Forget drops what caches hold of a subject; keystore.Subject("") stands for everybody, where
	// nobody can say whose keys were destroyed.
	Forget(s keystore.Subject)
}

// Options change how an [Engine] works. The zero value works.
type Options struct {
	// Now is the clock; time.Now if nil. It is only written down, never waited for.
	Now func() time.Time
	// Order is the lock under which changes of the key tree reach the queue of the rows: the one that
	// was given to the tree. Without one, nobody else may use the tree.
	Order sync.Locker
	// MaxRequests bounds how many requests share an epoch; the others wait for the next one. 1,000 if 0.
	MaxRequests int
	// MaxKeys bounds how many keys one epoch may destroy, as a guard against a mistake that erases
	// everybody; a request for more is refused. 10,000 if 0, and at most 20,000, because what is written
	// down about an epoch goes into the log's store in one piece.
	MaxKeys int
	// MaxSubjects bounds how many people's keys one epoch may destroy; no bound of its own if 0. A request
	// for more is refused.
	MaxSubjects int
	// Approvers are the keys of those who may approve a request that asks for approval.
	Approvers []merkle.Verifier
	// Approvals says how many approvals a person's erasure needs today, of everything or without what has a
	// reason to stay. A request that waits needs as many, or as many as it was written down with, whichever is
	// more. Nil: none.
	Approvals func(everything bool) int
	// NotBefore is when a person's erasure that was asked for at a time may begin by the policy of today. A
	// request that waits begins then or on the day that it was written down with, whichever is later. Nil: at
	// once. A request that waited for nothing has begun long ago.
	NotBefore func(asked time.Time) time.Time
	// Dependents are told of erasures before anything is destroyed.
	Dependents []Dependent
	// Unclaimed receives the certificates of interrupted erasures when they are finished: whoever asked for them was
	// told of the failure, or waited in a process that is gone. What it keeps has to be durable when it returns,
	// and after a crash it may receive the same certificate again, then without the identifier of the person. Nil:
	// they are dropped, and the only opening of each with it.
	Unclaimed func(*Certificate)
	// Progress is told of every state that a job reaches, for a person who waits; of CHECKED, FENCED, COLLECTED
	// and SCRUBBED before they are durable. It must return soon.
	Progress func(job ID, s State)

	// Sweeper replaces the rows of the ledger; without one there are no sweeps.
	Sweeper Sweeper
	// Sweeping is told of every state that a sweep reaches. It must return soon.
	Sweeping func(state string)

	// Busy says whether the ledger has so much else to do that epochs are to leave it room, and Pause how far
	// apart their beginnings then are at least: requests gather meanwhile. One that comes after a while of rest
	// does not wait. 20 ms if 0; negative for none.
	Busy  func() bool
	Pause time.Duration

	wait    func(ctx context.Context, c <-chan struct{}, most time.Duration)
	at      func(s State) error // tests stop here
	atSweep func(s sweepState) error
}

// ErrNoStatement says that an entry of the log is no public statement, or not there.
var ErrNoStatement = errors.New("no such public statement")

// ErrTooMany says that a request would destroy more keys than [Options].MaxKeys, or those of more people
// than [Options].MaxSubjects.
var ErrTooMany = errors.New("one request may not destroy that many keys")

// ErrNotResumed says that an epoch was interrupted and has to be finished first, by [Engine.Resume].
var ErrNotResumed = errors.New("an interrupted erasure has to be finished first")

// ErrClosed says that the engine was closed.
var ErrClosed = errors.New("the erasure engine is closed")

// An Engine runs erasures. Its methods may be called from several goroutines.
type Engine struct {
	tree   *keystore.Tree
	ledger Ledger
	rows   keystore.Rows
	o      Options

	mu      sync.Mutex
	jobs    map[ID]*job   // open, known to this process
	queue   []*job        // waiting for an epoch
	running bool          // an epoch loop is running
	began   time.Time     // the newest epoch
	writing int           // requests that are being written down, and go into the next epoch
	quiet   chan struct{} // closed when there are none; nil where nobody waits for that
	ready   bool          // nothing is left of an earlier process
	under   *underway     // an epoch that this process could not bring to its end
	closed  bool
	idle    sync.WaitGroup

	life context.Context // ends with Close
	end  context.CancelFunc

	sweeping   sync.Mutex  // one sweep at a time; before epochs
	sweepUnder *sweepUnder // a sweep that this process could not bring to its end

	epochs sync.Mutex // held by whoever changes key pages: one epoch at a time
	last   *recorded  // the newest epoch record; guarded by epochs
	// Open jobs that nobody can read, as the last Resume found them; guarded by epochs.
	abandoned map[ID]bool
	checked   func(context.Context) error // waits for the rows of CHECKED that were queued last; guarded by epochs
}

// Open returns an engine over rows whose keys begin with 'j', in the same store and queue as those of the
// tree. Call [Engine.Resume] before anything else.
func Open(ctx context.Context, tree *keystore.Tree, ledger Ledger, rows keystore.Rows, o Options) (*Engine, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Order == nil {
		o.Order = new(sync.Mutex)
	}
	if o.MaxRequests == 0 {
		o.MaxRequests = 1000
	}
	if o.MaxKeys == 0 {
		o.MaxKeys = 10_000
	}
	if o.Pause == 0 {
		o.Pause = defaultPause
	}
	o.wait = wait
	if o.MaxRequests < 1 || o.MaxRequests > 1000 || o.MaxKeys < 1 || o.MaxKeys > 20_000 {
		return nil, errors.New("opening the erasure engine: MaxRequests is 1 to 1,000, MaxKeys 1 to 20,000")
	}
	e := &Engine{tree: tree, ledger: ledger, rows: rows, o: o, jobs: make(map[ID]*job)}
	e.life, e.end = context.WithCancel(context.Background())
	var err error
	if e.last, err = e.lastRecorded(ctx); err != nil {
		return nil, fmt.Errorf("opening the erasure engine: %w", err)
	}
	return e, nil
}

// Close returns when nothing runs any more. An epoch that is prepared is brought to its end; requests that
// are not so far stay as they are, durable, for the next Resume.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.end()
	e.idle.Wait()
	return nil
}

// reached says that a job's state is durable, or queued ahead of what is waited for next.
func (e *Engine) reached(s State, jobs ...*job) error {
	e.mu.Lock()
	for _, j := range jobs {
		j.state = s
	}
	e.mu.Unlock()
	for _, j := range jobs {
		if e.o.Progress != nil {
			e.o.Progress(j.id, s)
		}
	}
	if e.o.at != nil {
		return e.o.at(s)
	}
	return nil
}
