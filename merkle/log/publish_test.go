package log_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

func publish(t testing.TB, l *log.Log) log.Head {
	t.Helper()
	h, err := l.Publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestPublish: what is served is the newest head that was published, whatever is
// appended since, also by the next process.
func TestPublish(t *testing.T) {
	w1, w2 := newWitness(t, "one"), newWitness(t, "two")
	o := withWitnesses(options(t), 2, w1, w2)
	l := create(t, "log", o)
	if _, ok := l.Published(); ok || status(l.Handler(), "checkpoint") != http.StatusNotFound {
		t.Fatal("a head is shown that nobody has cosigned")
	}
	size := uint64(0)
	for _, next := range []uint64{0, 1, 255, 256, 257, 700} {
		for size < next {
			index, err := l.Append(t.Context(), manyLeaves(int(min(next-size, 300))))
			if err != nil {
				t.Fatal(err)
			}
			size += uint64(len(index))
		}
		if got := publish(t, l); got.Size != size {
			t.Fatalf("published size %d, want %d", got.Size, size)
		}
		if cs := checkPolicy(t, o, checkPublished(t, l, o, size)); len(cs) != 2 {
			t.Fatalf("%d cosignatures, want 2", len(cs))
		}
	}
	before := checkPublished(t, l, o, 700)
	if _, err := appendSome(l, "later", 5); err != nil {
		t.Fatal(err)
	}
	checkPublished(t, l, o, 700)
	if l.Head().Size != 705 {
		t.Fatal("the head of whoever appends waited for witnesses")
	}
	if err := l.Fsck(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, "log", o)
	defer l.Close()
	if after := checkPublished(t, l, o, 700); !bytes.Equal(after.Signed, before.Signed) {
		t.Errorf("after reopening\n%s\nis shown, before\n%s", after.Signed, before.Signed)
	}
	publish(t, l)
	checkPublished(t, l, o, 705)
	if got := w1.times() + w2.times(); got != 14 {
		t.Errorf("%d requests for seven heads and two witnesses", got)
	}
}

// alarms collects what an operator is told.
type alarms struct {
	mu   sync.Mutex
	told []string
}

func (a *alarms) hear(x log.Alarm) {
	a.mu.Lock()
	defer a.mu.Unlock()
	what := "well"
	if x.Err != nil {
		what = "unwell"
	}
	a.told = append(a.told, x.Witness+" "+what)
}

func (a *alarms) take() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := strings.Join(a.told, ", ")
	a.told = nil
	return s
}

// TestPublishWaitsForPolicy: while a witness is away the older head stays, what
// the other has answered is kept, and the operator is told once.
func TestPublishWaitsForPolicy(t *testing.T) {
	w1, w2 := newWitness(t, "one"), newWitness(t, "two")
	o := withWitnesses(options(t), 2, w1, w2)
	var heard alarms
	o.Publishing.Alarm = heard.hear
	l := create(t, "log", o)
	defer l.Close()
	publish(t, l)
	if _, err := appendSome(l, "a", 3); err != nil {
		t.Fatal(err)
	}
	w2.set(func(w *memoryWitness) { w.fail = errDown })
	asked := w1.times()
	for try := range 5 {
		h, err := l.Publish(t.Context())
		var un *log.UnwitnessedError
		if !errors.As(err, &un) || un.Size != 3 || !errors.Is(un.Failed["two"], errDown) || len(un.Failed) != 1 {
			t.Fatalf("try %d: got %v, want that \"two\" failed", try, err)
		}
		var lack *merkle.PolicyError
		if !errors.As(err, &lack) || !strings.Contains(err.Error(), `without "two"`) {
			t.Errorf("try %d: %v does not say what the policy lacks", try, err)
		}
		oneLine(t, err)
		if h.Size != 0 {
			t.Errorf("try %d: returned the head of size %d, of which the policy says no", try, h.Size)
		}
		checkPublished(t, l, o, 0)
	}
	if got := w1.times() - asked; got != 1 {
		t.Errorf("the witness that had answered was asked %d times", got)
	}
	if got := heard.take(); got != "two unwell,  unwell" {
		t.Errorf("alarms: %q", got)
	}
	// The kind of failure is news, its repetition is not.
	w2.set(func(w *memoryWitness) { w.fail = &log.RefusedError{Status: 403, Err: errors.New("no")} })
	for range 3 {
		_, _ = l.Publish(t.Context())
	}
	if got := heard.take(); got != "two unwell" {
		t.Errorf("alarms: %q", got)
	}
	// The log has grown meanwhile: the head that waits is published first, with the
	// answer that was kept, and then the newest.
	if _, err := appendSome(l, "b", 4); err != nil {
		t.Fatal(err)
	}
	w2.set(func(w *memoryWitness) { w.fail = nil })
	if h := publish(t, l); h.Size != 7 {
		t.Fatalf("published size %d, want 7", h.Size)
	}
	checkPublished(t, l, o, 7)
	if covering, before, err := l.Covering(t.Context(), 0); err != nil || covering.Size != 3 || before.Size != 0 || before.Signed == nil {
		t.Errorf("around entry 0: %d and %d, %v", covering.Size, before.Size, err)
	}
	if covering, before, err := l.Covering(t.Context(), 3); err != nil || covering.Size != 7 || before.Size != 3 {
		t.Errorf("around entry 3: %d and %d, %v", covering.Size, before.Size, err)
	}
	if got := heard.take(); got != "two well,  well" {
		t.Errorf("alarms: %q", got)
	}
	if _, _, err := l.Covering(t.Context(), 99); !errors.Is(err, log.ErrNotFound) {
		t.Errorf("around an entry that is not there: %v", err)
	}
}

// TestPublishShowsEarlyAnswers: the head is shown when enough have answered, and
// the signature of who comes later is added.
func TestPublishShowsEarlyAnswers(t *testing.T) {
	w1, w2, w3 := newWitness(t, "one"), newWitness(t, "two"), newWitness(t, "slow")
	o := withWitnesses(options(t), 2, w1, w2, w3)
	shown, go3 := make(chan struct{}, 9), make(chan struct{})
	log.OnPublishing(&o, func(step string) {
		if step == "shown" {
			shown <- struct{}{}
		}
	})
	w3.hook = func() { <-go3 }
	l := create(t, "log", o)
	defer l.Close()
	grown := make(chan error)
	go func() {
		_, err := l.Publish(context.Background())
		grown <- err
	}()
	<-shown
	if cs := checkPolicy(t, o, checkPublished(t, l, o, 0)); len(cs) != 2 {
		t.Errorf("%d cosignatures, want 2", len(cs))
	}
	// Nobody who appends waits for a witness.
	if _, err := appendSome(l, "meanwhile", 400); err != nil {
		t.Fatal(err)
	}
	close(go3)
	if err := <-grown; err != nil {
		t.Fatal(err)
	}
	h := checkPublished(t, l, o, 0)
	if cs := checkPolicy(t, o, h); len(cs) != 3 {
		t.Errorf("%d cosignatures after the slow one, want 3", len(cs))
	}
	if covering, before, err := l.Covering(t.Context(), 0); err != nil || covering.Signed != nil || !bytes.Equal(before.Signed, h.Signed) {
		t.Errorf("the archive has not what is shown: %v, %v", before, err)
	}
}

// TestPublishStraggler: a witness that the policy can do without keeps nobody waiting.
// What it answers in the end is added to the head that it was asked for, it is asked
// for one head at a time, and closing the log ends the question.
func TestPublishStraggler(t *testing.T) {
	w1, w2 := newWitness(t, "one"), newWitness(t, "slow")
	o := withWitnesses(options(t), 1, w1, w2)
	o.Publishing.Timeout = time.Hour
	log.NoStragglers(&o)
	asked, answer := make(chan struct{}, 1), make(chan struct{})
	o.Publishing.Witnesses[1].Ask = tardy{w2, asked, answer}
	archived := make(chan struct{}, 9)
	log.OnPublishing(&o, func(step string) {
		if step == "archived" {
			archived <- struct{}{}
		}
	})
	l := create(t, "log", o)
	soon := func(what string, f func()) {
		t.Helper()
		done := make(chan struct{})
		go func() {
			defer close(done)
			f()
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal(what + " waits for the slow witness")
		}
	}
	for i := range 3 {
		if _, err := appendSome(l, fmt.Sprint(i), 1); err != nil {
			t.Fatal(err)
		}
		soon("Publish", func() {
			if h, err := l.Publish(context.Background()); err != nil || h.Size != uint64(i)+1 {
				t.Errorf("published %d, %v", h.Size, err)
			}
		})
		<-archived
		if cs := checkPolicy(t, o, checkPublished(t, l, o, uint64(i)+1)); len(cs) != 1 {
			t.Errorf("%d cosignatures, want 1", len(cs))
		}
	}
	<-asked
	answer <- struct{}{}
	<-archived
	h, _, err := l.Covering(t.Context(), 0)
	if err != nil || h.Size != 1 || len(checkPolicy(t, o, h)) != 2 {
		t.Errorf("the head that the slow witness was asked for: size %d, %v\n%s", h.Size, err, h.Signed)
	}
	checkPublished(t, l, o, 3)
	soon("Publish", func() { // which asks it for the newest
		if _, err := l.Publish(context.Background()); err != nil {
			t.Error(err)
		}
	})
	<-asked
	soon("Close", func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if w2.times() != 1 || len(asked) != 0 {
		t.Error("the slow witness was asked for two heads at once")
	}
}

// tardy is a witness that says when it is asked, and answers when it is told to.
type tardy struct {
	*memoryWitness
	asked, answer chan struct{}
}

func (h tardy) Cosign(ctx context.Context, signed []byte, old uint64, prove func(context.Context, uint64) ([]merkle.Hash, error)) ([]byte, error) {
	h.asked <- struct{}{}
	select {
	case <-h.answer:
		return h.memoryWitness.Cosign(ctx, signed, old, prove)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// TestPublishTimeout: a witness that does not answer is given up, not the others.
func TestPublishTimeout(t *testing.T) {
	w1 := newWitness(t, "one")
	o := withWitnesses(options(t), 1, w1)
	dead := newWitness(t, "dead")
	o.Publishing.Witnesses = append(o.Publishing.Witnesses, log.Witness{Name: "dead", Verifiers: []merkle.Verifier{dead.key.Verifier()}, Ask: silent{}})
	o.Publishing.Timeout = time.Second // room for the one that does answer, on a busy machine
	l := create(t, "log", o)
	defer l.Close()
	publish(t, l)
	checkPublished(t, l, o, 0)

	// Alone it leaves the policy unsatisfied; the caller's context ends the call.
	o = withWitnesses(options(t), 1, dead)
	o.Publishing.Witnesses[0].Ask = silent{}
	o.Publishing.Timeout = time.Millisecond
	l2 := create(t, "log", o)
	defer l2.Close()
	var un *log.UnwitnessedError
	if _, err := l2.Publish(t.Context()); !errors.As(err, &un) || !strings.Contains(un.Failed["dead"].Error(), "no answer within 1ms") {
		t.Errorf("got %v, want that there was no answer", err)
	}
	o.Publishing.Timeout = time.Hour
	l3 := create(t, "log3", o)
	defer l3.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := l3.Publish(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// silent never answers.
type silent struct{}

func (silent) Cosign(ctx context.Context, _ []byte, _ uint64, _ func(context.Context, uint64) ([]merkle.Hash, error)) ([]byte, error) {
	<-ctx.Done()
	return nil, fmt.Errorf("asking: %w", context.Cause(ctx))
}

// TestPublishBadAnswers: an answer that is not what it should be is a refusal, and
// cannot spoil the head for others.
func TestPublishBadAnswers(t *testing.T) {
	good, bad := newWitness(t, "good"), newWitness(t, "bad")
	other := newWitness(t, "bad") // the same name, another key
	wrong := strings.Repeat("A", 60)
	for name, answer := range map[string]func([]byte) []byte{
		"nothing":       func([]byte) []byte { return nil },
		"garbage":       func([]byte) []byte { return []byte("ok\n") },
		"another key":   func(own []byte) []byte { return cosign(t, other, own) },
		"another tree":  func([]byte) []byte { return cosignTree(t, bad, 99) },
		"half a line":   func(own []byte) []byte { return cosign(t, bad, own)[:40] },
		"many lines":    func(own []byte) []byte { return bytes.Repeat(cosign(t, other, own), 200) },
		"a wrong byte":  func(own []byte) []byte { return spoil(cosign(t, bad, own)) },
		"in bad's name": func([]byte) []byte { return []byte("— bad.example/w " + wrong + "\n") },
	} {
		t.Run(name, func(t *testing.T) {
			o := withWitnesses(options(t), 1, good, bad)
			o.Publishing.Policy = policyOf(2, good, bad)
			o.Publishing.Witnesses[1].Ask = answers(answer)
			l := create(t, "log", o)
			defer l.Close()
			_, err := l.Publish(t.Context())
			var un *log.UnwitnessedError
			var refused *log.RefusedError
			if !errors.As(err, &un) || len(un.Failed) != 1 || !errors.As(un.Failed["bad"], &refused) {
				t.Fatalf("got %v, want that \"bad\" is refused", err)
			}
			oneLine(t, err)
			if status(l.Handler(), "checkpoint") != http.StatusNotFound {
				t.Error("a head is shown that does not satisfy the policy")
			}
		})
	}
	t.Run("a line in another's name", func(t *testing.T) {
		// The wrong line is under the key of "good", before its own answer is in.
		o := withWitnesses(options(t), 2, good, bad)
		o.Publishing.Witnesses[1].Ask = answers(func(own []byte) []byte {
			return append(spoil(cosign(t, good, own)), cosign(t, bad, own)...)
		})
		l := create(t, "log", o)
		defer l.Close()
		publish(t, l)
		checkPublished(t, l, o, 0)
	})
}

// answers is a witness that says the same to everybody.
type answers func(own []byte) []byte

func (a answers) Cosign(_ context.Context, signed []byte, _ uint64, _ func(context.Context, uint64) ([]merkle.Hash, error)) ([]byte, error) {
	return a(signed), nil
}

// spoil changes a signature line so that it is still well formed.
func spoil(line []byte) []byte {
	at := len(line) - 20 // in the base64 of the signature, behind time and key id
	if line[at] == 'A' {
		line[at] = 'B'
	} else {
		line[at] = 'A'
	}
	return line
}

func cosign(t testing.TB, w *memoryWitness, signed []byte) []byte {
	return linesBy(t, w, parseHead(t, signed).Checkpoint)
}

func cosignTree(t testing.TB, w *memoryWitness, size uint64) []byte {
	return linesBy(t, w, merkle.Checkpoint{Origin: origin, Size: size})
}

func linesBy(t testing.TB, w *memoryWitness, c merkle.Checkpoint) []byte {
	t.Helper()
	note, err := merkle.SignCheckpoint(c, w.key.At(1))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := merkle.SignatureLines(note)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestPublishPauses: heads are signed with the second key a second apart at least.
func TestPublishPauses(t *testing.T) {
	o := withWitnesses(options(t), 0)
	o.Publishing.Policy = []byte("quorum none\n")
	var waits []time.Duration
	log.OnPublishPause(&o, func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	})
	l := create(t, "log", o)
	defer l.Close()
	for i := range 3 {
		publish(t, l)
		publish(t, l) // the log has not grown: nothing to sign
		if _, err := appendSome(l, fmt.Sprint(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	if len(waits) != 3 || waits[0] > 0 || waits[1] < time.Second/2 || waits[2] < time.Second/2 || waits[2] > time.Second {
		t.Errorf("waited %v, want nothing and then the rest of a second twice", waits)
	}
}

func TestPublishRefuses(t *testing.T) {
	w := newWitness(t, "one")
	for name, edit := range map[string]func(*log.Options){
		"a policy that is none":    func(o *log.Options) { o.Publishing.Policy = []byte("quorum\n") },
		"witnesses without policy": func(o *log.Options) { o.Publishing.Policy = nil },
		"two of one name":          func(o *log.Options) { o.Publishing.Witnesses = append(o.Publishing.Witnesses, w.witness()) },
		"a witness without a key":  func(o *log.Options) { o.Publishing.Witnesses[0].Verifiers = nil },
		"a witness without a name": func(o *log.Options) { o.Publishing.Witnesses[0].Name = "" },
		"nobody who asks":          func(o *log.Options) { o.Publishing.Witnesses[0].Ask = nil },
		"a negative timeout":       func(o *log.Options) { o.Publishing.Timeout = -1 },
	} {
		o := options(t)
		l := create(t, "log", o)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		o = withWitnesses(o, 1, w)
		edit(&o)
		if l, err := log.Open(t.Context(), "log", o); err == nil {
			t.Errorf("%s: opened", name)
			_ = l.Close()
		} else {
			oneLine(t, err)
		}
	}
	// For reading only: what was published is shown, nothing is signed.
	o := withWitnesses(options(t), 1, w)
	l := create(t, "log", o)
	if _, err := appendSome(l, "a", 3); err != nil {
		t.Fatal(err)
	}
	publish(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Publish(t.Context()); !errors.Is(err, log.ErrClosed) {
		t.Errorf("publishing a closed log: %v", err)
	}
	o.ReadOnly = true
	l = open(t, "log", o)
	defer l.Close()
	checkPublished(t, l, o, 3)
	if _, err := l.Publish(t.Context()); !errors.Is(err, log.ErrReadOnly) {
		t.Errorf("publishing for reading only: %v", err)
	}
}
