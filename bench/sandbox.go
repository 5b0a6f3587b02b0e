package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
)

const origin = "bench.example/log"

// A Sandbox is a ledger in a folder of its own, with the register declared and
// so many people in it.
type Sandbox struct {
	Ledger *ledger.Ledger
	Dir    string // of the ledger; the root lies beside it
	People int
	// Making is told how many people of so many are made, which takes long where they are
	// millions. Nil: not told.
	Making func(done, total uint64)

	appended atomic.Int64 // events
	progress atomic.Pointer[func(erasure.State)]
}

// NewSandbox creates a ledger below a folder and records one event for each of
// the people, so that their keys exist: making a key is measured apart.
func NewSandbox(ctx context.Context, dir string, people int) (*Sandbox, error) {
	s := &Sandbox{Dir: filepath.Join(dir, "ledger")}
	if err := s.create(ctx); err != nil {
		return nil, err
	}
	if _, err := s.Populate(ctx, people); err != nil {
		s.Close()
		return nil, fmt.Errorf("recording the first event of %d people: %w", people, err)
	}
	return s, nil
}

// create makes the ledger and declares the register.
func (s *Sandbox) create(ctx context.Context) error {
	if err := ledger.Init(ctx, ledger.InitOptions{Dir: s.Dir, Origin: origin}); err != nil {
		return fmt.Errorf("creating a ledger to measure: %w", err)
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	return s.declare(ctx)
}

// declare declares the register, and closes the ledger where that fails.
func (s *Sandbox) declare(ctx context.Context) error {
	for _, line := range register {
		if _, err := s.record(ctx, []byte(line)); err != nil {
			s.Close()
			return fmt.Errorf("declaring the register: %w", err)
		}
	}
	return nil
}

func (s *Sandbox) open(ctx context.Context) error { return s.openWith(ctx, 0) }

// openWith opens the ledger with so many pages of keys in memory, 0 for as many as usual.
func (s *Sandbox) openWith(ctx context.Context, pages int) (err error) {
	s.Ledger, err = ledger.Open(ctx, ledger.Options{
		Dir: s.Dir, Actor: event.Actor{Role: "append", Service: "bench"}, KeyPages: pages,
		Erasing: func(_ erasure.ID, state erasure.State) {
			if f := s.progress.Load(); f != nil {
				(*f)(state)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("opening the ledger to measure: %w", err)
	}
	return nil
}

func (s *Sandbox) record(ctx context.Context, line []byte) ([]ledger.Recorded, error) {
	ev, err := event.Parse(line)
	if err != nil {
		return nil, err
	}
	return s.Ledger.Record(ctx, ev)
}

// populateWindow is how many events are handed over at a time.
const populateWindow = 4096

// Populate adds people and records one event for each: a new key every time.
func (s *Sandbox) Populate(ctx context.Context, people int) (*Result, error) {
	return s.populate(ctx, people, "newsletter")
}

func (s *Sandbox) populate(ctx context.Context, people int, purpose string) (*Result, error) {
	r, err := s.about(ctx, "Create", s.People, people, 1, purpose)
	if err == nil {
		s.People += people
	}
	return r, err
}

// further records one more event about each of some people.
func (s *Sandbox) further(ctx context.Context, from, n int) (*Result, error) {
	return s.about(ctx, "Further", from, n, 1, "newsletter")
}

// about records so many events about each of some people, each behind one about everybody
// else.
func (s *Sandbox) about(ctx context.Context, name string, from, people, each int, purpose string) (*Result, error) {
	events := NewEvents(Small, people, seeds.Add(1))
	made, total := 0, people*each
	next := func() []byte {
		made++
		return events.about(from+(made-1)%people, purpose)
	}
	var took Latencies
	m := Start()
	for made < total {
		one, err := timed(func() error {
			_, err := s.window(next, min(populateWindow, total-made))(ctx)
			return err
		})
		if err != nil {
			return nil, err
		}
		took = append(took, one)
		if s.Making != nil {
			s.Making(uint64(made), uint64(total))
		}
	}
	u := m.Stop()
	return perEvent(fmt.Sprintf("%s/size=%d/callers=1/window=%d", name, Small, populateWindow), total, u, took), nil
}

// crowd is how many people at once are made with all pages of the key tree in memory.
// Otherwise nearly each of them reads a page, which takes five times as long.
var crowd = 2_000_000

// Grow adds people until there are so many, and waits until the ledger is at rest. It is
// then open as usual, and remembers nobody where many came.
func (s *Sandbox) Grow(ctx context.Context, people int) error {
	many := people-s.People >= crowd
	if many {
		if err := s.openAgain(ctx, people/20); err != nil {
			return err
		}
	}
	if _, err := s.Populate(ctx, people-s.People); err != nil {
		return fmt.Errorf("recording the first event of %d people: %w", people-s.People, err)
	}
	if many {
		if err := s.openAgain(ctx, 0); err != nil {
			return err
		}
	}
	return settle(ctx)
}

func (s *Sandbox) openAgain(ctx context.Context, pages int) error {
	was := s.Ledger
	if err := was.Close(); err != nil {
		return err
	}
	err := s.openWith(ctx, pages)
	if err != nil {
		s.Ledger = was // whose closing a second time does nothing
	}
	return err
}

// Close closes the ledger.
func (s *Sandbox) Close() error { return s.Ledger.Close() }

// Remove closes the ledger and deletes it with its root.
func (s *Sandbox) Remove() error {
	err := s.Close()
	return errors.Join(err, os.RemoveAll(s.Dir), os.RemoveAll(s.Dir+".root"), os.RemoveAll(s.Dir+".root.head"))
}

// closedLoop runs so many callers until a deadline or until so many calls are
// made. A call is given the number of its caller and returns how many events it
// was; the loop stops at the first error.
func closedLoop(ctx context.Context, callers, calls int, until time.Time, call func(ctx context.Context, caller int) (int, error)) (int, Latencies, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var left, events atomic.Int64
	left.Store(int64(calls))
	took := make([]Latencies, callers)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				if calls > 0 && left.Add(-1) < 0 {
					return
				}
				began := time.Now()
				if !until.IsZero() && began.After(until) {
					return
				}
				n, err := call(ctx, c)
				if err != nil {
					stop(err)
					return
				}
				took[c] = append(took[c], time.Since(began))
				events.Add(int64(n))
			}
		})
	}
	wg.Wait()
	var all Latencies
	for _, l := range took {
		all = append(all, l...)
	}
	return int(events.Load()), all, context.Cause(ctx)
}
