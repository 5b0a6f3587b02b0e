package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/trillian"

	"github.com/lacunalog/lacuna/bench"
	"github.com/lacunalog/lacuna/merkle"
)

// needPostgres starts a cluster, or skips the test where there is none.
func needPostgres(t *testing.T) *postgres {
	t.Helper()
	p, err := startPostgres(t.Context(), passable(t))
	if errors.Is(err, errNoPostgres) && os.Getenv("LACUNA_TEST_REQUIRE") != "all" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// passable is a temporary folder that another user can reach something in, which
// those of testing are not.
func passable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lacuna-peers-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Every path runs, its lines are those that benchstat reads, and its records are
// those that tables are made from.
func TestRun(t *testing.T) {
	paths := pathNames
	if _, err := postgresProgram("initdb"); err != nil && os.Getenv("LACUNA_TEST_REQUIRE") != "all" {
		paths = paths[:len(paths)-1]
		t.Log("without Trillian:", err)
	}
	var out, table bytes.Buffer
	file := filepath.Join(t.TempDir(), "results.jsonl")
	args := []string{"-callers", "1,3", "-window", "1,8", "-rounds", "2", "-for", "20ms", "-people", "5", "-dir", passable(t), "-o", file, "-paths", strings.Join(paths, ",")}
	if err := run(t.Context(), args, &out, &table); err != nil {
		t.Fatal(err)
	}
	records, err := bench.ReadRecordFiles(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		line := regexp.MustCompile(`(?m)^BenchmarkAppend/path=` + path + `/size=256/callers=[13]/window=[18]-\d+\s+[1-9]\d*\s.* events/s`)
		if n := len(line.FindAll(out.Bytes(), -1)); n != 8 {
			t.Errorf("%d results of path %s, want 8:\n%s", n, path, &out)
		}
		n := 0
		for _, r := range records {
			if r.Label("path") == path {
				n++
			}
		}
		if n != 8 {
			t.Errorf("%d records of path %s, want 8", n, path)
		}
	}
	if n := strings.Count(table.String(), "\ntessera-published"); n != 4 {
		t.Errorf("tables:\n%s", &table)
	}
}

// Every way erases, each is measured as often as the others, and the search finds in
// PostgreSQL's files what was deleted.
func TestErase(t *testing.T) {
	needPostgres(t)
	var out bytes.Buffer
	file := filepath.Join(t.TempDir(), "erase.jsonl")
	args := []string{"-erase", "3", "-rounds", "2", "-people", "300", "-dir", passable(t), "-o", file}
	if err := run(t.Context(), args, &out, &out); err != nil {
		t.Fatal(err)
	}
	records, err := bench.ReadRecordFiles(file)
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, r := range records {
		n[r.Label("way")]++
		if r.Figures[bench.UnitDestroyedP50] <= 0 || r.Label("people") != "300" {
			t.Errorf("%s: %v", r.Name, r.Figures)
		}
	}
	if n["lacuna"] != 2 || n["flat"] != 2 || n["postgres"] != 2 || len(records) != 6 {
		t.Errorf("records: %v", n)
	}
	if left := records[5].Figures[bench.UnitLeft]; left != 1 {
		t.Errorf("of what was deleted a moment ago, a search finds %g; the log that has it is still needed", left)
	}
}

func TestArguments(t *testing.T) {
	for _, args := range []string{"-callers 0", "-callers 1,x", "-window 0", "-rounds 0", "-paths whole,whole", "-paths x", "-size 300", "-erase -1", "-erase 10 -people 49", "more"} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("takes %q", args)
		}
	}
}

// What is counted is in Tessera's log, and what is published is under a
// checkpoint.
func TestTessera(t *testing.T) {
	ctx := t.Context()
	for _, published := range []bool{false, true} {
		l, err := newTessera(ctx, t.TempDir(), 4, 0, published)
		if err != nil {
			t.Fatal(err)
		}
		n, err := l.Caller(bench.Small, 4, 1)(ctx)
		if err != nil || n != 4 {
			t.Fatalf("%s: %d, %v", l.Name(), n, err)
		}
		size, err := l.size(ctx)
		if err != nil || size != 4 {
			t.Errorf("a log of %d entries, %v", size, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What is counted is under Trillian's newest root, each leaf of it, and
// PostgreSQL syncs.
func TestTrillian(t *testing.T) {
	ctx := t.Context()
	l, err := newTrillian(ctx, needPostgres(t), "counted")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var on string
		if err := l.db.QueryRow(ctx, "SHOW "+setting).Scan(&on); err != nil || on != "on" {
			t.Errorf("%s is %q, %v", setting, on, err)
		}
	}
	counted := uint64(0)
	for seed, window := range []int{1, 8, 1} {
		n, err := l.Caller(bench.Small, window, uint64(seed+1))(ctx)
		if err != nil || n != window {
			t.Fatalf("%d, %v", n, err)
		}
		counted += uint64(n)
		if size, err := l.size(ctx); err != nil || size != counted {
			t.Errorf("a tree of %d leaves after %d, %v", size, counted, err)
		}
	}
	proven := func(leaf []byte) error {
		h := merkle.LeafHash(leaf)
		_, err := l.server.GetInclusionProofByHash(ctx, &trillian.GetInclusionProofByHashRequest{LogId: l.tree.TreeId, LeafHash: h[:], TreeSize: int64(counted)})
		return err
	}
	if err := proven(bench.LeafMaker(bench.Small, 1)()); err != nil {
		t.Error("a leaf that was counted cannot be proven:", err)
	}
	if err := proven([]byte("the control")); err == nil {
		t.Error("a leaf that was never queued is proven")
	}
}

// What the bare loop counts survives a crash that keeps nothing but what was
// synced: the leaves that are found afterwards have the root that the loop has.
func TestLoop(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l, err := newLoopOn(fs, pebble.Sync, "", bench.Small)
	if err != nil {
		t.Fatal(err)
	}
	r, err := bench.Append(t.Context(), l, bench.Load{Size: bench.Small, Callers: 8, Window: 16, Calls: 40})
	if err != nil {
		t.Fatal(err)
	}
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	if r.N != 640 || l.leaves.Size() != 640 {
		t.Errorf("%d counted, %d in the tree", r.N, l.leaves.Size())
	}
	leaves, rows := loopRows(t, crashed)
	if rows['e'] != 640 || rows['s'] != 640 || rows['b'] != 2 || rows['h'] != 1 || rows['c'] != rows['q'] {
		t.Errorf("rows by kind: %v", rows)
	}
	if rootOf(t, leaves) != l.leaves.Root() {
		t.Errorf("the %d leaves that were stored have another root", len(leaves))
	}
	if rootOf(t, leaves[1:]) == l.leaves.Root() {
		t.Error("the control: a lost leaf is not noticed")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Caller(bench.Small, 1, 1)(t.Context()); err == nil {
		t.Error("a loop that is closed counts")
	}
	if _, err := l.Caller(bench.Large, 1, 1)(t.Context()); err == nil {
		t.Error("takes events of another size")
	}
}

// A loop that does not sync is found out by the same crash.
func TestLoopControl(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l, err := newLoopOn(fs, pebble.NoSync, "", bench.Small)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := bench.Append(t.Context(), l, bench.Load{Size: bench.Small, Callers: 1, Calls: 10}); err != nil {
		t.Fatal(err)
	}
	if leaves, _ := loopRows(t, fs.CrashClone(vfs.CrashCloneCfg{})); len(leaves) == 10 {
		t.Error("all leaves survived without a sync")
	}
}

// loopRows counts the rows of a loop's store by kind and collects its leaves.
func loopRows(t *testing.T, fs vfs.FS) (leaves [][]byte, rows map[byte]int) {
	t.Helper()
	db, err := pebble.Open("loop", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatWALSyncChunks, Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	it, err := db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	rows = make(map[byte]int)
	for it.First(); it.Valid(); it.Next() {
		rows[it.Key()[0]]++
		if it.Key()[0] != 'c' {
			continue
		}
		if first := binary.BigEndian.Uint64(it.Key()[1:]); first != uint64(len(leaves)) {
			t.Fatalf("a group begins at %d, the one before ended at %d", first, len(leaves))
		}
		group, err := merkle.SplitBundle(bytes.Clone(it.Value()), len(it.Value())/36)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, group...)
	}
	if err := it.Close(); err != nil {
		t.Error(err)
	}
	return leaves, rows
}

func rootOf(t *testing.T, leaves [][]byte) merkle.Hash {
	r, err := merkle.NewRange(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leaves {
		r.Append(merkle.LeafHash(l), nil)
	}
	return r.Root()
}
