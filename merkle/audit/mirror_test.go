package audit

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// quickDisk syncs nothing: what a crash leaves is tested on a disk that can
// crash, see crash_test.go.
type quickDisk struct{ osDisk }

func (quickDisk) create(path string, b []byte) error { return os.WriteFile(path, b, 0o644) }
func (quickDisk) syncDir(string) error               { return nil }

func openTestMirror(t testing.TB, h *history, dir string, src Source) *Mirror {
	t.Helper()
	m, err := OpenMirror(dir, src, testLog(t, h))
	if err != nil {
		t.Fatal(err)
	}
	m.disk = quickDisk{}
	t.Cleanup(func() { m.Close() }) // a second time where a test has done so
	return m
}

func mustUpdate(t testing.TB, m *Mirror, size int) Report {
	t.Helper()
	r, err := m.Update(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Head.Size != uint64(size) {
		t.Fatalf("update ended at size %d, want %d", r.Head.Size, size)
	}
	return r
}

// sameFiles checks that a folder holds exactly these files, byte for byte.
func sameFiles(t testing.TB, dir string, want files) {
	t.Helper()
	got := tree(t, dir)
	for path, b := range want {
		if !bytes.Equal(got[path], b) {
			t.Errorf("%s is missing or differs", path)
		}
	}
	for path := range got {
		if want[path] == nil {
			t.Errorf("%s is in the mirror and not in the log", path)
		}
	}
}

func TestMirror(t *testing.T) {
	h := newHistory(t).grow(70000, "a")
	for _, size := range sizes {
		want := h.files(t, size)
		dir := filepath.Join(t.TempDir(), "deep", "mirror")
		m := openTestMirror(t, h, dir, want)
		if size <= 1000 {
			m.disk = osDisk{}
		}
		r := mustUpdate(t, m, size)
		sameFiles(t, dir, want)
		if r.Written != uint64(len(want)-1) || r.New != uint64(size) {
			t.Errorf("size %d: %d files written for %d new entries, want %d", size, r.Written, r.New, len(want)-1)
		}
		// The mirror is a log that an auditor accepts.
		src, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		mustRound(t, auditor(t, h, src), size)
		if r := mustUpdate(t, m, size); r.Written != 0 || r.New != 0 {
			t.Errorf("size %d: an update without anything new has written %d files", size, r.Written)
		}
	}
}

// A mirror that follows a log holds what one from nothing does, and partial
// tiles of the earlier sizes only as long as there is no full one.
func TestMirrorGrowing(t *testing.T) {
	h := newHistory(t).grow(70000, "a")
	dir := t.TempDir()
	earlier := files{}
	for _, size := range sizes {
		want := h.files(t, size)
		src := record(want)
		m := openTestMirror(t, h, dir, src)
		mustUpdate(t, m, size)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		allowed := files{}
		for path, b := range earlier {
			tile, _, err := merkle.ParsePath(path)
			if err == nil && tile.Width < 256 && merkle.TileWidthAt(tile.Level, tile.Index, uint64(size)) < 256 {
				allowed[path] = b
			}
		}
		for path, b := range want {
			allowed[path] = b
		}
		sameFiles(t, dir, allowed)
		for path, b := range allowed {
			earlier[path] = b
		}
	}
}

// A server that lies about any one file makes an update fail that names it, and
// leaves nothing wrong behind: what is there is what the log signed, and an
// update from an honest server completes it.
func TestMirrorLies(t *testing.T) {
	h := newHistory(t).grow(70000, "a")
	have := h.files(t, 66000)
	good := h.files(t, 70000)
	lies := 0
	for path, b := range good {
		if have[path] != nil && path != "checkpoint" {
			continue
		}
		if lies++; lies%9 != 0 && strings.HasPrefix(path, "tile/entries") || lies%5 != 0 && strings.HasPrefix(path, "tile/0") {
			continue // these have many of a kind
		}
		dir := have.folder(t)
		m := openTestMirror(t, h, dir, good.with(path, func(b []byte) []byte { b[len(b)-2] ^= 1; return b }))
		_, err := m.Update(t.Context())
		wantMismatch(t, err, path)
		for got, content := range tree(t, dir) {
			switch {
			case got == "checkpoint" && !bytes.Equal(content, have[got]):
				t.Errorf("after a lie about %s, the checkpoint is a new one", path)
			case got == "checkpoint", got == nextFile && bytes.Equal(content, good["checkpoint"]):
			case !bytes.Equal(content, have[got]) && !bytes.Equal(content, good[got]):
				t.Errorf("after a lie about %s, %s is wrong", path, got)
			}
		}
		m.Source = good
		mustUpdate(t, m, 70000)
		if got := tree(t, dir); !bytes.Equal(got[path], b) {
			t.Errorf("%s is not mended", path)
		}
	}
	if lies < 25 {
		t.Fatalf("only %d files could be lied about", lies)
	}
}

// Nothing of a fork gets into the folder, although every file of it verifies
// under a head that the log has signed.
func TestMirrorFork(t *testing.T) {
	one := newHistory(t).grow(70, "a").grow(2000, "b")
	two := newHistory(t).grow(70, "a").grow(3000, "c")
	for _, size := range []int{100, 700, 1000, 3000} {
		dir := t.TempDir()
		m := openTestMirror(t, one, dir, one.files(t, 1000))
		mustUpdate(t, m, 1000)
		m.Source = two.files(t, size)
		_, err := m.Update(t.Context())
		// Also where the fork is the shorter one: the longer tree is here.
		wantConflict(t, one, err, Fork)
		sameFiles(t, dir, one.files(t, 1000))
		m.Source = withTilesOf(files{"checkpoint": one.signed(t, 500)}, one.files(t, 500))
		_, err = m.Update(t.Context())
		wantConflict(t, one, err, Older)
		m.Source = one.files(t, 2000)
		mustUpdate(t, m, 2000)
	}
}

// Damage in the folder is found and mended when the mirror is told to look.
func TestMirrorAgain(t *testing.T) {
	h := newHistory(t).grow(70000, "a")
	good := h.files(t, 70000)
	dir := good.folder(t)
	for _, path := range []string{"tile/entries/000", "tile/entries/273.p/112", "tile/0/100", "tile/0/273.p/112", "tile/1/000", "tile/2/000.p/1"} {
		name := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.WriteFile(name, []byte("rot"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "tile", "entries", "007")); err != nil {
		t.Fatal(err)
	}
	src := record(good)
	m := openTestMirror(t, h, dir, src)
	if r := mustUpdate(t, m, 70000); r.Written != 0 {
		t.Errorf("an update without anything new has written %d files", r.Written)
	}
	m.Again = true
	// Of earlier sizes: two that are damaged, one that is well, and one that an update
	// has not come to remove.
	earlier := h.files(t, 69938)
	for path, b := range map[string][]byte{
		"tile/0/273.p/50": earlier["tile/0/273.p/50"][:40], "tile/entries/273.p/50": append([]byte("rot"), earlier["tile/entries/273.p/50"]...),
		"tile/1/001.p/16": good["tile/1/001.p/17"][:16*merkle.HashSize], "tile/0/100.p/7": []byte("rot"),
	} {
		name := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if r := mustUpdate(t, m, 70000); r.Written != 9 {
		t.Errorf("%d files were mended, want 9", r.Written)
	}
	want := maps.Clone(good)
	for _, path := range []string{"tile/0/273.p/50", "tile/entries/273.p/50"} {
		want[path] = earlier[path]
	}
	want["tile/1/001.p/16"] = good["tile/1/001.p/17"][:16*merkle.HashSize]
	sameFiles(t, dir, want)
	// The right edge of three levels is always asked for, beside what was wrong.
	if len(src.asked) > 9 {
		t.Errorf("%d files were fetched to mend 7", len(src.asked))
	}
}

// Stopped before any request, an update goes on where it was, and fetches
// nothing again that is in the folder.
func TestMirrorStopped(t *testing.T) {
	const size = 1500
	h := newHistory(t).grow(size, "a")
	good := h.files(t, size)
	for stop := 0; stop < len(good); stop++ {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		src := record(good)
		n := 0
		src.before = func(string) {
			if n == stop {
				cancel()
			}
			n++
		}
		m := openTestMirror(t, h, dir, src)
		m.Parallel = 1
		if _, err := m.Update(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped at request %d: %v", stop, err)
		}
		cancel()
		there := tree(t, dir)
		if there["checkpoint"] != nil {
			t.Errorf("stopped at request %d: there is a checkpoint", stop)
		}
		src = record(good)
		m.Source = src
		mustUpdate(t, m, size)
		sameFiles(t, dir, good)
		for path := range src.asked {
			if there[path] != nil && !strings.Contains(path, ".p/") {
				t.Errorf("stopped at request %d: %s was fetched again", stop, path)
			}
		}
	}
}

// The head that an interrupted update was working towards binds the log.
func TestMirrorSeen(t *testing.T) {
	h := newHistory(t).grow(3000, "a")
	dir := t.TempDir()
	m := openTestMirror(t, h, dir, h.files(t, 1000))
	mustUpdate(t, m, 1000)
	m.Source = h.files(t, 3000).with("tile/entries/009", func([]byte) []byte { return nil })
	_, err := m.Update(t.Context())
	wantMismatch(t, err, "tile/entries/009")
	m.Source = withTilesOf(files{"checkpoint": h.signed(t, 2000)}, h.files(t, 3000))
	_, err = m.Update(t.Context())
	wantConflict(t, h, err, Older)
	m.Source = h.files(t, 3000)
	mustUpdate(t, m, 3000)
	if tree(t, dir)[nextFile] != nil {
		t.Errorf("%s is left over", nextFile)
	}
}

func TestMirrorRefuses(t *testing.T) {
	h := newHistory(t).grow(300, "a")
	dir := t.TempDir()
	m := openTestMirror(t, h, dir, h.files(t, 300))
	if _, err := OpenMirror(dir, h.files(t, 300), testLog(t, h)); err == nil {
		t.Error("two mirrors in one folder")
	} else if _, ok := errors.AsType[*LockedError](err); !ok {
		t.Errorf("got %v, want a LockedError", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "checkpoint"), []byte("log.example/other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := m.Update(t.Context())
	if _, ok := errors.AsType[*StateError](err); !ok {
		t.Errorf("over the folder of another log: got %v, want a StateError", err)
	}
}
