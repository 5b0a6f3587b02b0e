package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/audit"
	"github.com/lacunalog/lacuna/merkle/log"
)

// followed is a log that grows, served over HTTP, and its public key.
type followed struct {
	log  *log.Log
	vkey string // file
	url  string
	size int

	mu  sync.Mutex
	on  int    // call hit before this many more requests
	hit func() // may be nil
}

func newFollowed(t *testing.T) *followed {
	t.Helper()
	skey, vkey, err := merkle.GenerateKey(&counting{}, "followed.lacuna.test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := merkle.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	o := log.Options{Origin: "followed.lacuna.test", Signer: signer, VKey: vkey, MinFree: -1, FS: log.MemFS()}
	if err := log.Create("log", o); err != nil {
		t.Fatal(err)
	}
	f := &followed{vkey: filepath.Join(t.TempDir(), "log.vkey")}
	if f.log, err = log.Open(t.Context(), "log", o); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.on--
		hit := f.hit
		if f.on != 0 {
			hit = nil
		}
		f.mu.Unlock()
		if hit != nil {
			hit()
		}
		f.log.Handler().ServeHTTP(w, r)
	}))
	f.url = srv.URL
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		if err := f.log.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(f.vkey, []byte(vkey+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return f
}

// counting is a source of randomness that has none.
type counting struct{ n byte }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		c.n++
		p[i] = c.n
	}
	return len(p), nil
}

func (f *followed) grow(t *testing.T, n int) {
	t.Helper()
	for n > 0 {
		es := make([]log.Entry, min(n, 5000))
		for i := range es {
			es[i].Leaf = fmt.Appendf(nil, "entry %d", f.size+i)
		}
		if _, err := f.log.Append(t.Context(), es); err != nil {
			t.Fatal(err)
		}
		f.size += len(es)
		n -= len(es)
	}
}

// at calls do before the n-th request from now.
func (f *followed) at(n int, do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on, f.hit = n, do
}

func (f *followed) known(t *testing.T) *audit.Log {
	t.Helper()
	vkey, err := os.ReadFile(f.vkey)
	if err != nil {
		t.Fatal(err)
	}
	l, err := audit.NewLog([]string{strings.TrimSpace(string(vkey))}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// auditKills is how often each of the two loops here kills a program.
func auditKills(t *testing.T) int { return max(3, kills(t)/4) }

// TestKillDuringAudit kills an auditor before a random request, while the log
// grows. Its state never goes back, and in the end it has verified everything.
func TestKillDuringAudit(t *testing.T) {
	f := newFollowed(t)
	f.grow(t, 66_000)
	state := filepath.Join(t.TempDir(), "state")
	args := []string{"audit", "--url", f.url, "--key", f.vkey, "--state", state}
	rng := rand.New(rand.NewPCG(5, 6))
	killed, bundles := 0, uint64(0)
	for round := range auditKills(t) {
		if killDuring(t, f, 1+rng.IntN(700>>min(round, 6)), args...) {
			killed++
		}
		s, err := audit.OpenState(state, f.known(t))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if now := s.State().Bundles; now < bundles {
			t.Fatalf("round %d: %d bundles were verified, now %d", round, bundles, now)
		} else {
			bundles = now
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		f.grow(t, rng.IntN(2000))
	}
	f.at(0, nil)
	if out := runOK(t, "", args...); !bytes.Contains(out, fmt.Appendf(nil, ": %d entries", f.size)) {
		t.Errorf("in the end: %s", out)
	}
	if killed == 0 {
		t.Fatal("no audit was killed: the loop kills too late to show anything")
	}
	t.Logf("%d of %d audits killed, %d entries", killed, auditKills(t), f.size)
}

// TestKillDuringMirror kills a mirror before a random request, while the log
// grows. Whatever lies in its folder is what the log serves, and what its
// checkpoint covers is all there.
func TestKillDuringMirror(t *testing.T) {
	f := newFollowed(t)
	f.grow(t, 20_000)
	dir := filepath.Join(t.TempDir(), "mirror")
	args := []string{"mirror", "--url", f.url, "--key", f.vkey, "-o", dir}
	rng := rand.New(rand.NewPCG(7, 8))
	killed := 0
	for round := range auditKills(t) {
		if killDuring(t, f, 1+rng.IntN(160>>min(round, 4)), args...) {
			killed++
		}
		f.at(0, nil)
		checkMirror(t, f, dir)
		f.grow(t, rng.IntN(2000))
	}
	if out := runOK(t, "", args...); !bytes.Contains(out, fmt.Appendf(nil, ": %d entries", f.size)) {
		t.Errorf("in the end: %s", out)
	}
	checkMirror(t, f, dir)
	if killed == 0 {
		t.Fatal("no mirror was killed: the loop kills too late to show anything")
	}
	t.Logf("%d of %d mirrors killed, %d entries", killed, auditKills(t), f.size)
}

// killDuring starts a program and kills it before its n-th request. It reports
// whether the program had not ended before.
func killDuring(t *testing.T, f *followed, n int, args ...string) bool {
	t.Helper()
	cmd := program(args...)
	var talk bytes.Buffer
	cmd.Stderr = &talk
	started := make(chan struct{})
	f.at(n, func() {
		<-started
		cmd.Process.Kill()
	})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() >= 0) {
		t.Fatalf("lacuna %v: %v\n%s", args, err, talk.Bytes())
	}
	return err != nil
}

func checkMirror(t *testing.T, f *followed, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || strings.HasPrefix(filepath.Base(rel), ".") || rel == "checkpoint" {
			return err // what is being written, and heads, which are audited below
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		w := httptest.NewRecorder()
		f.log.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+filepath.ToSlash(rel), nil))
		if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), b) {
			t.Errorf("%s is not what the log serves (status %d)", rel, w.Code)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "checkpoint")); errors.Is(err, fs.ErrNotExist) {
		return
	}
	src, err := audit.Open(dir, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := f.known(t)
	s, err := audit.OpenState("", l)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&audit.Auditor{Source: src, Log: l, State: s}).Round(t.Context()); err != nil {
		t.Fatalf("the mirror does not verify: %v", err)
	}
}

// An interrupted program ends with 130 and goes on when it is started again.
func TestInterruptAudit(t *testing.T) {
	f := newFollowed(t)
	f.grow(t, 5000)
	for _, args := range [][]string{
		{"audit", "--url", f.url, "--key", f.vkey, "--state", filepath.Join(t.TempDir(), "state")},
		{"mirror", "--url", f.url, "--key", f.vkey, "-o", filepath.Join(t.TempDir(), "mirror")},
		{"audit", "--url", f.url, "--key", f.vkey, "--every", "1h"},
	} {
		cmd := program(args...)
		var talk bytes.Buffer
		cmd.Stderr = &talk
		started, wait := make(chan struct{}), make(chan struct{})
		f.at(5, func() {
			<-started
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
			<-wait // or the program might be done before it has noticed
		})
		err := cmd.Start()
		if err != nil {
			t.Fatal(err)
		}
		close(started)
		err = cmd.Wait()
		close(wait)
		if cmd.ProcessState.ExitCode() != exitInterrupted || !strings.Contains(talk.String(), "interrupted") {
			t.Errorf("lacuna %v: %v\n%s", args, err, talk.Bytes())
		}
		f.at(0, nil)
		if args[5] != "--every" {
			runOK(t, "", args...)
		}
	}
}

// A daemon says once that it cannot reach the log, however often it asks, and once
// that it can again.
func TestAuditTellsOnce(t *testing.T) {
	f := newFollowed(t)
	f.grow(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var rounds atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/checkpoint" {
			f.log.Handler().ServeHTTP(w, r)
			return
		}
		switch n := rounds.Add(1); {
		case n <= 3:
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		case n == 6:
			cancel()
		}
		f.log.Handler().ServeHTTP(w, r)
	}))
	defer srv.Close()
	var talk bytes.Buffer
	code := run(ctx, []string{"lacuna", "audit", "--url", srv.URL, "--key", f.vkey, "--every", "1ms", "--patience", "0s"}, nil, io.Discard, &talk)
	if code != exitInterrupted {
		t.Errorf("exit %d, want %d", code, exitInterrupted)
	}
	for _, want := range []string{"looking again", "in order again"} {
		if n := strings.Count(talk.String(), want); n != 1 {
			t.Errorf("%q is said %d times, want once:\n%s", want, n, talk.Bytes())
		}
	}
}

// A daemon follows a log and serves metrics until it is stopped.
func TestAuditMetrics(t *testing.T) {
	f := newFollowed(t)
	f.grow(t, 300)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	talk, talkw := io.Pipe()
	out, outw := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"lacuna", "audit", "--url", f.url, "--key", f.vkey, "--every", "10ms", "--metrics", ":0", "--json"}, nil, outw, talkw)
		talkw.Close()
		outw.Close()
	}()
	url := readUntil(t, talk, regexp.MustCompile(`metrics at (http://127\.0\.0\.1:\d+/metrics)\n`))
	go func() { _, _ = io.Copy(io.Discard, talk) }()
	lines := make(chan string)
	go func() {
		defer close(lines)
		for {
			b := make([]byte, 64<<10)
			n, err := out.Read(b)
			if err != nil {
				return
			}
			lines <- string(b[:n])
		}
	}()
	for size := range 3 {
		want := fmt.Sprintf(`"size":%d,`, f.size)
		for line := range lines {
			if strings.Contains(line, want) {
				break
			}
		}
		page := get(t, url)
		for _, line := range []string{
			fmt.Sprintf("lacuna_audit_size{origin=\"followed.lacuna.test\"} %d\n", f.size),
			`lacuna_audit_rounds_total{origin="followed.lacuna.test",result="fork"} 0`,
			`lacuna_audit_answers_total{origin="followed.lacuna.test",status="200"} `,
			`lacuna_audit_last_success_timestamp_seconds{origin="followed.lacuna.test"} `,
		} {
			if !strings.Contains(page, line) {
				t.Errorf("growth %d: the metrics lack %s:\n%s", size, line, page)
			}
		}
		f.grow(t, 100)
	}
	cancel()
	go func() {
		for range lines {
		}
	}()
	if code := <-ended; code != exitInterrupted {
		t.Errorf("exit %d, want %d", code, exitInterrupted)
	}
	if _, err := http.Get(url); err == nil {
		t.Error("the metrics are still served")
	}
}

func readUntil(t *testing.T, r io.Reader, want *regexp.Regexp) string {
	t.Helper()
	var got []byte
	b := make([]byte, 1024)
	for {
		n, err := r.Read(b)
		got = append(got, b[:n]...)
		if m := want.FindSubmatch(got); m != nil {
			return string(m[1])
		}
		if err != nil {
			t.Fatalf("%v after %q", err, got)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestAuditDamageExit changes one bit of each kind of file of a mirror. The program
// ends with exit 10 and names the file, and with exit 0 where nothing was changed.
func TestAuditDamageExit(t *testing.T) {
	f := newFollowed(t)
	f.grow(t, 66_000)
	dir := filepath.Join(t.TempDir(), "mirror")
	runOK(t, "", "mirror", "--url", f.url, "--key", f.vkey, "-o", dir)
	exit := func(command ...string) (int, string) {
		var out, talk bytes.Buffer
		return run(t.Context(), append([]string{"lacuna"}, command...), nil, &out, &talk), talk.String()
	}
	check := func() (int, string) { return exit("audit", "--url", dir, "--key", f.vkey) }
	for _, path := range []string{
		"checkpoint", "tile/entries/000", "tile/entries/256", "tile/entries/257.p/208",
		"tile/0/000", "tile/0/257.p/208", "tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1",
	} {
		name := filepath.Join(dir, filepath.FromSlash(path))
		good, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(good)
		bad[len(bad)-2] ^= 4
		if err := os.WriteFile(name, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if code, talk := check(); code != exitVerify || !strings.HasPrefix(talk, "lacuna: "+path+": ") {
			t.Errorf("%s: exit %d, want %d: %s", path, code, exitVerify, talk)
		}
		if err := os.WriteFile(name, good, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if code, talk := check(); code != exitOK {
		t.Errorf("nothing is changed: exit %d: %s", code, talk)
	}
}
