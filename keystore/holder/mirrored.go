package holder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lacunalog/lacuna/keystore"
)

// Mirrored keeps the same share in several files or tokens, on different disks:
// redundancy inside one custodian. Everything must be confirmed by all of them. A copy
// that fell behind, because we were interrupted between two of them or because it was
// replaced by a new file, is brought up to date by the next Destroy.
type Mirrored struct {
	copies []replica
	caps   keystore.Caps
}

// A replica is one of the places of a holder: a [File], or a token.
type replica interface {
	keystore.Holder
	// Name is its path or URI.
	Name() string
	// Adopt makes a new place, which keeps no share yet, one of the holder with an id.
	Adopt(id keystore.HolderID)
	// Repair is Prepare of a share that is known to be live at another place: then that
	// of the lowest epoch makes room for it.
	Repair(ctx context.Context, s keystore.Share) error
}

// CreateFiles makes a root holder in one place or, mirrored, in several: paths of files
// or URIs of tokens. Where one of them cannot be made, none is left.
func CreateFiles(paths ...string) (keystore.Holder, error) {
	return Passphrase(nil).CreateFiles(paths...)
}

// OpenFiles opens what CreateFiles made. All of the files have to be there: one
// that is left out may still keep an old share.
func OpenFiles(paths ...string) (keystore.Holder, error) {
	return Passphrase(nil).OpenFiles(paths...)
}

// CreateFiles makes root files that are sealed by the passphrase. A token has a PIN
// instead.
func (p Passphrase) CreateFiles(paths ...string) (keystore.Holder, error) {
	var by *sealing
	if p != nil {
		if !slices.ContainsFunc(paths, func(path string) bool { return !IsToken(path) }) {
			return nil, keystore.Hinted("leave the passphrase out: a token has a PIN", "making a root in a token: %w", ErrNotFiles)
		}
		keys := p.ring()
		defer keys.close()
		var err error
		if by, err = keys.fresh(); err != nil {
			return nil, err
		}
	}
	made := 0
	h, err := places(paths, func(path string) (r replica, err error) {
		if IsToken(path) {
			r, err = createToken(path)
		} else {
			r, err = createFile(path, by)
		}
		if err == nil {
			made++
		}
		return r, err
	})
	if err != nil {
		for _, path := range paths[:made] {
			err = errors.Join(err, Discard(path))
		}
	}
	return h, err
}

// OpenFiles opens the places of a root, and files that are sealed with the passphrase.
func (p Passphrase) OpenFiles(paths ...string) (keystore.Holder, error) {
	keys := p.ring()
	defer keys.close()
	return places(paths, func(path string) (replica, error) {
		if IsToken(path) {
			return openToken(path)
		}
		return openFile(path, keys)
	})
}

func places(paths []string, open func(string) (replica, error)) (keystore.Holder, error) {
	if len(paths) == 0 {
		return nil, keystore.Hinted("give at least one path for the root", "no root file: %w", keystore.ErrHolderMissing)
	}
	var copies []replica
	for _, p := range paths {
		r, err := open(p)
		if err != nil {
			for _, c := range copies {
				c.Close()
			}
			return nil, err
		}
		copies = append(copies, r)
	}
	return join(copies)
}

// join makes one holder of what was opened.
func join(copies []replica) (keystore.Holder, error) {
	if len(copies) > 1 {
		return mirror(copies)
	}
	if f, ok := copies[0].(*File); ok {
		if err := f.settle(); err != nil {
			f.Close()
			return nil, err
		}
	}
	return copies[0], nil
}

// mirror makes one holder of several places. It owns them from now on.
func mirror(copies []replica) (_ *Mirrored, err error) {
	m := &Mirrored{copies: copies}
	defer func() {
		if err != nil {
			m.Close()
		}
	}()
	c := copies[0].Caps()
	c.Kind, c.Copies, c.Sealed = "mirrored", len(copies), false
	var written replica // has a share; a new place takes over its id
	var ways []*sealing // by which every file opens that has one; a new file takes it over
	files := 0
	var warnings []string
	for _, r := range copies {
		shares, err := r.Current(context.Background())
		clear(shares)
		if err != nil {
			return nil, err
		}
		caps := r.Caps()
		f, _ := r.(*File)
		if len(shares) > 0 {
			if f != nil {
				if files++; files == 1 {
					ways = f.ways
				}
				ways = common(ways, f.ways)
			}
			if written != nil && written.Caps().ID != caps.ID || files > 0 && len(ways) == 0 {
				return nil, keystore.Hinted("give those that were made together", "the roots %s and %s are not copies of each other: %w", written.Name(), r.Name(), keystore.ErrWrongTree)
			}
			written = r
		}
		c.Level = min(c.Level, caps.Level)
		if caps.Warning != "" {
			warnings = append(warnings, r.Name()+": "+caps.Warning)
		}
	}
	if written != nil {
		c.ID = written.Caps().ID
	}
	for _, r := range copies {
		r.Adopt(c.ID)
		if f, ok := r.(*File); ok {
			if files > 0 {
				f.seal = ways[0]
			}
			f.caps.Sealed = f.seal != nil
			c.Sealed = c.Sealed || f.caps.Sealed
		}
	}
	// Now it is known that one way opens all of them, and what is sealed in another
	// way is needed no more.
	for _, r := range copies {
		if f, ok := r.(*File); ok {
			if err := f.settle(); err != nil {
				return nil, err
			}
		}
	}
	c.Warning = strings.Join(warnings, "; ")
	m.caps = c
	return m, nil
}

// common lists the ways of sealing that are in both lists.
func common(a, b []*sealing) (both []*sealing) {
	for _, s := range a {
		if slices.ContainsFunc(b, func(o *sealing) bool { return s == o || s != nil && o != nil && s.lock == o.lock }) {
			both = append(both, s)
		}
	}
	return both
}

// Current implements [keystore.Holder]: what any copy has. An epoch that only
// some copies have can still be finished, because Destroy repairs the others.
func (m *Mirrored) Current(ctx context.Context) ([]keystore.Share, error) {
	all := make([]keystore.Share, 0, 2*slots) // with room, so that growing leaves no copy
	for _, f := range m.copies {
		shares, err := f.Current(ctx)
		if err != nil {
			return nil, err
		}
		for i := range shares {
			if !slices.Contains(all, shares[i]) {
				all = append(all, shares[i])
			}
		}
		clear(shares)
	}
	return all, nil
}

// Prepare implements [keystore.Holder].
func (m *Mirrored) Prepare(ctx context.Context, s keystore.Share) error {
	for _, f := range m.copies {
		if err := f.Prepare(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// Destroy implements [keystore.Holder]. First every copy gets the share that is
// kept: then nothing is lost if we stop between two of them.
func (m *Mirrored) Destroy(ctx context.Context, tree keystore.TreeID, epoch uint64, attempt keystore.Attempt) (keystore.Statement, error) {
	st := statement(m.caps, tree, epoch, attempt)
	shares, err := m.Current(ctx)
	if err != nil {
		return st, err
	}
	defer clear(shares)
	i := slices.IndexFunc(shares, func(s keystore.Share) bool {
		return s.Tree == tree && s.Epoch == epoch && s.Attempt == attempt
	})
	if i < 0 {
		return st, fmt.Errorf("destroying all but epoch %d: %w", epoch, keystore.ErrNotHeld)
	}
	for _, f := range m.copies {
		if err := f.Repair(ctx, shares[i]); err != nil {
			return st, err
		}
	}
	for _, f := range m.copies {
		s, err := f.Destroy(ctx, tree, epoch, attempt)
		if err != nil {
			return st, err
		}
		st.Overwritten += s.Overwritten
		for _, e := range s.Destroyed {
			if !slices.Contains(st.Destroyed, e) {
				st.Destroyed = append(st.Destroyed, e)
			}
		}
	}
	return st, nil
}

// Name is the path of the file.
func (f *File) Name() string { return f.name }

// Adopt makes a new file a copy of the holder with an id.
func (f *File) Adopt(id keystore.HolderID) { f.caps.ID = id }

// Repair gives a copy the live share if it lacks it.
func (f *File) Repair(ctx context.Context, s keystore.Share) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.prepare(ctx, s, true); err != nil {
		return fmt.Errorf("bringing the copy %s up to date: %w", f.name, err)
	}
	return nil
}

// Caps implements [keystore.Holder].
func (m *Mirrored) Caps() keystore.Caps { return m.caps }

// Close implements [keystore.Holder].
func (m *Mirrored) Close() error {
	var errs []error
	for _, f := range m.copies {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// statement fills in what every statement says.
func statement(c keystore.Caps, tree keystore.TreeID, epoch uint64, attempt keystore.Attempt) keystore.Statement {
	return keystore.Statement{
		Holder: c.ID, Kind: c.Kind, Level: c.Level, Tree: tree, Epoch: epoch, Attempt: attempt,
		Destroyed: []uint64{}, Copies: c.Copies,
	}
}

// Format keeps fmt from following the holder to its share.
func (m *Mirrored) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "[root holder in %d places]", len(m.copies))
}
