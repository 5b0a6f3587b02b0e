package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle/log"
)

// DrillOptions say how a drill is done.
type DrillOptions struct {
	From     string // the backup, or a folder of backups, of which the newest is taken
	Scratch  string // where the copy is made and removed again; default: the system's folder for temporary files
	Progress func(stage string, done, total uint64)

	// A test's: the root from before an erasure, and another page folder.
	roots []keystore.Holder
	pages *string
}

// Drilled says what a drill has shown.
type Drilled struct {
	Backup   string
	Manifest Manifest
	Imported int    // key pages brought up to date
	Opened   uint64 // sealed events that open in the restored copy
	Erased   uint64 // sealed events that do not
	// Tried says how many keys somebody derives who has every key page of the backup, of
	// the page folder and of the ledger, and the root as it is now. Of all these pages
	// there is one copy in memory meanwhile.
	Tried    int
	Missing  []string // key pages that are missing
	Problems []string // empty: the backup serves
}

// Drill restores a backup into a scratch folder, under the root as it is now, and
// compares what it gives with this ledger: the log is the same, every event of a
// living person opens, and nothing that was erased does. It returns what is wrong as
// problems, and a *VerifyError with them. The root is only read, the signing key is not
// copied, and the scratch folder is removed.
func (l *Ledger) Drill(ctx context.Context, o DrillOptions) (_ *Drilled, err error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	if o.Progress == nil {
		o.Progress = func(string, uint64, uint64) {}
	}
	for range 3 {
		epoch := l.tree.Info().Epoch
		d, err := l.drill(ctx, &o)
		if l.tree.Info().Epoch == epoch {
			if err == nil && len(d.Problems) > 0 {
				err = &VerifyError{Problems: d.Problems}
			}
			return d, err
		}
		// Somebody was erased meanwhile: what was compared is of two different times.
	}
	return nil, &BusyError{What: "people are being erased: the drill found no time in between"}
}

func (l *Ledger) drill(ctx context.Context, o *DrillOptions) (_ *Drilled, err error) {
	from, err := NewestBackup(o.From)
	if err != nil {
		return nil, err
	}
	d := &Drilled{Backup: from}
	if d.Manifest, err = readManifest(from); err != nil {
		return nil, err
	}
	if d.Manifest.Origin != l.origin {
		return nil, badConfig("%s is a backup of log %s, this is %s", from, d.Manifest.Origin, l.origin)
	}
	before, _, err := l.living(ctx)
	if err != nil {
		return nil, err
	}
	roots := o.roots
	if roots == nil {
		roots = l.tree.Holders()
	}
	holders, err := glance(ctx, roots)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, h := range holders {
			h.(*glancedHolder).wipe()
		}
	}()
	scratch, err := os.MkdirTemp(o.Scratch, "lacuna-drill-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		if rerr := os.RemoveAll(scratch); err == nil {
			err = rerr
		}
	}()
	dir := filepath.Join(scratch, "ledger")
	thief := newBurglar(holders)
	if d.Imported, d.Missing, err = l.restoreInto(ctx, dir, from, holders, thief, o); err != nil {
		if unfit(err) {
			d.problem("it does not restore: %v", err)
			return d, nil
		}
		return nil, err
	}
	for _, p := range d.Missing {
		d.problem("key page %s is missing: the people on it cannot be opened", p)
	}
	if len(d.Missing) > 0 {
		return d, nil
	}
	r, err := Open(ctx, Options{Dir: dir, ReadOnly: true, hooks: hooks{holders: func() ([]keystore.Holder, error) { return holders, nil }}})
	if err != nil {
		d.problem("the restored copy does not open: %v", err)
		return d, ctx.Err()
	}
	defer r.Close()
	// What was erased since the backup has no account in it.
	r.readOnly = &ReadOnlyError{Why: log.ErrRolledBack{}}
	return d, l.compare(ctx, r, d, before, thief, o)
}

// restoreInto restores the backup into a scratch folder. The signing key is a link.
func (l *Ledger) restoreInto(ctx context.Context, dir, from string, holders []keystore.Holder, thief *burglar, o *DrillOptions) (imported int, missing []string, err error) {
	own, err := filepath.Abs(l.dir)
	if err != nil {
		return 0, nil, err
	}
	ro := RestoreOptions{
		From: from, Dir: dir, SigningKey: filepath.Join(own, skeyFile), drill: true,
		Progress: func(done, total int64) { o.Progress("restore", uint64(done), uint64(total)) },
		holders:  func() ([]keystore.Holder, error) { return holders, nil },
		rows:     thief.store,
	}
	if l.config.MLDSA {
		ro.SecondKey = filepath.Join(own, secondKeyFile)
	}
	if l.config.Pages != "" {
		ro.Pages = absoluteIn(own, l.config.Pages)
	}
	if o.pages != nil {
		ro.Pages = *o.pages
	}
	if ro.Pages != "" {
		pages, err := holder.ReadPages(ro.Pages, 0)
		if err != nil {
			return 0, nil, err
		}
		for _, kv := range pages {
			thief.take(kv.Key, kv.Value)
		}
	}
	if err := thief.store(ctx, l.log); err != nil {
		return 0, nil, err
	}
	r, err := Restore(ctx, ro)
	if err != nil {
		return 0, nil, err
	}
	return r.Imported, r.Missing, nil
}

// unfit reports whether a restore failed because of what it was given.
func unfit(err error) bool {
	return errors.As(err, new(*VerifyError)) || errors.As(err, new(*SweptError)) || errors.Is(err, keystore.ErrNoCompleteEpoch) || errors.Is(err, keystore.ErrPageMissing)
}

// compare compares the restored ledger with the one in use. before is which entries
// were living before the root was looked at.
func (l *Ledger) compare(ctx context.Context, r *Ledger, d *Drilled, before bitmap, thief *burglar, o *DrillOptions) error {
	size := r.log.Head().Size
	if root, err := l.log.RootAt(ctx, size); err != nil {
		d.problem("the restored copy has %d entries, and the ledger has no such state: %v", size, err)
		return ctx.Err()
	} else if root != r.log.Head().Root {
		d.problem("at %d entries the restored copy has root %s, the ledger has %s: they are not the same log", size, r.log.Head().Root, root)
	}
	f, err := r.Fsck(ctx, o.Progress)
	if err != nil {
		return err
	}
	for _, p := range f.Problems {
		d.problem("in the restored copy: %s", p)
	}
	d.Opened, d.Erased = f.Opened, f.Erased
	after, alive, err := l.living(ctx)
	if err != nil {
		return err
	}
	if err := thief.derive(ctx, alive); err != nil {
		return err
	}
	d.Tried = len(thief.keys)
	v := r.view()
	defer v.Close()
	var lost, back, stolen uint64
	control := false // whether the thief was shown somebody living, whose event has to open
	for i := range f.Size {
		leaf, err := v.Leaf(ctx, i)
		if err != nil {
			return err
		}
		if envelope.IsPublic(leaf) {
			continue
		}
		switch {
		case f.opened[i] && !before.get(i):
			back++
		case !f.opened[i] && after.get(i) && !isStated(f.lost, i):
			lost++
		}
		living := before.get(i) && f.opened[i]
		if before.get(i) && (control || !living) || !before.get(i) && len(thief.dead) == 0 {
			continue
		}
		env, err := r.envelope(ctx, v, i, leaf)
		switch {
		case err != nil:
			return err
		case !living && opens(thief.dead, env):
			stolen++
		case living:
			control = true
			if !opens(thief.keys, env) {
				d.problem("what can be derived from all key pages does not open a living person's event: they are not those of this ledger")
			}
		}
	}
	if back > 0 {
		d.problem("%d events of erased people can be read in the restored copy", back)
	}
	if lost > 0 {
		d.problem("%d events of living people do not open in the restored copy", lost)
	}
	if stolen > 0 {
		d.problem("%d erased events open under a key that can be derived from old key pages", stolen)
	}
	return nil
}

// living says which entries living keys list, and which keys these are.
func (l *Ledger) living(ctx context.Context) (bitmap, keyMarks, error) {
	v := l.view()
	defer v.Close()
	size := v.Head().Size
	bits, keys := newBitmap(size), make(keyMarks)
	mark := func(k *keystore.Lease) { keys[markOf(k.RowsKey())] = true }
	err := l.walkLiving(ctx, v, mark, func(_ *keystore.Lease, _ uint64, row *listValue) error {
		if row.index < size {
			bits.set(row.index)
		}
		return nil
	})
	return bits, keys, err
}

func (d *Drilled) problem(text string, args ...any) {
	if len(d.Problems) < maxProblems {
		d.Problems = append(d.Problems, fmt.Sprintf(text, args...))
	}
}
