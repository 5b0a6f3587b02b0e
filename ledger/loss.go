package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle/log"
)

// What was publicly stated as lost (docs/spec/lost-entries.md), under no generation, so that no sweep drops it:
//
//	'w' ffffffff 'l' u32 n       → id16 || text of the statement
//	'w' ffffffff 'm' id16 u32 k  → sealed bits of 2^19 entries
const (
	sweepRowLoss     = 'l'
	sweepRowLossBits = 'm'
)

// A Loss is what a ledger has lost, and does not know from a statement that was made before.
type Loss struct {
	Entries uint64   // that no key opens, and no erasure accounts for
	Size    uint64   // entries that were looked at
	Missing []string // key pages that are missing
	Epochs  []uint64 // of which it is lost what they erased, all or a part: such entries are among those that are lost
	Index   uint64   // entry of the log that states it, once that is done
}

// LossOptions say how a loss is looked for.
type LossOptions struct {
	// Confirm is asked before anything is stated, and stops that by an error. Nil: it is stated at once.
	Confirm func(*Loss) error
	// Progress is told how far it is. Nil: not told.
	Progress func(stage string, done, total uint64)
}

// StateLoss looks for entries that are lost, because their key page or their sealed event is nowhere, and states
// in public how many they are. The statement commits to which, and names none: LostOpening gives its opening to
// whoever asks about one of them. Where nothing is lost, nothing is stated, and the result has no entries.
//
// A statement cannot be taken back. From then on the ledger counts these entries neither as living nor as erased,
// and a sweep need not account for them.
func (l *Ledger) StateLoss(ctx context.Context, o LossOptions) (*Loss, error) {
	end, err := l.startSweeper()
	if err != nil {
		return nil, err
	}
	defer end()
	if o.Progress == nil {
		o.Progress = func(string, uint64, uint64) {}
	}
	found := new(Loss)
	if found.Missing, err = l.tree.MissingPages(ctx); err != nil {
		return nil, err
	}
	if found.Epochs, err = l.erasure.LostEpochs(ctx); errors.Is(err, keystore.ErrErasing) {
		return nil, errSweepEnds
	}
	if err != nil {
		return nil, err
	}
	stated, err := l.losses(ctx)
	if err != nil {
		return nil, err
	}
	var lost bitmap
	if lost, found.Size, err = l.findLost(ctx, stated, o.Progress); err != nil {
		return nil, err
	}
	found.Entries = lost.count()
	if found.Entries == 0 {
		return found, nil
	}
	// An earlier call may have been interrupted. Key pages may have come back since, and
	// what is stated cannot be taken back: it is only published if it is still so.
	var x *loss
	if n := len(stated); n > 0 && !stated[n-1].public && slices.Equal(stated[n-1].lost.trim(), lost.trim()) {
		x = stated[n-1]
		found.Size = x.record.Size
	}
	if o.Confirm != nil {
		if err := o.Confirm(found); err != nil {
			return nil, err
		}
	}
	if x == nil {
		if x, err = l.keepLoss(ctx, uint32(len(stated)), found.Size, lost); err != nil {
			return nil, fmt.Errorf("keeping which entries are lost: %w", err)
		}
	}
	// If we stop here, the next call publishes what is kept.
	found.Index, _, err = erasureLedger{l}.Publish(ctx, x.statement)
	return found, err
}

// findLost finds entries that neither open nor are accounted for by an erasure. What was found is looked at a
// second time: an erasure that was called off meanwhile may have hidden a key from the first.
func (l *Ledger) findLost(ctx context.Context, stated []*loss, progress func(string, uint64, uint64)) (lost bitmap, size uint64, err error) {
	idle := func() error {
		account, err := l.erasure.Account(ctx)
		if err == nil && account.Open > 0 {
			err = errErasingMeanwhile
		}
		return err
	}
	if err := idle(); err != nil {
		return nil, 0, err
	}
	r, err := l.fsck(ctx, progress)
	if err != nil {
		return nil, 0, err
	}
	v := l.view()
	defer v.Close()
	gone, err := l.gone(ctx, v)
	if err != nil {
		return nil, 0, err
	}
	if gone == nil {
		return nil, 0, errSweepEnds
	}
	var suspect []uint64
	leaves := leafReader{v: v}
	for i := range r.Size {
		if r.opened[i] || gone.get(i) || isStated(stated, i) {
			continue
		}
		leaf, err := leaves.at(ctx, i)
		if err != nil {
			return nil, 0, err
		}
		if !envelope.IsPublic(leaf) {
			suspect = append(suspect, i)
		}
	}
	keys, err := l.keysOf(ctx, v, suspect, progress)
	if err != nil {
		return nil, 0, err
	}
	lost = newBitmap(r.Size)
	for _, i := range suspect {
		if ref, listed := keys[i]; listed {
			_, err := l.openLeaf(ctx, v, i, ref, named(nil))
			switch {
			case err == nil:
				continue
			case errors.Is(err, keystore.ErrNoKey), errors.Is(err, keystore.ErrErasing):
				return nil, 0, errErasingMeanwhile
			case !isDamage(err):
				return nil, 0, fmt.Errorf("entry %d: %w", i, err)
			}
		}
		lost.set(i)
	}
	if err := idle(); err != nil {
		return nil, 0, err
	}
	// Whose it was may have been erased meanwhile, and come back with another key, which does not open it.
	if gone, err = l.gone(ctx, v); err != nil {
		return nil, 0, err
	}
	for _, i := range suspect {
		if gone.get(i) {
			lost.unset(i)
		}
	}
	return lost, r.Size, nil
}

var errErasingMeanwhile = &BusyError{What: "an erasure is under way, and what it erases looks as if it were lost"}

// isDamage reports whether an entry does not open although its key is there.
func isDamage(err error) bool {
	return errors.Is(err, log.ErrNotFound) || errors.Is(err, errDamaged) || errors.Is(err, envelope.ErrCorrupt)
}

// A loss is one statement, and what it is about.
type loss struct {
	id        erasure.ID
	statement []byte
	record    *certificate.LostRecord
	lost      bitmap           // nil where the key is lost, too
	key       keystore.RowsKey // of the blinds
	public    bool             // the log has it
	index     uint64           // where

	set     *certificate.LostSet // once something was opened
	receipt []byte
}

// keepLoss makes durable what a statement is going to be about, and returns it.
func (l *Ledger) keepLoss(ctx context.Context, n uint32, size uint64, lost bitmap) (*loss, error) {
	x := &loss{lost: lost}
	lease, err := l.lossKey(ctx, x)
	if err != nil {
		return nil, err
	}
	defer lease.Done()
	x.key = lease.RowsKey()
	if err := x.commit(size); err != nil {
		return nil, err
	}
	x.record = x.set.Record(certificate.Instant(l.now()))
	if x.statement, err = x.record.Statement(); err != nil {
		return nil, err
	}
	rows := lost.rows(lease, backupGeneration, sweepRowLossBits, x.id)
	if err := l.sweeper.enqueueUnder(lease, rows[0]); err != nil {
		return nil, err
	}
	// Behind all the others, so that where it is none of them is missing.
	head := log.Row{Key: sweepRowKey(backupGeneration, sweepRowLoss, binary.BigEndian.AppendUint32(nil, n)...), Value: append(x.id[:len(x.id):len(x.id)], x.statement...)}
	w := writer{s: l.sweeper}
	for _, r := range append(rows[1:], head) {
		if err := w.add(ctx, r); err != nil {
			return nil, err
		}
	}
	return x, w.flush(ctx)
}

// lossKey makes the key of a statement.
func (l *Ledger) lossKey(ctx context.Context, x *loss) (*keystore.Lease, error) {
	name := func() { rand.Read(x.id[:]) }
	name()
	return keystore.Elsewhere(func() (*keystore.Lease, error) {
		return l.tree.Use(ctx, sweepSubject(x.id), sweepCompartment, 0)
	}, name)
}

// commit builds the set.
func (x *loss) commit(size uint64) (err error) {
	x.set, err = certificate.NewLostSet(size, x.lost.get, func(i uint64) [32]byte { return x.key.RowName(0, i) })
	return err
}

// losses reads what was stated as lost, in the order of the statements, and behind them what is about to be.
func (l *Ledger) losses(ctx context.Context) ([]*loss, error) {
	var all []*loss
	prefix := sweepRowKey(backupGeneration, sweepRowLoss)
	err := l.log.Scan(ctx, prefix, sweepRowKey(backupGeneration, sweepRowLoss+1), func(_, row []byte) error {
		if len(row) < 16 {
			return errors.New("a row of it is malformed")
		}
		all = append(all, &loss{id: erasure.ID(row[:16]), statement: bytes.Clone(row[16:])})
		return nil
	})
	for _, x := range all {
		if err == nil {
			err = l.readLoss(ctx, x)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was stated as lost: %w", err)
	}
	return all, nil
}

func (l *Ledger) readLoss(ctx context.Context, x *loss) (err error) {
	if x.record, err = certificate.ParseLostRecord(x.statement); err != nil {
		return err
	}
	if x.index, x.public, err = (erasureLedger{l}).Published(ctx, x.statement); err != nil {
		return err
	}
	lease, err := l.leaseFenced(ctx, sweepSubject(x.id), sweepCompartment)
	if errors.Is(err, keystore.ErrPageMissing) || errors.Is(err, keystore.ErrNoKey) {
		return nil // its key page was lost later: what it was about is lost again, and stated again
	}
	if err != nil {
		return err
	}
	defer lease.Done()
	x.key = lease.RowsKey()
	if x.lost, err = readBits(ctx, l.log, lease, sweepRowKey(backupGeneration, sweepRowLossBits, x.id[:]...)); err != nil {
		return err
	}
	if uint64(len(x.lost)) != (x.record.Size+63)/64 || x.lost.count() != x.record.Lost {
		return errors.New("rows of it are missing")
	}
	return nil
}

// isStated reports whether the log states that an entry is lost.
func isStated(all []*loss, index uint64) bool { return statedIn(all, index) != nil }

func statedIn(all []*loss, index uint64) *loss {
	for _, x := range all {
		if x.public && x.lost.get(index) {
			return x
		}
	}
	return nil
}

// GiveUp looks at every entry once more: key pages may have been lost since the cut, and the entries that it leaves out
// are those that were stated before it. Keys without any entry go with their pages.
func (s *sweeper) GiveUp(ctx context.Context, keys []keystore.RowsKey) ([]string, error) {
	l := s.l
	missing, err := l.tree.MissingPages(ctx)
	if err != nil {
		return nil, err
	}
	stated, err := l.losses(ctx)
	if err != nil {
		return nil, err
	}
	v := l.view()
	defer v.Close()
	c := s.newCut(v)
	c.lost = stated
	err = l.walkLiving(ctx, v, nil, func(_ *keystore.Lease, _ uint64, row *listValue) error {
		c.seen(row.index)
		return nil
	})
	if err != nil {
		return nil, err
	}
	expected, _, _, differ, err := c.agree(ctx, keys)
	if err != nil {
		return nil, err
	}
	loss := new(LossError)
	for _, i := range differ {
		if expected.get(i) {
			continue // the cut has compared these
		}
		if loss.Lost++; loss.Lost == 1 {
			loss.First = i
		}
	}
	if loss.Lost > 0 {
		return nil, loss
	}
	return missing, nil
}

// whyClosed says why an entry does not open. It is erased where an erasure accounts for it, whatever was stated before,
// and otherwise lost where that was stated. Of what neither is known of there is no more to say than that it cannot be
// read: its key page or its sealed form may be damaged.
func (l *Ledger) whyClosed(ctx context.Context, index uint64, closed error) error {
	if ctx.Err() != nil || !isErased(closed) && !isDamage(closed) || errors.As(closed, new(*NotFoundError)) {
		return closed
	}
	if why := l.accountedFor(ctx, index); why != nil {
		return why
	}
	if all, err := l.losses(ctx); err == nil {
		if x := statedIn(all, index); x != nil {
			return &EntryLostError{Index: index, Statement: x.index}
		}
	}
	switch {
	case !isErased(closed):
		return &UnreadableError{Index: index, Why: closed}
	case l.outdated() != nil:
		return &UnreadableError{Index: index, Why: errNoKeyOutdated}
	}
	// Its key may have been under an erasure that was given up, or that has ended since.
	opens := false
	if err := l.erasure.Exclusive(func() error {
		v := l.view()
		defer v.Close()
		_, lease, err := l.find(ctx, v, index)
		if opens = err == nil; opens {
			lease.Done()
		}
		return ctx.Err()
	}); err != nil {
		return err
	}
	if opens {
		return errErasing
	}
	account, err := l.erasure.Account(ctx)
	switch {
	case err != nil:
		return err
	case account.Open > 0: // something stopped it, and its keys are fenced
		return errErasingMeanwhile
	}
	if why := l.accountedFor(ctx, index); why != nil {
		return why
	}
	return &UnreadableError{Index: index, Why: errNoKeyOpens}
}

var (
	errNoKeyOpens    = errors.New("no key opens it, and no erasure accounts for that")
	errNoKeyOutdated = keystore.Hinted("this copy can be read; ask the newest one", "no key opens it, and this older copy of the log does not know what was erased since")
)

// accountedFor returns an *ErasedError where an erasure accounts for an entry, nil where none does.
func (l *Ledger) accountedFor(ctx context.Context, index uint64) error {
	gone, err := l.goneNow(ctx)
	switch {
	case errors.Is(err, errSweepEnds):
		return err
	case err != nil:
		return &UnreadableError{Index: index, Why: err}
	case gone.get(index):
		return &ErasedError{Index: index}
	}
	return nil
}

// goneNow is which entries erasures account for. It is errSweepEnds where that is compared just now.
func (l *Ledger) goneNow(ctx context.Context) (bitmap, error) {
	for try := 0; ; try++ {
		v := l.view()
		gone, err := l.gone(ctx, v)
		swept := l.tree.Generation() != v.generation()
		v.Close()
		switch {
		case swept && try < 3: // and the keys of these erasures went with it
		case err != nil:
			return nil, fmt.Errorf("whether an erasure accounts for it is not known: %w", err)
		case gone == nil:
			return nil, errSweepEnds
		default:
			return gone, nil
		}
	}
}

// LostOpening shows that an entry was publicly stated as lost, offline and for ever. There is a *NotFoundError where
// it was not.
func (l *Ledger) LostOpening(ctx context.Context, index uint64) (*certificate.LostOpening, error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	all, err := l.losses(ctx)
	if err != nil {
		return nil, err
	}
	x := statedIn(all, index)
	if x == nil {
		return nil, &NotFoundError{What: fmt.Sprintf("entry %d was not stated as lost", index)}
	}
	return l.openLost(ctx, x, index)
}

func (l *Ledger) openLost(ctx context.Context, x *loss, index uint64) (*certificate.LostOpening, error) {
	var err error
	if x.set == nil {
		err = x.commit(x.record.Size)
	}
	if err == nil && x.receipt == nil {
		x.receipt, err = l.publicReceipt(ctx, x.index)
	}
	if err != nil {
		return nil, err
	}
	p, err := x.set.Prove(index)
	if err != nil {
		return nil, err
	}
	return certificate.NewLostOpening(l.origin, x.receipt, p), nil
}
