package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
	"k8s.io/klog/v2"

	"github.com/lacunalog/lacuna/bench"
)

// What Tessera says while all is well is not part of the figures.
func init() {
	klog.SetSlogLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
}

// A log is a Tessera log on the POSIX driver, the one that needs no service. Every
// file it writes is synced by the driver.
type log struct {
	appender *tessera.Appender
	awaiter  *tessera.PublicationAwaiter
	size     func(context.Context) (uint64, error) // integrated
	shutdown func(context.Context) error
	stop     context.CancelFunc
}

// newLog makes a log below a folder, tuned for so many entries in flight: a batch
// is as large as all of them, so that it is flushed when the last has come and
// nobody waits for its age.
func newLog(ctx context.Context, dir string, inFlight, batch int) (*log, error) {
	skey, _, err := note.GenerateKey(rand.Reader, "bench.example/tessera")
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	driver, err := posix.New(ctx, posix.Config{Path: filepath.Join(dir, "tessera")})
	if err != nil {
		stop()
		return nil, fmt.Errorf("opening Tessera's storage: %w", err)
	}
	if batch <= 0 {
		batch = min(inFlight, 1024)
	}
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(100*time.Millisecond). // the least that the driver takes
		WithBatching(uint(batch), 5*time.Millisecond).
		WithPushback(1<<20))
	if err != nil {
		stop()
		return nil, fmt.Errorf("opening Tessera: %w", err)
	}
	return &log{
		appender: appender, shutdown: shutdown, stop: stop, size: reader.IntegratedSize,
		awaiter: tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 10*time.Millisecond),
	}, nil
}

func (l *log) close(ctx context.Context) error {
	defer l.stop()
	return l.shutdown(ctx)
}

// indexed counts an entry when Tessera returns its index: it is durable and
// integrated, and no checkpoint covers it yet.
type indexed struct{ *log }

func (indexed) Name() string { return "tessera-indexed" }

func (t indexed) Caller(size, window int, seed uint64) func(context.Context) (int, error) {
	return caller(t.log, size, window, seed, func(_ context.Context, f tessera.IndexFuture) error {
		_, err := f()
		return err
	})
}

// published counts an entry when a published checkpoint covers it, which is when
// our answer comes.
type published struct{ *log }

func (published) Name() string { return "tessera-published" }

func (t published) Caller(size, window int, seed uint64) func(context.Context) (int, error) {
	return caller(t.log, size, window, seed, func(ctx context.Context, f tessera.IndexFuture) error {
		_, _, err := t.awaiter.Await(ctx, f)
		return err
	})
}

func caller(l *log, size, window int, seed uint64, wait func(context.Context, tessera.IndexFuture) error) func(context.Context) (int, error) {
	leaf := bench.LeafMaker(size, seed)
	futures := make([]tessera.IndexFuture, window)
	return func(ctx context.Context) (int, error) {
		for i := range futures {
			futures[i] = l.appender.Add(ctx, tessera.NewEntry(leaf()))
		}
		for _, f := range futures {
			if err := wait(ctx, f); err != nil {
				return 0, err
			}
		}
		return window, nil
	}
}
