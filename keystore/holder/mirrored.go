package holder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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

// CreateFiles makes a root holder in one file or, mirrored, in several. Where one
// of them cannot be made, none is left.
func CreateFiles(paths ...string) (keystore.Holder, error) {
	return Passphrase(nil).CreateFiles(paths...)
}

// OpenFiles opens what CreateFiles made. All of the files have to be there: one
// that is left out may still keep an old share.
func OpenFiles(paths ...string) (keystore.Holder, error) {
	return Passphrase(nil).OpenFiles(paths...)
}

// CreateFiles makes root files that are sealed by the passphrase.
func (p Passphrase) CreateFiles(paths ...string) (keystore.Holder, error) {
	var by *sealing
	if p != nil {
		keys := p.ring()
		defer keys.close()
		var err error
		if by, err = keys.fresh(); err != nil {
			return nil, err
		}
	}
	made := 0
	h, err := files(paths, func(path string) (*File, error) {
		f, err := createFile(path, by)
		if err == nil {
			made++
		}
		return f, err
	})
	if err != nil {
		for _, path := range paths[:made] {
			err = errors.Join(err, Discard(path))
		}
	}
	return h, err
}

// OpenFiles opens root files, and those that are sealed with the passphrase.
func (p Passphrase) OpenFiles(paths ...string) (keystore.Holder, error) {
	keys := p.ring()
	defer keys.close()
	return files(paths, func(path string) (*File, error) { return openFile(path, keys) })
}

func files(paths []string, open func(string) (*File, error)) (keystore.Holder, error) {
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
	// A copy that has a share; a new copy takes over its id, and how it is sealed.
	var written *File
	var warnings []string
	for _, f := range copies {
		held, err := f.read()
		if err != nil {
			m.Close()
			return nil, err
		}
		if held[0].ok || held[1].ok {
			if written != nil && (written.caps.ID != f.caps.ID || !sameLock(written.seal, f.seal)) {
				m.Close()
				return nil, keystore.Hinted("give the files that were made together", "the root files %s and %s are not copies of each other: %w", written.name, f.name, keystore.ErrWrongTree)
			}
			written = f
		}
		wipe(held)
		c.Level = min(c.Level, f.caps.Level)
		if f.caps.Warning != "" {
			warnings = append(warnings, f.name+": "+f.caps.Warning)
		}
	}
	if written != nil {
		c.ID, c.Sealed = written.caps.ID, written.caps.Sealed
		for _, f := range copies {
			f.seal = written.seal
		}
	}
	for _, f := range copies {
		f.caps.ID, f.caps.Sealed = c.ID, c.Sealed
	}
	c.Warning = strings.Join(warnings, "; ")
	m.caps = c
	return m, nil
}

func sameLock(a, b *sealing) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.lock == b.lock
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
