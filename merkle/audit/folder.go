package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// folder is a log in a directory, as an export, a mirror or another program has
// written it. Links that lead out of the directory are not followed.
type folder struct {
	name string
	root *os.Root
}

func openFolder(dir string) (Source, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &UnreachableError{Source: dir, Path: "checkpoint", Err: err}
	}
	return &folder{dir, root}, nil
}

func (f *folder) String() string { return f.name }

func (f *folder) Fetch(ctx context.Context, path string, limit int) ([]byte, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	b, err := f.read(filepath.FromSlash(path), limit)
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	case errors.Is(err, errTooLong):
		return nil, &MismatchError{Place: path, What: fmt.Sprintf("more than %d bytes", limit)}
	}
	return nil, &UnreachableError{Source: f.name, Path: path, Err: err}
}

var errTooLong = errors.New("too long")

func (f *folder) read(path string, limit int) ([]byte, error) {
	// Looked at first, because to open a pipe waits for somebody to write.
	info, err := f.root.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a file")
	}
	file, err := f.root.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAll(file, limit, info.Size())
}

// readAll reads at most limit bytes, and fails with errTooLong if there are
// more. The hint says how many to expect; it is not believed.
func readAll(r io.Reader, limit int, hint int64) ([]byte, error) {
	if hint < 0 || hint > 64<<10 {
		hint = 64 << 10
	}
	var b bytes.Buffer
	b.Grow(int(hint) + bytes.MinRead)
	n, err := b.ReadFrom(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if n > int64(limit) {
		return nil, errTooLong
	}
	return b.Bytes(), nil
}
