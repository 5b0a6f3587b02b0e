package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
)

// AddRoot puts a copy of the root into one more place: a file, an empty partition, or a
// token.
// The ledger must not be open.
//
// Crash order: the new place is made without a share; then the configuration names
// it; then opening the ledger fills it, as it fills any copy that fell behind. So no
// share ever lies in a place that the configuration does not know and no erasure
// would reach.
func AddRoot(ctx context.Context, o Options, root string) error {
	if err := checkRoot(o.Dir, root); err != nil {
		return err
	}
	err := configure(ctx, o, func(l *Ledger, c *Config) error {
		if slices.ContainsFunc(l.roots(), func(r string) bool { return filepath.Clean(r) == filepath.Clean(root) }) {
			return badConfig("%s is a place of the root already", root)
		}
		if err := createCopy(root); err != nil {
			return err
		}
		c.Root = append(c.Root, relativeTo(o.Dir, root))
		return nil
	})
	if err != nil {
		return err
	}
	return fill(ctx, o)
}

// createCopy makes a place for a copy of a root, or takes one that was made by
// somebody who was interrupted.
func createCopy(root string) error {
	f, err := holder.CreateFiles(root)
	if errors.Is(err, keystore.ErrExists) {
		f, err = holder.OpenFiles(root)
	}
	if err != nil {
		return err
	}
	shares, err := f.Current(context.Background())
	err = errors.Join(err, f.Close())
	if err == nil && len(shares) > 0 {
		return keystore.Hinted("choose a new place: this one still opens another ledger, or this one", "%s keeps a root: %w", root, keystore.ErrExists)
	}
	return err
}

// fill opens a ledger, which brings every copy of the root up to date, and lays the
// newest head beside each.
func fill(ctx context.Context, o Options) error {
	o.Root, o.fewer, o.Warn = nil, false, nil // what there is to say was said when it was opened before
	l, err := Open(ctx, o)
	if err != nil {
		return err
	}
	if l.readOnly == nil {
		err = headCopy(l.roots()).Store(l.log.Head().Signed)
	}
	return errors.Join(err, l.Close())
}

// RemoveRoot gives up one of several places of the root, and wipes what lies there.
// With lost it may be missing, because its disk was lost, say; then wiped is false,
// and whoever finds it reads what is erased later, until the next sweep. Others that are
// missing, too, are left out then, and stay in the configuration: several that are lost
// are given up one after the other. The ledger must not be open.
//
// Crash order: the copy is wiped first. If we stop before the configuration is
// written, opening the ledger fills it again.
func RemoveRoot(ctx context.Context, o Options, root string, lost bool) (wiped bool, err error) {
	c, err := ReadConfig(o.Dir)
	if err != nil {
		return false, err
	}
	given, gone := relativeTo(o.Dir, root), -1
	for i, r := range c.Root {
		if r == given || filepath.Clean(absoluteIn(o.Dir, r)) == filepath.Clean(root) {
			gone = i
		}
	}
	if gone < 0 {
		return false, &NotFoundError{What: fmt.Sprintf("no root of this ledger at %s", root)}
	}
	if len(c.Root) == 1 {
		return false, badConfig("%s is the only place of the root: without it everybody is erased", root)
	}
	name := absoluteIn(o.Dir, c.Root[gone])
	o.Root, o.fewer = nil, true
	for i, r := range c.Root {
		name := absoluteIn(o.Dir, r)
		if i != gone && !(lost && placeMissing(name)) {
			o.Root = append(o.Root, name)
		}
	}
	err = configure(ctx, o, func(_ *Ledger, c *Config) error {
		err := holder.Wipe(name)
		if err != nil && !(lost && errors.Is(err, keystore.ErrHolderMissing)) {
			return err
		}
		wiped = err == nil
		c.Root = slices.Delete(c.Root, gone, gone+1)
		return nil
	})
	if err != nil || !wiped {
		return wiped, err
	}
	beside := headCopy([]string{name})
	if err := discardAll([]string{name}); err != nil {
		return true, err
	}
	for _, head := range beside {
		if err := os.Remove(head); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return true, err
		}
	}
	return true, nil
}

// placeMissing reports whether there is no file in a place of the root.
func placeMissing(root string) bool {
	if holder.IsToken(root) {
		return false
	}
	_, err := os.Stat(root)
	return errors.Is(err, fs.ErrNotExist)
}

// MovePages has the key pages of every epoch written to a folder, instead of to the
// one before, if there was one. The folder gets all pages there are, in an epoch that
// erases nobody, so that with it every backup from before opens everybody who lives.
// The ledger must not be open.
//
// Crash order: the pages are shipped before the configuration names the folder. If we
// stop in between, it is done again.
func MovePages(ctx context.Context, o Options, pages string) error {
	if inside(o.Dir, pages) {
		return badConfig("the folder for key pages lies inside the ledger: it would be lost with it")
	}
	o.pages = pages
	return configure(ctx, o, func(l *Ledger, c *Config) error {
		if err := l.tree.ShipAll(ctx); err != nil {
			return err
		}
		c.Pages = relativeTo(o.Dir, pages)
		return nil
	})
}

// configure opens a ledger, so that nobody else has it, and changes its
// configuration.
func configure(ctx context.Context, o Options, change func(*Ledger, *Config) error) error {
	l, err := Open(ctx, o)
	if err != nil {
		return err
	}
	if err = l.readOnly; err == nil {
		var c Config
		// Opening may have written it, to end a change of custodians.
		if c, err = ReadConfig(l.dir); err == nil {
			err = change(l, &c)
		}
		if err == nil {
			err = c.write(l.dir)
		}
	}
	return errors.Join(err, l.Close())
}

// roots are the places of the root that the configuration names.
func (l *Ledger) roots() (roots []string) {
	for _, root := range l.config.Root {
		roots = append(roots, absoluteIn(l.dir, root))
	}
	return roots
}
