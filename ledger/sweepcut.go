package ledger

import (
	"bytes"
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

	living bitmap
	names  []listed       // of the pass
	again  []keystore.Ref // of which somebody had the key when the walk came by
}

// listed is a list row under the next generation.
type listed struct {
	name  [16]byte
	value [8]byte
}

// A pass holds so many list rows at once, 24 bytes each. They are written in the order
// of their names, which are random: were they written key by key, then the write-ahead
// log would keep for ever which of them belong together, and once a person is erased,
// how many events they had.
const passMost = 4 << 20

func (c *cut) Walk(ctx context.Context) error {
	passes := c.size/passMost + 1
	for pass := range passes {
		from, to := c.share(pass, passes), c.share(pass+1, passes)
		var seen uint64
		err := c.s.l.tree.Walk(ctx, func(k keystore.KeyInfo) error {
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
			defer lease.Done()
			n, err := c.list(ctx, lease, from, to)
			if seen += n; n > 0 {
				c.s.progress("lists", (pass*c.size+min(seen, c.size))/passes, c.size)
			}
			return err
		})
		if err == nil && pass+1 < passes {
			err = c.flush(ctx) // the last pass is written together with what Spare adds
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// share divides the names: those of a pass begin with from up to, but not with, to.
func (c *cut) share(pass, passes uint64) uint64 { return pass << 32 / passes }

// list notes the events of a key as alive, and those of its list rows under the next
// generation whose names are in a range.
func (c *cut) list(ctx context.Context, n namer, from, to uint64) (uint64, error) {
	for seq := uint64(1); ; seq++ {
		index, ok, err := listIndex(ctx, c.v, n, seq)
		if err != nil || !ok {
			return seq - 1, err
		}
		if index >= c.size {
			return seq, fmt.Errorf("a list row points at entry %d, beyond the end of the log", index)
		}
		c.living.set(index)
		var key listKey
		var mask listMask
		key.put(&mask, n, c.next.Generation(), seq)
		if first := uint64(binary.BigEndian.Uint32(key[5:])); first < from || first >= to {
			continue
		}
		row := listed{name: [16]byte(key[5:])}
		binary.BigEndian.PutUint64(row.value[:], binary.BigEndian.Uint64(mask[:])^index)
		c.names = append(c.names, row)
	}
}

// flush writes the list rows that were noted.
func (c *cut) flush(ctx context.Context) error {
	slices.SortFunc(c.names, func(a, b listed) int { return bytes.Compare(a.name[:], b.name[:]) })
	w := writer{s: c.s}
	prefix := binary.BigEndian.AppendUint32([]byte{spaceList}, c.next.Generation())
	for i := range c.names {
		n := &c.names[i]
		if err := w.add(ctx, log.Row{Key: slices.Concat(prefix, n.name[:]), Value: bytes.Clone(n.value[:])}); err != nil {
			return err
		}
	}
	c.names = nil
	return w.flush(ctx)
}

// Spare lists what died since the cut, from what the erasures kept, and those keys
// that were about to die and did not; and writes the last pass with them in it, so
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
		_, err = c.list(ctx, lease, 0, 1<<32)
		lease.Done()
		if err != nil {
			return err
		}
	}
	for _, k := range keys {
		if _, err := c.list(ctx, k, 0, 1<<32); err != nil {
			return err
		}
	}
	return c.flush(ctx)
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
	return fmt.Sprintf("%d entries are neither alive nor accounted for by an erasure, the first is entry %d; nothing was swept, because sweeping would make their loss final: run fsck, and restore key pages that are missing", e.Lost, e.First)
}

func (c *cut) Keep(ctx context.Context, keys []keystore.RowsKey) (size, total uint64, err error) {
	expected, err := c.expected(ctx, keys)
	if err != nil {
		return 0, 0, err
	}
	erased := newBitmap(c.size)
	leaves := leafReader{v: c.v}
	loss := new(LossError)
	for i := range c.size {
		leaf, err := leaves.at(ctx, i)
		if err != nil {
			return 0, 0, err
		}
		gone := !c.living.get(i) && !envelope.IsPublic(leaf)
		if gone {
			erased.set(i)
		}
		if gone == expected.get(i) {
			continue
		}
		if loss.Lost+loss.Alive == 0 {
			loss.First = i
		}
		if gone {
			loss.Lost++
		} else {
			loss.Alive++
		}
	}
	if loss.Lost+loss.Alive > 0 {
		return 0, 0, loss
	}
	k := &keptCut{id: c.id, g: c.next.Generation(), size: c.size, total: erased.count(), erased: erased}
	if err := c.s.keep(ctx, k); err != nil {
		return 0, 0, err
	}
	return k.size, k.total, nil
}

// expected is what was erased before the last sweep, and what keys list.
func (c *cut) expected(ctx context.Context, keys []keystore.RowsKey) (bitmap, error) {
	expected := newBitmap(c.size)
	last, err := c.s.l.readCut(ctx, c.v, c.v.generation())
	if err != nil {
		return nil, err
	}
	if last != nil {
		if last.size > c.size {
			return nil, fmt.Errorf("the last sweep saw %d entries, the log has %d", last.size, c.size)
		}
		copy(expected, last.erased)
	}
	for _, k := range keys {
		for seq := uint64(1); ; seq++ {
			index, ok, err := listIndex(ctx, c.v, k, seq)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			if index >= c.size {
				return nil, fmt.Errorf("a list row of an erased key points at entry %d, beyond the end of the log", index)
			}
			expected.set(index)
		}
	}
	return expected, nil
}
