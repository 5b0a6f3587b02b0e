package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle/log"
)

// TestScripts runs testdata/script/*.txtar: what a user types, and what comes back.
func TestScripts(t *testing.T) {
	bin := programs(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("LACUNA_TEST_RUN_MAIN", "1")
			env.Setenv("LACUNA_ACCEPT_L0", "1")
			env.Setenv("PATH", bin+":"+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"code": code, "lose": lose, "listed": listed, "shorten": shorten, "losepage": losePage},
	})
}

// code runs a command and checks its exit code: code N COMMAND ARGS…
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command args…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// rowsOf returns the rows of a space of the store.
func rowsOf(ts *testscript.TestScript, dir string, space byte) map[string][]byte {
	l, err := ledger.Open(context.Background(), ledger.Options{Dir: ts.MkAbs(dir)})
	ts.Check(err)
	rows := map[string][]byte{}
	ts.Check(l.Log().Scan(context.Background(), []byte{space}, []byte{space + 1}, func(k, v []byte) error {
		rows[string(k)] = bytes.Clone(v)
		return nil
	}))
	ts.Check(l.Close())
	return rows
}

// listed runs a command and remembers which list row it made: listed LEDGER command args…
func listed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: listed ledger command args…")
	}
	before := rowsOf(ts, args[0], 's')
	ts.Check(ts.Exec(args[1], args[2:]...))
	made := 0
	for k := range rowsOf(ts, args[0], 's') {
		if before[k] == nil {
			ts.Setenv("LISTED", hex.EncodeToString([]byte(k)))
			made++
		}
	}
	if made != 1 {
		ts.Fatalf("%d list rows were made", made)
	}
}

// shorten takes a byte from the list row that listed remembers: shorten LEDGER
func shorten(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: shorten ledger")
	}
	key, err := hex.DecodeString(ts.Getenv("LISTED"))
	ts.Check(err)
	row := rowsOf(ts, args[0], 's')[string(key)]
	l, err := ledger.Open(context.Background(), ledger.Options{Dir: ts.MkAbs(args[0])})
	ts.Check(err)
	ts.Check(l.Log().Apply(context.Background(), log.Change{Set: []log.Row{{Key: key, Value: row[1:]}}}))
	ts.Check(l.Close())
}

// losePage loses a key page, such that lacuna lost --dry-run then says something: losepage LEDGER TEXT
func losePage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: losepage ledger text")
	}
	dir := ts.MkAbs(args[0])
	try := dir + ".try"
	pages := map[string][]string{}
	for k := range rowsOf(ts, args[0], 'k') {
		if k[5] == 1 { // a leaf page, by where it starts
			pages[k[5:14]] = append(pages[k[5:14]], k)
		}
	}
	for _, page := range slices.Sorted(maps.Keys(pages)) {
		ts.Check(os.CopyFS(try, os.DirFS(dir)))
		l, err := ledger.Open(context.Background(), ledger.Options{Dir: try})
		ts.Check(err)
		var c log.Change
		for _, k := range pages[page] {
			c.DeleteRange = append(c.DeleteRange, [2][]byte{[]byte(k), []byte(k + "\x00")})
		}
		ts.Check(l.Log().Apply(context.Background(), c))
		ts.Check(l.Close())
		err = ts.Exec("lacuna", "lost", "--ledger", try, "--dry-run")
		if found := err == nil && strings.Contains(ts.ReadFile("stdout"), args[1]); found {
			ts.Check(os.RemoveAll(dir))
			ts.Check(os.Rename(try, dir))
			return
		}
		ts.Check(os.RemoveAll(try))
	}
	ts.Fatalf("no page whose loss makes lost say %q", args[1])
}

// lose removes a sealed event from the store, as a damaged disk might: lose LEDGER INDEX
func lose(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lose ledger index")
	}
	index, err := strconv.ParseUint(args[1], 10, 64)
	ts.Check(err)
	ctx := context.Background()
	l, err := ledger.Open(ctx, ledger.Options{Dir: ts.MkAbs(args[0])})
	ts.Check(err)
	var key []byte
	ts.Check(l.Log().Scan(ctx, []byte("e"), []byte("f"), func(k, _ []byte) error {
		if bytes.HasSuffix(k, binary.BigEndian.AppendUint64(nil, index)) {
			key = bytes.Clone(k)
		}
		return nil
	}))
	ts.Check(l.Log().Apply(ctx, log.Change{DeleteRange: [][2][]byte{{key, append(bytes.Clone(key), 0)}}}))
	ts.Check(l.Close())
}
