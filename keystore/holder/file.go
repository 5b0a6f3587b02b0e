package holder

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder/pkcs11"
	"github.com/lacunalog/lacuna/keystore/internal/block"
)

// A File keeps a share in one device, by default a file that is overwritten in
// place. It implements [keystore.Holder].
type File struct {
	mu   sync.Mutex
	dev  block.Device
	caps keystore.Caps
	name string
	seal *sealing   // nil where the shares lie there as they are
	ways []*sealing // by which of them it opens: two where a change of the passphrase was interrupted
	room room
}

// A room is where a holder reads and writes its blocks, under its lock. It is wiped
// after each use: an erasure comes here four times, and who holds a root makes no
// garbage of it.
type room struct {
	held    [slots]reading
	raw     [slots * block.Size]byte
	b, back [block.Size]byte
}

// CreateFile makes a root file and opens it. The path must be outside the
// ledger's folder, so that no backup of the ledger takes the root with it. It may
// be that of a partition that is empty.
func CreateFile(path string) (*File, error) { return createFile(path, nil) }

func createFile(path string, by *sealing) (*File, error) {
	dev, err := block.Create(path)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, keystore.Hinted("choose another path: a root file is never overwritten by a new one", "making the root file %s: %w", path, keystore.ErrExists)
	case errors.Is(err, block.ErrInUse):
		return nil, keystore.Hinted(fmt.Sprintf("if nothing on it is needed any more: dd if=/dev/zero of=%s bs=1M count=1", path), "making a root on %s: %w", path, err)
	case errors.Is(err, block.ErrLocked):
		return nil, keystore.Hinted("unmount it, or choose another", "making a root on %s: %w", path, keystore.ErrLocked)
	case err != nil:
		return nil, fmt.Errorf("making a root file: %w", err)
	}
	return onDevice(dev, path, "file", true, by, nil)
}

// OpenFile opens a root file.
func OpenFile(path string) (*File, error) { return openFile(path, nil) }

func openFile(path string, keys *keyring) (*File, error) {
	dev, err := block.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, keystore.Hinted("give the path of the root file, or of its copy in another place", "opening the root file %s: %w", path, keystore.ErrHolderMissing)
	case errors.Is(err, block.ErrLocked):
		return nil, keystore.Hinted("wait for the other process to end", "opening the root file %s: %w", path, keystore.ErrLocked)
	case errors.Is(err, block.ErrSize):
		return nil, keystore.Hinted("a root file has 12,288 bytes: this is another file", "opening the root file %s: %w", path, keystore.ErrHolderMissing)
	case err != nil:
		return nil, fmt.Errorf("opening a root file: %w", err)
	}
	return onDevice(dev, path, "file", false, nil, keys)
}

// Wipe overwrites every slot of a root file with random bytes, the live one too, sealed
// or not; a token destroys every share. It is for a copy that is to be given up: a
// holder in one place erases everybody by it.
func Wipe(path string) error {
	if IsToken(path) {
		return wipeToken(path)
	}
	dev, err := block.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return keystore.Hinted("mount it; if it is lost, say so with --lost", "opening the root file %s: %w", path, keystore.ErrHolderMissing)
	case err != nil:
		return fmt.Errorf("opening a root file: %w", err)
	}
	f := &File{dev: dev, name: path}
	for i := range slots {
		err = errors.Join(err, f.overwrite(i))
	}
	if err = errors.Join(err, dev.Close()); err != nil {
		return fmt.Errorf("wiping %s: %w", path, err)
	}
	return nil
}

// SameVolume reports whether two places lie on one file system or in one token, as far
// as it can be seen: then a second copy does not survive the first.
func SameVolume(a, b string) bool { return pkcs11.SameToken(a, b) || block.SameVolume(a, b) }

// Discard takes away what was made for a root and nobody uses: the file, what was
// written on a partition, or the objects in a token.
func Discard(path string) error {
	if IsToken(path) {
		return discardToken(path)
	}
	return block.Discard(path)
}

// NewMem returns a holder in memory, for tests and for ledgers that may be lost.
// It survives Close, so that a test can open a tree again.
func NewMem() *File {
	f, err := onDevice(block.NewMemory(), "memory", "mem", true, nil, nil)
	if err != nil {
		panic(err) // memory does not fail
	}
	return f
}

// OnDevice returns a holder on a device, for tests that interrupt it.
func OnDevice(dev block.Device) (*File, error) {
	return onDevice(dev, "device", "file", true, nil, nil)
}

// onDevice returns a holder on a device. by seals the shares of a new one; keys
// open an old one that turns out to be sealed.
func onDevice(dev block.Device, name, kind string, fresh bool, by *sealing, keys *keyring) (*File, error) {
	f := &File{dev: dev, name: name, seal: by}
	if err := f.unseal(keys); err != nil {
		dev.Close()
		return nil, fmt.Errorf("opening the root holder %s: %w", name, err)
	}
	held, err := f.read()
	defer wipe(held)
	if err != nil {
		dev.Close()
		return nil, err
	}
	found := false
	for i := range held {
		if s := &held[i]; s.ok {
			if found && (s.holder != f.caps.ID || s.share.Tree != held[0].share.Tree) {
				dev.Close()
				return nil, keystore.Hinted("this file was put together from two: restore the right one", "opening the root holder %s: %w", name, keystore.ErrWrongTree)
			}
			f.caps.ID, found = s.holder, true
		}
	}
	if !found {
		rand.Read(f.caps.ID[:]) // written with the first share
	}
	f.caps.Kind, f.caps.Copies, f.caps.Sealed = kind, 1, f.seal != nil
	if !found && !fresh {
		// Perhaps it is no root file at all: the probe would write into it.
		f.caps.Warning = "no root can be read in " + name
		return f, nil
	}
	probe := dev.Probe()
	f.caps.Warning = probe.Warning
	if probe.InPlace {
		f.caps.Level = keystore.L1
	}
	return f, nil
}

// A reading is what one of the two blocks has.
type reading struct {
	slot
	found  bool // it is a share
	sealed bool // by lock
	lock   lock
	ok     bool // it was read
	raw    [block.Size]byte
}

// read reads both slots. What it returns is the holder's room for it, is wiped after
// use, and never copied: on a stack nobody wipes it.
func (f *File) read() (*[slots]reading, error) {
	held := &f.room.held
	err := f.readAll(held)
	if err != nil {
		wipe(held)
	}
	return held, err
}

func (f *File) readAll(held *[slots]reading) error {
	if err := f.look(held); err != nil {
		return err
	}
	for i := range held {
		r := &held[i]
		switch {
		case !r.found:
		case r.by(f.seal):
			if r.ok = true; r.sealed {
				if err := r.openSealed(r.raw[:], f.seal); err != nil {
					return err
				}
			}
		case twins(held) && held[1-i].by(f.seal):
			// The other slot has the same share, so this one is free.
		case r.sealed:
			// A share that we cannot open is not an empty slot.
			return fmt.Errorf("reading %s: it is sealed in another way: %w", f.name, ErrPassphrase)
		default:
			r.ok = true
		}
	}
	return nil
}

// look reads what can be read without a key, with one read, which goes to the medium.
func (f *File) look(held *[slots]reading) error {
	raw := f.room.raw[:]
	defer clear(raw)
	if err := f.dev.Read(0, raw); err != nil {
		return err
	}
	for i := range held {
		copy(held[i].raw[:], raw[i*block.Size:])
		held[i].look()
	}
	return nil
}

func (r *reading) look() {
	l, err := r.parseSealed(r.raw[:])
	if r.sealed = err == nil; r.sealed {
		r.lock, r.found = l, true
		return
	}
	r.slot = slot{}
	r.found = r.parse(r.raw[:]) == nil
}

// by reports whether a share lies there in one way of sealing, nil for none.
func (r *reading) by(s *sealing) bool {
	if s == nil {
		return r.found && !r.sealed
	}
	return r.found && r.sealed && r.lock == s.lock
}

// twins reports whether both slots have one share, sealed in two ways: a change of the
// passphrase has begun and not ended.
func twins(held *[slots]reading) bool {
	a, b := &held[0], &held[1]
	return a.found && b.found && a.holder == b.holder && a.share.Tree == b.share.Tree && a.share.Epoch == b.share.Epoch &&
		a.share.Attempt == b.share.Attempt && (a.sealed != b.sealed || a.lock != b.lock)
}

// unseal finds out by which keys a file opens.
func (f *File) unseal(keys *keyring) error {
	if keys == nil {
		keys = Passphrase(nil).ring()
	}
	held := &f.room.held
	defer wipe(held)
	var plain bool
	var failed error
	if err := f.look(held); err != nil {
		return err
	}
	for i := range held {
		r := &held[i]
		if !r.sealed {
			plain = plain || r.found
			continue
		}
		s, err := keys.sealing(r.lock)
		if err == nil {
			err = r.openSealed(r.raw[:], s)
		}
		if err != nil {
			failed = err
		} else if !slices.Contains(f.ways, s) {
			f.ways = append(f.ways, s)
		}
	}
	if plain {
		f.ways = append(f.ways, nil)
	}
	if failed != nil && (len(f.ways) == 0 || !twins(held)) {
		return failed
	}
	if len(f.ways) > 0 {
		f.seal = f.ways[0]
	}
	return nil
}

func wipe(held *[slots]reading) { clear(held[:]) }

// Current implements [keystore.Holder]. It reads the medium.
func (f *File) Current(ctx context.Context) ([]keystore.Share, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	held, err := f.read()
	defer wipe(held)
	if err != nil {
		return nil, err
	}
	shares := make([]keystore.Share, 0, slots)
	for i := range held {
		if held[i].ok {
			shares = append(shares, held[i].share)
		}
	}
	return shares, nil
}

// Prepare implements [keystore.Holder]: it overwrites the slot that is not live.
// If it is interrupted, that slot is torn; the live one was not touched.
func (f *File) Prepare(ctx context.Context, s keystore.Share) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.prepare(ctx, s, false); err != nil {
		return fmt.Errorf("preparing epoch %d at %s: %w", s.Epoch, f.name, err)
	}
	return nil
}

// prepare writes a share. repair says that the share is known to be live at
// another copy of this holder: then the slot of the lowest epoch is free.
func (f *File) prepare(ctx context.Context, s keystore.Share, repair bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	held, err := f.read()
	defer wipe(held)
	if err != nil {
		return err
	}
	to, busy := 0, 0
	for i := range held {
		h := &held[i]
		switch {
		case !h.ok:
			to = i
			continue
		case h.share.Tree != s.Tree:
			return keystore.ErrWrongTree
		case h.share.Epoch == s.Epoch && h.share.Attempt == s.Attempt && h.share.Secret.Equal(&s.Secret):
			return nil
		}
		busy++
	}
	switch {
	case busy == slots && repair:
		if held[1].share.Epoch < held[0].share.Epoch {
			to = 1
		}
	case busy == slots:
		// Also another attempt at the same epoch: a message that comes late must
		// not take the place of the attempt that everybody else has.
		return keystore.ErrHolderBusy
	case busy == 1 && !repair && held[1-to].share.Epoch >= s.Epoch:
		return fmt.Errorf("it keeps epoch %d: %w", held[1-to].share.Epoch, keystore.ErrHolderBusy)
	}
	return f.put(to, &slot{f.caps.ID, s}, f.seal)
}

// put writes a slot, and reads it back.
func (f *File) put(to int, w *slot, by *sealing) error {
	b, back := f.room.b[:], f.room.back[:]
	defer clear(b)
	defer clear(back)
	if by == nil {
		w.put(b)
	} else if err := w.putSealed(b, by); err != nil {
		return err
	}
	if err := f.dev.Write(to, b); err != nil {
		return err
	}
	if err := f.dev.Read(to, back); err != nil {
		return err
	}
	if !bytes.Equal(b, back) {
		return errors.New("what was written does not read back")
	}
	return nil
}

// Destroy implements [keystore.Holder]: everything but the named share is
// overwritten with random bytes, because a device may take zeroes for a request
// to forget where the old ones are.
func (f *File) Destroy(ctx context.Context, tree keystore.TreeID, epoch uint64, attempt keystore.Attempt) (keystore.Statement, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st, err := f.destroy(ctx, tree, epoch, attempt)
	if err != nil {
		return keystore.Statement{}, fmt.Errorf("destroying all but epoch %d at %s: %w", epoch, f.name, err)
	}
	return st, nil
}

func (f *File) destroy(ctx context.Context, tree keystore.TreeID, epoch uint64, attempt keystore.Attempt) (keystore.Statement, error) {
	st := keystore.Statement{
		Holder: f.caps.ID, Kind: f.caps.Kind, Level: f.caps.Level, Copies: f.caps.Copies,
		Tree: tree, Epoch: epoch, Attempt: attempt, Destroyed: []uint64{},
	}
	if err := ctx.Err(); err != nil {
		return st, err
	}
	held, err := f.read()
	defer wipe(held)
	if err != nil {
		return st, err
	}
	keep := -1
	for i := range held {
		h := &held[i]
		if h.ok && h.share.Tree != tree {
			return st, keystore.ErrWrongTree
		}
		if h.ok && h.share.Epoch == epoch && h.share.Attempt == attempt {
			keep = i
		}
	}
	if keep < 0 {
		return st, keystore.ErrNotHeld
	}
	for i := range held {
		if i == keep {
			continue
		}
		if held[i].ok {
			st.Destroyed = append(st.Destroyed, held[i].share.Epoch)
		}
		if err := f.overwrite(i); err != nil {
			return st, err
		}
		st.Overwritten++
	}
	return st, nil
}

// overwrite replaces a slot by random bytes and reads them back.
func (f *File) overwrite(i int) error {
	b, back := f.room.b[:], f.room.back[:]
	defer clear(b)
	defer clear(back) // where nothing was overwritten, it is the share
	rand.Read(b)
	if err := f.dev.Write(i, b); err != nil {
		return err
	}
	if err := f.dev.Read(i, back); err != nil {
		return err
	}
	if !bytes.Equal(b, back) {
		return errors.New("what was overwritten still reads as before")
	}
	return nil
}

// Caps implements [keystore.Holder].
func (f *File) Caps() keystore.Caps { return f.caps }

// Close implements [keystore.Holder].
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dev.Close()
}

// Format keeps fmt from following the holder to its share.
func (f *File) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "[root holder %s]", f.name) }

// IsToken reports whether a place of the root is the URI of a token, and not a path.
func IsToken(place string) bool { return pkcs11.IsURI(place) }
