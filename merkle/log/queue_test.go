package log_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// held is a log whose next group hangs in its sync, so that a test can fill the
// queue behind it.
type held struct {
	*log.Log
	first   *log.Ticket
	release func()
}

func hold(t *testing.T, edit func(*log.Options)) *held {
	t.Helper()
	d := logtest.NewDisk()
	o := options(t)
	o.FS = d.FS()
	if edit != nil {
		edit(&o)
	}
	l := create(t, "log", o)
	t.Cleanup(func() { _ = l.Close() })
	reached, release := d.HoldSyncs(".log")
	t.Cleanup(release)
	first, err := l.Enqueue([]log.Entry{{Leaf: []byte("held")}})
	if err != nil {
		t.Fatal(err)
	}
	<-reached
	return &held{l, first, release}
}

func leaves(names ...string) []log.Entry {
	var es []log.Entry
	for _, n := range names {
		es = append(es, log.Entry{Leaf: []byte(n)})
	}
	return es
}

func TestBusy(t *testing.T) {
	l := hold(t, func(o *log.Options) { o.MaxQueueEntries = 5 })
	if _, err := l.Enqueue(leaves("a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Enqueue(leaves("d", "e", "f")); !errors.Is(err, log.ErrBusy) {
		t.Fatalf("got %v, want ErrBusy", err)
	}
	last, err := l.Enqueue(leaves("d", "e"))
	if err != nil {
		t.Fatal(err)
	}
	l.release()
	if err := last.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.Head().Size != 6 {
		t.Fatalf("size %d, want 6: what was refused must not be there", l.Head().Size)
	}
}

func TestBusyBytes(t *testing.T) {
	l := hold(t, func(o *log.Options) { o.MaxQueueBytes = 1000 })
	big := log.Change{Set: []log.Row{{Key: []byte("k"), Value: make([]byte, 600)}}}
	if _, err := l.EnqueueChange(big); err != nil {
		t.Fatal(err)
	}
	if _, err := l.EnqueueChange(big); !errors.Is(err, log.ErrBusy) {
		t.Fatalf("got %v, want ErrBusy", err)
	}
}

func TestTooLarge(t *testing.T) {
	o := options(t)
	l := create(t, "log", o)
	defer l.Close()
	row := log.Row{Key: []byte("k"), Value: make([]byte, 5<<20)}
	if _, err := l.EnqueueChange(log.Change{Set: []log.Row{row}}); !errors.Is(err, log.ErrTooLarge) {
		t.Errorf("change: got %v, want ErrTooLarge", err)
	}
	if _, err := l.Enqueue([]log.Entry{{Leaf: []byte("x"), Rows: []log.Row{row}}}); !errors.Is(err, log.ErrTooLarge) {
		t.Errorf("entry: got %v, want ErrTooLarge", err)
	}
}

// TestInvalid enqueues what can never be stored.
func TestInvalid(t *testing.T) {
	o := options(t)
	l := create(t, "log", o)
	defer l.Close()
	entry := func(rows ...log.Row) []log.Entry { return []log.Entry{{Leaf: []byte("x"), Rows: rows}} }
	for name, test := range map[string]struct {
		es   []log.Entry
		want error
	}{
		"nothing":               {nil, log.ErrInvalid},
		"empty leaf":            {[]log.Entry{{}}, log.ErrInvalid},
		"leaf of 65,536 bytes":  {[]log.Entry{{Leaf: make([]byte, 65536)}}, log.ErrInvalid},
		"empty key":             {entry(log.Row{}), log.ErrSpace},
		"a row of the log":      {entry(log.Row{Key: []byte("h")}), log.ErrSpace},
		"another space":         {entry(log.Row{Key: []byte("z")}), log.ErrSpace},
		"mask over seven bytes": {entry(log.Row{Key: []byte("e"), Value: make([]byte, 7), Place: log.ValueMask}), log.ErrInvalid},
		"unknown place":         {entry(log.Row{Key: []byte("e"), Place: 9}), log.ErrInvalid},
	} {
		if _, err := l.Enqueue(test.es); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
	k := func(s string) []byte { return []byte(s) }
	for name, test := range map[string]struct {
		c    log.Change
		want error
	}{
		"nothing":                   {log.Change{}, log.ErrInvalid},
		"a row that wants an index": {log.Change{Set: []log.Row{{Key: k("e"), Place: log.KeyIndex}}}, log.ErrInvalid},
		"a row of the log":          {log.Change{Set: []log.Row{{Key: k("b")}}}, log.ErrSpace},
		"deleting in the log":       {log.Change{DeleteRange: [][2][]byte{{k("c"), k("d")}}}, log.ErrSpace},
		"deleting into the log":     {log.Change{DeleteRange: [][2][]byte{{k("e"), k("i")}}}, log.ErrSpace},
		"deleting nothing":          {log.Change{DeleteRange: [][2][]byte{{k("e"), k("e")}}}, log.ErrInvalid},
		"deleting backwards":        {log.Change{DeleteRange: [][2][]byte{{k("f"), k("e")}}}, log.ErrSpace},
		"deleting without an end":   {log.Change{DeleteRange: [][2][]byte{{k("e"), nil}}}, log.ErrInvalid},
	} {
		if _, err := l.EnqueueChange(test.c); !errors.Is(err, test.want) {
			t.Errorf("change, %s: got %v, want %v", name, err, test.want)
		}
	}
	ctx := t.Context()
	if _, err := l.Get(ctx, k("h")); !errors.Is(err, log.ErrSpace) {
		t.Errorf("reading a row of the log: got %v, want ErrSpace", err)
	}
	if err := l.Scan(ctx, k("e"), k("i"), nil); !errors.Is(err, log.ErrSpace) {
		t.Errorf("scanning into the log: got %v, want ErrSpace", err)
	}
	if l.Head().Size != 0 {
		t.Errorf("size %d, want 0", l.Head().Size)
	}
	if _, err := l.Append(ctx, []log.Entry{{Leaf: make([]byte, 65535)}}); err != nil {
		t.Errorf("leaf of 65,535 bytes: %v", err)
	}
}

// TestCancelledWait ends the wait, not the append.
func TestCancelledWait(t *testing.T) {
	l := hold(t, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the client left")
	cancel(why)
	if err := l.first.Wait(ctx); !errors.Is(err, why) {
		t.Fatalf("got %v, want the cause", err)
	}
	l.release()
	if err := l.first.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.first.Wait(ctx); err != nil {
		t.Fatalf("waiting with a cancelled context for what is done: %v", err)
	}
	if !l.first.Done() || l.first.Len() != 1 || l.first.Index(0) != 0 || l.Head().Size != 1 {
		t.Fatal("the append was cancelled too")
	}
}

// TestOneGroup: what gathers while a group syncs becomes one group, in the order
// of the queue where the Order says so, and calls are atomic.
func TestOneGroup(t *testing.T) {
	commits := 0
	l := hold(t, func(o *log.Options) {
		log.OnStep(o, func(step string) {
			if step == "published" {
				commits++
			}
		})
	})
	var tickets []*log.Ticket
	for i := range 100 {
		tag := log.Row{Key: []byte("q"), Value: []byte{byte(i)}, Place: log.Gather}
		ticket, err := l.Enqueue([]log.Entry{
			{Leaf: fmt.Appendf(nil, "%d of a chain", i), Order: 1, Rows: []log.Row{tag}},
			{Leaf: fmt.Appendf(nil, "%d free", i), Rows: []log.Row{tag}},
		})
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	l.release()
	ctx := t.Context()
	seen := map[uint64]bool{}
	sorted := true
	want := make([]byte, 200)
	for i, ticket := range tickets {
		if err := ticket.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		if i > 0 && ticket.Index(0) < tickets[i-1].Index(0) {
			t.Errorf("entry %d of the chain stands before the one before it", i)
		}
		sorted = sorted && (i == 0 || ticket.Index(1) > tickets[i-1].Index(1))
		for j := range 2 {
			x := ticket.Index(j)
			if seen[x] || x < 1 || x > 200 {
				t.Fatalf("index %d is out of range or was given twice", x)
			}
			seen[x] = true
			want[x-1] = byte(i)
		}
	}
	if sorted {
		t.Error("a hundred free entries stand in the order of their calls: not shuffled")
	}
	if commits != 2 {
		t.Errorf("%d commits, want 2", commits)
	}
	if got, err := l.Get(ctx, indexKey("q", 1)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("tags of the group: got %x, %v, want %x", got, err, want)
	}
}

// TestGroupLimit: a group never exceeds its bytes, and calls are not split.
func TestGroupLimit(t *testing.T) {
	var sizes []uint64
	var l *held
	l = hold(t, func(o *log.Options) {
		o.MaxGroupBytes = 1000
		log.OnStep(o, func(step string) {
			if step == "published" && l != nil {
				sizes = append(sizes, l.Head().Size)
			}
		})
	})
	for range 5 {
		// Three entries of 4 bytes and their overhead: about 200 bytes.
		if _, err := l.Enqueue(leaves("aaaa", "bbbb", "cccc")); err != nil {
			t.Fatal(err)
		}
	}
	l.release()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if want := []uint64{1, 13, 16}; !slices.Equal(sizes, want) {
		t.Errorf("sizes after each commit: %v, want %v", sizes, want)
	}
}

// TestChangesInOrder: within a group, changes and entries take effect in the
// order of the queue.
func TestChangesInOrder(t *testing.T) {
	l := hold(t, nil)
	k := func(s string) []byte { return []byte(s) }
	set := func(key, value string) {
		t.Helper()
		if _, err := l.EnqueueChange(log.Change{Set: []log.Row{{Key: k(key), Value: k(value)}}}); err != nil {
			t.Fatal(err)
		}
	}
	enqueue := func(key, value string) {
		t.Helper()
		rows := []log.Row{{Key: k(key), Value: k(value)}}
		if _, err := l.Enqueue([]log.Entry{{Leaf: k(value), Rows: rows}}); err != nil {
			t.Fatal(err)
		}
	}
	set("k1", "a")
	enqueue("k1", "b")
	enqueue("k2", "a")
	set("k2", "b")
	set("k2", "c")
	for i := range 20 {
		enqueue("k3", fmt.Sprint(i))
	}
	set("k8", "gone")
	if _, err := l.EnqueueChange(log.Change{
		Set:         []log.Row{{Key: k("k7"), Value: k("kept")}},
		DeleteRange: [][2][]byte{{k("k7"), k("k9")}},
	}); err != nil {
		t.Fatal(err)
	}
	enqueue("k81", "later")
	l.release()
	if err := l.Apply(t.Context(), log.Change{Set: []log.Row{{Key: k("k9"), Value: k("end")}}}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	err := l.Scan(t.Context(), k("k"), k("l"), func(key, value []byte) error {
		got[string(key)] = string(value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"k1": "b", "k2": "c", "k3": "19", "k7": "kept", "k81": "later", "k9": "end"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestLinger: the sequencer waits for company after a group of many calls, until
// as many came again, or enough entries, or the log is closed; and never for a
// caller that is alone, however much that one appends at a time.
func TestLinger(t *testing.T) {
	lingering := make(chan struct{}, 1000)
	l := hold(t, func(o *log.Options) {
		o.Linger = 1 << 62 // for ever: only the next calls can end it
		log.OnLinger(o, func() { lingering <- struct{}{} })
	})
	crowd := func(n int) *log.Ticket {
		t.Helper()
		var last *log.Ticket
		for range n {
			var err error
			if last, err = l.Enqueue(leaves("x")); err != nil {
				t.Fatal(err)
			}
		}
		return last
	}
	wait := func(ticket *log.Ticket) {
		t.Helper()
		if err := ticket.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wait20 := crowd(20)
	l.release()
	wait(wait20)

	first := crowd(1)
	<-lingering
	if first.Done() {
		t.Error("committed without waiting for company")
	}
	crowd(18)
	if first.Done() {
		t.Error("committed without waiting for as many as the last time")
	}
	wait(crowd(1))

	first = crowd(1)
	<-lingering
	if _, err := l.Append(t.Context(), manyLeaves(512)); err != nil {
		t.Fatal(err)
	}
	if !first.Done() {
		t.Error("the entry that waited for company was left behind")
	}
	// The last group was of two calls: from now on nobody waits.
	for range 5 {
		if _, err := l.Append(t.Context(), manyLeaves(200)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(lingering); n != 0 {
		t.Errorf("lingered %d times for one caller", n)
	}
}

// TestLingerEnds: time and Close end the wait too.
func TestLingerEnds(t *testing.T) {
	for name, linger := range map[string]time.Duration{"by time": 1, "by Close": 1 << 62} {
		t.Run(name, func(t *testing.T) {
			lingering := make(chan struct{}, 10)
			l := hold(t, func(o *log.Options) {
				o.Linger = linger
				log.OnLinger(o, func() { lingering <- struct{}{} })
			})
			var last *log.Ticket
			for range 16 {
				var err error
				if last, err = l.Enqueue(leaves("x")); err != nil {
					t.Fatal(err)
				}
			}
			l.release()
			if err := last.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			alone, err := l.Enqueue(leaves("y"))
			if err != nil {
				t.Fatal(err)
			}
			<-lingering
			if linger > 1 {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if err := alone.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestCanWait: changes that can wait cost an idle log no sync of their own. They go
// with the next entry, with the one that is waited for, or when the log is closed. The
// control is the same number of changes that cannot.
func TestCanWait(t *testing.T) {
	d := logtest.NewDisk()
	o := options(t)
	o.FS = d.FS()
	l := create(t, "log", o)
	var syncs atomic.Int64
	d.Before(func(op logtest.Op) error {
		if op.Kind == logtest.Sync && strings.HasSuffix(op.Path, ".log") {
			syncs.Add(1)
		}
		return nil
	})
	queue := func(n int, canWait bool) (ts []*log.Ticket) {
		t.Helper()
		for i := range n {
			before := syncs.Load()
			ticket, err := l.EnqueueChange(log.Change{Set: []log.Row{{Key: fmt.Appendf(nil, "k%d", i), Value: []byte("v")}}, CanWait: canWait})
			if err != nil {
				t.Fatal(err)
			}
			for !canWait && syncs.Load() == before {
				runtime.Gosched()
			}
			ts = append(ts, ticket)
		}
		return ts
	}
	check := func(what string, want int64) {
		t.Helper()
		if n := syncs.Swap(0); n != want {
			t.Errorf("%s: %d syncs, want %d", what, n, want)
		}
	}
	ts := queue(4, true)
	if ts[0].Done() {
		t.Error("a change that can wait did not")
	}
	if err := ts[3].Wait(t.Context()); err != nil || !ts[0].Done() {
		t.Errorf("waiting for the last: %v; the first is done: %v", err, ts[0].Done())
	}
	check("waited for", 1)
	ts = queue(4, true)
	if _, err := l.Append(t.Context(), leaves("a")); err != nil || !ts[0].Done() {
		t.Errorf("with the next entry: %v; done: %v", err, ts[0].Done())
	}
	check("with an entry", 1)
	if err := queue(4, false)[3].Wait(t.Context()); err != nil {
		t.Error(err)
	}
	check("the control", 4)
	last := queue(1, true)[0]
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if !last.Done() || last.Wait(t.Context()) != nil {
		t.Error("closing left a change out")
	}
}

// TestCanWaitFull: a queue that is full of changes that can wait does not wait for
// somebody to come for whom there is no room.
func TestCanWaitFull(t *testing.T) {
	o := options(t)
	o.FS = logtest.NewDisk().FS()
	o.MaxQueueBytes = 4096
	l := create(t, "log", o)
	defer l.Close()
	change := func(n int, canWait bool) log.Change {
		return log.Change{Set: []log.Row{{Key: []byte("k"), Value: make([]byte, n)}}, CanWait: canWait}
	}
	if _, err := l.EnqueueChange(change(3000, true)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		err := l.Apply(ctx, change(3000, false))
		if err == nil {
			break
		}
		if !errors.Is(err, log.ErrBusy) {
			t.Fatal(err)
		}
		if err := l.Room(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGather: entries that nobody waits for are one group, however many calls they
// came by, until somebody waits, or there are many of them, or some time has passed.
func TestGather(t *testing.T) {
	openWith := func(d time.Duration) (l *log.Log, commits *int) {
		o := options(t)
		commits = new(int)
		log.OnStep(&o, func(step string) {
			if step == "published" {
				*commits++
			}
		})
		log.GatherFor(&o, d)
		l = create(t, "log", o)
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
		return l, commits
	}
	enqueue := func(l *log.Log, n int) (last *log.Ticket) {
		t.Helper()
		for range n {
			var err error
			if last, err = l.Enqueue(leaves("x")); err != nil {
				t.Fatal(err)
			}
		}
		return last
	}
	ctx := t.Context()

	l, commits := openWith(1 << 62) // for ever
	last := enqueue(l, log.GatherEntries-1)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := last.Follow(cancelled); !errors.Is(err, context.Canceled) {
		t.Fatalf("what nobody waits for, followed with a cancelled context: %v", err)
	}
	if last.Done() || l.Head().Size != 0 {
		t.Error("committed although nobody waits")
	}
	if err := last.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if l.Head().Size != log.GatherEntries-1 || *commits != 1 {
		t.Errorf("%d entries in %d commits, want %d in one", l.Head().Size, *commits, log.GatherEntries-1)
	}
	if err := enqueue(l, log.GatherEntries).Follow(ctx); err != nil {
		t.Fatal(err)
	}
	l, _ = openWith(1)
	if err := enqueue(l, 1).Follow(ctx); err != nil {
		t.Fatal(err)
	}
}
