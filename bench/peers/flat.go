package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/lacunalog/lacuna/bench"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
)

// flat is one table of all keys, sealed whole under a root that a holder can
// destroy: D. Boneh and R. Lipton, "A revocable backup system", 1996. To erase is to
// leave a key out, seal the table anew, sync it, and replace the root. It erases as
// surely as a tree of keys does, and costs as much as there are people.
type flat struct {
	dir   string
	root  keystore.Holder
	keys  []byte // 32 bytes of each person
	epoch uint64
	last  keystore.Attempt
	old   *os.File
}

func newFlat(dir string, people int) (*flat, error) {
	root, err := holder.CreateFile(fileOf(dir, "flat.root"))
	if err != nil {
		return nil, err
	}
	f := &flat{dir: dir, root: root, keys: make([]byte, 32*people)}
	rand.Read(f.keys)
	return f, f.replace(context.Background())
}

func (f *flat) Name() string { return "flat" }

func (f *flat) Erase(ctx context.Context, from, n int) (*bench.Result, error) {
	return timeEach(n, func(i int) error {
		clear(f.keys[32*(from+i) : 32*(from+i+1)])
		return f.replace(ctx)
	})
}

// replace seals the table under a new root and destroys the old one.
func (f *flat) replace(ctx context.Context) error {
	f.epoch++
	var root keystore.Secret
	rand.Read(root[:])
	rand.Read(f.last[:])
	aead, err := chacha20poly1305.New(root[:])
	if err != nil {
		return err
	}
	var nonce [chacha20poly1305.NonceSize]byte // each root seals once
	sealed := aead.Seal(make([]byte, 0, len(f.keys)+aead.Overhead()), nonce[:], f.keys, binary.BigEndian.AppendUint64(nil, f.epoch))
	table, err := os.Create(fileOf(f.dir, fmt.Sprintf("flat-%d", f.epoch)))
	if err != nil {
		return err
	}
	if _, err := table.Write(sealed); err != nil {
		return err
	}
	if err := table.Sync(); err != nil {
		return err
	}
	d, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return err
	}
	if err := f.root.Prepare(ctx, keystore.Share{Tree: keystore.TreeID{1}, Epoch: f.epoch, Attempt: f.last, Secret: root}); err != nil {
		return err
	}
	if _, err := f.root.Destroy(ctx, keystore.TreeID{1}, f.epoch, f.last); err != nil {
		return err
	}
	if f.old != nil { // tidiness: nobody can open it
		if err := errors.Join(f.old.Close(), os.Remove(f.old.Name())); err != nil {
			return err
		}
	}
	f.old = table
	return nil
}

func (f *flat) Close() error { return errors.Join(f.old.Close(), f.root.Close()) }
