package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
)

// A Load says how a path is driven.
type Load struct {
	Size    int // of an event in bytes, Small or Large
	Callers int // goroutines in a closed loop
	// Window is how many events a caller submits before it waits for all of them.
	// 1, or 0, is a service that waits for each.
	Window int

	For   time.Duration // how long, or
	Calls int           // how many windows in all
}

// Name says which path, and how it is driven.
func (l Load) Name(path string) string {
	return fmt.Sprintf("Append/path=%s/size=%d/callers=%d/window=%d", path, l.Size, l.Callers, max(l.Window, 1))
}

func (l Load) until() time.Time {
	if l.For <= 0 {
		return time.Time{}
	}
	return time.Now().Add(l.For)
}

// A Path is something that events are appended to.
type Path interface {
	// Name is how results call it.
	Name() string
	// Caller returns what one goroutine calls over and over: it appends so many
	// events of a size, waits until all of them are durable, integrated and under
	// a signed head, and returns their number.
	Caller(size, window int, seed uint64) func(ctx context.Context) (int, error)
}

// seeds differ between all callers of a process: the same events twice would be
// answered as retries.
var seeds atomic.Uint64

// Append drives a path.
func Append(ctx context.Context, p Path, l Load) (*Result, error) {
	calls := make([]func(context.Context) (int, error), l.Callers)
	for i := range calls {
		calls[i] = p.Caller(l.Size, max(l.Window, 1), seeds.Add(1))
	}
	m := Start()
	n, took, err := closedLoop(ctx, l.Callers, l.Calls, l.until(), func(ctx context.Context, c int) (int, error) { return calls[c](ctx) })
	u := m.Stop()
	if err != nil {
		return nil, fmt.Errorf("appending through path %s: %w", p.Name(), err)
	}
	return perEvent(l.Name(p.Name()), n, u, took), nil
}

// Name implements [Path].
func (s *Sandbox) Name() string { return "whole" }

// Caller implements [Path]: text in, recorded event out.
func (s *Sandbox) Caller(size, window int, seed uint64) func(context.Context) (int, error) {
	return s.window(NewEvents(size, s.People, seed).Next, window)
}

// window records so many events at a time: by themselves, or by the batch call.
func (s *Sandbox) window(next func() []byte, window int) func(context.Context) (int, error) {
	if window == 1 {
		return func(ctx context.Context) (int, error) {
			ev, err := event.Parse(next())
			if err != nil {
				return 0, err
			}
			_, err = s.Ledger.Record(ctx, ev)
			s.appended.Add(1)
			return 1, err
		}
	}
	batch := make([]*event.Event, window)
	return func(ctx context.Context) (int, error) {
		for i := range batch {
			var err error
			if batch[i], err = event.Parse(next()); err != nil {
				return 0, err
			}
		}
		s.appended.Add(int64(window))
		for _, o := range s.Ledger.RecordAll(ctx, batch) {
			if o.Err != nil {
				return 0, o.Err
			}
		}
		return window, nil
	}
}

// Disk closes the sandbox, measures its store, opens it again, and adds to a
// result what one event takes on the disk, in all and above its padded plaintext.
func (s *Sandbox) Disk(ctx context.Context, size int, r *Result) error {
	padded, err := s.padded(ctx, size)
	if err != nil {
		return err
	}
	if err := s.Ledger.Close(); err != nil {
		return err
	}
	n, err := DiskUse(filepath.Join(s.Dir, "log"))
	if err != nil {
		return err
	}
	each := float64(n) / float64(max(s.appended.Load(), 1))
	r.add(UnitDisk, each)
	r.add(UnitAbove, each-float64(padded))
	return s.open(ctx)
}

// padded is how long the plaintext of an event of a size is when it is sealed:
// what the ledger adds to the full form, and padding.
func (s *Sandbox) padded(ctx context.Context, size int) (int, error) {
	full, err := s.full(ctx, size)
	if err != nil {
		return 0, err
	}
	n := len(full.WithChain(1000, [32]byte{1}, time.Now()).Canonical()) + 1
	return (n + 255) / 256 * 256, nil
}

// full is one event of a size as it would be sealed.
func (s *Sandbox) full(ctx context.Context, size int) (*event.Event, error) {
	short, err := event.Parse(NewEvents(size, 1, 1).Next())
	if err != nil {
		return nil, err
	}
	full, _, err := s.Ledger.Check(ctx, short)
	if err != nil {
		return nil, err
	}
	return full[0], nil
}
