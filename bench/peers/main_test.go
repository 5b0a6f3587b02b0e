package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/bench"
)

// Every path runs, and its lines are those that benchstat reads.
func TestRun(t *testing.T) {
	var out, table bytes.Buffer
	args := []string{"-callers", "1,3", "-rounds", "2", "-for", "20ms", "-people", "5", "-dir", t.TempDir()}
	if err := run(t.Context(), args, &out, &table); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"whole", "log", "tessera-indexed", "tessera-published"} {
		line := regexp.MustCompile(`(?m)^BenchmarkAppend/path=` + path + `/size=256/callers=[13]/window=1-\d+\s+[1-9]\d*\s.* events/s`)
		if n := len(line.FindAll(out.Bytes(), -1)); n != 4 {
			t.Errorf("%d results of path %s, want 4:\n%s", n, path, &out)
		}
	}
	if n := strings.Count(table.String(), "tessera-published"); n != 2 {
		t.Errorf("tables:\n%s", &table)
	}
}

func TestArguments(t *testing.T) {
	for _, args := range []string{"-callers 0", "-callers 1,x", "-rounds 0", "more"} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("takes %q", args)
		}
	}
}

// What is counted is in Tessera's log, and what is published is under a
// checkpoint.
func TestTessera(t *testing.T) {
	ctx := t.Context()
	l, err := newLog(ctx, t.TempDir(), 4, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []bench.Path{indexed{l}, published{l}} {
		n, err := p.Caller(bench.Small, 4, 1)(ctx)
		if err != nil || n != 4 {
			t.Fatalf("%s: %d, %v", p.Name(), n, err)
		}
	}
	size, err := l.size(ctx)
	if err != nil || size != 8 {
		t.Errorf("a log of %d entries, %v", size, err)
	}
	if err := l.close(ctx); err != nil {
		t.Error(err)
	}
}
