package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/witness"
)

// witnessedLog opens a new log. Logs of the same origin have the same key, and
// with another salt other entries from the third on.
type witnessedLog struct {
	*log.Log
	signer merkle.Signer
	salt   byte
}

func newWitnessedLog(t *testing.T, origin string, salt byte, size int) *witnessedLog {
	t.Helper()
	skey, vkey, err := merkle.GenerateKey(seedReader(7), origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := merkle.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	o := log.Options{Origin: origin, Signer: signer, VKey: vkey, MinFree: -1}
	dir := t.TempDir()
	if err := log.Create(dir, o); err != nil {
		t.Fatal(err)
	}
	l, err := log.Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &witnessedLog{l, signer, salt}
	w.grow(t, size)
	return w
}

// grow appends one group for each entry, so that none changes places.
func (w *witnessedLog) grow(t *testing.T, to int) {
	t.Helper()
	for i := int(w.Head().Size); i < to; i++ {
		e := testEntry(uint64(i))
		if i >= 3 {
			e[33] ^= w.salt
		}
		if _, err := w.Append(t.Context(), []log.Entry{{Leaf: e}}); err != nil {
			t.Fatal(err)
		}
	}
}

// cosign asks a witness for cosignatures of the head.
func (w *witnessedLog) cosign(ctx context.Context, c *witness.Client, old uint64) ([]byte, error) {
	h := w.Head()
	return c.Cosign(ctx, h.Signed, old, func(ctx context.Context, old uint64) ([]merkle.Hash, error) {
		return w.ConsistencyProof(ctx, old, h.Size)
	})
}

// Witnesses that other people wrote, and ours, cosign a real log through our
// client; what they must not cosign they do not, and we can tell why.
func TestWitnesses(t *testing.T) {
	const origin = "log.example/witnessed"
	l := newWitnessedLog(t, origin, 0, 0)
	vkey := l.VKey()
	starts := map[string]func(*testing.T) *witnessSite{
		"litewitness": func(t *testing.T) *witnessSite { return startLitewitness(t, origin, vkey) },
		"omniwitness": func(t *testing.T) *witnessSite { return startOmniwitness(t, origin, vkey) },
		"lacuna":      func(t *testing.T) *witnessSite { return startOurs(t, vkey) },
	}
	for name, start := range starts {
		t.Run(name, func(t *testing.T) { testWitness(t, start(t), newWitnessedLog(t, origin, 0, 0)) })
	}
}

func testWitness(t *testing.T, w *witnessSite, l *witnessedLog) {
	ctx := t.Context()
	c := w.client(t)
	old := uint64(0)
	for _, size := range []int{0, 1, 2, 7, 8, 100, 257, 300} {
		l.grow(t, size)
		for _, known := range []uint64{old, 0} { // as it should be, and after a loss of memory
			began := uint64(time.Now().Unix())
			lines, err := l.cosign(ctx, c, known)
			if err != nil {
				t.Fatalf("from %d to %d: %v", known, size, err)
			}
			signed, err := merkle.AddSignatures(l.Head().Signed, lines)
			if err != nil {
				t.Fatal(err)
			}
			head, cosigned, err := merkle.Cosignatures(signed, c.Verifiers...)
			if err != nil || head.Size != uint64(size) || len(cosigned) != len(c.Verifiers) {
				t.Fatalf("from %d to %d: %v, %v, %v", known, size, head, cosigned, err)
			}
			for _, s := range cosigned {
				if now := uint64(time.Now().Unix()); s.Time < began || s.Time > now {
					t.Errorf("cosigned at %d, between %d and %d", s.Time, began, now)
				}
			}
			checkPolicies(t, w, l, signed)
		}
		old = uint64(size)
	}

	status := func(what string, err error, want int) {
		t.Helper()
		refused, ok := errors.AsType[*witness.RefusedError](err)
		if !ok || refused.Status != want {
			t.Errorf("%s: %v, want status %d", what, err, want)
		}
	}
	// Two histories under one key.
	fork := newWitnessedLog(t, l.Origin(), 1, 300)
	_, err := fork.cosign(ctx, c, 300)
	status("a fork of the same size", err, 422)
	fork.grow(t, 310)
	_, err = fork.cosign(ctx, c, 300)
	status("a fork that goes on", err, 422)
	_, err = fork.cosign(ctx, c, 0)
	status("a fork that asks anew", err, 422)
	// A copy from before.
	copied := newWitnessedLog(t, l.Origin(), 0, 200)
	for _, known := range []uint64{0, 100, 200} {
		_, err = copied.cosign(ctx, c, known)
		if ahead, ok := errors.AsType[*witness.AheadError](err); !ok || ahead.Size != 300 || ahead.Ours != 200 {
			t.Errorf("a log that was rolled back: %v", err)
		}
	}
	stranger := newWitnessedLog(t, "log.example/stranger", 0, 5)
	_, err = stranger.cosign(ctx, c, 0)
	status("a log that it does not know", err, w.unknown)
	skey, _, err := merkle.GenerateKey(seedReader(99), l.Origin())
	if err != nil {
		t.Fatal(err)
	}
	thief, err := merkle.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := merkle.SignCheckpoint(l.Head().Checkpoint, thief)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Cosign(ctx, signed, 300, nil)
	status("a head signed by another key", err, w.thief)

	// It signs, but is not who it is taken for.
	other := *c
	_, vkey, err := merkle.GenerateCosigner(seedReader(98), c.Verifiers[0].Name(), merkle.CosignatureEd25519)
	if err != nil {
		t.Fatal(err)
	}
	v, err := merkle.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	other.Verifiers = []merkle.Verifier{v}
	_, err = l.cosign(ctx, &other, 300)
	status("a witness with another key", err, 200)

	// After all this it goes on where it was.
	l.grow(t, 301)
	if _, err := l.cosign(ctx, c, 300); err != nil {
		t.Errorf("after all that was refused: %v", err)
	}
}

// checkPolicies holds a cosigned head against a policy that asks for all keys of
// the witness, as we read it and, for Ed25519, as torchwood does.
func checkPolicies(t *testing.T, w *witnessSite, l *witnessedLog, signed []byte) {
	t.Helper()
	policy := "log " + l.VKey() + "\n"
	group := "group all-keys all"
	for i, k := range w.vkeys {
		policy += fmt.Sprintf("witness w%d %s %s\n", i, k, w.url)
		group += fmt.Sprintf(" w%d", i)
	}
	p, err := merkle.ParsePolicy([]byte(policy + group + "\nquorum all-keys\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Check(signed, l.Origin()); err != nil {
		t.Error(err)
	}
	if _, _, err := p.Check(l.Head().Signed, l.Origin()); !errors.As(err, new(*merkle.PolicyError)) {
		t.Errorf("without cosignatures: %v", err)
	}
	theirs, err := torchwood.ParsePolicy([]byte("log " + l.VKey() + "\nwitness w " + w.vkeys[0] + "\nquorum w\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := torchwood.VerifyCheckpoint(signed, theirs); err != nil {
		t.Errorf("torchwood: %v", err)
	}
	if _, _, err := torchwood.VerifyCheckpoint(l.Head().Signed, theirs); err == nil {
		t.Error("torchwood accepts a head without cosignatures")
	}
}

// The client of omniwitness asks our witness.
func TestOmniwitnessClient(t *testing.T) {
	submit := witnessProgram(t, "submit")
	l := newWitnessedLog(t, "log.example/fed", 0, 5)
	w := startOurs(t, l.VKey())
	ask := func(l *witnessedLog, old uint64) string {
		t.Helper()
		h := l.Head()
		args := []string{w.url, fmt.Sprint(old)}
		if old > 0 && old < h.Size {
			proof, err := l.ConsistencyProof(t.Context(), old, h.Size)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range proof {
				args = append(args, h.String())
			}
		}
		cmd := exec.Command(submit, args...)
		cmd.Stdin = bytes.NewReader(h.Signed)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	cosigned := func(answer string) {
		t.Helper()
		signed, err := merkle.AddSignatures(l.Head().Signed, []byte(answer))
		if err != nil {
			t.Fatalf("%v: %s", err, answer)
		}
		checkPolicies(t, w, l, signed)
	}
	cosigned(ask(l, 0))
	cosigned(ask(l, 5))
	l.grow(t, 20)
	if got := ask(l, 0); !strings.HasSuffix(got, " 5\n") {
		t.Errorf("a wrong old size: %s", got)
	}
	fork := newWitnessedLog(t, l.Origin(), 1, 20)
	cosigned(ask(l, 5))
	for what, c := range map[string]struct {
		log *witnessedLog
		old uint64
	}{
		"a fork":   {fork, 20},
		"stranger": {newWitnessedLog(t, "log.example/stranger", 0, 20), 0},
	} {
		if got := ask(c.log, c.old); strings.Contains(got, "ours.example") {
			t.Errorf("%s: %s", what, got)
		}
	}
}

// Tessera publishes a head of its own only when our witness has cosigned it.
func TestTesseraAsksOurWitness(t *testing.T) {
	const origin = "tessera.example/log"
	skey, vkey, err := merkle.GenerateKey(seedReader(7), origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	w := startOurs(t, vkey)
	group, err := tessera.NewWitnessGroupFromPolicy([]byte("witness w " + w.vkeys[0] + " " + w.url + "\nquorum w\n"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	driver, err := posix.New(t.Context(), posix.Config{Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	opts := tessera.NewAppendOptions().WithCheckpointSigner(signer).WithCheckpointInterval(100*time.Millisecond).
		WithBatching(16, 10*time.Millisecond).WithWitnesses(group, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, opts)
	if err != nil {
		t.Fatal(err)
	}
	await := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 20*time.Millisecond)
	for range 3 {
		for i := range 5 {
			if _, _, err := await.Await(ctx, appender.Add(ctx, tessera.NewEntry(fmt.Appendf(nil, "entry %d", i)))); err != nil {
				t.Fatal(err)
			}
		}
	}
	signed, err := reader.ReadCheckpoint(ctx)
	if err != nil {
		t.Fatal(err)
	}
	log, err := merkle.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	p, err := merkle.ParsePolicy([]byte("witness w " + w.vkeys[0] + "\nquorum w\n"))
	if err != nil {
		t.Fatal(err)
	}
	c, cosigned, err := p.Check(signed, origin, log)
	if err != nil || c.Size < 15 || len(cosigned) != 1 {
		t.Errorf("%+v, %+v, %v", c, cosigned, err)
	}
	if err := shutdown(ctx); err != nil {
		t.Error(err)
	}
}
