package log_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// oldCopy returns what a restored backup is: a disk with a log of 10 entries, and a
// witness that has cosigned 15 of them. There is no copy of the newest head.
func oldCopy(t testing.TB) (*logtest.Disk, log.Options, *memoryWitness) {
	t.Helper()
	d := logtest.NewDisk()
	w := newWitness(t, "one")
	o := options(t)
	o.FS = d.FS()
	o = withWitnesses(o, 1, w)
	l := create(t, "log", o)
	if _, err := appendSome(l, "a", 10); err != nil {
		t.Fatal(err)
	}
	publish(t, l)
	old := d.Crash(0, nil)
	if _, err := appendSome(l, "b", 5); err != nil {
		t.Fatal(err)
	}
	publish(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o.FS = old.FS()
	return old, o, w
}

// TestWitnessAhead: the first witness that is asked gives an old copy away, and it
// signs nothing more, in this process and in the next.
func TestWitnessAhead(t *testing.T) {
	_, o, w := oldCopy(t)
	var heard alarms
	o.Publishing.Alarm = heard.hear
	l := open(t, "log", o)
	head := l.Head()
	_, err := l.Publish(t.Context())
	var rolled log.ErrRolledBack
	if !errors.As(err, &rolled) || rolled.Have.Size != 10 || rolled.Known.Size != 15 || rolled.Witness != "one" {
		t.Fatalf("publishing an old copy: got %v, want ErrRolledBack with 10 and 15", err)
	}
	oneLine(t, err)
	if got := heard.take(); got != "one unwell" {
		t.Errorf("alarms: %q", got)
	}
	asked := w.times()
	for range 2 {
		if _, err := l.Append(t.Context(), leaves("x")); !errors.As(err, &rolled) {
			t.Errorf("appending to an old copy: %v", err)
		}
		if err := l.Apply(t.Context(), log.Change{Set: []log.Row{{Key: []byte("e"), Value: []byte("x")}}}); !errors.As(err, &rolled) {
			t.Errorf("changing an old copy: %v", err)
		}
		if _, err := l.Publish(t.Context()); !errors.As(err, &rolled) {
			t.Errorf("publishing an old copy again: %v", err)
		}
	}
	if w.times() != asked {
		t.Error("the old copy was sent to a witness again")
	}
	if !errors.As(l.RolledBack(), &rolled) || heard.take() != "" {
		t.Error("RolledBack does not say so, or the alarm was raised twice")
	}
	// What there is can be read, and stays what it was.
	if got := l.Head(); !bytes.Equal(got.Signed, head.Signed) {
		t.Error("the head has changed")
	}
	checkPublished(t, l, o, 10)
	if _, err := l.Leaf(t.Context(), 9); err != nil {
		t.Error(err)
	}
	var fsck *log.FsckError
	if err := l.Fsck(t.Context(), nil); !errors.As(err, &fsck) || len(fsck.Faults) != 1 || !strings.Contains(err.Error(), "has cosigned a head of 15") {
		t.Errorf("fsck: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	if _, err := log.Open(t.Context(), "log", o); !errors.As(err, &rolled) || rolled.Witness != "one" {
		t.Fatalf("opening it again: %v, want ErrRolledBack", err)
	}
	if err := log.Fsck(t.Context(), "log", o, nil); !errors.As(err, &fsck) || !strings.Contains(err.Error(), `"one" has cosigned a head of 15`) {
		t.Errorf("fsck of the closed log: %v", err)
	}
	ro := o
	ro.ReadOnly = true
	l = open(t, "log", ro)
	if !errors.As(l.RolledBack(), &rolled) {
		t.Error("opened for reading only, the old copy does not say so")
	}
	checkPublished(t, l, o, 10)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	// Who goes on all the same takes the witness out of the policy.
	other := newWitness(t, "other")
	o = withWitnesses(o, 1, other)
	l = open(t, "log", o)
	if _, err := appendSome(l, "c", 1); err != nil {
		t.Error(err)
	}
	publish(t, l)
	checkPublished(t, l, o, 11)
	if err := l.Fsck(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestWitnessOutgrown: an old copy that has grown past what the witness has seen,
// before anybody asked, is found by the head that the witness shows.
func TestWitnessOutgrown(t *testing.T) {
	_, o, w := oldCopy(t)
	var heard alarms
	o.Publishing.Alarm = heard.hear
	l := open(t, "log", o)
	if _, err := appendSome(l, "another history", 20); err != nil {
		t.Fatal(err)
	}
	// A refusal alone stops nobody, nor do heads of this history or of other keys.
	forged, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: origin, Size: 15}, w.key.At(1))
	if err != nil {
		t.Fatal(err)
	}
	mine, _ := l.Published()
	for name, shown := range map[string][]byte{"nothing": nil, "garbage": []byte("x"), "another key": forged, "this history": mine.Signed} {
		w.set(func(w *memoryWitness) {
			w.fail = &log.RefusedError{Status: 422, Shown: shown, Err: errors.New("another tree")}
		})
		if _, err := l.Publish(t.Context()); !errors.As(err, new(*log.UnwitnessedError)) {
			t.Errorf("%s: got %v, want that a cosignature is missing", name, err)
		}
	}
	if err := l.RolledBack(); err != nil {
		t.Fatal(err)
	}
	heard.take()

	w.set(func(w *memoryWitness) { w.fail = nil })
	var rolled log.ErrRolledBack
	_, err = l.Publish(t.Context())
	if !errors.As(err, &rolled) || rolled.Have.Size != 30 || rolled.Known.Size != 15 || rolled.Witness != "one" {
		t.Fatalf("publishing a second history: got %v, want ErrRolledBack with 30 and 15", err)
	}
	oneLine(t, err)
	if got := heard.take(); got != "one unwell" {
		t.Errorf("alarms: %q", got)
	}
	if _, err := l.Append(t.Context(), leaves("x")); !errors.As(err, &rolled) {
		t.Errorf("appending to a second history: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Open(t.Context(), "log", o); !errors.As(err, &rolled) {
		t.Errorf("opening it again: %v, want ErrRolledBack", err)
	}
	var fsck *log.FsckError
	if err := log.Fsck(t.Context(), "log", o, nil); !errors.As(err, &fsck) || len(fsck.Faults) != 1 || !strings.Contains(err.Error(), "published head 15") {
		t.Errorf("fsck of the closed log: %v", err)
	}
}

// TestWitnessAheadWhileAppending: at full speed, each call that comes in between is
// either acknowledged and kept, or refused.
func TestWitnessAheadWhileAppending(t *testing.T) {
	d, o, w := oldCopy(t)
	far := merkle.Checkpoint{Origin: origin, Size: 1 << 40, Root: merkle.EmptyRoot()}
	signed, err := merkle.SignCheckpoint(far, o.Signer)
	if err != nil {
		t.Fatal(err)
	}
	w.set(func(w *memoryWitness) { w.size, w.signed = far.Size, signed })
	l := open(t, "log", o)
	world := newWorld()
	var callers sync.WaitGroup
	started := make(chan struct{}, 100)
	for i := range 8 {
		callers.Go(func() {
			for n := 0; ; n++ {
				acked, err := appendSome(l, fmt.Sprint(i, " ", n), 3)
				world.ack(acked...)
				if n == 3 {
					started <- struct{}{}
				}
				if rolled := (log.ErrRolledBack{}); errors.As(err, &rolled) {
					return
				} else if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 8 {
		<-started
	}
	var rolled log.ErrRolledBack
	if _, err := l.Publish(t.Context()); !errors.As(err, &rolled) {
		t.Fatalf("got %v, want ErrRolledBack", err)
	}
	callers.Wait()
	if err := world.note(l.Head()); err != nil {
		t.Error(err)
	}
	// The power fails: what was acknowledged is there, and so is the reason.
	o.FS = d.Crash(0, nil).FS()
	if _, err := log.Open(t.Context(), "log", o); !errors.As(err, &rolled) {
		t.Fatalf("opening after a power cut: %v, want ErrRolledBack", err)
	}
	o.Publishing = log.Publishing{}
	l2 := open(t, "log", o)
	if err := world.refutes(l2); err != nil && !strings.Contains(err.Error(), "has cosigned") {
		t.Error(err)
	}
	if err := errors.Join(l.Close(), l2.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestWitnessLies: a witness that claims to be further than it is, but not further
// than the log, is no reason to stop.
func TestWitnessLies(t *testing.T) {
	w1, w2 := newWitness(t, "one"), newWitness(t, "two")
	o := withWitnesses(options(t), 2, w1, w2)
	l := create(t, "log", o)
	defer l.Close()
	w2.set(func(w *memoryWitness) { w.fail = errDown })
	if _, err := l.Publish(t.Context()); err == nil {
		t.Fatal("published without the second witness")
	}
	if _, err := appendSome(l, "a", 10); err != nil {
		t.Fatal(err)
	}
	w2.set(func(w *memoryWitness) { w.fail = &log.AheadError{Size: 7} })
	var un *log.UnwitnessedError
	if _, err := l.Publish(t.Context()); !errors.As(err, &un) || un.Size != 0 {
		t.Fatalf("got %v, want that the head of size 0 lacks cosignatures", err)
	}
	if err := l.RolledBack(); err != nil {
		t.Fatal(err)
	}
	// The head that it cannot cosign is given up for the newest.
	if _, err := l.Publish(t.Context()); !errors.As(err, &un) || un.Size != 10 {
		t.Fatalf("got %v, want that the head of size 10 lacks cosignatures", err)
	}
	w2.set(func(w *memoryWitness) { w.fail = nil })
	publish(t, l)
	checkPublished(t, l, o, 10)
}

// TestWitnessClaims: a number, or a head that the log has not signed, stops nobody,
// however large it is. The head lacks that one's cosignature, and an alarm says why,
// once.
func TestWitnessClaims(t *testing.T) {
	skey, _, err := merkle.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	thief, err := merkle.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: origin, Size: 1 << 40}, thief)
	if err != nil {
		t.Fatal(err)
	}
	far := merkle.Checkpoint{Origin: "log.example/another", Size: 1 << 40}
	other, err := merkle.SignCheckpoint(far, options(t).Signer)
	if err != nil {
		t.Fatal(err)
	}
	w1, w2 := newWitness(t, "one"), newWitness(t, "two")
	var heard alarms
	o := withWitnesses(options(t), 1, w1, w2)
	o.Publishing.Alarm = heard.hear
	l := create(t, "log", o)
	publish(t, l)
	w2.set(func(w *memoryWitness) { w.size = 1 << 40 })
	size := uint64(0)
	// The last is the head of size 0 that this log did sign: too small to show anything.
	for name, signed := range map[string][]byte{"nothing": nil, "garbage": []byte("x"), "another key": forged, "another log": other, "smaller": l.Head().Signed} {
		w2.set(func(w *memoryWitness) { w.signed = signed })
		if _, err := appendSome(l, name, 1); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		size++
		publish(t, l)
		checkPublished(t, l, o, size)
	}
	if got := heard.take(); got != "two unwell" {
		t.Errorf("alarms: %q", got)
	}
	// Where the policy needs this one, no newer head is shown, but entries are kept.
	w1.set(func(w *memoryWitness) { w.fail = errDown })
	if _, err := appendSome(l, "alone", 1); err != nil {
		t.Fatal(err)
	}
	_, err = l.Publish(t.Context())
	un, ok := errors.AsType[*log.UnwitnessedError](err)
	if !ok {
		t.Fatalf("got %v, want that a cosignature is missing", err)
	}
	claim, ok := errors.AsType[*log.UnprovenError](un.Failed["two"])
	if !ok || claim.Claimed != 1<<40 || claim.Have != size+1 {
		t.Errorf("the second witness failed by %v", un.Failed["two"])
	}
	checkPublished(t, l, o, size)
	if err := l.RolledBack(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// Nor does the next process remember the claim.
	l = open(t, "log", o)
	defer l.Close()
	if _, err := appendSome(l, "again", 1); err != nil {
		t.Error(err)
	}
}

// TestPublishBroken: a disk that fails while a head is archived breaks the log, and
// the head is not shown.
func TestPublishBroken(t *testing.T) {
	d := logtest.NewDisk()
	w := newWitness(t, "one")
	o := options(t)
	o.FS = d.FS()
	o = withWitnesses(o, 1, w)
	fail := false
	log.OnPublishing(&o, func(step string) {
		if fail && step == "archiving" {
			d.Before(func(op logtest.Op) error {
				if op.Kind == logtest.Sync {
					return errors.New("EIO")
				}
				return nil
			})
		}
	})
	l := create(t, "log", o)
	if _, err := appendSome(l, "a", 3); err != nil {
		t.Fatal(err)
	}
	publish(t, l)
	if _, err := appendSome(l, "b", 3); err != nil {
		t.Fatal(err)
	}
	fail = true
	if _, err := l.Publish(context.Background()); !errors.Is(err, log.ErrBroken) {
		t.Fatalf("got %v, want ErrBroken", err)
	}
	if h, ok := l.Published(); !ok || h.Size != 3 {
		t.Errorf("shown: size %d", h.Size)
	}
	if _, err := l.Publish(context.Background()); !errors.Is(err, log.ErrBroken) {
		t.Errorf("again: got %v, want ErrBroken", err)
	}
	if err := l.Close(); !errors.Is(err, log.ErrBroken) {
		t.Errorf("Close: %v", err)
	}
	d.Before(nil)
	after := d.Crash(0, nil)
	o.FS = after.FS()
	fail = false
	l = open(t, "log", o)
	defer l.Close()
	checkPublished(t, l, o, 3)
	publish(t, l)
	checkPublished(t, l, o, 6)
}
