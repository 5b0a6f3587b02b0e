package ledger

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle/log"
)

// A cut is the log at one size, on whose entries a sweep decides: what a living key
// lists stays, what is public stays, and everything else is erased. That is checked
// against what erasures account for before anything is thrown away.
type cut struct {
	s    *sweeper
	id   erasure.ID
	v    *view  // under the old generation
	size uint64 // entries
	next keystore.Mask
	lost []*loss // as it was stated

	living bitmap
	twice  bitmap         // of those, what two rows lead to
	swept  bitmap         // what was erased before the last sweep
	others bitmap         // alive, and rows of erased keys lead there all the same; nil where there are none
	found  bitmap         // stated as lost, and living keys open them all the same; nil where there are none
	rows   []listed       // under the next generation, of the lot that is not written yet
	again  []keystore.Ref // of which somebody had the key when the walk came by
}

// Walk lists what is alive, lot by lot. The rows of a lot are written in the order of
// their names, which are random: were they written key by key, then the write-ahead
// log would keep for ever which of them belong together, and once a person is erased,
// how many events they had.
func (c *cut) Walk(ctx context.Context) error {
	lots := lotsOf(c.size, c.s.lists)
	for i, lot := range lots {
		if err := c.flush(ctx); err != nil { // the last lot is written together with what Spare and Keep add
			return err
		}
		if err := c.list(ctx, lot, uint64(i), uint64(len(lots))); err != nil {
			return err
		}
	}
	return nil
}

// list notes what living keys list as alive, as far as it is in a lot, and puts the
// lot's rows under the next generation into rows.
func (c *cut) list(ctx context.Context, l lot, i, lots uint64) error {
	pace := func(n int) error { return c.s.pace(ctx, n*listRowSize) }
	table, err := readLot(ctx, c.v, l, pace)
	if err != nil {
		return err
	}
	listed := newBitmap(uint64(len(table.rows)))
	var seen uint64
	err = c.s.l.tree.Walk(ctx, func(k keystore.KeyInfo) error {
		if k.Alias {
			return nil
		}
		lease, err := c.s.l.tree.LeaseOf(ctx, k.Ref)
		switch {
		case errors.Is(err, keystore.ErrErasing):
			c.again = append(c.again, k.Ref)
			return nil
		case errors.Is(err, keystore.ErrNoKey):
			return nil // erased since the walk read its page; Spare is told
		case err != nil:
			return err
		}
		before := seen
		err = table.each(lease, func(at int, seq, index uint64) error {
			seen++
			listed.set(uint64(at))
			c.note(ctx, &table.rows[at], lease, seq, index)
			return nil
		})
		lease.Done()
		if err != nil || seen == before {
			return err
		}
		c.s.progress("lists", (i*c.size+min(seen*lots, c.size))/lots, c.size)
		if before>>12 == seen>>12 {
			return nil
		}
		return pace(int(seen>>12-before>>12) << 12)
	})
	if err != nil {
		return err
	}
	c.rows = table.rows[:0]
	for at, row := range table.rows {
		if listed.get(uint64(at)) {
			c.rows = append(c.rows, row)
		}
	}
	return nil
}

// note notes an entry as alive and makes its row under the next generation of the row
// that it has. One that leads nowhere stays, because a list has no gaps.
func (c *cut) note(ctx context.Context, row *listed, n namer, seq, index uint64) {
	if !c.seen(index) {
		index = unknownIndex
	}
	var key listKey
	switch n := n.(type) {
	case *keystore.Lease:
		// A row that does not say any more of which run it is the end has its event
		// opened from now on. fsck tells of it; a sweep does not stop for it.
		sealed := [keystore.SealedListedSize]byte(row.value[8:])
		text, _ := n.OpenListed(c.v.generation(), seq, &sealed)
		row.value.put(&key, n, c.next.Generation(), seq, &text)
		if isStated(c.lost, index) {
			c.find(ctx, n, seq, index)
		}
	default:
		row.value.fill(&key, n, c.next.Generation(), seq)
	}
	row.name = [16]byte(key[5:])
	binary.BigEndian.PutUint64(row.value[:8], binary.BigEndian.Uint64(row.value[:8])^index)
}

// seen notes that a living key lists an entry, and reports whether there is such an entry.
func (c *cut) seen(index uint64) bool {
	switch {
	case index >= c.size:
		return false
	case c.living.get(index):
		c.twice.set(index)
	default:
		c.living.set(index)
	}
	return true
}

// find notes what was stated as lost and has come back, with a key page, say: a sweep must not be what loses it.
func (c *cut) find(ctx context.Context, lease *keystore.Lease, seq, index uint64) {
	if at, err := c.s.l.numberOf(ctx, c.v, lease, index); err != nil || at != seq {
		return
	}
	if c.found == nil {
		c.found = newBitmap(c.size)
	}
	c.found.set(index)
}

// flush writes the rows under the next generation that are not there yet. An earlier try
// of this sweep may have written some. To write those again that still have a key would
// show which of them were of somebody who was erased since.
func (c *cut) flush(ctx context.Context) error {
	slices.SortFunc(c.rows, func(a, b listed) int {
		if x, y := a.first(), b.first(); x != y {
			return cmp.Compare(x, y)
		}
		return bytes.Compare(a.name[8:], b.name[8:])
	})
	if err := c.leaveOut(ctx); err != nil {
		return err
	}
	w := writer{s: c.s}
	prefix := binary.BigEndian.AppendUint32([]byte{spaceList}, c.next.Generation())
	for i := range c.rows {
		r := &c.rows[i]
		if err := w.add(ctx, log.Row{Key: w.bytes(prefix, r.name[:]), Value: w.bytes(r.value[:])}); err != nil {
			return err
		}
	}
	c.rows = nil
	return w.flush(ctx)
}

// leaveOut takes from the rows, which are sorted, those that were there at the cut.
func (c *cut) leaveOut(ctx context.Context) error {
	rest, at := c.rows[:0], 0
	there := generations(spaceList, c.next.Generation(), c.next.Generation()+1)
	err := c.v.Scan(ctx, there[0], there[1], func(k, _ []byte) error {
		for at < len(c.rows) {
			order := bytes.Compare(c.rows[at].name[:], k[len(there[0]):])
			if order > 0 {
				break
			}
			if order < 0 {
				rest = append(rest, c.rows[at])
			}
			at++
		}
		return nil
	})
	c.rows = append(rest, c.rows[at:]...)
	return err
}

// Spare lists what died since the cut, from what the erasures kept, and those keys
// that were about to die and did not; Keep writes the last lot with them in it, so
// that they do not stand together in the write-ahead log.
func (c *cut) Spare(ctx context.Context, keys []keystore.RowsKey) error {
	for _, ref := range c.again {
		lease, err := c.s.l.tree.LeaseOf(ctx, ref)
		if errors.Is(err, keystore.ErrNoKey) {
			continue // it is among keys, if it had any events
		}
		if err != nil {
			return fmt.Errorf("listing what is alive: %w", err)
		}
		err = c.spare(ctx, lease)
		lease.Done()
		if err != nil {
			return err
		}
	}
	for _, k := range keys {
		if err := c.spare(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// spare lists what of a key the walk has not listed. A row that is written twice would
// be one of somebody who was erased meanwhile.
func (c *cut) spare(ctx context.Context, n namer) error {
	return eachListed(ctx, c.v, n, func(seq uint64, l *listValue) error {
		if c.living.get(l.index) {
			return nil
		}
		var row listed
		copy(row.value[8:], l.sealed[:])
		c.note(ctx, &row, n, seq, l.index)
		c.rows = append(c.rows, row)
		return nil
	})
}

// A LossError says that entries do not open which no erasure accounts for, or that one
// opens which was erased. A sweep would make it final, so there is none.
type LossError struct {
	Lost  uint64 // entries that are neither alive nor public nor erased
	Alive uint64 // entries that were erased and are alive
	First uint64 // the first of them
}

func (e *LossError) Error() string {
	if e.Alive > 0 {
		return fmt.Sprintf("%d entries that were erased are listed as alive, the first is entry %d; nothing was swept: these rows are older than the root, or a root was brought back", e.Alive, e.First)
	}
	return fmt.Sprintf("%d entries are neither alive nor accounted for by an erasure, the first is entry %d; nothing was swept, because sweeping would make their loss final: run fsck, and restore key pages that are missing; what is lost for good can be stated as lost", e.Lost, e.First)
}

func (c *cut) Keep(ctx context.Context, keys []keystore.RowsKey) (size, total uint64, listed []uint64, err error) {
	expected, listed, erased, differ, err := c.agree(ctx, keys)
	if err != nil {
		return 0, 0, nil, err
	}
	if len(differ) > 0 {
		loss := &LossError{First: differ[0]}
		for _, i := range differ {
			if expected.get(i) {
				loss.Alive++
			} else {
				loss.Lost++
			}
		}
		return 0, 0, nil, loss
	}
	if err := c.flush(ctx); err != nil {
		return 0, 0, nil, err
	}
	k := &keptCut{id: c.id, g: c.next.Generation(), size: c.size, total: erased.count(), erased: erased, found: c.found}
	if err := c.s.keep(ctx, k); err != nil {
		return 0, 0, nil, err
	}
	return k.size, k.total, listed, nil
}

// agree compares what is erased with what is expected, and mends first what is wrong with list rows alone.
func (c *cut) agree(ctx context.Context, keys []keystore.RowsKey) (expected bitmap, listed []uint64, erased bitmap, differ []uint64, err error) {
	for mended := false; ; mended = true {
		if expected, listed, err = c.expected(ctx, keys); err != nil {
			return nil, nil, nil, nil, err
		}
		if erased, differ, err = c.compare(ctx, expected); err != nil || len(differ) == 0 || mended {
			return expected, listed, erased, differ, err
		}
		if err := c.mend(ctx, expected, keys, differ); err != nil {
			return nil, nil, nil, nil, err
		}
	}
}

// compare returns what is erased: neither alive nor public, nor stated as lost; and where that is not what is
// expected.
func (c *cut) compare(ctx context.Context, expected bitmap) (erased bitmap, differ []uint64, err error) {
	erased = newBitmap(c.size)
	leaves := leafReader{v: c.v}
	for i := range c.size {
		leaf, err := leaves.at(ctx, i)
		if err != nil {
			return nil, nil, err
		}
		gone := !c.living.get(i) && !envelope.IsPublic(leaf)
		if gone && !expected.get(i) && isStated(c.lost, i) {
			continue
		}
		if gone {
			erased.set(i)
		}
		if gone != expected.get(i) {
			differ = append(differ, i)
		}
	}
	return erased, differ, nil
}

// mend finds list rows that do not lead to their events. What only such rows of living keys say is alive is not; what
// such rows of erased keys say is erased is not, either. What the former should lead to is alive, and gets its row
// under the next generation.
func (c *cut) mend(ctx context.Context, expected bitmap, keys []keystore.RowsKey, differ []uint64) error {
	doubtful := slices.Clone(c.twice)
	for _, i := range differ {
		if expected.get(i) {
			doubtful.set(i)
		}
	}
	for i := range doubtful {
		c.living[i] &^= doubtful[i]
	}
	dead := make(keyMarks)
	for _, k := range keys {
		dead[markOf(k)] = true
	}
	right := func(k *keystore.Lease, i uint64) {
		c.living.set(i)
		if expected.get(i) && !c.swept.get(i) && !dead[markOf(k.RowsKey())] {
			if c.others == nil {
				c.others = newBitmap(c.size)
			}
			c.others.set(i)
		}
	}
	rows, err := c.s.l.astrayRows(ctx, c.v, doubtful, right)
	if err != nil {
		return err
	}
	var alone []uint64
	for _, i := range differ {
		if !expected.get(i) {
			alone = append(alone, i)
		}
	}
	found, err := c.s.l.reunite(ctx, c.v, rows, alone)
	if err != nil {
		return err
	}
	for i, at := range found {
		lease, err := c.s.l.leaseLiving(ctx, at.ref)
		if err != nil {
			return err
		}
		if lease == nil {
			continue // erased meanwhile; the next try is told
		}
		if seq, err := c.s.l.numberOf(ctx, c.v, lease, i); err != nil || seq != at.seq {
			lease.Done()
			continue // and came back with another key
		}
		var row listed
		c.note(ctx, &row, lease, at.seq, i)
		lease.Done()
		if k := slices.IndexFunc(c.rows, func(r listed) bool { return r.name == row.name }); k >= 0 {
			c.rows[k] = row
		} else {
			c.rows = append(c.rows, row)
		}
	}
	return nil
}

// expected is what was erased before the last sweep, and what keys list; listed is how many entries each of them does.
func (c *cut) expected(ctx context.Context, keys []keystore.RowsKey) (expected bitmap, listed []uint64, err error) {
	expected = newBitmap(c.size)
	last, err := c.s.l.readCut(ctx, c.v, c.v.generation())
	if err != nil {
		return nil, nil, err
	}
	if last != nil {
		if last.size > c.size {
			return nil, nil, fmt.Errorf("the last sweep saw %d entries, the log has %d", last.size, c.size)
		}
		c.swept = last.erased
		copy(expected, last.erased)
	}
	listed = make([]uint64, len(keys))
	at := 0
	all := func(yield func(namer) error) error {
		for at = range keys {
			if err := yield(keys[at]); err != nil {
				return err
			}
		}
		return nil
	}
	err = walkLists(ctx, c.v, uint64(len(keys)), all, func(_ namer, _ uint64, row *listValue) error {
		if row.index < c.size && !expected.get(row.index) && !c.others.get(row.index) {
			expected.set(row.index)
			listed[at]++
		}
		return nil
	})
	return expected, listed, err
}
