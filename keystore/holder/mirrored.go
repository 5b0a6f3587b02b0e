package holder

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/keystore"
)

// Mirrored keeps the same share in several files, on different disks: redundancy
// inside one custodian. Everything must be confirmed by all of them. A copy that
// fell behind, because we were interrupted between two of them or because it was
// replaced by a new file, is brought up to date by the next Destroy.
type Mirrored struct {
	copies []*File
	caps   keystore.Caps
}

// CreateFiles makes a root holder in one file or, mirrored, in several.
func CreateFiles(paths ...string) (keystore.Holder, error) { return files(CreateFile, paths) }

// OpenFiles opens what CreateFiles made. All of the files have to be there: one
// that is left out may still keep an old share.
func OpenFiles(paths ...string) (keystore.Holder, error) { return files(OpenFile, paths) }

func files(open func(string) (*File, error), paths []string) (keystore.Holder, error) {
	if len(paths) == 0 {
		return nil, keystore.Hinted("give at least one path for the root", "no root file: %w", keystore.ErrHolderMissing)
	}
	var copies []*File
	for _, p := range paths {
		f, err := open(p)
		if err != nil {
			for _, c := range copies {
				c.Close()
			}
			return nil, err
		}
		copies = append(copies, f)
	}
	if len(copies) == 1 {
		return copies[0], nil
	}
	return Mirror(copies...)
}

// Mirror makes one holder of several files. It owns them from now on.
func Mirror(copies ...*File) (*Mirrored, error) {
	m := &Mirrored{copies: copies}
	c := copies[0].caps
	c.Kind, c.Copies, c.Warning = "mirrored", len(copies), ""
	// The id of a copy that has a share; a new copy takes it over.
	var written *keystore.HolderID
	for _, f := range copies {
		held, err := f.read()
		if err != nil {
			m.Close()
			return nil, err
		}
		if held[0].ok || held[1].ok {
			if written != nil && *written != f.caps.ID {
				m.Close()
				return nil, keystore.Hinted("give the files that were made together", "the root files %s and %s are not copies of each other: %w", copies[0].name, f.name, keystore.ErrWrongTree)
			}
			id := f.caps.ID
			written = &id
		}
		wipe(&held)
		c.Level = min(c.Level, f.caps.Level)
		if c.Warning == "" {
			c.Warning = f.caps.Warning
		}
	}
	if written != nil {
		c.ID = *written
	}
	for _, f := range copies {
		f.caps.ID = c.ID
	}
	m.caps = c
	return m, nil
}

// Current implements [keystore.Holder]: what any copy has. An epoch that only
// some copies have can still be finished, because Destroy repairs the others.
func (m *Mirrored) Current(ctx context.Context) ([]keystore.Share, error) {
	var all []keystore.Share
	for _, f := range m.copies {
		shares, err := f.Current(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range shares {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
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
	i := slices.IndexFunc(shares, func(s keystore.Share) bool {
		return s.Tree == tree && s.Epoch == epoch && s.Attempt == attempt
	})
	if i < 0 {
		return st, fmt.Errorf("destroying all but epoch %d: %w", epoch, keystore.ErrNotHeld)
	}
	for _, f := range m.copies {
		if err := f.repair(ctx, shares[i]); err != nil {
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

// repair gives a copy the live share if it lacks it.
func (f *File) repair(ctx context.Context, s keystore.Share) error {
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
