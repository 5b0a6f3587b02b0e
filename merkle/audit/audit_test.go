package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// Every size where something begins or ends.
var sizes = []int{0, 1, 2, 255, 256, 257, 511, 512, 1000, 65535, 65536, 65537, 70000}

// From nothing, a round reads every file of the log once, and nothing else.
func TestAuditWhole(t *testing.T) {
	h := newHistory(t).grow(70000, "a")
	for _, size := range sizes {
		want := h.files(t, size)
		src := record(want)
		a := auditor(t, h, src)
		r := mustRound(t, a, size)
		if r.New != uint64(size) || r.Follows || string(r.Signed) != string(want["checkpoint"]) {
			t.Errorf("size %d: %d new entries, follows %v", size, r.New, r.Follows)
		}
		for path := range want {
			if n := src.asked[path]; n != 1 {
				t.Errorf("size %d: %s was read %d times", size, path, n)
			}
			if src.asked[path] == 0 {
				t.Errorf("size %d: %s was not read", size, path)
			}
		}
		for path := range src.asked {
			if want[path] == nil {
				t.Errorf("size %d: asked for %s, which the head does not cover", size, path)
			}
		}
	}
}

// From size to size, with a state on disk that is opened anew each time, a round
// reads what is new and ends with the same state as one from nothing.
func TestAuditGrowing(t *testing.T) {
	h := newHistory(t).grow(70000, "a")
	l := testLog(t, h)
	file := filepath.Join(t.TempDir(), "state")
	last := 0
	for _, size := range sizes {
		want := h.files(t, size)
		src := record(want)
		s, err := OpenState(file, l)
		if err != nil {
			t.Fatal(err)
		}
		a := &Auditor{Source: src, Log: l, State: s}
		r := mustRound(t, a, size)
		if r.Follows != (size != sizes[0]) {
			t.Errorf("size %d: follows %v", size, r.Follows)
		}
		if limit := uint64(size - last + 255); r.New > limit {
			t.Errorf("size %d after %d: %d entries were read, want at most %d", size, last, r.New, limit)
		}
		for tile := range merkle.TilesOf(uint64(size)) {
			old := merkle.TileWidthAt(tile.Level, tile.Index, uint64(last))
			if n := src.asked[tile.Path()]; old < tile.Width && n == 0 {
				t.Errorf("size %d after %d: %s was not read", size, last, tile)
			}
			if tile.Level == 0 && old < tile.Width && src.asked[merkle.EntriesPath(tile.Index, tile.Width)] != 1 {
				t.Errorf("size %d after %d: the bundle of %s was not read once", size, last, tile)
			}
		}
		fresh := auditor(t, h, want)
		mustRound(t, fresh, size)
		if got, want := fmt.Sprint(s.State()), fmt.Sprint(fresh.State.State()); got != want {
			t.Errorf("size %d after %d: state\n%s\nfrom nothing\n%s", size, last, got, want)
		}
		src.asked = map[string]int{}
		mustRound(t, a, size)
		if len(src.asked) != 1 {
			t.Errorf("size %d: without anything new, %d files were read", size, len(src.asked))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		last = size
	}
}

// Whatever is wrong with a file, it is named. A source in memory tells how the
// rest is read; what HTTP and disks add has tests of its own.
func TestAuditDamage(t *testing.T) {
	const size = 70000
	h := newHistory(t).grow(size, "a")
	good := h.files(t, size)
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 4; return b }
	}
	changes := map[string]func([]byte) []byte{
		"first byte": flip(0),
		"last byte":  flip(-1),
		"cut short":  func(b []byte) []byte { return b[:len(b)-1] },
		"longer":     func(b []byte) []byte { return append(b, 0) },
		"empty":      func([]byte) []byte { return []byte{} },
		"missing":    func([]byte) []byte { return nil },
	}
	for _, path := range []string{
		"tile/entries/000", "tile/entries/100", "tile/entries/272", "tile/entries/273.p/112",
		"tile/0/000", "tile/0/255", "tile/0/256", "tile/0/273.p/112",
		"tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1",
	} {
		if good[path] == nil {
			t.Fatalf("%s is not a file of this log", path)
		}
		for what, change := range changes {
			if what != "last byte" && slices.Contains([]string{"tile/entries/100", "tile/entries/272", "tile/0/255", "tile/0/256"}, path) {
				continue // these have one of their kind above, and cost a whole log
			}
			a := auditor(t, h, good.with(path, change))
			_, err := a.Round(t.Context())
			t.Logf("%s, %s: %v", path, what, err)
			wantMismatch(t, err, path)
			if a.State.State().Head != "" {
				t.Errorf("%s, %s: the head is remembered as verified", path, what)
			}
			if what == "missing" {
				// And once it is there, the same auditor goes on.
				a.Source = good
				mustRound(t, a, size)
			}
		}
	}
	for what, checkpoint := range map[string][]byte{
		"another root":    h.sign(t, merkle.Checkpoint{Origin: testOrigin, Size: size, Root: merkle.LeafHash(nil)}),
		"another size":    h.sign(t, merkle.Checkpoint{Origin: testOrigin, Size: size - 256, Root: h.rng.Root()}),
		"of another log":  []byte(strings.Replace(string(good["checkpoint"]), testOrigin, "log.example/other", 1)),
		"a bit":           flip(len(testOrigin) + 10)(slices.Clone(good["checkpoint"])),
		"not a note":      []byte("<html>please log in</html>"),
		"empty":           {},
		"of an empty log": []byte(testOrigin + "\n0\n" + merkle.LeafHash(nil).String() + "\n\n"),
	} {
		_, err := auditor(t, h, good.with("checkpoint", func([]byte) []byte { return checkpoint })).Round(t.Context())
		t.Logf("%s: %v", what, err)
		if what == "another size" {
			// The tiles that such a size calls for are not there.
			if _, ok := errors.AsType[*MismatchError](err); !ok {
				t.Errorf("%s: got %v", what, err)
			}
			continue
		}
		wantMismatch(t, err, "checkpoint")
	}
	// A log that has no checkpoint has claimed nothing.
	_, err := auditor(t, h, good.with("checkpoint", func([]byte) []byte { return nil })).Round(t.Context())
	if _, ok := errors.AsType[*UnreachableError](err); !ok {
		t.Errorf("without a checkpoint: %v", err)
	}
}

// A tile that has been replaced by a wider one is read from that, but only if
// the source says that the narrow one does not exist.
func TestAuditFallsBack(t *testing.T) {
	h := newHistory(t).grow(70000, "a")
	all := h.files(t, 70000)
	for _, size := range []int{1, 300, 65000, 65700} {
		src := maps.Clone(all)
		src["checkpoint"] = h.signed(t, size)
		// Level 1 of these sizes has no full tile in place of the partial one.
		for path, b := range h.files(t, size) {
			if strings.Contains(path, ".p/") && !strings.HasPrefix(path, "tile/0") && !strings.HasPrefix(path, "tile/entries") {
				src[path] = b
			}
		}
		mustRound(t, auditor(t, h, src), size)
		busy := &failing{Source: src, path: ".p/", err: &UnreachableError{Source: "x", Path: "y", Err: syscall.ENOENT}}
		_, err := auditor(t, h, busy).Round(t.Context())
		if _, ok := errors.AsType[*UnreachableError](err); !ok {
			// Whatever the system calls the reason: this one is a file that the
			// resolver did not find, say.
			t.Errorf("size %d: a server that cannot be asked is not asked for another file: got %v", size, err)
		}
	}
}

// failing answers some paths with an error.
type failing struct {
	Source
	path string
	err  error
}

func (f *failing) Fetch(ctx context.Context, path string, limit int) ([]byte, error) {
	if strings.Contains(path, f.path) {
		return nil, f.err
	}
	return f.Source.Fetch(ctx, path, limit)
}

// Stopped before any request, an audit goes on where it was, and never reads
// again what a written state says is verified.
func TestAuditStopped(t *testing.T) {
	const size = 3000
	h := newHistory(t).grow(size, "a")
	l := testLog(t, h)
	good := h.files(t, size)
	for stop := 0; stop < len(good)+2; stop++ {
		file := filepath.Join(t.TempDir(), "state")
		s, err := OpenState(file, l)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		src := record(good)
		n := 0
		src.before = func(string) {
			if n == stop {
				cancel()
			}
			n++
		}
		a := &Auditor{Source: src, Log: l, State: s, Parallel: 1, saveEvery: 1}
		_, err = a.Round(ctx)
		cancel()
		if stop < len(good) && !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped at request %d: %v", stop, err)
		}
		done := s.State().Bundles
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = OpenState(file, l); err != nil {
			t.Fatal(err)
		}
		again := record(good)
		a = &Auditor{Source: again, Log: l, State: s}
		mustRound(t, a, size)
		for i := range done {
			if again.asked[merkle.EntriesPath(i, 256)] > 0 {
				t.Errorf("stopped at request %d: bundle %d of %d was read again", stop, i, done)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A log may grow while it is read, and a round that was stopped goes on under
// the newer head.
func TestAuditStoppedAndGrown(t *testing.T) {
	h := newHistory(t).grow(3000, "a")
	a := auditor(t, h, nil)
	ctx, cancel := context.WithCancel(t.Context())
	src := record(h.files(t, 2500))
	src.before = func(path string) {
		if path == "tile/entries/005" {
			cancel()
		}
	}
	a.Source, a.Parallel = src, 1
	if _, err := a.Round(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if s := a.State.State(); s.Bundles != 5 || s.Seen == "" || s.Head != "" {
		t.Fatalf("stopped at %d bundles", s.Bundles)
	}
	// The newest head that was seen binds the log, although its tree was not read.
	a.Source = h.files(t, 2400)
	_, err := a.Round(t.Context())
	wantConflict(t, h, err, Unshown)
	fork := newHistory(t).grow(2000, "a").grow(3000, "b")
	a.Source = fork.files(t, 3000)
	_, err = a.Round(t.Context())
	wantConflict(t, h, err, Fork)
	a.Source = h.files(t, 3000)
	if r := mustRound(t, a, 3000); r.New != 3000-5*256 {
		t.Errorf("%d new entries", r.New)
	}
}
