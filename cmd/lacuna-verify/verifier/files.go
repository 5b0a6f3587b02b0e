package verifier

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/lacunalog/lacuna/ledger/receipt"
)

// What is read of a file at most: as much as it takes to see that it is none.
const (
	maxKeys = 1 << 20
	maxHead = 1 << 20
	maxFile = receipt.MaxFile
	// A sample has a receipt, or a part of one, for each of its entries.
	maxPaper = receipt.MaxSample
)

// files is where everything is read from, and where the one file that may be written
// goes to.
type files struct {
	stdin  io.Reader
	taken  bool // standard input was read
	open   func(name string) (io.ReadCloser, error)
	create func(name string, b []byte) error
}

// disk is the files of this machine.
func disk(stdin io.Reader) *files {
	return &files{
		stdin:  stdin,
		open:   func(name string) (io.ReadCloser, error) { return os.Open(name) },
		create: create,
	}
}

// create writes a file that does not exist yet.
func create(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

var errTwice = errors.New("standard input is one file, and it is named twice")

// read reads a file, or standard input where the name is "-": at most one byte more
// than max, by which the reader sees that the file is too long.
func (f *files) read(name string, max int64) ([]byte, error) {
	if name == "-" {
		if f.taken {
			return nil, errTwice
		}
		f.taken = true
		b, err := io.ReadAll(io.LimitReader(f.stdin, max+1))
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return b, nil
	}
	r, err := f.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, max+1))
}

// exists reads a file that need not be there.
func (f *files) exists(name string, max int64) (b []byte, ok bool, err error) {
	b, err = f.read(name, max)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return b, err == nil, err
}
