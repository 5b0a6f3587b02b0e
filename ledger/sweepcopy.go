package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/chacha20"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle/log"
)

// A writer hands rows to the log's queue, many at a time, and no faster than the
// sweep may.
type writer struct {
	s    *sweeper
	rows []log.Row
	size int
	room []byte // of which bytes gives
	last *log.Ticket
}

// bytes returns some bytes behind each other, in memory that many rows share. They
// belong to a row that is added next.
func (w *writer) bytes(parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if cap(w.room)-len(w.room) < n {
		w.room = make([]byte, 0, max(n, writeMost/4))
	}
	from := len(w.room)
	for _, p := range parts {
		w.room = append(w.room, p...)
	}
	return w.room[from:len(w.room):len(w.room)]
}

// writeMost is how many bytes are handed over at once: less than an append wants to
// wait for.
const writeMost = 256 << 10

func (w *writer) add(ctx context.Context, r log.Row) error {
	w.rows = append(w.rows, r)
	if w.size += len(r.Key) + len(r.Value) + 64; w.size < writeMost {
		return nil
	}
	return w.hand(ctx)
}

func (w *writer) hand(ctx context.Context) error {
	if len(w.rows) == 0 {
		return nil
	}
	if w.last != nil {
		if err := w.last.Wait(ctx); err != nil {
			return storeError(err)
		}
	}
	if err := w.s.pace(ctx, w.size); err != nil {
		return err
	}
	t, err := enqueueChange(w.s.l.log, log.Change{Set: w.rows})
	if err != nil {
		return err
	}
	w.rows, w.size, w.last = make([]log.Row, 0, len(w.rows)), 0, t
	return nil
}

// flush returns when everything is durable.
func (w *writer) flush(ctx context.Context) error {
	if err := w.hand(ctx); err != nil || w.last == nil {
		return err
	}
	return storeError(w.last.Wait(ctx))
}

// pace waits until so many bytes more may be written.
func (s *sweeper) pace(ctx context.Context, n int) error {
	if s.o.Rate <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(s.wait(n))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait says how long to wait until so many bytes more may be written, and counts them.
func (s *sweeper) wait(n int) time.Duration {
	s.dueMu.Lock()
	defer s.dueMu.Unlock()
	now := time.Now()
	if s.due.Before(now) {
		s.due = now
	}
	wait := s.due.Sub(now)
	s.due = s.due.Add(time.Duration(float64(n) / float64(s.o.Rate) * float64(time.Second)))
	return wait
}

// Copy brings envelopes and request tags into the next generation, from the first
// entry to the last. Entries are appended meanwhile, so it goes on until little is
// left, has everything written under both generations, and copies the rest.
func (s *sweeper) Copy(ctx context.Context) error {
	done, err := s.copied(ctx)
	if err != nil {
		return err
	}
	lease, err := s.l.tree.Use(ctx, sweepSubject(s.kept.id), sweepCompartment, 0)
	if err != nil {
		return fmt.Errorf("the key of a sweep's bits: %w", err)
	}
	s.filler = lease.RowsKey()
	lease.Done()
	defer func() { s.filler = keystore.RowsKey{} }()
	for before := uint64(0); ; {
		size := s.l.log.Head().Size
		left := size - min(done, size)
		if left < copyChunk || before > 0 && left > before/2 {
			break
		}
		before = left
		if done, err = s.copyTo(ctx, done, size); err != nil {
			return err
		}
	}
	w := *s.l.writing.Load()
	w.both = true
	s.l.rewrite(&w)
	if err := s.mark(ctx, done); err != nil {
		return err
	}
	_, err = s.copyTo(ctx, done, s.l.log.Head().Size)
	return err
}

// copied reads how far an earlier process came.
func (s *sweeper) copied(ctx context.Context) (uint64, error) {
	v, err := s.l.log.Get(ctx, sweepRowKey(s.kept.g, sweepRowDone))
	if err == nil && len(v) != 8 {
		err = errors.New("it is malformed")
	}
	if err != nil {
		return 0, fmt.Errorf("reading how far a sweep is: %w", err)
	}
	return binary.BigEndian.Uint64(v), nil
}

func doneRow(g uint32, done uint64) log.Row {
	return log.Row{Key: sweepRowKey(g, sweepRowDone), Value: binary.BigEndian.AppendUint64(nil, done)}
}

// mark writes how far the sweep is, and returns when that is durable, and with it
// everything that was queued before.
func (s *sweeper) mark(ctx context.Context, done uint64) error {
	t, err := enqueueChange(s.l.log, log.Change{Set: []log.Row{doneRow(s.g, done)}})
	if err != nil {
		return err
	}
	return storeError(t.Wait(ctx))
}

// copyChunk is how many entries are copied from one snapshot. As long as one is open,
// what was deleted since stays on the disk.
const copyChunk = 4096

// copyTo copies the rows of entries, some chunks at once. How far it is stands behind
// the rows in the queue, so after a crash no row is missing below it.
func (s *sweeper) copyTo(ctx context.Context, from, to uint64) (uint64, error) {
	done := writer{s: s}
	for from < to {
		end := min(from+copiers*copyChunk, to)
		var errs [copiers]error
		var wg sync.WaitGroup
		for at := from; at < end; at += copyChunk {
			wg.Go(func() { errs[(at-from)/copyChunk] = s.copyRows(ctx, at, min(at+copyChunk, end)) })
		}
		wg.Wait()
		err := errors.Join(errs[:]...)
		if err == nil {
			err = done.add(ctx, doneRow(s.g, end))
		}
		if err == nil {
			err = done.hand(ctx)
		}
		if err != nil {
			return from, err
		}
		from = end
		s.progress("events", from, to)
	}
	return from, done.flush(ctx)
}

// copiers are how many chunks are copied at once: while rows of one are on their way to
// the disk, the next are read and masked. More would take the processors from those who
// record.
const copiers = 2

// copyRows copies the rows of a chunk, and returns when they are queued.
func (s *sweeper) copyRows(ctx context.Context, from, to uint64) error {
	v := s.l.view()
	defer v.Close()
	w := writer{s: s}
	if err := s.copyEntries(ctx, v, &w, from, to); err != nil {
		return err
	}
	if err := s.copyTags(ctx, v, &w, from, to); err != nil {
		return err
	}
	return w.hand(ctx)
}

// copyEntries copies envelopes under the new mask, and puts random bytes in the place
// of those that are erased, or lost. Only the suite stays.
func (s *sweeper) copyEntries(ctx context.Context, v *view, w *writer, from, to uint64) error {
	leaves := leafReader{v: v}
	index := from
	skip := func(until uint64) error { // what has no envelope has to be public, erased, or stated as lost
		for ; index < until; index++ {
			leaf, err := leaves.at(ctx, index)
			if err != nil {
				return err
			}
			switch {
			case envelope.IsPublic(leaf):
			case s.kept.erased.get(index): // how long it was nobody knows, and nobody will read it
				env := w.bytes(make([]byte, leastEnvelope))
				env[0] = byte(envelope.ChaCha20Poly1305)
				s.fill(env[1:], index, fillEnvelope)
				s.next.Envelope(leaf, env)
				if err := w.add(ctx, log.Row{Key: envelopeKey(s.g, index), Value: env}); err != nil {
					return err
				}
			case !isStated(s.lost, index):
				return fmt.Errorf("the sealed event of entry %d is missing", index)
			}
		}
		return nil
	}
	err := v.Scan(ctx, envelopeKey(v.generation(), from), envelopeKey(v.generation(), to), func(k, masked []byte) error {
		at := binary.BigEndian.Uint64(k[5:])
		if err := skip(at); err != nil {
			return err
		}
		leaf, err := leaves.at(ctx, at)
		if err != nil {
			return err
		}
		index++
		if len(leaf) != envelope.LeafSize || len(masked) == 0 {
			return fmt.Errorf("the sealed event of entry %d is malformed", at)
		}
		env := w.bytes(masked)
		v.mask.Envelope(leaf, env)
		if s.fills(at) {
			s.fill(env[1:], at, fillEnvelope)
		}
		s.next.Envelope(leaf, env)
		return w.add(ctx, log.Row{Key: envelopeKey(s.g, at), Value: env})
	})
	if err != nil {
		return err
	}
	return skip(to)
}

// fills reports whether an entry is replaced. What was stated as lost may have been erased, and nobody knows any
// more that it was. That does not change behind the cut: a row with two values in the write-ahead log would be one that
// was lost meanwhile.
func (s *sweeper) fills(index uint64) bool {
	if s.kept.erased.get(index) {
		return true
	}
	x := statedIn(s.lost, index)
	return x != nil && x.index < s.kept.size && !s.kept.found.get(index)
}

// leastEnvelope is how long the sealed form of a small event is, docs/spec/envelope.md.
const leastEnvelope = 1 + 16 + 32 + 256 + 16

// What fill is for.
const (
	fillEnvelope = iota
	fillTag
)

// fill puts into the place of what was erased what looks random to whoever has not the
// key of the cut, which dies with the next sweep. It is the same whenever this sweep
// writes it: were it drawn anew where an interrupted sweep goes on, a row that has two
// values in the write-ahead log would be an erased one.
func (s *sweeper) fill(dst []byte, index uint64, what byte) {
	key := s.filler.RowName(s.g, index)
	c, err := chacha20.NewUnauthenticatedCipher(key[:], append(make([]byte, chacha20.NonceSize-1), what))
	if err != nil {
		panic("ledger: " + err.Error()) // only for lengths that are not these
	}
	clear(dst)
	c.XORKeyStream(dst, dst)
}

// copyTags copies the request tags of the groups that begin in a range.
func (s *sweeper) copyTags(ctx context.Context, v *view, w *writer, from, to uint64) error {
	leaves := leafReader{v: v}
	return v.Scan(ctx, tagsRow(v.generation(), from), tagsRow(v.generation(), to), func(k, row []byte) error {
		out := w.bytes(row)
		at := 0
		err := eachTag(k, row, func(index uint64, masked []byte, _ uint32) error {
			leaf, err := leaves.at(ctx, index)
			if err != nil {
				return err
			}
			both := [32]byte(masked)
			if s.fills(index) {
				s.fill(both[:], index, fillTag)
			} else {
				v.mask.Tag(leaf, &both)
				s.next.Tag(leaf, &both)
			}
			copy(out[at:], both[:])
			at += tagSize
			return nil
		})
		if errors.Is(err, errTagRow) {
			return nil // of no use to anybody
		}
		if err != nil {
			return err
		}
		return w.add(ctx, log.Row{Key: tagsRow(s.g, binary.BigEndian.Uint64(k[5:])), Value: out})
	})
}
