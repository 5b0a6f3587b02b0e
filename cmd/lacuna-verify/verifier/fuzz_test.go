package verifier

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
)

// FuzzRun runs the whole program on any command line and any files. Whatever it is
// given: it says something, its exit code and its JSON agree, it prints nothing that a
// terminal would act upon, and nothing verifies but what the log has signed.
func FuzzRun(f *testing.F) {
	known := fixture(f)
	names := slices.Sorted(maps.Keys(known))
	seed := func(n int, args, name string) {
		line, k := strings.ReplaceAll(args, " ", "\x00"), slices.Index(names, name)
		if k < 0 {
			f.Fatalf("the fixture has no %s", name)
		}
		f.Add(line, byte(k), uint16(101*n), byte(0), []byte{}, []byte("b")) // whole
		f.Add(line, byte(k), uint16(101*n), byte(1), []byte("x"), []byte{}) // one byte is another
	}
	// Few, because a fuzzer begins with running all of them: every file once, and every command line with a file
	// that gets far.
	for n, name := range names {
		seed(n, "--key key a.json a b first second", name)
	}
	for n, c := range []struct{ args, name string }{
		{"--policy policy a b", "first"}, {"--key key --chain --explain a b", "second"}, {"a --key=key -json", "whole"}, {"--key key -- -", "first"},
		{"-h", "key"}, {"--key a cert", "key"}, {"--policy a first", "policy"}, {"--key key --json a first second", "cert"},
		{"consistency --key key --old a --new new --proof proof", "old"}, {"consistency --key key --old old --new a --proof proof", "fork"},
		{"consistency --key key --old old --new a --proof proof --json", "new"}, {"consistency --key key --old old --new new --proof a", "proof"},
		{"consistency --key key --old old --new new --tiles a -o b", "proof"}, {"consistency --key key --old old --new a --json --explain", "fork"},
		{"--key key filed.json a.json", "cert.tlog-proof"}, {"--json --key key a\x1b[2J", "first"},
		{"--key key a cert.sweep.tlog-proof sweep2", "paired"}, {"--key key --lang de a a.json", "cert-officer"},
		{"--key key --approvers a --approvals 1 b", "policy"}, {"--key key --approvers policy --approvals 1 --explain a.json", "cert"},
		{"--key key --seed 00112233445566778899aabbccddeeff a b", "sample"}, {"--key key --explain --json lost loss a", "lost-erased"},
	} {
		seed(n, c.args, c.name)
	}
	f.Add("--key\x00key\x00a", byte(255), uint16(0), byte(0), []byte("c2sp.org/tlog-proof@v1\n"), []byte("{}"))
	// The entries that the heads of the fixture prove.
	proven := map[uint64]string{}
	for _, name := range []string{"first", "second", "cert.tlog-proof", "cert.sweep.tlog-proof", "sweep2", "loss"} {
		var out, errs bytes.Buffer
		if code := run("v", []string{"--key", "key", "--json", name}, memory(nil, known), &out, &errs); code != exitOK {
			f.Fatalf("%s: exit %d, %s", name, code, &errs)
		}
		var v jsonv1.Verification
		if err := json.Unmarshal(out.Bytes(), &v); err != nil {
			f.Fatal(err)
		}
		proven[v.Reports[0].Index] = v.Reports[0].LeafHash
	}

	// File a is one of the fixture in which cut bytes at some place are others, or
	// any bytes; file b is any bytes. Whole files as arguments would be slow: a fuzzer
	// tries to shorten everything that is interesting.
	f.Fuzz(func(t *testing.T, line string, name byte, at uint16, cut byte, patch, b []byte) {
		args := strings.Split(line, "\x00")
		a := patch
		if int(name) < len(names) {
			a = splice(known[names[name]], int(at), int(cut), patch)
		}
		theirs := map[string][]byte{
			"a": a, "b": b, "a.json": a, "a.json.tlog-proof": known["cert.tlog-proof"], "a.json.sweep.tlog-proof": known["cert.sweep.tlog-proof"], "filed.json": known["cert"], "filed.json.tlog-proof": a, "a/tile/0/000.p/13": b,
		}
		call := func(args []string) (int, string, string) {
			var out, errs bytes.Buffer
			code := run("v", args, memory(b, known, theirs), &out, &errs)
			return code, out.String(), errs.String()
		}
		code, out, errs := call(args)
		switch code {
		case exitOK:
			if out == "" || errs != "" {
				t.Errorf("exit 0 with %q and %q", out, errs)
			}
		case exitFailed:
			if !strings.Contains(out, "FAILED") {
				t.Errorf("exit 10 without a word: %q", out)
			}
		case exitError, exitUsage:
			if !strings.HasPrefix(errs, "v: ") {
				t.Errorf("exit %d without a word: %q", code, errs)
			}
		default:
			t.Fatalf("exit %d", code)
		}
		if i := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && unicode.IsControl(r) }); i >= 0 {
			t.Errorf("prints %q", out[i:min(len(out), i+8)])
		}
		again, same, _ := call(args)
		if again != code || same != out {
			t.Errorf("twice the same, and two answers: %d %q, %d %q", code, out, again, same)
		}

		// The same for programs.
		first := 0
		if args[0] == "consistency" {
			first = 1
		}
		code2, out, _ := call(append(append(append([]string{}, args[:first]...), "--json"), args[first:]...))
		if code2 != code {
			t.Fatalf("exit %d, and with --json %d", code, code2)
		}
		if !strings.HasPrefix(out, "{") {
			return
		}
		d := json.NewDecoder(strings.NewReader(out))
		d.DisallowUnknownFields()
		if first == 1 {
			var v jsonv1.Consistency
			if err := d.Decode(&v); err != nil || v.Verified != (code == exitOK) || v.Version != jsonv1.ConsistencyVersion {
				t.Fatalf("%v, exit %d:\n%s", err, code, out)
			}
			return
		}
		var v jsonv1.Verification
		if err := d.Decode(&v); err != nil || v.Verified != (code == exitOK) || v.Version != jsonv1.VerificationVersion {
			t.Fatalf("%v, exit %d:\n%s", err, code, out)
		}
		for _, r := range v.Reports {
			if r.Verified && r.Origin == "demo.lacuna.test" && !trusts(args) && proven[r.Index] != r.LeafHash {
				t.Errorf("entry %d verifies, and was never logged:\n%s", r.Index, out)
			}
		}
	})
}

// splice returns b with cut bytes at a place replaced.
func splice(b []byte, at, cut int, patch []byte) []byte {
	at = min(at, len(b))
	return slices.Concat(b[:at], patch, b[min(at+cut, len(b)):])
}

// trusts reports whether a command line may name keys that are not those of the
// fixture: whoever does believes whom they like.
func trusts(args []string) bool {
	for i, arg := range args {
		for _, flag := range []string{"-key", "-policy"} {
			name, value, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
			if name != flag && "-"+name != flag {
				continue
			}
			if value == "" && i+1 < len(args) {
				value = args[i+1]
			}
			if value != "key" && value != "policy" {
				return true
			}
		}
	}
	return false
}
