package ledger_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// TestOpenRefuses opens a ledger in which one thing is not as it should be. Each is
// refused with an error that callers can tell from others, in one line, without a
// secret in it; and when the thing is put right, the ledger is there in whole.
func TestOpenRefuses(t *testing.T) {
	defer slog.SetDefault(slog.Default()) // the engine has much to say
	slog.SetDefault(slog.New(slog.DiscardHandler))
	o, other := newOffice(t), newOffice(t)
	l := o.open("crm")
	declare(t, l)
	o.record(l, "living", "erased")
	for range 300 { // enough for a table
		o.record(l, "busy")
	}
	o.erase(l, "erased")
	size := l.Log().Head().Size
	o.close(l)
	l = o.open("crm") // the write-ahead log becomes a table
	o.close(l)

	replace := func(name string, text []byte) func(t *testing.T) func() {
		return func(t *testing.T) func() {
			sound, err := os.ReadFile(o.path(name))
			if err != nil {
				t.Fatal(err)
			}
			if text == nil {
				err = os.Remove(o.path(name))
			} else {
				err = os.WriteFile(o.path(name), text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			return func() { writeTo(t, o.path(name), string(sound)) }
		}
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	config := string(read(o.path("crm/lacuna.json")))
	_, otherKey, err := merkle.GenerateKey(rand.Reader, "office.lacuna.test")
	if err != nil {
		t.Fatal(err)
	}
	random := make([]byte, len(read(o.path("crm.root"))))
	rand.Read(random)
	tables, err := filepath.Glob(o.path("crm/log/*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables: %v, %v", tables, err)
	}
	table := strings.TrimPrefix(tables[0], o.dir+"/")
	whole := read(tables[0])
	any := func(error) bool { return true }

	tests := []struct {
		name  string
		spoil func(*testing.T) func()
		is    func(error) bool
	}{
		{"opened twice", func(t *testing.T) func() {
			l := o.open("crm")
			return func() { o.close(l) }
		}, is(log.ErrLocked)},
		{"the root is open elsewhere", func(t *testing.T) func() {
			if err := os.CopyFS(o.path("copy"), os.DirFS(o.path("crm"))); err != nil {
				t.Fatal(err)
			}
			l := o.open("copy")
			return func() { o.close(l) }
		}, is(keystore.ErrLocked)},
		{"no configuration", replace("crm/lacuna.json", nil), as[*ledger.NotFoundError]},
		{"a configuration that is no JSON", replace("crm/lacuna.json", []byte("{")), as[*ledger.ConfigError]},
		{"an unknown member", replace("crm/lacuna.json", []byte(strings.Replace(config, `"suite"`, `"sweet": 1, "suite"`, 1))), as[*ledger.ConfigError]},
		{"another format", replace("crm/lacuna.json", []byte(strings.Replace(config, `lacuna/v1`, `lacuna/v9`, 1))), as[*ledger.ConfigError]},
		{"an unknown suite", replace("crm/lacuna.json", []byte(strings.Replace(config, `"suite": 1`, `"suite": 7`, 1))), as[*ledger.ConfigError]},
		{"another origin", replace("crm/lacuna.json", []byte(strings.Replace(config, `office.lacuna.test`, `elsewhere.lacuna.test`, 1))), is(log.ErrWrongOrigin)},
		{"no root", replace("crm.root", nil), is(keystore.ErrHolderMissing)},
		{"another ledger's root", replace("crm.root", read(other.path("crm.root"))), is(keystore.ErrWrongTree)},
		{"an empty root", replace("crm.root", []byte{}), is(keystore.ErrHolderMissing)},
		{"a root of random bytes", replace("crm.root", random), func(err error) bool {
			return errors.Is(err, keystore.ErrHolderMissing) || errors.Is(err, keystore.ErrNoCompleteEpoch)
		}},
		{"no signing key", replace("crm/log.skey", nil), is(fs.ErrNotExist)},
		{"another log's signing key", replace("crm/log.skey", read(other.path("crm/log.skey"))), is(log.ErrWrongKey)},
		{"a signing key that is none", replace("crm/log.skey", []byte("PRIVATE+KEY+office.lacuna.test+00000000+AAAA")), any},
		{"no public key", replace("crm/log.vkey", nil), is(fs.ErrNotExist)},
		{"another public key", replace("crm/log.vkey", []byte(otherKey+"\n")), is(log.ErrWrongKey)},
		{"a truncated table", replace(table, whole[:len(whole)/2]), is(log.ErrCorrupt)},
		{"a table that is missing", replace(table, nil), is(log.ErrCorrupt)},
		{"no log", func(t *testing.T) func() {
			if err := os.Rename(o.path("crm/log"), o.path("away")); err != nil {
				t.Fatal(err)
			}
			return func() {
				os.RemoveAll(o.path("crm/log"))
				if err := os.Rename(o.path("away"), o.path("crm/log")); err != nil {
					t.Fatal(err)
				}
			}
		}, is(log.ErrNoLog)},
		{"a head copy of another log", replace("crm.root.head", read(other.path("crm.root.head"))), is(log.ErrHeadCopy)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			mend := test.spoil(t)
			l, err := ledger.Open(t.Context(), ledger.Options{Dir: o.path("crm")})
			if err == nil {
				l.Close()
				t.Error("opened")
			} else if !test.is(err) {
				t.Errorf("%v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "PRIVATE")) {
				t.Errorf("more than one line, or a key: %q", err)
			}
			mend()
			l, err = ledger.Open(t.Context(), ledger.Options{Dir: o.path("crm")})
			if err != nil {
				t.Fatalf("put right: %v", err)
			}
			defer l.Close()
			if l.Log().Head().Size != size {
				t.Errorf("%d entries, there were %d", l.Log().Head().Size, size)
			}
			if _, err := l.Timeline(t.Context(), "living"); err != nil {
				t.Error(err)
			}
			if _, err := l.Timeline(t.Context(), "erased"); !isNotFound(err) {
				t.Error(err)
			}
		})
	}
	l = o.open("crm")
	checkFsck(t, l)
}

// TestInitRefuses makes a ledger where it must not be, and again where an earlier
// one was thrown away.
func TestInitRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	good := ledger.InitOptions{Dir: path("crm"), Origin: "init.lacuna.test"}
	bad := map[string]func(*ledger.InitOptions){
		"no origin":               func(o *ledger.InitOptions) { o.Origin = "" },
		"an origin with a space":  func(o *ledger.InitOptions) { o.Origin = "a b" },
		"an origin with a plus":   func(o *ledger.InitOptions) { o.Origin = "a+b" },
		"a line in the origin":    func(o *ledger.InitOptions) { o.Origin = "a\nb" },
		"a suite that is none":    func(o *ledger.InitOptions) { o.Suite = 3 },
		"the root in the ledger":  func(o *ledger.InitOptions) { o.Root = []string{path("crm/root")} },
		"the pages in the ledger": func(o *ledger.InitOptions) { o.Pages = path("crm/pages") },
		"a root that cannot be":   func(o *ledger.InitOptions) { o.Root = []string{path("no/such/folder/root")} },
		"one of two that cannot":  func(o *ledger.InitOptions) { o.Root = []string{path("a.root"), path("no/such/folder/root")} },
		"one root twice":          func(o *ledger.InitOptions) { o.Root = []string{path("a.root"), path("a.root")} },
		"pages that cannot be":    func(o *ledger.InitOptions) { o.Pages = path("file/pages") },
	}
	writeTo(t, path("file"), "")
	for name, change := range bad {
		o := good
		change(&o)
		if err := ledger.Init(t.Context(), o); err == nil {
			t.Errorf("%s: made", name)
		}
		if _, err := ledger.ReadConfig(path("crm")); !isNotFound(err) {
			t.Errorf("%s: there is a ledger: %v", name, err)
		}
		if roots, _ := filepath.Glob(path("*.root")); len(roots) != 0 {
			t.Errorf("%s: left %v", name, roots)
		}
	}
	if err := ledger.Init(t.Context(), good); err != nil {
		t.Fatalf("after all of that: %v", err)
	}
	root, err := os.ReadFile(path("crm.root"))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*ledger.InitOptions){
		"twice":            func(*ledger.InitOptions) {},
		"with a used root": func(o *ledger.InitOptions) { o.Dir = path("other"); o.Root = []string{path("crm.root")} },
		"beside a used one": func(o *ledger.InitOptions) {
			o.Dir = path("other")
			o.Root = []string{path("b.root"), path("crm.root")}
		},
	} {
		o := good
		change(&o)
		if err := ledger.Init(t.Context(), o); err == nil {
			t.Errorf("%s: made", name)
		}
		if now, err := os.ReadFile(path("crm.root")); err != nil || !bytes.Equal(now, root) {
			t.Errorf("%s: the root has changed: %v", name, err)
		}
	}
	l, err := ledger.Open(t.Context(), ledger.Options{Dir: path("crm")})
	if err != nil {
		t.Fatal(err)
	}
	declare(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	// Somebody throws a ledger away and makes a new one under its name. What lay
	// beside the old root, the copy of its newest head, is not the new one's.
	if err := errors.Join(os.RemoveAll(path("crm")), os.Remove(path("crm.root"))); err != nil {
		t.Fatal(err)
	}
	if err := ledger.Init(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	if l, err = ledger.Open(t.Context(), ledger.Options{Dir: path("crm")}); err != nil {
		t.Fatalf("a new ledger in the place of one that was thrown away: %v", err)
	}
	defer l.Close()
	declare(t, l)
}

// TestOpenReadOnly opens a ledger for reading: everything is there, nothing can be
// written, and nothing is; also after a crash in the middle of an erasure.
func TestOpenReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	var cuts []*world
	var steps []string
	w.mu.Lock()
	w.onStep = func(step string, n int) {
		if strings.HasPrefix(step, "erasure") || strings.HasPrefix(step, "root") || strings.HasPrefix(step, "pages") {
			cuts, steps = append(cuts, w.crash(0, nil)), append(steps, step)
		}
	}
	w.mu.Unlock()
	must(t, l, `{"type":"processing.performed","subject":"living","purpose":"chat-service","operation":"x"}`)
	must(t, l, `{"type":"processing.performed","subject":"erased","purpose":"chat-service","operation":"x"}`)
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "erased"}); err != nil {
		t.Fatal(err)
	}
	w.close(l)
	cuts, steps = append(cuts, w.crashNow(0, nil)), append(steps, "closed")
	if !slices.Contains(steps, "erasure PREPARED") {
		t.Fatal(steps)
	}
	for i, c := range cuts {
		shares := len(c.root.shares)
		o := c.options()
		o.ReadOnly = true
		l, err := ledger.OpenOn(t.Context(), o, c.seams())
		if err != nil {
			t.Errorf("crashed at %q: %v", steps[i], err)
			continue
		}
		if _, err := l.Timeline(t.Context(), "living"); err != nil {
			t.Errorf("crashed at %q: %v", steps[i], err)
		}
		readsOnly(t, l)
		before := l.Log().Head().Size
		if err := l.Close(); err != nil {
			t.Errorf("crashed at %q: closing: %v", steps[i], err)
		}
		if len(c.root.shares) != shares {
			t.Errorf("crashed at %q: the root was changed by who only reads", steps[i])
		}
		l = c.open() // it was only looked at: the writer finishes what was begun
		if l.Log().Head().Size < before {
			t.Errorf("crashed at %q: %d entries, there were %d", steps[i], l.Log().Head().Size, before)
		}
		checkFsck(t, l)
	}
}
