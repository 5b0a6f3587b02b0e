package erasure

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
)

// What a job leaves behind for the next sweep is sealed under its own key. Where the key page with that key is
// lost, or a row is damaged, nobody can tell any more what that erasure has erased, and such entries count as lost.
// That must not keep the traces of everybody else: the sweep record names the epochs of which something is lost.

// unreadable reports whether a row cannot be read although its job was not swept.
func unreadable(err error) bool {
	return errors.Is(err, keystore.ErrPageMissing) || errors.Is(err, errRow)
}

// A closedJob is one that is recorded or was cancelled; the latter went through epoch 0.
type closedJob struct {
	*job
	epoch uint64
}

// A backlog is what the next sweep, or the one after it, has to account for.
type backlog struct {
	jobs    []closedJob
	unread  map[ID]uint64     // those that cannot be read, and their epochs; 0 where that is not known
	entries map[uint64]uint64 // by epoch: how many entries its jobs made unreadable
	lost    []uint64          // epochs of which something cannot be read, in order
}

// backlog reads the jobs that are closed and not yet swept.
func (e *Engine) backlog(ctx context.Context) (*backlog, error) {
	b, err := e.readBacklog(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading closed erasure jobs: %w", err)
	}
	return b, nil
}

func (e *Engine) readBacklog(ctx context.Context) (*backlog, error) {
	names, err := e.names(ctx)
	if err != nil {
		return nil, err
	}
	epochs, unread, err := e.recordedEpochs(ctx, names)
	if err != nil {
		return nil, err
	}
	b := &backlog{unread: make(map[ID]uint64), entries: make(map[uint64]uint64)}
	attempts := make(map[ID]uint64)
	for _, r := range unread {
		attempts[r.Attempt] = r.Epoch
		b.lost = append(b.lost, r.Epoch)
	}
	read := make(map[ID]bool)
	for id, n := range lastOfJobs(names) {
		if n.state.open() {
			continue
		}
		j := closedJob{job: &job{id: id, state: n.state}}
		err := unseal(ctx, e, n, &j.what)
		switch {
		case errors.Is(err, keystore.ErrNoKey): // swept
			continue
		case unreadable(err):
			b.unread[id] = 0
			continue
		case err != nil:
			return nil, err
		}
		if n.state == Recorded {
			if j.what.Epoch != nil && epochs[*j.what.Epoch] != nil {
				j.epoch = epochs[*j.what.Epoch].Epoch
			} else if j.epoch = attempts[j.what.Attempt]; j.epoch == 0 {
				return nil, errors.New("a recorded erasure job names no epoch that is recorded")
			}
			read[id] = true
		}
		b.jobs = append(b.jobs, j)
	}
	for _, what := range epochs {
		for i, id := range what.Jobs {
			b.entries[what.Epoch] += what.Entries[i]
			if !read[id] && !slices.Contains(b.lost, what.Epoch) {
				b.lost = append(b.lost, what.Epoch)
			}
			if _, is := b.unread[id]; is {
				b.unread[id] = what.Epoch
			}
		}
	}
	slices.Sort(b.lost)
	return b, nil
}

// givenUp lists the keys of jobs that went through an epoch which is not recorded and never will be, because a row that
// it needs cannot be read. They die in the next sweep as those of closed jobs do: what such a job has collected would
// tell for ever which entries it erased. No epoch is under way.
func (e *Engine) givenUp(ctx context.Context) (refs []keystore.Ref, err error) {
	names, err := e.names(ctx)
	if err != nil {
		return nil, err
	}
	for id, n := range lastOfJobs(names) {
		if !n.state.open() {
			continue
		}
		own, err := e.tree.Keys(ctx, subjectOf(id))
		if errors.Is(err, keystore.ErrPageMissing) {
			continue // they go with their page
		}
		if err != nil {
			return nil, err
		}
		if len(own) == 1 && own[0].Compartment == compartmentJob { // whose it was died in the epoch
			refs = append(refs, own[0].Ref)
		}
	}
	return refs, nil
}

// ids yields the jobs, and their epochs.
func (b *backlog) ids() iter.Seq2[ID, uint64] {
	return func(yield func(ID, uint64) bool) {
		for _, j := range b.jobs {
			if !yield(j.id, j.epoch) {
				return
			}
		}
		for id, epoch := range b.unread {
			if !yield(id, epoch) {
				return
			}
		}
	}
}

// rowsKeys are the keys that erasures have destroyed.
func (b *backlog) rowsKeys() (keys []keystore.RowsKey, err error) {
	for _, j := range b.jobs {
		if j.state != Recorded {
			continue
		}
		for _, raw := range j.what.RowsKeys {
			k, err := keystore.ParseRowsKey(raw)
			if err != nil {
				return nil, err
			}
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// firstGeneration is that of a tree which was never swept.
const firstGeneration = 1

// recordedEpochs reads the rows of the epochs since the last sweep, by the jobs that lead them; and the public
// records of those whose rows cannot be read.
func (e *Engine) recordedEpochs(ctx context.Context, names []rowName) (epochs map[ID]*epochRow, unread []*certificate.Record, err error) {
	epochs = make(map[ID]*epochRow)
	read := make(map[uint64]bool)
	for _, n := range names {
		if n.kind != kindEpoch || n.state != Recorded {
			continue
		}
		what := new(epochRow)
		err := unseal(ctx, e, n, what)
		if errors.Is(err, keystore.ErrNoKey) || errors.Is(err, keystore.ErrErasing) {
			continue // swept, or just now
		}
		if err == nil && len(what.Entries) != len(what.Jobs) {
			err = errRow
		}
		if unreadable(err) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading a recorded epoch: %w", err)
		}
		epochs[n.id] = what
		read[what.Epoch] = true
	}
	g := e.tree.Generation()
	swept, err := e.sweptAt(ctx, g)
	if err != nil {
		return nil, nil, err
	}
	if swept == nil && g > firstGeneration {
		return epochs, nil, nil // rows of an older copy, that do not know what was swept since
	}
	var at []uint64 // in the log
	from := []byte{space, kindRecorded}
	if swept != nil {
		from = binary.BigEndian.AppendUint64(from, swept.EpochsTo+1)
	}
	err = e.rows.Scan(ctx, from, []byte{space, kindRecorded + 1}, func(k, v []byte) error {
		if len(k) != 2+8 || len(v) != 8+32 {
			return nil // see lastRecorded
		}
		n := binary.BigEndian.Uint64(k[2:])
		if !read[n] && (swept == nil || n != swept.Epoch) {
			at = append(at, binary.BigEndian.Uint64(v))
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, index := range at {
		statement, err := e.ledger.Statement(ctx, index)
		if err != nil && !errors.Is(err, ErrNoStatement) {
			return nil, nil, err
		}
		if r, err := certificate.ParseRecord(statement); err == nil { // or it is that of a sweep
			unread = append(unread, r)
		}
	}
	return epochs, unread, nil
}
