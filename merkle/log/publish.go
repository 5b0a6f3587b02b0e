package log

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// Publishing says which heads strangers are shown, and who is asked to
// countersign them. The zero value shows the newest head and asks nobody.
//
// With a policy, a head is shown when it satisfies the policy, and until then the
// newest that does is shown. Head, and what a caller is told about its entry, do
// not wait for that.
type Publishing struct {
	// Policy is the text of a policy (https://c2sp.org/tlog-policy). Its quorum
	// says whose cosignatures a head must have; its logs are for verifiers and are
	// not looked at. Empty: none.
	Policy []byte
	// Witnesses are asked for cosignatures, all at the same time.
	Witnesses []Witness
	// Cosigner is a second key of the log itself, of another kind than Signer, so
	// that a proof stands when Ed25519 does not. It signs published heads only,
	// because a signature of that kind costs as much as twenty of the other. Nil:
	// none.
	Cosigner *merkle.Cosigner
	// Timeout is how long one witness may take. Default 10 s.
	Timeout time.Duration
	// Refresh is after how long Publish asks the witnesses for an unchanged head again,
	// so that the time of the entry that comes next is bounded by a cosignature that is
	// not older than that. Default 1 h; negative for never.
	Refresh time.Duration
	// Alarm is told when a witness stops or begins to answer, and when heads stop or
	// begin to satisfy the policy: once for each change, not for each try. It must
	// return soon. Nil: the Logger is told instead.
	Alarm func(Alarm)
}

// A Witness is one who countersigns.
type Witness struct {
	// Name is what alarms call it, as in the policy.
	Name string
	// Verifiers are its keys.
	Verifiers []merkle.Verifier
	// Ask asks it.
	Ask Cosigner
}

// A Cosigner asks one witness to cosign a signed checkpoint. old is the size that
// the witness cosigned last, as far as is known; prove returns the consistency
// proof to the checkpoint from a size that the witness turns out to be at. The
// answer is signature lines. It is called by one goroutine at a time, must return
// when the context ends, and may keep none of the slices.
//
// The error is an *[AheadError] if the witness claims a larger tree of this log,
// with the head if it shows that, a *[RefusedError] if it answers but not with a cosignature, anything else
// if there is no answer.
type Cosigner interface {
	Cosign(ctx context.Context, signed []byte, old uint64, prove func(ctx context.Context, old uint64) ([]merkle.Hash, error)) (lines []byte, err error)
}

const (
	defaultTimeout = 10 * time.Second
	defaultRefresh = time.Hour
)

// minPause is the shortest time between two heads that are signed to be published, and
// so for how long it costs nothing to wait for witnesses that the policy can do without.
const minPause = time.Second

// pause waits, but not for what is over.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// on reports whether published heads are others than the newest.
func (o *Publishing) on() bool { return len(o.Policy) > 0 || o.Cosigner != nil }

func (o *Publishing) fill() error {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Refresh == 0 {
		o.Refresh = defaultRefresh
	}
	if o.Timeout < 0 {
		return errors.New("a negative timeout for witnesses")
	}
	if !o.on() && len(o.Witnesses) > 0 {
		return errors.New("witnesses without a policy: nothing says whose cosignatures suffice")
	}
	for i, w := range o.Witnesses {
		if w.Name == "" || strings.ContainsAny(w.Name, "\n") || w.Ask == nil || len(w.Verifiers) == 0 {
			return fmt.Errorf("witness %d has no name, no key, or nobody who asks it", i)
		}
		if slices.ContainsFunc(o.Witnesses[:i], func(v Witness) bool { return v.Name == w.Name }) {
			return fmt.Errorf("two witnesses are called %q", w.Name)
		}
	}
	return nil
}

// A publisher decides what /checkpoint shows. What it keeps besides is only a
// memory of who said what, and may be lost.
type publisher struct {
	*Log
	o      *Publishing
	policy *merkle.Policy // nil: none
	keys   []merkle.Verifier
	shown  atomic.Pointer[Head] // newest head that satisfies the policy, archived and durable
	// behind is set for good when a witness shows more of this log than there is.
	behind atomic.Pointer[ErrRolledBack]

	life    context.Context // until the log is closed
	end     context.CancelFunc
	want    chan struct{} // says to who collects late answers that somebody wants to publish
	answers chan answer

	// lock is held by one Publish at a time, and between them by who collects late
	// answers: a lock that can be waited for with a context. It guards what follows.
	lock    chan struct{}
	pending *pending
	busy    []bool    // for each witness, whether it is being asked
	written []byte    // newest policy in the rows
	known   []uint64  // for each witness, the size it cosigned last as far as is known
	states  []string  // for each witness, and at the end for the policy, what was last told
	signed  time.Time // when the pending head was signed, or witnesses were asked for it again
}

// pending is a head that cosignatures are collected for.
type pending struct {
	head     Head   // Signed grows
	own      []byte // the same with no signatures but the log's own, for witnesses
	answered []bool
	archived bool
	again    []byte // own with the newest cosignatures, where the head was archived before they were asked for
	passed   bool   // a witness says that it has gone on to a later head
}

func newPublisher(l *Log) (*publisher, error) {
	o := &l.opts.Publishing
	p := &publisher{
		Log: l, o: o, lock: make(chan struct{}, 1), want: make(chan struct{}), answers: make(chan answer, len(o.Witnesses)),
		busy: make([]bool, len(o.Witnesses)), known: make([]uint64, len(o.Witnesses)), states: make([]string, len(o.Witnesses)+1),
	}
	p.life, p.end = context.WithCancel(context.Background())
	if len(o.Policy) > 0 {
		var err error
		if p.policy, err = merkle.ParsePolicy(o.Policy); err != nil {
			return nil, err
		}
		p.keys = witnessKeys(p.policy)
	}
	return p, nil
}

// witnessKeys returns the keys of everybody whose cosignature counts.
func witnessKeys(p *merkle.Policy) []merkle.Verifier {
	var keys []merkle.Verifier
	for _, w := range p.Witnesses() {
		keys = append(keys, w.Verifier)
	}
	return keys
}

// Published returns the newest head that satisfies the policy, which is what
// strangers are shown: it is archived here, and durable. Without a policy and a
// second key, that is the newest head. False: there is none yet.
func (l *Log) Published() (Head, bool) {
	if !l.publisher.o.on() {
		return l.Head(), true
	}
	if h := l.publisher.shown.Load(); h != nil {
		return *h, true
	}
	return Head{}, false
}

// published is Published as of a snapshot.
func (s *Snapshot) published() (Head, error) {
	p := s.log.publisher
	if !p.o.on() {
		return s.v.head, nil
	}
	if h := p.shown.Load(); h != nil && h.Size <= s.v.head.Size {
		return *h, nil
	}
	// It was published since: the rows of the snapshot have the one before.
	h, ok, err := p.archivedBelow(rowReader{s.v.snap}, s.v.head.Size+1)
	if err == nil && (!ok || p.satisfied(h.Signed) != nil) {
		err = ErrUnpublished
	}
	return h, err
}

// Publish has the newest head countersigned and shows it. It asks all witnesses
// at the same time, shows the head as soon as the policy is satisfied, and returns
// when everybody has answered, or when the policy is satisfied and the others have
// had a second. Who answers later, within the time-out and before the log is closed,
// is heard all the same, and the cosignature is added to the head. If the policy is
// not satisfied Publish waits for everybody, the answers are kept, the next call asks only those who are
// missing, and the error is an *[UnwitnessedError]; the head that was shown
// before stays, and is returned with it.
//
// If a witness shows a head that this log has signed and that is larger than the
// log, this is an old copy of it. Nothing is signed or accepted any more, not after
// the next Open either, and the error is [ErrRolledBack]. If it only claims so, that
// is an [UnprovenError] and an alarm: one witness cannot stop the log.
//
// Crash order: a head is signed only when its tree is durable; it is archived, in
// one batch of the sequencer, before it is shown; between the answer of a witness
// and the archive a crash loses the answer, and the witness is then ahead of the
// archive but not of the tree, and says so to the next who asks.
func (l *Log) Publish(ctx context.Context) (Head, error) {
	h, err := l.publisher.publish(ctx)
	if err != nil {
		return h, fmt.Errorf("publishing: %w", err)
	}
	return h, nil
}

func (p *publisher) publish(ctx context.Context) (Head, error) {
	goal := p.Head().Size
	if !p.o.on() {
		return p.Head(), p.mayPublish()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.life, func() { cancel(ErrClosed) })()
	if err := p.enter(ctx); err != nil {
		return Head{}, err
	}
	defer p.leave()
	for {
		err := p.mayPublish()
		if err == nil {
			err = p.round(ctx)
		}
		h, _ := p.Published()
		// A head that was pending when the log grew is finished first: who was away
		// then is likely to be away now.
		if err != nil || h.Size >= goal {
			return h, err
		}
	}
}

// mayPublish says why nothing may be signed.
func (p *publisher) mayPublish() error {
	if err := p.RolledBack(); err != nil {
		return err
	}
	if p.opts.ReadOnly {
		return ErrReadOnly
	}
	return p.readable()
}

// round brings one head forward as far as it goes.
func (p *publisher) round(ctx context.Context) error {
	if p.pending == nil || p.pending.archived && p.pending.head.Size < p.Head().Size {
		if err := p.begin(ctx); err != nil {
			return err
		}
	} else {
		p.askAgain()
	}
	if err := p.archiveIfSatisfied(ctx, p.pending); err != nil {
		return err
	}
	failed, err := p.askAll(ctx)
	if err != nil {
		return err
	}
	if p.pending.archived {
		p.tell(len(p.o.Witnesses), "", nil)
		return nil
	}
	un := &UnwitnessedError{Size: p.pending.head.Size, Why: p.satisfied(p.pending.head.Signed), Failed: failed}
	if p.pending.passed {
		p.pending = nil
	}
	p.tell(len(p.o.Witnesses), "", un)
	return un
}

// begin takes the newest head and signs it with the second key.
func (p *publisher) begin(ctx context.Context) error {
	if err := p.opts.seams.pause(ctx, minPause-time.Since(p.signed)); err != nil {
		return err
	}
	// The time of a cosignature says that no larger tree was seen until then, so
	// it is taken before the head.
	p.signed = time.Now()
	h := p.Head()
	if p.o.Cosigner != nil {
		second, err := merkle.SignCheckpoint(h.Checkpoint, p.o.Cosigner.At(uint64(p.signed.Unix())))
		if err == nil {
			h.Signed, err = addLines(h.Signed, second)
		}
		if err != nil {
			return err
		}
	}
	p.pending = &pending{head: h, own: h.Signed, answered: make([]bool, len(p.o.Witnesses))}
	// The same head may have been published by the process before this one. The
	// witnesses are asked all the same: if this is an old copy, they know.
	if old, ok := p.Published(); ok && old.Size == h.Size {
		merged, err := addLines(old.Signed, h.Signed)
		if err != nil {
			return err
		}
		p.pending.head.Signed, p.pending.again = merged, h.Signed
	}
	p.opts.seams.publishing("signed")
	return nil
}

// addLines adds the signature lines of one note of a checkpoint to another; if
// keys are given, only lines of those.
func addLines(to, from []byte, keys ...merkle.Verifier) ([]byte, error) {
	lines, err := merkle.SignatureLines(from, keys...)
	if err != nil {
		return nil, err
	}
	return merkle.AddSignatures(to, lines)
}

func signedBy(signed []byte, keys []merkle.Verifier) bool {
	_, cs, err := merkle.Cosignatures(signed, keys...)
	return err == nil && len(cs) > 0
}

// satisfied says what the policy lacks. A wrong signature is an error too.
func (p *publisher) satisfied(signed []byte) error {
	if p.policy == nil {
		return nil
	}
	_, cs, err := merkle.Cosignatures(signed, p.keys...)
	if err != nil {
		return err
	}
	return p.policy.Satisfied(cs)
}
