package log

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// An AheadError says that a witness claims to have cosigned a larger tree of this
// log than the one it was asked for. If it shows one that is larger than the log
// itself, the log is an old copy, or there are two of it.
type AheadError struct {
	Size uint64
	// Signed is the larger checkpoint, as far as the witness shows it. Its
	// signatures need not have been verified. Nil if it does not.
	Signed []byte
}

func (e *AheadError) Error() string { return fmt.Sprintf("has cosigned a tree of size %d", e.Size) }

// An UnprovenError says that a witness claims to have cosigned more of this log
// than there is, and shows no head of that kind that this log has signed. Either
// it errs or lies, and then there is no reason to stop, or it is one that shows
// nothing and this is an old copy of the log: find out which.
type UnprovenError struct {
	// Claimed is the size that it claims, Have that of the log.
	Claimed, Have uint64
}

func (e *UnprovenError) Error() string {
	return fmt.Sprintf("it claims to have cosigned a head of %d, the log has %d entries, and it shows no such head that this log has signed: either it errs, or this is an old copy of the log", e.Claimed, e.Have)
}

// A RefusedError says that a witness answered, but not with a cosignature.
type RefusedError struct {
	Status int // of the HTTP answer, 0 if the answer was not well formed
	// Shown is the newest checkpoint that the witness shows of this log, where it
	// says that it knows another tree. Its signatures need not have been verified.
	Shown []byte
	Err   error
}

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// An UnwitnessedError says that a head does not satisfy the policy yet.
type UnwitnessedError struct {
	Size uint64
	// Why is what the policy lacks.
	Why error
	// Failed has the names of the witnesses that were asked in vain, and why.
	Failed map[string]error
}

func (e *UnwitnessedError) Error() string {
	return fmt.Sprintf("the head of size %d has not enough cosignatures: %v", e.Size, e.Why)
}

func (e *UnwitnessedError) Unwrap() error { return e.Why }

// An Alarm is a change that an operator should hear of.
type Alarm struct {
	// Witness is the name of the one that it is about; empty if it is about the
	// policy.
	Witness string
	// Err says what is wrong, nil if it is well again.
	Err error
}

// answer is what one witness said of one head.
type answer struct {
	witness int
	of      *pending
	lines   []byte
	err     error
}

// askAll asks every witness that has not answered for the pending head, and returns
// when all have, or once the head is archived and the others have had their time. It
// returns who failed. Who is still busy, with this head or with an older one, is not
// asked a second time: who holds the lock next, or [publisher.collect], hears them.
func (p *publisher) askAll(ctx context.Context) (map[string]error, error) {
	late := time.NewTimer(p.opts.seams.straggle)
	defer late.Stop()
	enough := false
	failed := map[string]error{}
	for {
		waiting := false
		for i, w := range p.o.Witnesses {
			if failed[w.Name] != nil || p.pending.answered[i] {
				continue
			}
			waiting = true
			if !p.busy[i] {
				p.start(i)
			}
		}
		if !waiting || enough && p.pending.archived {
			return failed, nil
		}
		select {
		case a := <-p.answers:
			why, err := p.hear(ctx, a)
			if err != nil {
				return nil, err
			}
			if why != nil && a.of == p.pending {
				failed[p.o.Witnesses[a.witness].Name] = why
			}
		case <-late.C:
			enough = true
		case <-ctx.Done():
			if p.pending.archived {
				return failed, nil
			}
			return nil, context.Cause(ctx) // who was interrupted has not failed
		}
	}
}

// start asks one witness for the pending head. The answer may come after Publish has
// returned, so only the end of the log ends the question before its time-out.
func (p *publisher) start(i int) {
	of := p.pending
	h := Head{Checkpoint: of.head.Checkpoint, Signed: of.own}
	old := min(p.known[i], h.Size)
	p.busy[i] = true
	go func() {
		lines, err := p.ask(p.life, p.o.Witnesses[i].Ask, h, old)
		p.answers <- answer{i, of, lines, err} // which has room for one answer of each
	}()
}

// hear takes an answer in, and archives the head that it is about as soon as the
// policy is satisfied. why is why there is no cosignature.
func (p *publisher) hear(ctx context.Context, a answer) (why, err error) {
	p.busy[a.witness] = false
	if why = a.err; why == nil {
		why = p.take(a)
	}
	head := shown(why)
	if known, err := p.contradicts(ctx, head); err != nil {
		return nil, err
	} else if known != nil {
		return nil, p.stopSigning(aheadRow{p.o.Witnesses[a.witness].Name, *known, head}, p.Head())
	}
	if ahead, ok := errors.AsType[*AheadError](why); ok {
		if have := p.Head().Size; ahead.Size > have {
			// A number that nobody has signed stops nothing. The head lacks this
			// cosignature, and is not shown if the policy needs it.
			why = &UnprovenError{Claimed: ahead.Size, Have: have}
		} else {
			p.known[a.witness] = ahead.Size
			a.of.passed = true
		}
	}
	if p.life.Err() == nil {
		p.tell(a.witness, p.o.Witnesses[a.witness].Name, why)
	}
	if why != nil {
		return why, nil
	}
	p.opts.seams.publishing("answered")
	if a.of != p.pending && !a.of.archived {
		return nil, nil // the log has gone on without that head
	}
	if err := p.archiveIfSatisfied(ctx, a.of); err != nil {
		return nil, err
	}
	return nil, p.archiveAgain(ctx, a.of)
}

// collect hears those who answer after Publish has returned, until all have or
// somebody wants to publish. It holds the lock of who has returned.
func (p *publisher) collect() {
	defer func() { <-p.lock }()
	for slices.Contains(p.busy, true) {
		select {
		case a := <-p.answers:
			// An error is the log's own, which has said so, or says so to the next
			// who publishes.
			_, _ = p.hear(p.life, a)
		case <-p.want:
			return
		}
	}
}

// enter takes the lock, from who collects late answers too.
func (p *publisher) enter(ctx context.Context) error {
	for {
		select {
		case p.lock <- struct{}{}:
			if p.life.Err() != nil {
				<-p.lock
				return ErrClosed
			}
			return nil
		case p.want <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// leave gives the lock back, or to who collects late answers.
func (p *publisher) leave() {
	if slices.Contains(p.busy, true) {
		go p.collect()
		return
	}
	<-p.lock
}

// close waits for everybody who publishes, asks or collects. Their context has ended.
func (p *publisher) close() {
	p.lock <- struct{}{}
	for i := range p.busy {
		if p.busy[i] {
			<-p.answers
		}
	}
}

func (p *publisher) ask(ctx context.Context, c Cosigner, h Head, old uint64) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.o.Timeout, fmt.Errorf("no answer within %s", p.o.Timeout))
	defer cancel()
	lines, err := c.Cosign(ctx, slices.Clone(h.Signed), old, func(ctx context.Context, old uint64) ([]merkle.Hash, error) {
		return p.ConsistencyProof(ctx, old, h.Size)
	})
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
		err = cause // which says what took too long
	}
	return lines, err
}

// shown is the checkpoint that a witness showed when it did not cosign, nil if it
// showed none.
func shown(err error) []byte {
	if ahead, ok := errors.AsType[*AheadError](err); ok {
		return ahead.Signed
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return refused.Shown
	}
	return nil
}

// contradicts returns what a head says that this log has signed and that is not of
// this history, nil if it is another head. A copy that was restored from a backup
// and has grown since is found so.
func (p *publisher) contradicts(ctx context.Context, signed []byte) (*merkle.Checkpoint, error) {
	c, err := merkle.OpenCheckpoint(signed, p.meta.origin, p.verifier)
	if err != nil {
		return nil, nil // not ours to answer for
	}
	if c.Size <= p.Head().Size {
		root, err := p.RootAt(ctx, c.Size)
		if err != nil {
			return nil, err
		}
		if root == c.Root {
			return nil, nil
		}
	}
	return &c, nil
}

// take adds an answer to the head that it is about: lines of that witness only, which must
// verify, so that nobody can make a note invalid by a line in another's name.
func (p *publisher) take(a answer) error {
	w := &p.o.Witnesses[a.witness]
	note, err := merkle.AddSignatures(a.of.own, a.lines)
	if err != nil {
		return &RefusedError{Err: err}
	}
	_, cs, err := merkle.Cosignatures(note, w.Verifiers...)
	if err == nil && len(cs) == 0 {
		err = errors.New("the answer has no cosignature of its keys")
	}
	again := a.of.again
	if err == nil && again != nil {
		again, err = addLines(again, note, w.Verifiers...)
	}
	if err == nil {
		note, err = addLines(a.of.head.Signed, note, w.Verifiers...)
	}
	if err != nil {
		return &RefusedError{Err: err}
	}
	a.of.head.Signed, a.of.again = note, again
	a.of.answered[a.witness] = true
	p.known[a.witness] = a.of.head.Size
	return nil
}

// tell raises an alarm if the state of a witness, or of the policy, has changed.
func (p *publisher) tell(i int, name string, err error) {
	state := ""
	if err != nil {
		state = "unreachable"
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			state = fmt.Sprint("refused ", refused.Status)
		} else if _, ok := errors.AsType[*UnprovenError](err); ok {
			state = "claims more than there is"
		}
	}
	if p.states[i] == state {
		return
	}
	p.states[i] = state
	p.alarm(Alarm{Witness: name, Err: err})
}

// alarm tells the operator.
func (p *publisher) alarm(a Alarm) {
	if p.o.Alarm != nil {
		p.o.Alarm(a)
		return
	}
	log := p.opts.Logger
	switch {
	case a.Err == nil && a.Witness == "":
		log.Info("heads satisfy the policy again")
	case a.Err == nil:
		log.Info("a witness cosigns again", "witness", a.Witness)
	case a.Witness == "":
		log.Error("the newest head does not satisfy the policy, an older one is shown", "err", firstLine(a.Err.Error()))
	default:
		log.Warn("a witness does not cosign", "witness", a.Witness, "err", firstLine(a.Err.Error()))
	}
}
