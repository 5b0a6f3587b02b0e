package log_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// A memoryWitness is a conforming witness without a network between: it cosigns
// what continues the newest tree that it has cosigned, and nothing else. It lives
// on when the log's power is cut, and is so what no crash may contradict.
type memoryWitness struct {
	name   string
	key    *merkle.Cosigner
	logKey merkle.Verifier
	hook   func() // called when it is asked

	mu     sync.Mutex
	size   uint64
	root   merkle.Hash
	signed []byte // by the log: the newest that was cosigned, shown to monitors
	asked  int
	fail   error  // instead of an answer
	lose   bool   // cosign, remember, and lose the answer
	late   uint64 // seconds by which its clock is ahead
}

var errDown = errors.New("connection refused")

func newWitness(t testing.TB, name string) *memoryWitness {
	t.Helper()
	skey, _, err := merkle.GenerateCosigner(rand.Reader, name+".example/w", merkle.CosignatureEd25519)
	if err != nil {
		t.Fatal(err)
	}
	key, err := merkle.NewCosigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := merkle.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return &memoryWitness{name: name, key: key, logKey: v, root: merkle.EmptyRoot()}
}

func (w *memoryWitness) Cosign(ctx context.Context, signed []byte, old uint64, prove func(context.Context, uint64) ([]merkle.Hash, error)) ([]byte, error) {
	if w.hook != nil {
		w.hook()
	}
	w.mu.Lock()
	w.asked++
	fail, size, root, shown := w.fail, w.size, w.root, w.signed
	w.mu.Unlock()
	if fail != nil {
		return nil, fail
	}
	c, err := merkle.OpenCheckpoint(signed, origin, w.logKey)
	if err != nil {
		return nil, &log.RefusedError{Status: 403, Err: err}
	}
	if size > c.Size {
		return nil, &log.AheadError{Size: size, Signed: shown}
	}
	// Not under the lock: a test cuts the power, and asks what we know, while the
	// log reads.
	proof, err := prove(ctx, size)
	if err != nil {
		return nil, err
	}
	if err := merkle.VerifyConsistency(size, c.Size, proof, root, c.Root); err != nil {
		return nil, &log.RefusedError{Status: 422, Shown: shown, Err: err}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.size, w.root, w.signed = c.Size, c.Root, signed
	if w.lose {
		return nil, errDown
	}
	note, err := merkle.SignCheckpoint(c, w.key.At(uint64(time.Now().Unix())+w.late))
	if err != nil {
		return nil, err
	}
	return merkle.SignatureLines(note)
}

// clone is a witness with the same key and the same memory, as of now.
func (w *memoryWitness) clone() *memoryWitness {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &memoryWitness{name: w.name, key: w.key, logKey: w.logKey, size: w.size, root: w.root, signed: w.signed}
}

func (w *memoryWitness) set(f func(*memoryWitness)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w)
}

func (w *memoryWitness) times() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

func (w *memoryWitness) witness() log.Witness {
	return log.Witness{Name: w.name, Verifiers: []merkle.Verifier{w.key.Verifier()}, Ask: w}
}

// policyOf writes a policy that asks for so many of the witnesses.
func policyOf(need int, ws ...*memoryWitness) []byte {
	var b strings.Builder
	var names []string
	for _, w := range ws {
		fmt.Fprintf(&b, "witness %s %s\n", w.name, w.key.VKey())
		names = append(names, w.name)
	}
	fmt.Fprintf(&b, "group enough %d %s\nquorum enough\n", need, strings.Join(names, " "))
	return []byte(b.String())
}

// withWitnesses makes a log publish under a policy, without pauses.
func withWitnesses(o log.Options, need int, ws ...*memoryWitness) log.Options {
	log.NoPause(&o)
	o.Publishing.Policy = policyOf(need, ws...)
	o.Publishing.Witnesses = nil
	for _, w := range ws {
		o.Publishing.Witnesses = append(o.Publishing.Witnesses, w.witness())
	}
	return o
}

// checkPublished verifies what strangers are shown: a head of that size that
// satisfies the policy, the same in every place.
func checkPublished(t testing.TB, l *log.Log, o log.Options, size uint64) log.Head {
	t.Helper()
	h, ok := l.Published()
	if !ok {
		t.Fatalf("nothing is published, want a head of size %d", size)
	}
	if h.Size != size {
		t.Fatalf("published: size %d, want %d", h.Size, size)
	}
	if got := fetch(t, l.Handler(), "checkpoint"); string(got) != string(h.Signed) {
		t.Fatalf("served\n%s\npublished\n%s", got, h.Signed)
	}
	checkPolicy(t, o, h)
	if size > 0 {
		covering, _, err := l.Covering(t.Context(), size-1)
		if err != nil || string(covering.Signed) != string(h.Signed) {
			t.Fatalf("the archive covers the last entry by\n%s\n(%v), shown is\n%s", covering.Signed, err, h.Signed)
		}
	}
	return h
}

func checkPolicy(t testing.TB, o log.Options, h log.Head) []merkle.Cosignature {
	t.Helper()
	p, err := merkle.ParsePolicy(o.Publishing.Policy)
	if err != nil {
		t.Fatal(err)
	}
	v, err := merkle.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	c, cs, err := p.Check(h.Signed, origin, v)
	if err != nil {
		t.Fatalf("shown without satisfying the policy: %v\n%s", err, h.Signed)
	}
	if c.Size != h.Size || c.Root != h.Root {
		t.Fatalf("head of size %d is signed for size %d", h.Size, c.Size)
	}
	return cs
}
