package log_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// memCopy keeps the head copy in memory.
type memCopy struct {
	mu     sync.Mutex
	b      []byte
	stores int
	fail   error
	stored chan uint64 // sizes, if not nil
	t      testing.TB
}

func (c *memCopy) Load() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b, c.fail
}

func (c *memCopy) Store(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	c.b = bytes.Clone(b)
	c.stores++
	if c.stored != nil {
		c.stored <- parseHead(c.t, b).Size
	}
	return nil
}

func (c *memCopy) size(t testing.TB) uint64 {
	t.Helper()
	b, err := c.Load()
	if err != nil {
		t.Fatal(err)
	}
	return parseHead(t, b).Size
}

// TestRolledBack restores an old state of the directory under a newer head copy.
func TestRolledBack(t *testing.T) {
	d := logtest.NewDisk()
	o := options(t)
	o.FS = d.FS()
	c := &memCopy{}
	o.HeadCopy = c
	l := create(t, "log", o)
	if c.size(t) != 0 {
		t.Error("Create did not store the head")
	}
	if _, err := appendSome(l, "a", 10); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if c.size(t) != 10 {
		t.Errorf("Close stored a head of size %d, want 10", c.size(t))
	}
	old := d.Crash(0, nil)
	l = open(t, "log", o)
	if _, err := appendSome(l, "b", 5); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	o.FS = old.FS()
	_, err := log.Open(t.Context(), "log", o)
	var rolled log.ErrRolledBack
	if !errors.As(err, &rolled) || rolled.Have.Size != 10 || rolled.Known.Size != 15 {
		t.Fatalf("opening an old copy: got %v, want ErrRolledBack with 10 and 15", err)
	}
	oneLine(t, err)
	if rolled.Known.Root != l.Head().Root {
		t.Error("ErrRolledBack does not show the newest root")
	}
	// For reading only, it opens; nothing is signed, the head copy stays.
	o.ReadOnly = true
	ro := open(t, "log", o)
	if ro.Head().Size != 10 {
		t.Errorf("size %d, want 10", ro.Head().Size)
	}
	if err := ro.Close(); err != nil {
		t.Fatal(err)
	}
	if c.size(t) != 15 {
		t.Error("opening for reading only changed the head copy")
	}

	// An old copy that went on without the head copy has forked.
	o.ReadOnly, o.HeadCopy = false, nil
	l = open(t, "log", o)
	if _, err := appendSome(l, "c", 20); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o.HeadCopy = c
	_, err = log.Open(t.Context(), "log", o)
	if !errors.As(err, &rolled) || rolled.Known.Size != 15 || rolled.Have.Size != 15 || rolled.Have.Root == rolled.Known.Root {
		t.Fatalf("opening a fork: got %v, want ErrRolledBack with two roots", err)
	}
	oneLine(t, err)
}

// TestCreateAgain starts over with the key of a log that was lost.
func TestCreateAgain(t *testing.T) {
	o := options(t)
	c := &memCopy{}
	o.HeadCopy = c
	l := create(t, "log", o)
	if _, err := appendSome(l, "a", 1); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var rolled log.ErrRolledBack
	if err := log.Create("new", o); !errors.As(err, &rolled) {
		t.Fatalf("got %v, want ErrRolledBack", err)
	}
}

func TestHeadCopyRefuses(t *testing.T) {
	o := options(t)
	l := create(t, "log", o)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	skey, _, err := merkle.GenerateKey(zeros{}, origin)
	if err != nil {
		t.Fatal(err)
	}
	other, err := merkle.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: origin, Root: merkle.EmptyRoot()}, other)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*memCopy{
		"garbage":        {b: []byte("x")},
		"another key":    {b: foreign},
		"cannot be read": {fail: errors.New("no such disk")},
	} {
		o.HeadCopy = c
		_, err := log.Open(t.Context(), "log", o)
		if !errors.Is(err, log.ErrHeadCopy) {
			t.Errorf("%s: got %v, want ErrHeadCopy", name, err)
		}
		oneLine(t, err)
	}
	// No copy yet is not a contradiction: the hook is new.
	c := &memCopy{}
	o.HeadCopy = c
	l = open(t, "log", o)
	c.mu.Lock()
	c.fail = errors.New("the other disk is gone")
	c.mu.Unlock()
	if _, err := appendSome(l, "a", 1); err != nil {
		t.Errorf("append while the head copy fails: %v", err)
	}
	if err := l.Close(); !errors.Is(err, log.ErrHeadCopy) {
		t.Errorf("Close while the head copy fails: got %v, want ErrHeadCopy", err)
	}
	// The log itself is closed.
	c.fail = nil
	l = open(t, "log", o)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// TestHeadCopyPauses: however many commits there are, the next copy is made
// after the pause, and is the newest.
func TestHeadCopyPauses(t *testing.T) {
	o := options(t)
	c := &memCopy{t: t}
	o.HeadCopy = c
	pause := make(chan time.Time)
	paused := make(chan struct{})
	log.OnPause(&o, func() <-chan time.Time {
		paused <- struct{}{}
		return pause
	})
	if err := log.Create("log", o); err != nil {
		t.Fatal(err)
	}
	c.stored = make(chan uint64, 100)
	l := open(t, "log", o)
	if n := <-c.stored; n != 0 {
		t.Fatalf("at Open: stored a head of size %d", n)
	}
	<-paused
	for i := range 10 {
		if _, err := appendSome(l, fmt.Sprint(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.stored) != 0 {
		t.Fatal("stored a head before the pause was over")
	}
	pause <- time.Time{}
	if n := <-c.stored; n != 10 {
		t.Fatalf("after the pause: stored a head of size %d, want 10", n)
	}
	<-paused
	if _, err := appendSome(l, "last", 1); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := <-c.stored; n != 11 || len(c.stored) != 0 {
		t.Fatalf("at Close: stored a head of size %d and %d more, want 11", n, len(c.stored))
	}
}

// TestHeadCopyIsNeverAhead: what the copy holds has been durable.
func TestHeadCopyIsNeverAhead(t *testing.T) {
	d := logtest.NewDisk()
	o := options(t)
	o.FS = d.FS()
	c := &crashCopy{disk: d}
	o.HeadCopy = c
	log.OnPause(&o, func() <-chan time.Time {
		now := make(chan time.Time)
		close(now)
		return now
	})
	l := create(t, "log", o)
	for i := range 100 {
		if _, err := appendSome(l, fmt.Sprint(i), 1+i%7); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, at := range c.at {
		o := options(t)
		o.FS = at.disk.FS()
		o.HeadCopy = &memCopy{b: at.b}
		l, err := log.Open(t.Context(), "log", o)
		if err != nil {
			t.Fatalf("head copy of size %d: %v", parseHead(t, at.b).Size, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// crashCopy cuts the power when it is given a head.
type crashCopy struct {
	disk *logtest.Disk
	at   []copied
}

type copied struct {
	b    []byte
	disk *logtest.Disk
}

func (c *crashCopy) Load() ([]byte, error) { return nil, nil }

func (c *crashCopy) Store(b []byte) error {
	if head := string(b); len(c.at) > 0 || head != "" {
		c.at = append(c.at, copied{bytes.Clone(b), c.disk.Crash(0, nil)})
	}
	return nil
}
