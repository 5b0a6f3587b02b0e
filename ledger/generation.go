package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// Rows that an erasure leaves behind carry a generation, and a sweep replaces one
// generation by the next (docs/spec/rows.md). A writing says under which of them
// rows are written now, and under which they are read:
//
//	no sweep             everything under mask
//	a sweep copies       lists under next, too: only who seals an event has its key
//	a sweep is about     everything under both
//	to end
//	its root is held     everything under what was next
//
// It changes only while nobody is between sealing and queueing, see Ledger.sealing.
type writing struct {
	mask keystore.Mask  // read, and written
	next *keystore.Mask // nil where no sweep runs
	both bool
}

// startWriting finds out where a sweep was interrupted: what is recorded from now on
// is listed under the generation that it fills, too.
func (l *Ledger) startWriting(ctx context.Context) error {
	// A restored copy has the rows of the day of its backup, and newer key pages. Where
	// nothing else told that it is one, this does.
	rows, err := l.generationOfRows(ctx)
	if err != nil {
		return err
	}
	w := &writing{mask: l.tree.Mask(rows)}
	if g := l.tree.Generation(); rows != g && l.readOnly == nil {
		l.readOnly = &ReadOnlyError{Why: &OutdatedError{rows, g}}
	}
	if g := l.tree.Opened(); g != 0 && l.readOnly == nil {
		next := l.tree.Mask(g)
		w.next = &next
		// Once a sweep was prepared, everything is in the generation that it fills: a
		// backup that has that row is read under it.
		prepared, err := erasure.SweepPrepared(ctx, treeRows{l.log}, g)
		if err != nil {
			return err
		}
		w.both = prepared
	}
	l.writing.Store(w)
	return nil
}

// generationOfRows is the generation under which the rows of a copy are whole: that of
// the tree, or the earlier one that the last sweep left readable for backups.
func (l *Ledger) generationOfRows(ctx context.Context) (uint32, error) {
	g := l.tree.Generation()
	prepared, err := erasure.SweepPrepared(ctx, treeRows{l.log}, g)
	if err != nil || prepared {
		return g, err
	}
	first := g
	stop := errors.New("found")
	err = l.log.Scan(ctx, []byte{spaceEnvelope}, []byte{spaceEnvelope + 1}, func(k, _ []byte) error {
		first = binary.BigEndian.Uint32(k[1:])
		return stop
	})
	if err != nil && err != stop {
		return 0, err
	}
	if old := l.tree.Restorable(); first != g && first != old {
		return 0, fmt.Errorf("the sealed events of this copy are of generation %d, whose masks a later sweep destroyed; a backup of generation %d can be read, and those made since the last sweep", first, max(old, 1))
	}
	return first, nil
}

// A view is the ledger's rows at one state of the log, and the generation under which
// they are all there. It is closed by who asked for it. A sweep may end meanwhile:
// the view goes on showing what it showed.
type view struct {
	*log.Snapshot
	mask keystore.Mask
}

func (l *Ledger) view() *view {
	for {
		w := l.writing.Load()
		v := &view{l.log.Snapshot(), w.mask}
		// Before a generation becomes the one that is read, everything is in it; and
		// what is written under it alone comes later. So the two go together unless the
		// change came between them.
		if l.writing.Load().mask == w.mask {
			return v
		}
		v.Close()
	}
}

// generation is the one that the view's rows are read under.
func (v *view) generation() uint32 { return v.mask.Generation() }

// rewrite changes how rows are written. When it returns, whatever is queued later is
// written so; and whatever is written otherwise stands in the queue already.
func (l *Ledger) rewrite(w *writing) {
	l.sealing.Lock()
	defer l.sealing.Unlock()
	l.writing.Store(w)
}

// A leafReader reads leaves one after the other, a bundle at a time.
type leafReader struct {
	v      *view
	n      uint64 // number of the bundle, plus one
	leaves [][]byte
}

// at returns a leaf; it is valid until the next call.
func (r *leafReader) at(ctx context.Context, index uint64) ([]byte, error) {
	n, size := index/merkle.TileWidth, r.v.Head().Size
	if r.n != n+1 {
		b, err := r.v.ReadBundle(ctx, n, merkle.TileWidthAt(0, n, size))
		if err != nil {
			return nil, err
		}
		r.n, r.leaves = 0, r.leaves[:0]
		for len(b) > 0 {
			if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
				return nil, fmt.Errorf("bundle %d of the log is malformed", n)
			}
			end := 2 + int(binary.BigEndian.Uint16(b))
			r.leaves = append(r.leaves, b[2:end])
			b = b[end:]
		}
		r.n = n + 1
	}
	if at := index % merkle.TileWidth; at < uint64(len(r.leaves)) {
		return r.leaves[at], nil
	}
	return nil, fmt.Errorf("entry %d: the log has %d entries", index, size)
}

// alsoEnvelope, alsoList and alsoTag add the rows of an entry under the generation
// that a sweep fills. That happens while one runs only, so they have their own memory.
func (e *sealed) alsoEnvelope(m keystore.Mask, env []byte) {
	var prefix envelopePrefix
	prefix.put(m.Generation())
	env = bytes.Clone(env)
	m.Envelope(e.leaf[:], env)
	e.also = append(e.also, log.Row{Key: prefix[:], Value: env, Place: log.KeyIndex})
}

func (e *sealed) alsoList(lease *keystore.Lease, m keystore.Mask, seq uint64, text *tallyText) {
	var key listKey
	var body listBody
	body.put(&key, lease, m.Generation(), seq, text)
	e.also = append(e.also, log.Row{Key: key[:], Value: body[:], Place: log.ValueMask})
}

func (e *sealed) alsoTag(m keystore.Mask, leaf []byte, tag, mac [16]byte, now time.Time) {
	var key tagsKey
	var value tagValue
	key.put(m.Generation())
	value.put(m, leaf, tag, mac, now)
	e.also = append(e.also, log.Row{Key: key[:], Value: value[:], Place: log.Gather})
}
