package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/merkle"
)

// oneBitChanged writes a copy of a proof file in which one bit of what it says
// about the person is another: the file is still well formed, the leaf is not.
func oneBitChanged(from, to, vkey string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	p, err := merkle.ParseProof(b)
	if err != nil {
		return err
	}
	for i := range p.Extra {
		for bit := range 8 {
			changed := append([]byte(nil), p.Extra...)
			changed[i] ^= 1 << bit
			q := *p
			q.Extra = changed
			file, err := q.Marshal()
			if err != nil {
				continue
			}
			var f *receipt.Failure
			if _, err := receipt.Verify(file, vkey); errors.As(err, &f) && f.Stage == receipt.StageLeaf {
				return os.WriteFile(to, file, 0o600)
			}
		}
	}
	return errors.New("no bit of the opening could be changed")
}

// copyFolder copies a folder as it lies there: what a thief or a backup program
// that knows nothing of ledgers gets.
func copyFolder(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		return copyOne(path, filepath.Join(to, rel))
	})
}

func copyOne(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copying: %w", err)
	}
	return os.WriteFile(to, b, 0o600)
}
