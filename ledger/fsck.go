package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/merkle"
)

// FsckReport is what a full check found.
type FsckReport struct {
	Size     uint64
	Root     merkle.Hash
	Public   uint64   // public statements
	Opened   uint64   // sealed events that a living key opens
	Erased   uint64   // sealed events that no living key opens
	Lost     uint64   // sealed events that do not open, as was publicly stated
	Claimed  uint64   // entries that the recorded erasures say they made unreadable
	Keys     uint64   // living keys
	Missing  []string // key pages that are missing
	Problems []string // empty: everything agrees

	opened []bool // by entry: a living key lists it and opens it
	closed bitmap // sealed events that no living key lists
	astray []astray
	lost   []*loss
}

// maxProblems bounds the list; a damaged disk has many.
const maxProblems = 100

// Fsck derives everything again: the tree from the leaves, each key's list of
// events, each leaf from its sealed event, each chain from its _seq and _prev. What
// does not open must be what erasures account for: an entry that was lost looks
// like one that was erased. It changes nothing. progress is called with a stage and
// how far it is.
func (l *Ledger) Fsck(ctx context.Context, progress func(stage string, done, total uint64)) (*FsckReport, error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	if progress == nil {
		progress = func(string, uint64, uint64) {}
	}
	for {
		r, err := l.fsck(ctx, progress)
		if !errors.Is(err, keystore.ErrSwept) {
			return r, err
		}
	}
}

func (l *Ledger) fsck(ctx context.Context, progress func(stage string, done, total uint64)) (*FsckReport, error) {
	r := new(FsckReport)
	account, err := l.erasure.Account(ctx)
	if err != nil {
		return nil, err
	}
	before := accounted{Account: account}
	snap := l.view()
	defer snap.Close()
	if before.gone, err = l.gone(ctx, snap); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r.problem("what erasures account for: %v", err)
	}
	head := snap.Head()
	r.Size, r.Root = head.Checkpoint.Size, head.Checkpoint.Root
	if err := l.log.Fsck(ctx, func(done, total uint64) { progress("log", done, total) }); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for _, e := range unjoin(err) {
			r.problem("log: %v", e)
		}
	}
	tr, err := l.tree.Fsck(ctx, func(done, total uint64) { progress("keys", done, total) })
	if err != nil {
		return nil, fmt.Errorf("checking the key tree: %w", err)
	}
	r.Missing = tr.Missing
	for _, p := range tr.Problems {
		r.problem("key tree: %s", p)
	}
	if err := l.fsckMarks(ctx, r); err != nil {
		return nil, err
	}
	if r.lost, err = l.losses(ctx); err != nil {
		return nil, err
	}
	if err := l.fsckEntries(ctx, r, snap, progress); err != nil {
		return nil, err
	}
	if err := l.fsckAstray(ctx, r, snap, before.gone); err != nil {
		return nil, err
	}
	if len(r.lost) > 0 {
		r.countLost(before.gone)
	}
	return r, l.fsckErased(ctx, r, snap, before)
}

func (r *FsckReport) problem(text string, args ...any) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(text, args...))
	}
}

// unjoin splits an error that holds several.
func unjoin(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}
