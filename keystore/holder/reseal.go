package holder

import (
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/keystore"
)

// Reseal changes the passphrase of a holder in files, gives it one, or, where p is nil,
// takes it away. The share stays; no epoch may run meanwhile.
//
// Crash order: the free slot of every file gets the share, sealed in the new way; when
// all have it, the slots that are sealed in the old way are overwritten. So at any time
// there is one passphrase that opens all files, before the last of the new slots the old
// one, then the new one, and in between both; whichever is given to open them wins, and
// what is sealed by the other is overwritten.
func (p Passphrase) Reseal(h keystore.Holder) error {
	var files []*File
	switch h := h.(type) {
	case *File:
		files = []*File{h}
	case *Mirrored:
		for _, r := range h.copies {
			if f, ok := r.(*File); ok {
				files = append(files, f)
			}
		}
		defer func() { h.caps.Sealed = len(files) > 0 && files[0].caps.Sealed }()
	}
	if len(files) == 0 {
		return keystore.Hinted("a token has a PIN, which its own tools change", "changing the passphrase of the root: %w", ErrNotFiles)
	}
	var by *sealing
	if p != nil {
		keys := p.ring()
		defer keys.close()
		var err error
		if by, err = keys.fresh(); err != nil {
			return err
		}
	}
	for i, f := range files {
		if err := f.putTwin(by); err != nil {
			err = fmt.Errorf("changing the passphrase of %s: %w", f.name, err)
			for _, f := range files[:i+1] {
				err = errors.Join(err, f.settle())
			}
			return err
		}
	}
	var errs []error
	for _, f := range files {
		f.seal, f.caps.Sealed = by, by != nil
		if err := f.settle(); err != nil {
			errs = append(errs, fmt.Errorf("the new passphrase opens %s, and the old one does still: %w", f.name, err))
		}
	}
	return errors.Join(errs...)
}

// putTwin writes the share into the free slot, sealed in another way.
func (f *File) putTwin(by *sealing) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	held, err := f.read()
	if err != nil {
		return err
	}
	defer wipe(held)
	live := 0
	if held[1].ok {
		live = 1
	}
	switch {
	case held[0].ok && held[1].ok:
		return keystore.ErrHolderBusy
	case !held[live].ok:
		return keystore.ErrNotHeld
	}
	return f.put(1-live, &held[live].slot, by)
}

// settle overwrites the slot that has the live share sealed in another way than the one
// by which the file was opened, if there is one.
func (f *File) settle() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	held, err := f.read()
	if err != nil {
		return err
	}
	defer wipe(held)
	if !twins(held) {
		return nil
	}
	for i := range held {
		if !held[i].ok {
			return f.overwrite(i)
		}
	}
	return nil
}
