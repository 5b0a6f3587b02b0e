package ledger_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
	cosigning "github.com/lacunalog/lacuna/merkle/witness"
)

// A neighbour is a witness behind HTTP.
type neighbour struct {
	t     *testing.T
	dir   string
	keys  []*merkle.Cosigner
	site  *httptest.Server
	serve http.Handler
	down  atomic.Bool
}

func newNeighbour(t *testing.T, name string, kinds ...merkle.Algorithm) *neighbour {
	t.Helper()
	n := &neighbour{t: t, dir: filepath.Join(t.TempDir(), "logs")}
	for _, a := range kinds {
		skey, _, err := merkle.GenerateCosigner(rand.Reader, name, a)
		if err != nil {
			t.Fatal(err)
		}
		k, err := merkle.NewCosigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		n.keys = append(n.keys, k)
	}
	if err := cosigning.Create(n.dir); err != nil {
		t.Fatal(err)
	}
	n.site = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		n.serve.ServeHTTP(w, r)
	}))
	t.Cleanup(n.site.Close)
	return n
}

// watch lets it cosign a log.
func (n *neighbour) watch(vkey string) {
	n.t.Helper()
	v, err := merkle.NewVerifier(strings.TrimSpace(vkey))
	if err != nil {
		n.t.Fatal(err)
	}
	s, err := cosigning.NewServer(cosigning.Options{
		Dir: n.dir, Cosigners: n.keys, Logs: []merkle.Verifier{v}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { s.Close() })
	n.serve = s
}

// lines are those of a policy, one for each key.
func (n *neighbour) lines(name string) string {
	var b strings.Builder
	for i, k := range n.keys {
		fmt.Fprintf(&b, "witness %s%d %s %s\n", name, i, k.VKey(), n.site.URL)
	}
	return b.String()
}

// witnessedOffice is a ledger under a policy of two witnesses, one of which has two
// keys, and with a second key of its own.
func witnessedOffice(t *testing.T) (*office, *neighbour, *neighbour) {
	t.Helper()
	one := newNeighbour(t, "one.lacuna.test", merkle.CosignatureEd25519)
	two := newNeighbour(t, "two.lacuna.test", merkle.CosignatureEd25519, merkle.CosignatureMLDSA44)
	o := &office{t: t, dir: t.TempDir()}
	policy := one.lines("one") + two.lines("two") + "group both all one0 two1\nquorum both\n"
	err := ledger.Init(t.Context(), ledger.InitOptions{
		Dir: o.path("crm"), Origin: "office.lacuna.test", Root: []string{o.path("crm.root")}, Pages: o.path("pages"),
		Policy: []byte(policy), MLDSA: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	vkey := o.read("crm/log.vkey")
	one.watch(vkey)
	two.watch(vkey)
	return o, one, two
}

func (o *office) read(name string) string {
	o.t.Helper()
	b, err := os.ReadFile(o.path(name))
	if err != nil {
		o.t.Fatal(err)
	}
	return string(b)
}

// checkByPolicy verifies a head by the file that the ledger gives to verifiers, and
// by each of the log's keys alone.
func checkByPolicy(t *testing.T, o *office, signed []byte) merkle.Checkpoint {
	t.Helper()
	p, err := merkle.ParsePolicy([]byte(o.read("crm/log.policy")))
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := p.Check(signed, "office.lacuna.test")
	if err != nil {
		t.Fatalf("%v\n%s", err, signed)
	}
	for _, name := range []string{"crm/log.vkey", "crm/log.mldsa.vkey"} {
		v, err := merkle.NewVerifier(strings.TrimSpace(o.read(name)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := merkle.OpenCheckpoint(signed, "office.lacuna.test", v); err != nil {
			t.Errorf("by %s: %v", name, err)
		}
	}
	return c
}

func served(t *testing.T, l *ledger.Ledger) (int, []byte) {
	t.Helper()
	w := httptest.NewRecorder()
	l.Log().Handler().ServeHTTP(w, httptest.NewRequest("GET", "/checkpoint", nil))
	return w.Code, w.Body.Bytes()
}

func found(fs []ledger.Finding, s ledger.Severity, text string) bool {
	return slices.ContainsFunc(fs, func(f ledger.Finding) bool { return f.Severity == s && strings.Contains(f.Text, text) })
}

// TestWitnessed: what strangers see, and what proofs lead to, satisfies the policy
// of the file that they were given.
func TestWitnessed(t *testing.T) {
	o, one, two := witnessedOffice(t)
	l := o.open("crm")
	declareTestPurposes(t, l)
	rec := o.record(l, "a")
	if code, _ := served(t, l); code != http.StatusNotFound {
		t.Errorf("before anything is published: status %d", code)
	}
	if !found(l.Examine(), ledger.Warning, "no head satisfies the policy") {
		t.Error("Examine does not say that nothing is published")
	}

	// A proof asks the witnesses itself if no published head covers its entry.
	p, err := l.Prove(t.Context(), rec[0].Index, ledger.ProveOptions{})
	if err != nil || p.Unwitnessed != nil {
		t.Fatalf("%v, %v", err, p.Unwitnessed)
	}
	head := func(file []byte) merkle.Checkpoint {
		p, err := merkle.ParseProof(file)
		if err != nil {
			t.Fatal(err)
		}
		return checkByPolicy(t, o, p.Checkpoint)
	}
	first := head(p.File)
	if _, got := served(t, l); checkByPolicy(t, o, got).Size != first.Size {
		t.Error("the head of the proof is not the one that is served")
	}
	if !found(l.Examine(), ledger.Fine, `cosigned by "`) {
		t.Error("Examine does not say who cosigned")
	}

	// With a witness away, an older entry still has the head that covered it first,
	// and a newer one that of the log alone.
	two.down.Store(true)
	newer := o.record(l, "b")
	p, err = l.Prove(t.Context(), rec[0].Index, ledger.ProveOptions{})
	if err != nil || p.Unwitnessed != nil || head(p.File).Size != first.Size || p.Before != nil {
		t.Errorf("older entry: %v, %v", err, p.Unwitnessed)
	}
	p, err = l.Prove(t.Context(), newer[0].Index, ledger.ProveOptions{})
	if err != nil || !as[*log.UnwitnessedError](p.Unwitnessed) {
		t.Fatalf("newer entry: %v, %v", err, p.Unwitnessed)
	}
	if before := checkByPolicy(t, o, p.Before); before.Size != first.Size {
		t.Errorf("the newest head without the newer entry: size %d, want %d", before.Size, first.Size)
	}
	if _, err := l.Verify(p.File); err != nil {
		t.Error(err)
	}
	if _, err := l.Publish(t.Context()); !as[*log.UnwitnessedError](err) {
		t.Errorf("publishing with a witness away: %v", err)
	}
	if _, got := served(t, l); checkByPolicy(t, o, got).Size != first.Size {
		t.Error("the older head is not shown any more")
	}
	two.down.Store(false)
	one.down.Store(true) // it has answered, and is not asked again
	h, err := l.Publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if cs, err := l.Cosignatures(h); err != nil || len(cs) != 3 || cs[0].Witness == "" {
		t.Errorf("cosignatures %v, %v", cs, err)
	}
	checkByPolicy(t, o, h.Signed)
	checkFsck(t, l)

	// A backup carries all of it but the keys.
	if _, err := l.Backup(t.Context(), o.path("backup")); err != nil {
		t.Fatal(err)
	}
	o.close(l)
	for _, name := range []string{"log.skey", "log.mldsa.skey"} {
		if _, err := os.Stat(o.path("backup/" + name)); err == nil {
			t.Errorf("the backup holds %s", name)
		}
	}
	ro := ledger.RestoreOptions{
		From: o.path("backup"), Dir: o.path("restored"), Root: []string{o.path("crm.root")}, SigningKey: o.path("crm/log.skey"), Pages: o.path("pages"),
	}
	if _, err := ledger.Restore(t.Context(), ro); !as[*ledger.ConfigError](err) {
		t.Errorf("restoring without the second key: %v", err)
	}
	ro.SecondKey = o.path("crm/log.mldsa.skey")
	if _, err := ledger.Restore(t.Context(), ro); err != nil {
		t.Fatal(err)
	}
	one.down.Store(false)
	l = o.open("restored")
	if _, got := served(t, l); string(got) != string(h.Signed) {
		t.Errorf("the restored ledger shows\n%s", got)
	}
	o.record(l, "c")
	if h, err = l.Publish(t.Context()); err != nil || h.Size != l.Log().Head().Size {
		t.Fatalf("going on: %d, %v", h.Size, err)
	}
	checkByPolicy(t, o, h.Signed)
	checkFsck(t, l)
	o.close(l)
}

// declareTestPurposes records what the office's events are about.
func declareTestPurposes(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	must(t, l, `{"type":"purpose.declared","purpose_id":"chat-service","description":{"en":"Chat"},"legal_basis":"A6-1-b","categories":["Name"],"storage":["DE"],"retention":"P2Y"}`)
}

// TestWitnessedOldCopy restores an old copy together with what lies beside it: only
// a witness can tell.
func TestWitnessedOldCopy(t *testing.T) {
	o, one, _ := witnessedOffice(t)
	l := o.open("crm")
	declareTestPurposes(t, l)
	o.record(l, "a")
	if _, err := l.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.close(l)
	if err := os.CopyFS(o.path("old/crm"), os.DirFS(o.path("crm"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"crm.root", "crm.root.head"} {
		if err := os.WriteFile(o.path("old/"+name), []byte(o.read(name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l = o.open("crm")
	o.record(l, "b", "c", "d")
	if _, err := l.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.close(l)

	open := func() (*ledger.Ledger, []string) {
		var warned []string
		l, err := ledger.Open(t.Context(), ledger.Options{
			Dir: o.path("old/crm"), Root: []string{o.path("old/crm.root")}, Warn: func(s string) { warned = append(warned, s) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return l, warned
	}
	old, _ := open()
	checkFsck(t, old) // from inside, nothing is wrong
	o.record(old, "e")
	var rolled log.ErrRolledBack
	if _, err := old.Publish(t.Context()); !errors.As(err, &rolled) || rolled.Known.Size <= rolled.Have.Size {
		t.Fatalf("publishing an old copy: %v", err)
	}
	if _, err := old.Record(t.Context(), mustParse(`{"type":"processing.performed","subject":"f","purpose":"chat-service","operation":"x"}`)); !errors.As(err, &rolled) {
		t.Errorf("recording in an old copy: %v", err)
	}
	if !found(old.Examine(), ledger.Warning, "has cosigned a head of") {
		t.Error("Examine does not say that this is an old copy")
	}
	o.close(old)

	// The next process knows.
	old, warned := open()
	if !strings.Contains(strings.Join(warned, "\n"), "reading only") {
		t.Errorf("warnings %q", warned)
	}
	if !errors.As(old.RolledBack(), &rolled) {
		t.Error("RolledBack says nothing")
	}
	readsOnly(t, old)
	if _, err := old.Publish(t.Context()); !as[*ledger.ReadOnlyError](err) {
		t.Errorf("publishing: %v", err)
	}
	if entries, err := old.Timeline(t.Context(), "a"); err != nil || len(entries) != 1 {
		t.Errorf("reading: %d entries, %v", len(entries), err)
	}
	r, err := old.Fsck(t.Context(), nil)
	if err != nil || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "has cosigned") {
		t.Errorf("fsck: %v, %v", r.Problems, err)
	}
	o.close(old)
	if one.down.Load() {
		t.Fatal("the witness was away: this shows nothing")
	}
	// The newest copy goes on.
	l = o.open("crm")
	o.record(l, "g")
	if _, err := l.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.close(l)
}

// TestKeepPublished: what is recorded is published without being asked for, and an
// operator is told once about a witness that is away.
func TestKeepPublished(t *testing.T) {
	o, one, _ := witnessedOffice(t)
	one.down.Store(true)
	warned := make(chan string, 100)
	l, err := ledger.Open(t.Context(), ledger.Options{Dir: o.path("crm"), Warn: func(s string) { warned <- s }})
	if err != nil {
		t.Fatal(err)
	}
	for len(warned) > 0 {
		<-warned
	}
	declareTestPurposes(t, l)
	ended := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- l.KeepPublished(ctx, time.Millisecond) }()
	if s := <-warned; !strings.Contains(s, `witness "one0"`) || !strings.Contains(s, "502") {
		t.Errorf("told %q", s)
	}
	if s := <-warned; !strings.Contains(s, "not enough cosignatures") {
		t.Errorf("told %q", s)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	one.down.Store(false)
	if _, err := l.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := <-warned; !strings.Contains(s, "cosigns again") || len(warned) > 0 {
		t.Errorf("told %q, and %d more", s, len(warned))
	}
	o.close(l)
}

// TestPublishingConfig: a policy or key that is lost, or that nothing speaks of, is
// not taken for none.
func TestPublishingConfig(t *testing.T) {
	o, one, _ := witnessedOffice(t)
	good := map[string]string{}
	for _, name := range []string{"lacuna.json", "log.policy", "log.mldsa.skey", "log.mldsa.vkey"} {
		good[name] = o.read("crm/" + name)
	}
	other, _, err := merkle.GenerateCosigner(rand.Reader, "office.lacuna.test", merkle.CosignatureMLDSA44)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := merkle.GenerateKey(rand.Reader, "office.lacuna.test")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		file, text string
		want       string
	}{
		"no policy":         {"log.policy", "", "log.policy, and it is missing"},
		"no second key":     {"log.mldsa.skey", "", "log.mldsa.skey, and it is missing"},
		"a policy too many": {"lacuna.json", strings.Replace(good["lacuna.json"], `"policy": true,`, "", 1), `add "policy": true`},
		"a key too many": {"lacuna.json", strings.Replace(good["lacuna.json"], `"policy": true,
  "mldsa": true`, `"policy": true`, 1), `add "mldsa": true`},
		"half a policy":        {"log.policy", "quorum\n", "log.policy: malformed policy: line 1"},
		"another second key":   {"log.mldsa.skey", other, "does not belong to log.mldsa.vkey"},
		"no key at all":        {"log.mldsa.skey", "x", "log.mldsa.skey: "},
		"somebody else's log":  {"log.policy", "log " + stranger + "\nquorum none\n", "another key of log"},
		"a policy as a string": {"lacuna.json", strings.Replace(good["lacuna.json"], `"policy": true`, `"policy": "log.policy"`, 1), "lacuna.json: "},
	} {
		file := o.path("crm/" + test.file)
		if test.text == "" {
			err = os.Remove(file)
		} else {
			err = os.WriteFile(file, []byte(test.text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Open(t.Context(), ledger.Options{Dir: o.path("crm")})
		if err == nil {
			l.Close()
		}
		if !as[*ledger.ConfigError](err) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
		if err := os.WriteFile(file, []byte(good[test.file]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.close(o.open("crm"))
	// At init.
	for name, policy := range map[string]string{
		"empty":            "",
		"not a policy":     "hello\n",
		"the log's own":    "log " + stranger + "\n" + one.lines("one") + "quorum one0\n",
		"without a quorum": one.lines("one"),
	} {
		dir := o.path("new")
		err := ledger.Init(t.Context(), ledger.InitOptions{Dir: dir, Origin: "office.lacuna.test", Root: []string{o.path("new.root")}, Policy: []byte(policy)})
		if !as[*ledger.ConfigError](err) {
			t.Errorf("init with a policy that is %s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "lacuna.json")); err == nil {
			t.Errorf("init with a policy that is %s left a ledger", name)
		}
	}
	// Without either, as before.
	plain := newOffice(t)
	l := plain.open("crm")
	if _, err := l.Publish(t.Context()); !as[*ledger.ConfigError](err) {
		t.Errorf("publishing without a policy: %v", err)
	}
	if code, b := served(t, l); code != http.StatusOK || string(b) != string(l.Log().Head().Signed) {
		t.Errorf("without a policy: status %d\n%s", code, b)
	}
	plain.close(l)
}
