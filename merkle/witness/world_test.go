package witness_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/witness"
)

const (
	origin      = "log.example/witnessed"
	witnessName = "witness.example/w"
)

// seedReader yields a fixed sequence, so that keys are the same in every run.
type seedReader byte

func (s seedReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s) + byte(i)
	}
	return len(p), nil
}

// A tree is a log in memory, computed as RFC 6962 says it.
type tree struct {
	tb     testing.TB
	origin string
	signer merkle.Signer
	vkey   string
	leaves []merkle.Hash
}

// newTree returns a log with that many entries and a key of its own.
func newTree(tb testing.TB, origin string, size int) *tree {
	skey, vkey, err := merkle.GenerateKey(seedReader(1), origin)
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := merkle.NewSigner(skey)
	if err != nil {
		tb.Fatal(err)
	}
	t := &tree{tb: tb, origin: origin, signer: signer, vkey: vkey}
	t.grow(size)
	return t
}

func (t *tree) grow(to int) {
	for i := len(t.leaves); i < to; i++ {
		t.leaves = append(t.leaves, merkle.LeafHash(fmt.Appendf(nil, "entry %d", i)))
	}
}

// fork returns a log of the same length and key that has other entries from a
// size on.
func (t *tree) fork(at int) *tree {
	f := *t
	f.leaves = slices.Clone(t.leaves)
	for i := at; i < len(f.leaves); i++ {
		f.leaves[i] = merkle.LeafHash(fmt.Appendf(nil, "another entry %d", i))
	}
	return &f
}

func (t *tree) verifier() merkle.Verifier {
	v, err := merkle.NewVerifier(t.vkey)
	if err != nil {
		t.tb.Fatal(err)
	}
	return v
}

func root(leaves []merkle.Hash) merkle.Hash {
	switch n := len(leaves); n {
	case 0:
		return merkle.EmptyRoot()
	case 1:
		return leaves[0]
	default:
		k := split(n)
		return merkle.NodeHash(root(leaves[:k]), root(leaves[k:]))
	}
}

// split is the largest power of two below n.
func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}

func (t *tree) head(size int) merkle.Checkpoint {
	return merkle.Checkpoint{Origin: t.origin, Size: uint64(size), Root: root(t.leaves[:size])}
}

// signed returns the signed checkpoint of a size.
func (t *tree) signed(size int) []byte { return t.sign(t.head(size)) }

func (t *tree) sign(c merkle.Checkpoint) []byte {
	b, err := merkle.SignCheckpoint(c, t.signer)
	if err != nil {
		t.tb.Fatal(err)
	}
	return b
}

// handSigned signs what our own signers refuse to.
func handSigned(t *testing.T, log *tree, text string) []byte {
	t.Helper()
	b, err := note.Sign(&note.Note{Text: text}, log.signer)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// proof is PROOF(old, D[:size]), RFC 6962, section 2.1.2.
func (t *tree) proof(old, size int) []merkle.Hash {
	var sub func(m int, d []merkle.Hash, known bool) []merkle.Hash
	sub = func(m int, d []merkle.Hash, known bool) []merkle.Hash {
		if m == len(d) {
			if known {
				return nil
			}
			return []merkle.Hash{root(d)}
		}
		k := split(len(d))
		if m <= k {
			return append(sub(m, d[:k], known), root(d[k:]))
		}
		return append(sub(m-k, d[k:], false), root(d[:k]))
	}
	if old == 0 {
		return nil
	}
	return sub(old, t.leaves[:size], true)
}

// subtreeProof is the proof for a subtree of one leaf or more, which for a
// perfect subtree is an inclusion path that begins higher up.
func (t *tree) subtreeProof(start, end, size int) []merkle.Hash {
	var sub func(start, end int, d []merkle.Hash, known bool) []merkle.Hash
	sub = func(start, end int, d []merkle.Hash, known bool) []merkle.Hash {
		if start == 0 && end == len(d) {
			if known {
				return nil
			}
			return []merkle.Hash{root(d)}
		}
		k := split(len(d))
		switch {
		case end <= k:
			return append(sub(start, end, d[:k], known), root(d[k:]))
		case start >= k:
			return append(sub(start-k, end-k, d[k:], known), root(d[:k]))
		}
		return append(sub(0, end-k, d[k:], false), root(d[:k]))
	}
	return sub(start, end, t.leaves[:size], true)
}

// prover returns the proofs to a size, as the client asks for them.
func (t *tree) prover(size int) witness.Prover {
	return func(_ context.Context, old uint64) ([]merkle.Hash, error) { return t.proof(int(old), size), nil }
}

// add is the body of add-checkpoint.
func (t *tree) add(old, size int) []byte {
	return witness.AddRequest(witness.NewAdd(uint64(old), t.proof(old, size), t.signed(size)))
}

func cosigner(tb testing.TB, name string, seed byte, a merkle.Algorithm) *merkle.Cosigner {
	skey, _, err := merkle.GenerateCosigner(seedReader(seed), name, a)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := merkle.NewCosigner(skey)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// cosigners are the two keys of the witness in these tests.
func cosigners(tb testing.TB) []*merkle.Cosigner {
	return []*merkle.Cosigner{
		cosigner(tb, witnessName, 2, merkle.CosignatureEd25519),
		cosigner(tb, witnessName, 3, merkle.CosignatureMLDSA44),
	}
}

func verifiers(cs []*merkle.Cosigner) []merkle.Verifier {
	var vs []merkle.Verifier
	for _, c := range cs {
		vs = append(vs, c.Verifier())
	}
	return vs
}

var quiet = slog.New(slog.DiscardHandler)

func options(tb testing.TB, logs ...*tree) witness.Options {
	o := witness.Options{Cosigners: cosigners(tb), Logger: quiet}
	for _, l := range logs {
		o.Logs = append(o.Logs, l.verifier())
	}
	return o
}

// newServer returns a witness of logs in a new folder.
func newServer(t *testing.T, logs ...*tree) *witness.Server {
	t.Helper()
	o := options(t, logs...)
	o.Dir = filepath.Join(t.TempDir(), "a", "logs")
	if err := witness.Create(o.Dir); err != nil {
		t.Fatal(err)
	}
	s, err := witness.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// do sends one request to a handler, without a network.
func do(h http.Handler, method, path string, body []byte) (int, string, http.Header) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(string(body))))
	b, _ := io.ReadAll(w.Result().Body) // a recorder's body does not fail
	return w.Code, string(b), w.Result().Header
}

func post(h http.Handler, body []byte) (int, string) {
	code, answer, _ := do(h, http.MethodPost, "/add-checkpoint", body)
	return code, answer
}

// at is a clock that stands still.
func at(unix int64) func() time.Time { return func() time.Time { return time.Unix(unix, 0) } }

// latest returns what the witness shows to monitors, nil if nothing.
func latest(t *testing.T, h http.Handler) []byte {
	t.Helper()
	code, b, _ := do(h, http.MethodGet, "/"+witness.FileName(origin)+"/checkpoint", nil)
	switch code {
	case http.StatusNotFound:
		return nil
	case http.StatusOK:
		return []byte(b)
	}
	t.Fatalf("monitors get status %d", code)
	return nil
}

// checkCosigned checks that lines are cosignatures by all keys of a witness, at
// that time, of the checkpoint.
func checkCosigned(t *testing.T, signed []byte, lines string, c merkle.Checkpoint, time uint64) {
	t.Helper()
	all, err := merkle.AddSignatures(signed, []byte(lines))
	if err != nil {
		t.Fatal(err)
	}
	got, cs, err := merkle.Cosignatures(all, verifiers(cosigners(t))...)
	if err != nil {
		t.Fatal(err)
	}
	if got.Size != c.Size || got.Root != c.Root || got.Origin != c.Origin {
		t.Errorf("cosigned %v, want %v", got, c)
	}
	if len(cs) != 2 || cs[0].Algorithm != merkle.CosignatureEd25519 || cs[1].Algorithm != merkle.CosignatureMLDSA44 {
		t.Fatalf("cosignatures %v", cs)
	}
	for _, s := range cs {
		if s.Time != time {
			t.Errorf("cosigned at %d, want %d", s.Time, time)
		}
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("LACUNA_TEST_WITNESS"); dir != "" {
		runVictim(dir)
	}
	os.Exit(m.Run())
}
