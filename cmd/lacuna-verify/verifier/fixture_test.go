package verifier

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/ledger/receipt/receipttest"
	"github.com/lacunalog/lacuna/merkle"
)

var update = flag.Bool("update", false, "draw new keys and write testdata/fixture.txtar")

const fixtureFile = "testdata/fixture.txtar"

// fixture returns files of a log whose secret key is gone: nobody, and no fuzzer, can
// make another that verifies. They lie in a file because the processes of a fuzzer
// have to share them.
func fixture(tb testing.TB) map[string][]byte {
	tb.Helper()
	if *update {
		if err := os.WriteFile(fixtureFile, txtar.Format(drawFixture(tb)), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	a, err := txtar.ParseFile(fixtureFile)
	if err != nil {
		tb.Fatal(err)
	}
	m := map[string][]byte{}
	for _, f := range a.Files {
		m[f.Name] = f.Data
		// A member of a txtar file ends in a newline; a paper in JSON does not.
		if slices.Contains([]string{"cert", "cert-officer", "paired", "sample", "lost", "lost-erased"}, f.Name) {
			m[f.Name] = bytes.TrimSuffix(f.Data, []byte("\n"))
		}
	}
	return m
}

func drawFixture(tb testing.TB) *txtar.Archive {
	l := receipttest.NewLog("demo.lacuna.test")
	press := receipttest.NewWitness("press.example/w", merkle.CosignatureEd25519)
	const noon = 1777896000
	l.Witnesses = []merkle.Signer{press.At(noon)}
	l.Fill(4)
	c := l.Chain(`{"subject":"c-2","type":"consent.requested"}`, `{"purpose":"newsletter","statement":{"de":"Ja."},"subject":"c-2","type":"consent.given"}`)
	record, cert := l.Erase("c-2", nil, nil)
	sweep := l.Sweep([]uint64{1, 2, 3}, &record, nil, nil)
	sweep2 := l.Sweep([]uint64{1, 2, 3}, &sweep.Index, sweep, nil)
	a := &txtar.Archive{Comment: []byte("Written by go test ./cmd/lacuna-verify/verifier -run Fixture -update\n")}
	add := func(name string, b []byte) {
		if len(b) > 0 && b[len(b)-1] != '\n' {
			b = append(bytes.Clone(b), '\n')
		}
		a.Files = append(a.Files, txtar.File{Name: name, Data: b})
	}
	add("key", []byte(l.VKey))
	add("policy", receipttest.Policy([]*receipttest.Log{l}, 1, press))
	add("first", l.Receipt(c[0], receipttest.All))
	add("second", l.Receipt(c[1], receipttest.All))
	add("partly", l.Receipt(c[1], nil))
	add("whole", l.FullReceipt(c[1]))
	add("cert", receipttest.Marshal(cert))
	add("cert-officer", receipttest.Marshal(cert.Officer()))
	add("cert.tlog-proof", l.Receipt(record, nil))
	add("cert.sweep.tlog-proof", l.Receipt(sweep.Index, nil))
	add("sweep2", l.Receipt(sweep2.Index, nil))
	add("paired", sweep2.Paired)
	add("sample", l.Sample("00112233445566778899aabbccddeeff", 3, 1, []uint64{1, 2, 3}, sweep2, nil))
	loss := l.Lose([]uint64{0, 3, 5}, nil)
	add("loss", l.Receipt(loss.Index, nil))
	add("lost", receipttest.MarshalLost(l.LostOpening(loss, 5)))
	add("lost-erased", receipttest.MarshalLost(l.LostOpening(loss, 3)))
	add("old", l.Checkpoint())
	fork := l.Fork()
	fork.Rewrite(0, []byte("another entry"))
	add("fork", fork.Checkpoint())
	old := loss.Index + 1
	l.Fill(6)
	l.Witnesses = []merkle.Signer{press.At(noon + 60)}
	add("new", l.Checkpoint())
	add("proof", receipt.AppendProof(nil, l.Consistency(old)))
	return a
}

// memory is the fixture, and whatever else a test wants to be read, as files.
func memory(stdin []byte, sets ...map[string][]byte) *files {
	written := map[string][]byte{}
	find := func(name string) ([]byte, bool) {
		for _, m := range append(sets, written) {
			if b, ok := m[name]; ok {
				return b, true
			}
		}
		return nil, false
	}
	return &files{
		stdin: bytes.NewReader(stdin),
		open: func(name string) (io.ReadCloser, error) {
			b, ok := find(name)
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			return io.NopCloser(bytes.NewReader(b)), nil
		},
		create: func(name string, b []byte) error {
			if _, ok := find(name); ok {
				return &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
			}
			written[name] = b
			return nil
		},
	}
}

// TestFixture: the files verify, and verify the same from a disk.
func TestFixture(t *testing.T) {
	m := fixture(t)
	dir := t.TempDir()
	for name, b := range m {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for args, want := range map[string]int{
		"--policy policy first second partly whole cert cert-officer cert.tlog-proof": exitOK,
		"--key key --chain --explain first second":                                    exitOK,
		"--key key cert":                 exitOK,
		"--key key --lang de cert first": exitOK,
		"--policy policy sample --seed 00112233445566778899aabbccddeeff":                               exitOK,
		"--key key sample --seed 00112233445566778899aabbccddeef0":                                     exitFailed,
		"--policy policy paired cert.sweep.tlog-proof sweep2":                                          exitOK,
		"--key key paired sweep2":                                                                      exitFailed,
		"--key key sample paired cert cert-officer cert.sweep.tlog-proof cert.tlog-proof sweep2 first": exitOK,
		"--policy policy lost sample loss":                                                             exitOK,
		"--key key lost fork":                                                                          exitFailed,
		"--key key cert-officer":                                                                       exitFailed,
		"--key key - first":                                                                            exitFailed,
		"--key key nowhere first":                                                                      exitUsage,
		"consistency --policy policy --old old --new new --proof proof":                                exitOK,
		"consistency --key key --old old --new fork":                                                   exitFailed,
		"consistency --key key --old old --new new":                                                    exitUsage,
	} {
		for _, more := range []string{"", " --json", " --explain"} {
			var stdout, stderr, again, complaints bytes.Buffer
			line := strings.Fields(args + more)
			if code := Run("lacuna-verify", line, strings.NewReader("x"), &stdout, &stderr); code != want {
				t.Errorf("%s: exit %d, want %d\n%s%s", args, code, want, &stdout, &stderr)
			}
			if code := run("lacuna-verify", line, memory([]byte("x"), m), &again, &complaints); code != want || again.String() != stdout.String() {
				t.Errorf("%s: from memory exit %d\n%s\nand from the disk\n%s", args, code, &again, &stdout)
			}
		}
	}
}

// TestFileNames: a file may have been named by somebody who wants a terminal to show
// something else.
func TestFileNames(t *testing.T) {
	m := fixture(t)
	for name, want := range map[string]string{"a\x1b[2Jb": `"a\x1b[2Jb":`, "a\nok     b": `"a\nok     b":`, "für Leonie": "für Leonie:"} {
		m[name] = m["first"]
		var stdout, stderr bytes.Buffer
		if code := run("v", []string{"--key", "key", name, "second"}, memory(nil, m), &stdout, &stderr); code != exitOK || !strings.HasPrefix(stdout.String(), want+"\n") {
			t.Errorf("%q: exit %d\n%s", name, code, &stdout)
		}
	}
}

// TestFullDisk: what cannot be printed is said, and is no verdict.
func TestFullDisk(t *testing.T) {
	for args, want := range map[string]int{"--key key first": exitError, "--key key - ": exitError, "-h": exitError, "--key nowhere first": exitUsage} {
		var stderr bytes.Buffer
		code := run("lacuna-verify", strings.Fields(args), memory(nil, fixture(t)), full{}, &stderr)
		if code != want || code == exitError && !strings.Contains(stderr.String(), errFull.Error()) {
			t.Errorf("%s: exit %d, %s", args, code, &stderr)
		}
	}
}

var errFull = errors.New("the disk is full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
