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

// A tesseraLog is a Tessera log on the POSIX driver, the one that needs no service.
// Every file it writes is synced by the driver.
//
// Indexed counts an entry when Tessera returns its index: it is durable and
// integrated, and no checkpoint covers it yet. Published counts it when a published
// checkpoint covers it, which is when our answer comes.
type tesseraLog struct {
	published bool
	appender  *tessera.Appender
	awaiter   *tessera.PublicationAwaiter
	size      func(context.Context) (uint64, error) // integrated
	shutdown  func(context.Context) error
	stop      context.CancelFunc
}

// newTessera makes a log below a folder, tuned for so many entries in flight: a
// batch is as large as all of them, so that it is flushed when the last has come
// and nobody waits for its age.
func newTessera(ctx context.Context, dir string, inFlight, batch int, isPublished bool) (*tesseraLog, error) {
	skey, _, err := note.GenerateKey(rand.Reader, "bench.example/tessera")
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	l := &tesseraLog{published: isPublished}
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	driver, err := posix.New(ctx, posix.Config{Path: filepath.Join(dir, l.Name())})
	if err != nil {
		l.stop()
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
		l.stop()
		return nil, fmt.Errorf("opening Tessera: %w", err)
	}
	l.appender, l.shutdown, l.size = appender, shutdown, reader.IntegratedSize
	l.awaiter = tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 10*time.Millisecond)
	return l, nil
}

// Close waits for what is queued and ends the log.
func (l *tesseraLog) Close() error {
	defer l.stop()
	return l.shutdown(context.Background())
}

// Name implements [bench.Path].
func (l *tesseraLog) Name() string {
	if l.published {
		return "tessera-published"
	}
	return "tessera-indexed"
}

func (l *tesseraLog) wait(ctx context.Context, f tessera.IndexFuture) error {
	if !l.published {
		_, err := f()
		return err
	}
	_, _, err := l.awaiter.Await(ctx, f)
	return err
}

// Caller implements [bench.Path].
func (l *tesseraLog) Caller(size, window int, seed uint64) func(context.Context) (int, error) {
	leaf := bench.LeafMaker(size, seed)
	futures := make([]tessera.IndexFuture, window)
	return func(ctx context.Context) (int, error) {
		for i := range futures {
			futures[i] = l.appender.Add(ctx, tessera.NewEntry(leaf()))
		}
		for _, f := range futures {
			if err := l.wait(ctx, f); err != nil {
				return 0, err
			}
		}
		return window, nil
	}
}
