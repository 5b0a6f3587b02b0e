package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/merkle/log"
)

// A BackupOption changes how a backup is made.
type BackupOption func(*backing)

// Since names a backup that was made before: files that it has already are not
// copied, but linked. Every backup stays whole; an older one may be removed.
func Since(dir string) BackupOption { return func(b *backing) { b.since = dir } }

// BackupProgress is told how many bytes were read, of how many.
func BackupProgress(f func(done, total int64)) BackupOption {
	return func(b *backing) { b.progress = f }
}

// Copied is told, in the end, how many bytes were new to the disk of the backup.
func Copied(n *int64) BackupOption { return func(b *backing) { b.copied = n } }

// stageDir is where the state that is backed up is held while it is copied: tables
// are hard links, so that it costs little, and the log goes on meanwhile.
const stageDir = "backup" + partial

// Backup copies the ledger into a new folder: log, sealed events and key pages,
// all at one moment, while the ledger goes on. It holds neither the root of the key
// tree nor the log's signing key: whoever has it reads nothing and signs nothing. An
// erasure that comes later reaches into it, because the keys that would open it are
// gone.
//
// What is copied is read back and compared, and the copy is opened as a log, before
// the backup gets its name. If Backup is interrupted, the next one into the same
// folder goes on where it stopped.
//
// A sweep replaces the mask of every sealed event, and keeps that of the newest backup:
// nobody can read an older one any more. After a sweep a new one should be made.
func (l *Ledger) Backup(ctx context.Context, out string, options ...BackupOption) (_ Manifest, err error) {
	if err := l.gate.enter(); err != nil {
		return Manifest{}, err
	}
	defer l.gate.leave()
	if inside(l.dir, out) {
		return Manifest{}, badConfig("the backup %s would lie inside the ledger: it would be lost with it", out)
	}
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, fmt.Errorf("%s exists already", out)
	}
	if !l.backingUp.TryLock() {
		return Manifest{}, errors.New("another backup is being made")
	}
	defer l.backingUp.Unlock()
	// Until the last rename the backup has another name, so that a half-written
	// one is never taken for a backup.
	b := backing{tmp: out + partial, stage: filepath.Join(l.dir, stageDir), copied: new(int64), progress: func(int64, int64) {}}
	for _, o := range options {
		o(&b)
	}
	if b.since != "" {
		if b.old, err = readManifest(b.since); err != nil {
			return Manifest{}, err
		}
		if b.old.Origin != l.origin {
			return Manifest{}, badConfig("%s is a backup of log %s, this is %s", b.since, b.old.Origin, l.origin)
		}
	}
	if err := makeDir(filepath.Join(b.tmp, storeDir), 0o700); err != nil {
		return Manifest{}, err
	}
	defer os.RemoveAll(b.stage) // what is left of it costs space, and the next backup removes it
	m, err := l.stage(ctx, b.stage)
	if err != nil {
		return m, fmt.Errorf("copying the log: %w", err)
	}
	if m.Files, err = b.files(ctx, l); err != nil {
		return m, err
	}
	if err := b.verify(ctx, l, m.Files); err != nil {
		return m, err
	}
	if err := writeManifest(b.tmp, m); err != nil {
		return m, err
	}
	if err := l.noteBackup(ctx, m.Generation); err != nil {
		return m, err
	}
	if err := os.Rename(b.tmp, out); err != nil {
		return m, err
	}
	return m, syncDir(filepath.Dir(filepath.Clean(out)))
}

// stage holds the store as it is now in a folder beside it.
func (l *Ledger) stage(ctx context.Context, stage string) (Manifest, error) {
	for {
		if err := os.RemoveAll(stage); err != nil {
			return Manifest{}, err
		}
		// Before the copy: pages of a later epoch are then looked for, not passed over.
		before, head := l.tree.Info(), l.log.Head()
		if err := l.log.Backup(ctx, stage); err != nil {
			return Manifest{}, err
		}
		// A sweep may have come to its end between the two.
		if l.tree.Generation() == before.Generation {
			return Manifest{
				Format: backupFormat, Made: time.Now().UTC(), Origin: l.origin,
				Size: head.Checkpoint.Size, Root: head.Checkpoint.Root.String(), Head: string(head.Signed),
				Epoch: before.Epoch, Generation: before.Generation,
			}, nil
		}
	}
}

// files copies what is staged, and the public files of the ledger.
func (b *backing) files(ctx context.Context, l *Ledger) ([]BackupFile, error) {
	public := []string{vkeyFile, configFile}
	if l.config.Policy {
		public = append(public, policyFile)
	}
	if l.config.MLDSA {
		public = append(public, secondVKeyFile)
	}
	type source struct{ name, path string }
	var all []source
	for _, name := range public {
		all = append(all, source{name, filepath.Join(l.dir, name)})
	}
	names, err := os.ReadDir(b.stage)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		all = append(all, source{storeDir + "/" + n.Name(), filepath.Join(b.stage, n.Name())})
	}
	for _, s := range all {
		info, err := os.Stat(s.path)
		if err != nil {
			return nil, err
		}
		b.total += info.Size()
	}
	var files []BackupFile
	for _, s := range all {
		f, err := b.file(ctx, s.name, s.path)
		if err != nil {
			return nil, fmt.Errorf("copying %s: %w", s.name, err)
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b BackupFile) int { return strings.Compare(a.Name, b.Name) })
	return files, b.tidy(files)
}

// tidy removes what an interrupted backup has left that is not part of this one, and
// makes the names durable.
func (b *backing) tidy(files []BackupFile) error {
	keep := make(map[string]bool, len(files))
	for _, f := range files {
		keep[filepath.FromSlash(f.Name)] = true
	}
	err := filepath.WalkDir(b.tmp, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(b.tmp, path)
		if err != nil || keep[rel] {
			return err
		}
		return os.Remove(path)
	})
	if err != nil {
		return err
	}
	if err := syncDir(filepath.Join(b.tmp, storeDir)); err != nil {
		return err
	}
	return syncDir(b.tmp)
}

// verify opens the copy as a log, and compares it with the one that it was made of.
func (b *backing) verify(ctx context.Context, l *Ledger, files []BackupFile) error {
	lg, err := log.Open(ctx, filepath.Join(b.tmp, storeDir), log.Options{Origin: l.origin, VKey: l.vkey, Spaces: spaces, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("opening the copy: %w", err)
	}
	// Who only reads is shown what was signed; the last group may be behind that.
	size := lg.Head().Checkpoint.Size
	got, err := lg.RootAt(ctx, size)
	if cerr := lg.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("reading the copy: %w", err)
	}
	want, err := l.log.RootAt(ctx, size)
	if err != nil {
		return err
	}
	if got != want {
		return &VerifyError{Problems: []string{fmt.Sprintf("at %d entries the copy has root %s, the log has %s", size, got, want)}}
	}
	return b.tidy(files) // reading leaves a lock file
}
