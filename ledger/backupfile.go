package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A backing is a backup that is being made.
type backing struct {
	tmp   string // the new backup, under its name until it is whole
	stage string // the store as it was at one moment, beside the ledger
	since string // an older backup, "" for none
	old   Manifest

	total, done int64
	copied      *int64
	progress    func(done, total int64)
}

// file brings one file into the backup, and says what it is. The store never changes
// a table that it has written, so most are in the older backup already; but names are
// given again by a ledger that was restored, so what counts is the content.
func (b *backing) file(ctx context.Context, name, from string) (BackupFile, error) {
	f, err := b.sum(ctx, from)
	if err != nil {
		return f, err
	}
	f.Name = name
	to := filepath.Join(b.tmp, filepath.FromSlash(name))
	if there, err := sumFile(ctx, to, nil); err == nil && there.Size == f.Size && there.SHA256 == f.SHA256 {
		return f, nil // an interrupted backup has copied it
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if old, ok := b.old.file(name); ok && old == f {
		// It is read, too: one table that decayed would be in every backup from then on.
		older := filepath.Join(b.since, filepath.FromSlash(name))
		got, err := sumFile(ctx, older, nil)
		if got.Name = name; err == nil && got == f && os.Link(older, to) == nil {
			return f, nil
		}
	}
	if filepath.Ext(name) == ".sst" && os.Link(from, to) == nil {
		return f, nil // on the ledger's own disk; the store writes no table again
	}
	*b.copied += f.Size
	copied, err := copyFile(ctx, from, to)
	if err != nil {
		return f, err
	}
	back, err := sumFile(ctx, to, nil)
	if err != nil {
		return f, err
	}
	if copied.SHA256 != f.SHA256 || back.SHA256 != f.SHA256 {
		return f, &VerifyError{Problems: []string{fmt.Sprintf("%s does not read back as it was written", name)}}
	}
	return f, nil
}

// sum reads a file of the ledger.
func (b *backing) sum(ctx context.Context, name string) (BackupFile, error) {
	return sumFile(ctx, name, func(n int) {
		b.done += int64(n)
		b.progress(b.done, max(b.done, b.total))
	})
}

// sumFile computes size and hash of a file.
func sumFile(ctx context.Context, name string, read func(n int)) (BackupFile, error) {
	in, err := os.Open(name)
	if err != nil {
		return BackupFile{}, err
	}
	defer in.Close()
	return pour(ctx, io.Discard, in, read)
}

// copyFile copies a file into a new one and syncs it.
func copyFile(ctx context.Context, from, to string) (f BackupFile, err error) {
	in, err := os.Open(from)
	if err != nil {
		return f, err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return f, err
	}
	f, err = pour(ctx, out, in, nil)
	if err == nil {
		err = out.Sync()
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return f, err
}

// pour copies a stream, and says what it was.
func pour(ctx context.Context, w io.Writer, r io.Reader, read func(n int)) (f BackupFile, err error) {
	h := sha256.New()
	buf := make([]byte, 1<<18)
	for {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		n, err := r.Read(buf)
		if n > 0 {
			h.Write(buf[:n])
			if _, err := w.Write(buf[:n]); err != nil {
				return f, err
			}
			f.Size += int64(n)
			if read != nil {
				read(n)
			}
		}
		if err == io.EOF {
			f.SHA256 = hex.EncodeToString(h.Sum(nil))
			return f, nil
		}
		if err != nil {
			return f, err
		}
	}
}
