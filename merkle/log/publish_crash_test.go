package log_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// A publishedWorld is the world outside a machine that publishes: besides what
// callers were told, the heads that strangers were shown, and what witnesses know.
type publishedWorld struct {
	*world
	shown     map[uint64][]byte // newest text for each size
	witnesses []*memoryWitness
	disk      *logtest.Disk // what a power cut left
	where     string
}

// refutesShown returns what in a log contradicts a head that was shown.
func (w *publishedWorld) refutesShown(l *log.Log) error {
	for size, signed := range w.shown {
		h, ok := l.Published()
		if !ok {
			return fmt.Errorf("a head of size %d was shown, now none is", size)
		}
		if h.Size < size {
			return fmt.Errorf("a head of size %d was shown, now %d is", size, h.Size)
		}
		_, archived, err := l.Covering(context.Background(), size)
		if errors.Is(err, log.ErrNotFound) {
			archived, err = h, nil // it is the newest of all
		}
		if err != nil {
			return err
		}
		if archived.Size != size {
			return fmt.Errorf("a head of size %d was shown, and is not in the archive", size)
		}
		lines, err := merkle.SignatureLines(signed)
		if err != nil {
			return err
		}
		for line := range bytes.Lines(lines) {
			if !bytes.Contains(archived.Signed, line) {
				return fmt.Errorf("a head of size %d was shown with a signature that the archive has lost", size)
			}
		}
	}
	return nil
}

// goOn opens what a power cut has left, checks it, and publishes more with the
// witnesses as they were. They would notice a fork.
func (w *publishedWorld) goOn(t testing.TB) error {
	o := options(t)
	o.FS = w.disk.FS()
	o = withWitnesses(o, len(w.witnesses), w.witnesses...)
	l, err := log.Open(t.Context(), "log", o)
	if err != nil {
		return fmt.Errorf("opening after the crash: %w", err)
	}
	defer l.Close()
	if err := w.refutes(l); err != nil {
		return fmt.Errorf("after the crash: %w", err)
	}
	if err := w.refutesShown(l); err != nil {
		return fmt.Errorf("after the crash: %w", err)
	}
	if _, err := appendSome(l, "after", 20); err != nil {
		return err
	}
	h, err := l.Publish(t.Context())
	if err != nil {
		return fmt.Errorf("going on: %w", err)
	}
	if h.Size != l.Head().Size {
		return fmt.Errorf("going on: published %d of %d", h.Size, l.Head().Size)
	}
	if err := w.refutesShown(l); err != nil {
		return fmt.Errorf("after going on: %w", err)
	}
	return w.refutes(l)
}

// publishHistory appends and publishes at the same time on a fresh disk, and cuts
// the power before one in so many operations on it. cut says what of that which
// was not synced survives.
func publishHistory(t testing.TB, seed int, every int, cut func(n int) int, edit func(*log.Options)) []*publishedWorld {
	t.Helper()
	d := logtest.NewDisk()
	ws := []*memoryWitness{newWitness(t, "one"), newWitness(t, "two")}
	o := options(t)
	o.FS = d.FS()
	o = withWitnesses(o, 2, ws...)
	if edit != nil {
		edit(&o)
	}
	rng := rand.New(rand.NewPCG(uint64(seed), 5))
	now := &publishedWorld{world: newWorld(), shown: map[uint64][]byte{}}
	var l *log.Log
	var mu sync.Mutex
	var cuts []*publishedWorld
	note := func() { // mu is held
		if h, ok := l.Published(); ok {
			now.shown[h.Size] = h.Signed
		}
		if err := now.note(l.Head()); err != nil {
			t.Error(err)
		}
	}
	l = create(t, "log", o)
	defer l.Close()
	d.Before(func(op logtest.Op) error {
		mu.Lock()
		defer mu.Unlock()
		note()
		if rng.IntN(every) > 0 || len(cuts) == 16 {
			return nil
		}
		w := &publishedWorld{world: now.now(), shown: map[uint64][]byte{}, where: fmt.Sprintf("before %s %s", op.Kind, op.Path)}
		for size, signed := range now.shown {
			w.shown[size] = signed
		}
		for _, x := range ws {
			w.witnesses = append(w.witnesses, x.clone())
		}
		w.disk = d.Crash(cut(len(cuts)), rand.New(rand.NewPCG(uint64(seed), uint64(len(cuts)))))
		cuts = append(cuts, w)
		return nil
	})
	attempts := make(chan error)
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for n := 0; ; n++ {
			// Now and then a witness is away, or its answer is lost.
			ws[n%2].set(func(w *memoryWitness) {
				w.lose, w.fail = n%5 == 1, nil
				if n%7 == 3 {
					w.fail = errDown
				}
			})
			_, err := l.Publish(context.Background())
			if _, ok := errors.AsType[*log.UnwitnessedError](err); ok {
				err = nil
			}
			mu.Lock()
			note()
			mu.Unlock()
			select {
			case attempts <- err:
			case <-stop:
				return
			}
		}
	})
	defer publishing.Wait()
	defer close(stop)
	for i := range 40 {
		acked, err := appendSome(l, fmt.Sprintf("call %d", i), []int{1, 40, 3, 300, 1}[i%5])
		if err != nil {
			t.Fatal(err)
		}
		now.ack(acked...)
		if i%2 == 0 {
			if err := <-attempts; err != nil {
				t.Fatal(err)
			}
		}
	}
	d.Before(nil)
	return cuts
}

// TestPublishCrash cuts the power at many moments of histories of appends and
// publications at the same time. What was shown is never lost and never
// contradicted, and a witness whose answer was lost is no obstacle.
func TestPublishCrash(t *testing.T) {
	seeds := min(histories(t, 3), 8)
	if slow {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			shown := 0 // before one of the cuts
			cuts := publishHistory(t, seed, 12, func(n int) int { return []int{0, 50, 100}[n%3] }, nil)
			for i, w := range cuts {
				shown = max(shown, len(w.shown))
				if err := w.goOn(t); err != nil {
					t.Fatalf("power cut %d, %s: %v", i, w.where, err)
				}
			}
			if t.Logf("%d power cuts, %d heads", len(cuts), shown); shown < 3 {
				t.Error("this shows nothing")
			}
		})
	}
}

// TestPublishCrashControl is the draft that shows a head before it is archived. It
// loses one that somebody has seen.
func TestPublishCrashControl(t *testing.T) {
	for seed := range 20 {
		for _, w := range publishHistory(t, seed, 3, func(int) int { return 0 }, log.ShowEarly) {
			if err := w.goOn(t); err != nil {
				t.Log(err)
				return
			}
		}
	}
	t.Fatal("a head that was shown before it was durable went unnoticed")
}

// TestPublishLostAnswer stops between the answers of the witnesses and the archive,
// at each step: the witnesses are ahead of the archive, but not of the tree.
func TestPublishLostAnswer(t *testing.T) {
	for _, step := range []string{"signed", "answered", "archiving", "archived", "shown"} {
		t.Run(step, func(t *testing.T) {
			d := logtest.NewDisk()
			ws := []*memoryWitness{newWitness(t, "one"), newWitness(t, "two")}
			o := options(t)
			o.FS = d.FS()
			o = withWitnesses(o, 2, ws...)
			armed, left := false, (*logtest.Disk)(nil)
			log.OnPublishing(&o, func(s string) {
				if armed && s == step && left == nil {
					left = d.Crash(0, nil)
				}
			})
			l := create(t, "log", o)
			defer l.Close()
			if _, err := appendSome(l, "a", 5); err != nil {
				t.Fatal(err)
			}
			first := publish(t, l)
			if _, err := appendSome(l, "b", 5); err != nil {
				t.Fatal(err)
			}
			armed = true
			publish(t, l)

			o.FS = left.FS()
			l2 := open(t, "log", o)
			defer l2.Close()
			if step == "archived" || step == "shown" {
				checkPublished(t, l2, o, 10)
			} else if h := checkPublished(t, l2, o, 5); !bytes.Equal(h.Signed, first.Signed) {
				t.Error("the first head has changed")
			}
			if h := publish(t, l2); h.Size != 10 {
				t.Errorf("went on to size %d, want 10", h.Size)
			}
			checkPublished(t, l2, o, 10)
		})
	}
}
