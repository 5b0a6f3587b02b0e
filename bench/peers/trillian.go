package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"sync"
	"time"

	"github.com/google/trillian"
	"github.com/google/trillian/extension"
	tlog "github.com/google/trillian/log"
	"github.com/google/trillian/monitoring"
	"github.com/google/trillian/quota"
	"github.com/google/trillian/server"
	"github.com/google/trillian/storage"
	"github.com/google/trillian/storage/postgresql"
	"github.com/google/trillian/types"
	"github.com/google/trillian/util/clock"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lacunalog/lacuna/bench"
)

// A trillianLog is a log tree of Trillian on PostgreSQL. Server and signer run in
// our process, called as functions: what gRPC and a second process would cost is
// left out, to Trillian's advantage.
//
// An entry counts when it is integrated: queued in a transaction of its own, as
// QueueLeaf does it, and sequenced by a run of the signer that began afterwards.
// The signer runs as soon as somebody waits. Clients of Trillian find out by
// polling for a proof, which is left out too.
type trillianLog struct {
	db       *pgxpool.Pool
	server   *server.TrillianLogRPCServer
	registry extension.Registry
	tree     *trillian.Tree

	mu      sync.Mutex
	waiting []chan error
	wake    chan struct{}
	stop    context.CancelFunc
	stopped chan struct{}
}

// More than any number of callers that is measured, so that one run of the signer
// takes all who wait.
const trillianBatch = 20_000

// trillianSchema is the script that Trillian ships beside its driver.
func trillianSchema() (string, error) {
	file, _ := runtime.FuncForPC(reflect.ValueOf(postgresql.NewLogStorage).Pointer()).FileLine(0)
	script, err := os.ReadFile(filepath.Join(filepath.Dir(file), "schema", "storage.sql"))
	if err != nil {
		return "", fmt.Errorf("reading the schema out of Trillian's module (it is not found by a program built with -trimpath): %w", err)
	}
	return string(script), nil
}

// newTrillian makes a log in a database of its own.
func newTrillian(ctx context.Context, p *postgres, name string) (*trillianLog, error) {
	schema, err := trillianSchema()
	if err != nil {
		return nil, err
	}
	if err := p.database(ctx, name, schema); err != nil {
		return nil, err
	}
	// Of 16, 32, 64 and 128 connections, more than 32 made no difference.
	db, err := postgresql.OpenDB(p.uri(name, "&pool_max_conns=64"))
	if err != nil {
		return nil, fmt.Errorf("opening Trillian's storage: %w", err)
	}
	l := &trillianLog{db: db, wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	metrics := monitoring.InertMetricFactory{}
	l.registry = extension.Registry{
		AdminStorage: postgresql.NewAdminStorage(db), LogStorage: postgresql.NewLogStorage(db, metrics),
		QuotaManager: quota.Noop(), MetricFactory: metrics,
	}
	l.server = server.NewTrillianLogRPCServer(l.registry, clock.System)
	tlog.InitMetrics(metrics)
	l.tree, err = storage.CreateTree(ctx, l.registry.AdminStorage, &trillian.Tree{
		TreeType: trillian.TreeType_LOG, TreeState: trillian.TreeState_ACTIVE, DisplayName: "bench", MaxRootDuration: durationpb.New(0),
	})
	if err == nil {
		_, err = l.server.InitLog(ctx, &trillian.InitLogRequest{LogId: l.tree.TreeId})
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("creating a tree of Trillian: %w", err)
	}
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	go l.sign(ctx)
	return l, nil
}

// sign integrates whenever somebody waits.
func (l *trillianLog) sign(ctx context.Context) {
	defer close(l.stopped)
	for {
		select {
		case <-ctx.Done():
			l.answer(l.take(), context.Cause(ctx))
			return
		case <-l.wake:
		}
		if who := l.take(); len(who) > 0 {
			l.answer(who, l.integrate(ctx))
		}
	}
}

func (l *trillianLog) take() []chan error {
	l.mu.Lock()
	defer l.mu.Unlock()
	who := l.waiting
	l.waiting = nil
	return who
}

func (l *trillianLog) answer(who []chan error, err error) {
	for _, c := range who {
		c <- err
	}
}

// integrate takes everything that is queued into the tree.
func (l *trillianLog) integrate(ctx context.Context) error {
	for {
		n, err := tlog.IntegrateBatch(ctx, l.tree, trillianBatch, 0, 0, clock.System, l.registry.LogStorage, l.registry.QuotaManager)
		if err != nil {
			return fmt.Errorf("integrating: %w", err)
		}
		if n < trillianBatch {
			return nil
		}
	}
}

// queue queues a leaf and returns when it is in the tree.
func (l *trillianLog) queue(ctx context.Context, leaf []byte) error {
	if _, err := l.server.QueueLeaf(ctx, &trillian.QueueLeafRequest{LogId: l.tree.TreeId, Leaf: &trillian.LogLeaf{LeafValue: leaf}}); err != nil {
		return fmt.Errorf("queueing a leaf: %w", err)
	}
	done := make(chan error, 1)
	l.mu.Lock()
	l.waiting = append(l.waiting, done)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	select {
	case err := <-done:
		return err
	case <-l.stopped:
		return errors.New("the log is closed")
	}
}

// size is how many leaves the newest root covers.
func (l *trillianLog) size(ctx context.Context) (uint64, error) {
	r, err := l.server.GetLatestSignedLogRoot(ctx, &trillian.GetLatestSignedLogRootRequest{LogId: l.tree.TreeId})
	if err != nil {
		return 0, err
	}
	var root types.LogRootV1
	if err := root.UnmarshalBinary(r.SignedLogRoot.LogRoot); err != nil {
		return 0, err
	}
	return root.TreeSize, nil
}

// Name implements [bench.Path].
func (l *trillianLog) Name() string { return "trillian" }

// Caller implements [bench.Path]. A window is so many calls at the same time.
func (l *trillianLog) Caller(size, window int, seed uint64) func(context.Context) (int, error) {
	leaf := bench.LeafMaker(size, seed)
	if window == 1 {
		return func(ctx context.Context) (int, error) { return 1, l.queue(ctx, leaf()) }
	}
	errs := make(chan error, window)
	return func(ctx context.Context) (int, error) {
		for range window {
			b := leaf()
			go func() { errs <- l.queue(ctx, b) }()
		}
		var err error
		for range window {
			if e := <-errs; err == nil {
				err = e
			}
		}
		return window, err
	}
}

// Close ends the signer and its connections.
func (l *trillianLog) Close() error {
	l.stop()
	<-l.stopped
	closed := make(chan struct{})
	go func() { l.db.Close(); close(closed) }()
	select {
	case <-closed:
		return nil
	case <-time.After(10 * time.Second):
		return errors.New("trillian does not give its connections back")
	}
}
