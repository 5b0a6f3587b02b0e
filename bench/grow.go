package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lacunalog/lacuna/ledger"
)

// Units of growth.
const (
	UnitDebt   = "debt-MiB"     // what the engine has still to sort
	UnitLevels = "l0-sublevels" // how far it lags behind; writes stop at 24
	UnitMemory = "rss-MiB"      // resident memory of the process now
	UnitPeak   = "peak-MiB"     // and at its highest so far
	UnitOpen   = "open-ms"
	UnitFirst  = "first-event-ms" // from the start of opening until an event is acknowledged
	UnitClose  = "close-ms"
)

const (
	mebibyte  = 1 << 20
	taskEnv   = "LACUNA_BENCH_TASK" // how a process learns that it is a worker
	tellEvery = 100 * time.Millisecond
)

// A task is what one process of a growth does. Each runs in a process of its own,
// so that its memory is that of a ledger and nothing else, and so that it can be
// killed.
type task struct {
	Do     string `json:"do"` // grow, die or open
	Dir    string `json:"dir"`
	After  string `json:"after"` // of open: what ended the process before, clean or kill
	Proofs int    `json:"proofs"`
	Growth
}

// A message is a line that a worker prints.
type message struct {
	Done   uint64  `json:"done,omitempty"` // leaves that are acknowledged
	Result *Result `json:"result,omitempty"`
}

// GrowWorker does what the environment asks of a process that was started by
// [Grow], and says whether it was one. Programs that call Grow call it first.
func GrowWorker(ctx context.Context, out io.Writer) (was bool, err error) {
	text, was := os.LookupEnv(taskEnv)
	if !was {
		return false, nil
	}
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return true, fmt.Errorf("%s: %w", taskEnv, err)
	}
	var mu sync.Mutex
	enc := json.NewEncoder(out)
	say := func(m message) error {
		mu.Lock()
		defer mu.Unlock()
		return enc.Encode(m)
	}
	w := &grower{task: t, Sandbox: &Sandbox{Dir: filepath.Join(t.Dir, "ledger"), People: t.People}, say: say}
	opened, err := w.reopen(ctx, t.After)
	if err != nil {
		return true, err
	}
	size := w.size()
	switch t.Do {
	case "grow":
		err = w.grow(ctx)
	case "die":
		err = w.die(ctx)
	case "open":
		err = w.firstEvent(ctx, opened)
	default:
		err = fmt.Errorf("%s: no task %q", taskEnv, t.Do)
	}
	closing, e := timed(w.Close)
	if err = errors.Join(err, e); err == nil && t.Do == "open" {
		opened.add(UnitClose, micros(closing)/1e3)
		err = say(message{Done: size, Result: opened})
	}
	return true, err
}

// reopen opens the ledger, or makes it, and says how long that took.
func (s *Sandbox) reopen(ctx context.Context, after string) (*Result, error) {
	if _, err := ledger.ReadConfig(s.Dir); errors.As(err, new(*ledger.NotFoundError)) {
		return &Result{Name: "Create"}, s.create(ctx)
	}
	m := Start()
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	u := m.Stop()
	r := &Result{Name: fmt.Sprintf("Open/after=%s/leaves=%d", after, s.size()), N: 1}
	if s.size() == 0 { // interrupted when it was made
		return r, s.declare(ctx)
	}
	r.add("ns/op", float64(u.Elapsed.Nanoseconds()))
	r.add(UnitOpen, micros(u.Elapsed)/1e3)
	now, _ := residentMemory()
	r.add(UnitMemory, now)
	r.during(u.Busy)
	return r, nil
}

func (s *Sandbox) size() uint64 { return s.Ledger.Log().Head().Size }

// A grower appends to a ledger and tells how it is.
type grower struct {
	task
	*Sandbox
	say func(message) error

	first atomic.Int64 // people who have their first event, or are about to
	done  atomic.Uint64
	told  atomic.Int64 // when, in nanoseconds
}

// grow appends until the log has as many leaves as it should, and tells after each
// step how long it took and what it left.
func (w *grower) grow(ctx context.Context) error {
	calls := w.callers()
	for at := w.size(); at < w.Events && ctx.Err() == nil; at = w.size() {
		to := min((at/w.Step+1)*w.Step, w.Events)
		r, err := w.step(ctx, calls, at, to)
		if err != nil {
			return err
		}
		if err := w.say(message{Done: w.size(), Result: r}); err != nil {
			return err
		}
		if (to == w.Step || to == w.Events) && ctx.Err() == nil {
			if err := w.proofs(ctx); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// die appends until it is killed.
func (w *grower) die(ctx context.Context) error {
	calls := w.callers()
	at := w.size()
	_, err := w.step(ctx, calls, at, 1<<62)
	return errors.Join(err, context.Cause(ctx))
}

// callers are what the goroutines call: they append one window of events each
// time. Everybody's first event comes before anybody's second.
func (w *grower) callers() []func(context.Context) (int, error) {
	at := w.size()
	w.first.Store(int64(at - min(at, uint64(len(register))))) // the register's own events are about nobody
	w.done.Store(at)
	calls := make([]func(context.Context) (int, error), w.Callers)
	for i := range calls {
		events := NewEvents(Small, w.People, at<<16|uint64(i)).Visits(w.Stay)
		next := func() []byte {
			if w.first.Load() < int64(w.People) {
				if p := w.first.Add(1) - 1; p < int64(w.People) {
					return events.About(int(p))
				}
			}
			return events.Next()
		}
		calls[i] = w.window(next, w.Window)
	}
	return calls
}

// step appends from one size of the log to another, or until the context ends; a
// window that has begun is finished, so that what is counted is there.
func (w *grower) step(ctx context.Context, calls []func(context.Context) (int, error), from, to uint64) (*Result, error) {
	m := Start()
	windows := int((to - from + uint64(w.Window) - 1) / uint64(w.Window))
	finish := context.WithoutCancel(ctx)
	n, took, err := closedLoop(ctx, w.Callers, windows, time.Time{}, func(_ context.Context, c int) (int, error) {
		n, err := calls[c](finish)
		if err == nil {
			err = w.tell(w.done.Add(uint64(n)))
		}
		return n, err
	})
	if err != nil && (ctx.Err() == nil || !errors.Is(err, context.Cause(ctx))) {
		return nil, fmt.Errorf("growing: %w", err)
	}
	u := m.Stop()
	if err := allThere(from, w.size(), n); err != nil {
		return nil, err
	}
	r := perEvent(fmt.Sprintf("Grow/people=%d/stay=%d/leaves=%d", w.People, w.Stay, w.size()), n, u, took)
	return r, w.state(finish, r)
}

// firstEvent records an event in a ledger that was just opened. What is read behind
// an opening, which does not wait for it, the first event waits for.
func (w *grower) firstEvent(ctx context.Context, opened *Result) error {
	event := NewEvents(Small, w.People, w.size()<<16|uint64(w.Callers)).Next()
	took, err := timed(func() error {
		_, err := w.record(ctx, event)
		return err
	})
	if err != nil {
		return fmt.Errorf("recording the first event after opening: %w", err)
	}
	opened.add(UnitFirst, opened.Metric(UnitOpen)+micros(took)/1e3)
	return nil
}

// allThere compares what was counted with what the log has.
func allThere(from, to uint64, counted int) error {
	if to-from != uint64(counted) {
		return fmt.Errorf("%d events were counted, and the log grew by %d", counted, to-from)
	}
	return nil
}

// tell says from time to time how far it is.
func (w *grower) tell(done uint64) error {
	now, last := time.Now().UnixNano(), w.told.Load()
	if now-last < int64(tellEvery) || !w.told.CompareAndSwap(last, now) {
		return nil
	}
	return w.say(message{Done: done})
}

// state adds to a result what the ledger takes now.
func (w *grower) state(ctx context.Context, r *Result) error {
	s := w.Ledger.Log().Stats()
	r.add(UnitDebt, float64(s.CompactionDebt)/mebibyte)
	r.add(UnitLevels, float64(s.L0Sublevels))
	now, peak := residentMemory()
	r.add(UnitMemory, now)
	r.add(UnitPeak, peak)
	padded, err := w.padded(ctx, Small)
	if err != nil {
		return err
	}
	disk, err := DiskUse(filepath.Join(w.Sandbox.Dir, "log"))
	if err != nil {
		return err
	}
	each := float64(disk) / float64(w.size())
	r.add(UnitDisk, each)
	r.add(UnitAbove, each-float64(padded))
	return nil
}

// proofs makes proofs in the log as it is.
func (w *grower) proofs(ctx context.Context) error {
	if w.Proofs == 0 {
		return nil
	}
	r, err := forestOf(w.Ledger.Log()).Proofs(ctx, w.Proofs)
	if err != nil {
		return err
	}
	return w.say(message{Result: r})
}

// residentMemory is what the process holds in memory, now and at most so far, in
// MiB; zero on a system that does not say.
func residentMemory() (now, peak float64) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, _ := strconv.ParseFloat(f[1], 64)
		switch f[0] {
		case "VmRSS:":
			now = n / 1024
		case "VmHWM:":
			peak = n / 1024
		}
	}
	return now, peak
}
