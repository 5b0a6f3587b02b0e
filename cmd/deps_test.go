package cmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lacunalog/lacuna"

// The tree of packages is the architecture: imports flow cmd, bench → ledger → erasure → keystore,
// and ledger, erasure → merkle. So a reader sees without opening a function that the log cannot
// decrypt what it stores, and that an offline verifier carries no database.
//
// A pattern is an import path, or with "/..." a path and everything below it; ours are written
// relative to the module, "." followed by the path.
var rules = []rule{
	{why: "the log cannot decrypt what it stores", from: "./merkle/...", never: []string{"./keystore/...", "./ledger/...", "./erasure/...", "./cmd/...", "./bench/..."}},
	{why: "the tree maths does no I/O and has no clock", from: "./merkle", never: []string{"./merkle/log", "github.com/cockroachdb/...", "os", "time", "net/...", "database/..."}},
	{why: "who audits a log carries no store of their own", from: "./merkle/audit", never: storage},
	{why: "the key tree does not know that the log exists", from: "./keystore/...", never: []string{"./merkle/...", "./ledger/...", "./erasure/...", "./cmd/...", "./bench/..."}, but: "./merkle/sha2"},
	{why: "what hashes, seals and derives keys shares a compression function and nothing else", from: "./merkle/sha2", never: []string{"./keystore/...", "./merkle", "./merkle/log/...", "./ledger/...", "./erasure/...", "./cmd/...", "./bench/..."}},
	{why: "what erasure needs of the ledger, the ledger implements", from: "./erasure/...", never: []string{"./ledger/...", "./merkle/log", "./cmd/...", "./bench/...", "github.com/cockroachdb/..."}},
	{why: "the product does not depend on its commands", from: "./ledger/...", never: []string{"./cmd/...", "./bench/..."}},
	{why: "events are pure", from: "./ledger/event", never: storage},
	{why: "folds are pure", from: "./ledger/consent", never: storage},
	{why: "sealing is pure", from: "./ledger/envelope", never: storage},
	{why: "a certificate is verified without keys and without a store", from: "./erasure/certificate", never: storage},
	{why: "a receipt is verified without a store", from: "./ledger/receipt", never: storage},
	{why: "an auditor reads the verifier in an afternoon", from: "./cmd/lacuna-verify", never: append([]string{"github.com/urfave/..."}, storage...)},
	{why: "the verifier asks nobody", from: "./cmd/lacuna-verify/...", never: []string{"net", "net/...", "os/exec"}},

	{why: "a build without tags is pure Go and loads nobody's library", from: "./...", never: []string{"github.com/miekg/pkcs11"}},
	{why: "one package owns the store", from: "./...", not: "./merkle/log/...", never: []string{"github.com/cockroachdb/pebble/..."}, direct: true},
	{why: "the command line has one home", from: "./...", not: "./cmd/...", never: []string{"github.com/urfave/cli/..."}, direct: true},
}

var storage = []string{"./keystore/...", "./merkle/log", "./erasure", "github.com/cockroachdb/...", "github.com/jackc/...", "database/..."}

type rule struct {
	why    string
	from   string   // the packages that the rule binds
	not    string   // except these
	never  []string // what they must not reach
	but    string   // except this
	direct bool     // only by an import of their own, not through others
}

// TestDependencies holds the imports of the packages, not those of their tests, to the rules.
func TestDependencies(t *testing.T) {
	g := load(t)
	for _, r := range rules {
		if len(g.match(r.from)) == 0 {
			if os.Getenv("LACUNA_TEST_REQUIRE") == "all" {
				t.Errorf("no package matches %s, so nothing holds that %s", r.from, r.why)
			}
			continue
		}
		for _, v := range g.violations(r) {
			t.Errorf("%s: %s", v, r.why)
		}
	}
}

// TestDependenciesControl breaks every rule once, by one import that is not there, and once by way of
// a package in between: a rule that cannot fail holds nothing.
func TestDependenciesControl(t *testing.T) {
	for _, r := range rules {
		for _, never := range r.never {
			from, to := example(r.from), example(never)
			if len((graph{from: {to}, to: nil}).violations(r)) != 1 {
				t.Errorf("%s may import %s, although %s", from, to, r.why)
			}
			chain := graph{from: {"example.org/between"}, "example.org/between": {to}, to: nil}
			want := 1
			if r.direct || standard(to) {
				want = 0
			}
			if got := len(chain.violations(r)); got != want {
				t.Errorf("%s reaching %s by way of another package is found %d times, want %d: %s", from, to, got, want, r.why)
			}
			if but := example(r.but); r.but != "" && len((graph{from: {but}, but: nil}).violations(r)) != 0 {
				t.Errorf("%s may not import %s, which is the exception of: %s", from, but, r.why)
			}
		}
	}
}

// TestPackageNames refuses names that say nothing about what a package holds.
func TestPackageNames(t *testing.T) {
	for p := range load(t) {
		if within(p, module+"/...") && vague(p) {
			t.Errorf("%s: a package is named after a noun of the problem", p)
		}
	}
	if !vague(module + "/ledger/utils") {
		t.Error("the control is not refused")
	}
}

func vague(p string) bool {
	return slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base"}, path.Base(p))
}

// graph maps each package to what it imports.
type graph map[string][]string

// load asks the go command for the packages of the module and everything they reach. A package that
// does not build is the compiler's business, so its errors are not this test's.
func load(t *testing.T) graph {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	g := graph{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return g
		} else if err != nil {
			t.Fatal(err)
		}
		g[p.ImportPath] = p.Imports
	}
}

func (g graph) match(pattern string) []string {
	var ps []string
	for _, p := range slices.Sorted(maps.Keys(g)) {
		if within(p, absolute(pattern)) {
			ps = append(ps, p)
		}
	}
	return ps
}

// violations lists how packages bound by r reach what they must not, one way each.
func (g graph) violations(r rule) []string {
	var out []string
	for _, from := range g.match(r.from) {
		if r.not != "" && within(from, absolute(r.not)) {
			continue
		}
		if way := g.reach(from, r); way != nil {
			out = append(out, fmt.Sprintf("%s reaches %s by %s", from, way[len(way)-1], strings.Join(way, " → ")))
		}
	}
	return out
}

// reach returns a shortest way from a package to one that a rule forbids. A package of the standard
// library counts only where we import it ourselves: how others come to need it is not our business.
func (g graph) reach(from string, r rule) []string {
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, to := range g[queue[0]] {
			if _, seen := before[to]; seen {
				continue
			}
			before[to] = queue[0]
			counts := !standard(to) || within(queue[0], module+"/...")
			if r.but != "" && within(to, absolute(r.but)) {
				continue
			}
			if counts && slices.ContainsFunc(r.never, func(n string) bool { return within(to, absolute(n)) }) {
				var way []string
				for p := to; p != ""; p = before[p] {
					way = append(way, p)
				}
				slices.Reverse(way)
				return way
			}
			if !r.direct && !standard(to) {
				queue = append(queue, to)
			}
		}
	}
	return nil
}

func within(p, pattern string) bool {
	if prefix, below := strings.CutSuffix(pattern, "/..."); below {
		return p == prefix || strings.HasPrefix(p, prefix+"/")
	}
	return p == pattern
}

// standard reports whether a package belongs to Go: the first element of any other path has a dot.
func standard(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return !strings.Contains(first, ".")
}

func absolute(pattern string) string {
	if rest, ours := strings.CutPrefix(pattern, "./"); ours {
		return strings.TrimSuffix(module+"/"+rest, "/")
	}
	return pattern
}

// example names a package that a pattern matches.
func example(pattern string) string {
	return strings.Replace(absolute(pattern), "/...", "/example", 1)
}
