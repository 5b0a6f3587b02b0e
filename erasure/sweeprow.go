package erasure

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
)

// A sweepState is how far a sweep is. COPIED and ROOTED have no row: the rows themselves and the holders
// remember them.
type sweepState uint8

const (
	sweepOpened sweepState = iota
	sweepCut
	sweepPrepared
	sweepRooted
	sweepDestroyed
	sweepWorded
	sweepRecorded
)

func (s sweepState) String() string {
	return [...]string{"OPENED", "CUT", "PREPARED", "ROOTED", "DESTROYED", "WORDED", "RECORDED"}[s]
}

// A sweepRow is everything that a crash must not forget about a sweep. It names nobody and is not sealed:
//
//	'j' 's' u32 g state → canonical JSON
type sweepRow struct {
	Generation    uint32  `json:"generation"` // the next one
	Cut           ID      `json:"cut"`
	Size          uint64  `json:"size"`   // of the log at the cut
	Erased        uint64  `json:"erased"` // entries of that
	EpochsFrom    uint64  `json:"epochs_from"`
	EpochsTo      uint64  `json:"epochs_to"` // what a later one erased is left to the next sweep
	PreviousSweep *Digest `json:"previous_sweep"`

	// From CUT on.
	EpochsLost []uint64 `json:"epochs_lost,omitzero"`

	// From PREPARED on.
	ErasedRoot Digest  `json:"erased_root"`
	Paired     *Digest `json:"paired"`
	Tree       ID      `json:"tree"`
	Epoch      uint64  `json:"epoch"`
	Attempt    ID      `json:"attempt"`
	PagesRoot  Digest  `json:"pages_root"`

	// From DESTROYED on.
	TracesSweptAt string      `json:"traces_swept_at"`
	Level         string      `json:"level"`
	Holders       []Statement `json:"holders"`

	// From WORDED on.
	Statement string `json:"statement"`

	// From RECORDED on.
	Index uint64 `json:"index"`
	Leaf  Digest `json:"leaf"`

	state          sweepState
	maybePublished bool
}

const kindSweep = 's'

func sweepKey(g uint32, s sweepState) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{space, kindSweep}, g), byte(s))
}

func (w *sweepRow) record() *certificate.SweepRecord {
	return &certificate.SweepRecord{
		Type: certificate.SweepType, Schema: certificate.SweepSchema,
		Tree: w.Tree, Epoch: w.Epoch, Attempt: w.Attempt, PreviousSweep: w.PreviousSweep, PagesRoot: w.PagesRoot,
		Generation: w.Generation, EpochsFrom: w.EpochsFrom, EpochsTo: w.EpochsTo, EpochsLost: w.EpochsLost,
		Size: w.Size, Erased: w.Erased, ErasedRoot: w.ErasedRoot, Paired: w.Paired,
		TracesSweptAt: w.TracesSweptAt, Level: w.Level, Holders: w.Holders,
	}
}

// advanceSweep writes the row of a sweep, and with RECORDED the one by which the next record finds this one.
func (e *Engine) advanceSweep(ctx context.Context, w *sweepRow, s sweepState) error {
	if w.Holders == nil {
		w.Holders = []Statement{}
	}
	text, err := certificate.Canonical(w)
	if err != nil {
		return err
	}
	rows := []keystore.KV{{Key: sweepKey(w.Generation, s), Value: text}}
	last := &recorded{epoch: w.Epoch, index: w.Index, leaf: w.Leaf}
	if s == sweepRecorded {
		rows = append(rows, last.row())
	}
	if err := e.write(ctx, rows); err != nil {
		return fmt.Errorf("writing the state %s of a sweep: %w", s, err)
	}
	w.state = s
	if s == sweepRecorded && (e.last == nil || e.last.epoch < last.epoch) {
		e.last = last
	}
	return e.at(s)
}

func (e *Engine) at(s sweepState) error {
	if e.o.Sweeping != nil {
		e.o.Sweeping(s.String())
	}
	if e.o.atSweep != nil {
		return e.o.atSweep(s)
	}
	return nil
}

// SweepPrepared reports whether rows say that a sweep to a generation was prepared: then everything that was
// recorded until then lies in that generation.
func SweepPrepared(ctx context.Context, rows keystore.Rows, g uint32) (bool, error) {
	_, err := rows.Get(ctx, sweepKey(g, sweepPrepared))
	if errors.Is(err, keystore.ErrNoRow) {
		return false, nil
	}
	return err == nil, err
}

// sweepOf reads the newest row of the sweep that led, or leads, to a generation; nil if there is none. Where that row
// is damaged, it is the one before it: what came after is done again, and the log has a record that is worded once.
func (e *Engine) sweepOf(ctx context.Context, g uint32) (w *sweepRow, err error) {
	damaged := false
	err = e.rows.Scan(ctx, sweepKey(g, 0), sweepKey(g, 255), func(k, v []byte) error {
		next := &sweepRow{state: sweepState(k[len(k)-1])}
		if next.state > sweepRecorded {
			return errRow
		}
		if err := certificate.ParseCanonical(v, next); err != nil || next.Generation != g || !next.agrees() {
			damaged = true
			return nil
		}
		w = next
		return nil
	})
	if err == nil && w == nil && damaged {
		err = errRow
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state of a sweep: %w", err)
	}
	return w, nil
}

// agrees reports whether the record that a row has worded says what the row says.
func (w *sweepRow) agrees() bool {
	if w.state < sweepWorded {
		return true
	}
	said, err := certificate.ParseSweepRecord([]byte(w.Statement))
	if err != nil {
		return false
	}
	r := w.record()
	r.Previous = said.Previous
	text, err := r.Statement()
	return err == nil && string(text) == w.Statement && (w.state < sweepRecorded || w.Leaf == certificate.LeafHash(text))
}

// forgetSweep removes the rows of a sweep that has not led to a generation.
func (e *Engine) forgetSweep(ctx context.Context, g uint32) error {
	e.o.Order.Lock()
	wait, err := e.rows.Enqueue(nil, [][2][]byte{{sweepKey(g, 0), sweepKey(g, 255)}})
	e.o.Order.Unlock()
	if err == nil {
		err = wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("removing the state of a sweep that was given up: %w", err)
	}
	return nil
}

// cutOf returns the sweep that fills a generation and has made its cut; nil if there is none.
func (e *Engine) cutOf(ctx context.Context, g uint32) (*sweepRow, error) {
	if g == 0 {
		return nil, nil
	}
	w, err := e.sweepOf(ctx, g) // one that was prepared did not get its root, or g would be the tree's own
	if errors.Is(err, errRow) {
		return nil, nil
	}
	if w == nil || w.state < sweepCut {
		return nil, err
	}
	return w, nil
}

// sweptAt returns the sweep that led to the tree's own generation; nil if there was none. The rows may tell of
// another attempt where they are older than the root.
func (e *Engine) sweptAt(ctx context.Context, g uint32) (*sweepRow, error) {
	w, err := e.sweepOf(ctx, g)
	if w == nil || err != nil {
		return nil, err
	}
	if info := e.tree.Info(); w.state < sweepDestroyed && (w.Epoch != info.Epoch || w.Attempt != ID(info.Attempt)) {
		return nil, nil
	}
	return w, nil
}

// sweptLast returns the sweep before, nil if there is none.
func (e *Engine) sweptLast(ctx context.Context) (*sweepRow, error) {
	w, err := e.sweptAt(ctx, e.tree.Generation())
	if w != nil && w.state < sweepRecorded {
		return nil, ErrNotResumed
	}
	return w, err
}
