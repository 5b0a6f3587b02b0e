package log

import (
	"context"
	"fmt"
	"runtime"
)

// Backup copies the log, with all its rows, into a new directory, which must not
// exist. It is as of one head, durable when Backup returns, and can be opened
// like the log itself. Tables are hard links where the file system has them:
// they cost no space at first, and keep deleted rows on this disk as long as the
// directory exists. Appends wait meanwhile.
//
// Opening a backup that is not the newest state, with the log's own signer,
// writes a second history. Only [Options].HeadCopy can prevent that.
func (l *Log) Backup(ctx context.Context, dir string) error {
	if err := l.backup(ctx, dir); err != nil {
		return fmt.Errorf("backup into %s: %w", dir, err)
	}
	return nil
}

func (l *Log) backup(ctx context.Context, dir string) error {
	// A reader holds the database open, and the commit lock keeps the group in
	// flight out: what a backup holds has been synced and acknowledged.
	s := l.Snapshot()
	defer s.Close()
	if err := s.ready(ctx); err != nil {
		return err
	}
	select {
	case l.commit <- struct{}{}:
		defer func() { <-l.commit }()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.broke: // the sequencer may keep the lock for ever
		return *l.broken.Load()
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	// Not WithFlushedWAL: everything is synced already, and it commits through
	// a path that swallows errors.
	return l.unlessBroken(func() (err error) {
		// Where the disk of the backup cannot sync a directory the engine panics. It
		// holds no lock there, and nothing has happened to the log.
		defer func() {
			switch r := recover().(type) {
			case nil:
			case runtime.Error:
				panic(r)
			default:
				_ = l.opts.FS.RemoveAll(dir) // the first error is the one that helps
				err = panicked(r)
			}
		}()
		return oneLine(l.engine.db.Checkpoint(dir))
	})
}
