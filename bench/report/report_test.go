package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/bench"
	"github.com/lacunalog/lacuna/bench/report"
)

// write puts records into a file of a folder.
func write(t *testing.T, dir, name string, rs ...*bench.Result) {
	t.Helper()
	var b bytes.Buffer
	for _, r := range rs {
		rec := bench.NewRecord(r, bench.Machine{CPU: "abacus", Cores: 2, OS: "linux/amd64", Go: "go1", CGO: true, FileSystem: "ext4"})
		rec.Time = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		if err := bench.WriteRecord(&b, rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func result(name string, figures ...any) *bench.Result {
	r := &bench.Result{Name: name, N: 1, Busy: bench.Busy{Known: true, Others: 0.5, Names: []string{"compile 0.5"}}}
	for i := 0; i < len(figures); i += 2 {
		r.Metrics = append(r.Metrics, bench.Metric{Unit: figures[i].(string), Value: figures[i+1].(float64)})
	}
	return r
}

func page(kind, files string) []byte {
	return []byte("# Title\n\n<!-- bench: " + kind + " " + files + " -->\nold\n<!-- /bench -->\n\nend\n")
}

func render(t *testing.T, dir, kind, files string) (string, map[string][]byte) {
	t.Helper()
	out, svgs, err := report.Render(page(kind, files), dir)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := report.Render(out, dir)
	if err != nil || !bytes.Equal(again, out) {
		t.Errorf("a page that is rendered twice differs: %v", err)
	}
	text := string(out)
	if !strings.HasPrefix(text, "# Title\n\n<!-- bench: "+kind) || !strings.HasSuffix(text, "<!-- /bench -->\n\nend\n") || strings.Contains(text, "old") {
		t.Errorf("rendered:\n%s", text)
	}
	return text, svgs
}

// Every kind of table and plot, from records whose medians and ratios are known.
func TestRender(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "page")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var rs []*bench.Result
	for _, round := range [][3]float64{{900, 300, 100}, {1000, 100, 500}, {1100, 110, 550}} {
		for i, path := range []string{"whole", "tessera-indexed", "loop"} {
			rs = append(rs, result("Append/path="+path+"/size=256/callers=1/window=1", bench.UnitRate, round[i], bench.UnitP50, 350.0, bench.UnitP99, 1234.0, bench.UnitCPU, 40.0, bench.UnitOthers, 0.5))
		}
	}
	rs = append(rs, result("Append/path=whole/size=256/callers=4/window=1024", bench.UnitRate, 131_000.0, bench.UnitP50, 9000.0, bench.UnitP99, 9000.0, bench.UnitCPU, 14.0))
	write(t, dir, "a.jsonl", rs...)
	rs = nil
	for i := range 10 {
		rs = append(rs, result("Grow/people=1000000/stay=10/leaves="+string(rune('1'+i))+"000000", bench.UnitRate, 50_000.0-float64(i)*100, bench.UnitCPU, 30.0,
			bench.UnitDebt, 12.0, bench.UnitLevels, 2.0, bench.UnitMemory, 240.0, bench.UnitPeak, 300.0, bench.UnitDisk, 800.0, bench.UnitAbove, 288.0))
	}
	rs[9].Name = "Grow/people=1000000/stay=10/leaves=10000000"
	for _, ms := range []float64{100, 200, 400} {
		rs = append(rs, result("Open/after=clean/leaves=10000000", bench.UnitOpen, ms, bench.UnitMemory, 90.0), result("Open/after=kill/leaves=10200000", bench.UnitOpen, ms*10, bench.UnitFirst, ms*20, bench.UnitMemory, 90.0))
	}
	rs = append(rs, result("Proof/leaves=10000000", bench.UnitProveP50, 90.0, bench.UnitProveP99, 300.0, bench.UnitVerifyP50, 7.0, bench.UnitVerifyP99, 9.0),
		result("Erase/people=1000/at-once=16", bench.UnitDestroyedP50, 9.0, bench.UnitDestroyedP99, 10.0, bench.UnitRecordedP50, 11.0, bench.UnitRecordedP99, 12.0),
		result("Erase/people=2000/at-once=1/load=20000", bench.UnitDestroyedP50, 3.0, bench.UnitDestroyedP99, 4.0, bench.UnitAlone, 19_000.0, bench.UnitRate, 18_000.0, bench.UnitKept, 0.95),
		result("EraseTogether/people=300000/epoch=10000", bench.UnitTogether, 60.0, bench.UnitTogetherIn, 700.0),
		result("Lookup/people=100000", bench.UnitLookupCached, 0.5, bench.UnitLookupPage, 2.5, bench.UnitLookupCold, 33.0),
		result("Ask/events=10000/people=100", bench.UnitAskCached, 1.5, bench.UnitAskCold, 300.0, bench.UnitAskColdP99, 900.0),
		result("Creation/people=49152/window=4096", bench.UnitFirstEvent, 48.0, bench.UnitNextEvent, 25.0, bench.UnitCreate, 1.92))
	rs = append(rs, result("Sweep/entries=1000000/people=100000", bench.UnitSweep, 8.0, bench.UnitCut, 3.0, bench.UnitCopy, 4.0, bench.UnitSweepCPU, 10.0),
		result("Sweep/entries=1000000/people=99000/load=20000/rate=16000000", bench.UnitSweep, 45.0, bench.UnitCut, 9.0, bench.UnitCopy, 35.0, bench.UnitSweepCPU, 12.0, bench.UnitRate, 19_000.0, bench.UnitKept, 0.95))
	for i, way := range []string{"lacuna", "flat", "postgres", "lacuna", "flat", "postgres"} {
		rs = append(rs, result("EraseBy/way="+way+"/people=300000", bench.UnitDestroyedP50, 2.0+float64(i), bench.UnitDestroyedP99, 20.0))
	}
	last := rs[len(rs)-1]
	last.Metrics = append(last.Metrics, bench.Metric{Unit: bench.UnitLeft, Value: 0.75})
	write(t, dir, "g.jsonl", rs...)
	write(t, dir, "p.jsonl", result("Profile/path=whole/size=256/callers=4/window=1024", bench.PieceUnit("seal"), 6.0, bench.PieceUnit("parse"), 2.0),
		result("Seal/size=256/members=13", bench.UnitBlocks, 66.0, bench.UnitHashes, 4.0, bench.UnitPrimitives, 5.0, bench.UnitSeal, 6.5))

	for kind, want := range map[string][]string{
		"append a.jsonl":          {"| 1 | Lacuna, whole | 1,000 [900–1,100] | 0.35 | 1.23 | 40.0 | |\n", "| Tessera, indexed | 110 [100–300] | 0.35 | 1.23 | 40.0 | 10.0 [3.00–10.0] |\n", "| 4 × 1,024 | Lacuna, whole | 131,000"},
		"machine a.jsonl g.jsonl": {"| Append, 10 runs | 2026-11-22 12:00 to 12:00 | abacus, 2 processors, ext4, linux/amd64 , go1, cgo | 0.50, 0.50 (compile 0.5) |"},
		"grow g.jsonl":            {"| cgo | 10,000,000 | 49,100 | 30.0 | 12.0 | 2 | 240 | 300 | 800 | 288 |"},
		"open g.jsonl":            {"| cgo | a clean stop | 10,000,000 | 3 | 200 [100–400] |  | 90 |", "| cgo | `kill -9` | 10,200,000 | 3 | 2,000 [1,000–4,000] | 4,000 [2,000–8,000] | 90 |"},
		"proof g.jsonl":           {"| cgo | 10,000,000 | 90.0 | 300 | 7.00 | 9.00 |"},
		"erase g.jsonl":           {"| 1,000 | 16 | 9.00 | 10.0 | 11.0 | 12.0 |"},
		"sweep g.jsonl":           {"| 1,000,000 | 100,000 |  | 8.00 | 3.00 | 4.00 | 10.0 |  |  |\n", "| 1,000,000 | 99,000 | 16.0 | 45.0 | 9.00 | 35.0 | 12.0 | 19,000 | 95 % |\n"},
		"erase-load g.jsonl":      {"| 2,000 | 1 | 20,000 | 19,000 | 18,000 | 95 % | 3.00 | 4.00 |\n"},
		"together g.jsonl":        {"| 300,000 | 10,000 | 60.0 | 700 |\n"},
		"ask g.jsonl":             {"| 10,000 | 100 | 1.50 | 300 | 900 |\n"},
		"keys g.jsonl":            {"| 100,000 | 0.50 | 2.50 | 33.0 |\n", "| 49,152 | 48.0 | 25.0 | 1.92 |\n"},
		"ways g.jsonl":            {"| Lacuna, the whole erasure | 300,000 | 3.50 [2.00–5.00] | 20.0 |  |  |\n", "| one table, sealed anew | 300,000 | 4.50 [3.00–6.00] | 20.0 | 1.35 [1.20–1.50] |  |\n", "| 1.70 [1.40–2.00] | 75 %, after `VACUUM FULL` and a checkpoint |\n"},
		"targets a.jsonl g.jsonl": {
			"| ÷ Tessera indexed, 1 caller | ≥ 6.00 × | 10.0 | reached |", "| ÷ Tessera indexed, 64 callers | ≥ 3.00 × | not measured | |",
			"| ÷ bare loop, 1 caller | ≥ 0.80 × | 2.00 | reached |", "| best of the batches | ≥ 130,000 events/s | 131,000 | reached |", "| p50 at 1 caller | ≤ 0.40 ms | 0.35 | reached |",
			"| disk above the padded plaintext, largest ledger | ≤ 300 B/event | 288 | reached |", "| opening after a kill | ≤ 1,500 ms | 2,000 | **missed** |",
			"| last 3 M ÷ second M | ≥ 0.85 × | 0.99 | reached |", "| inclusion proof p50, largest ledger | ≤ 100 µs | 90.0 | reached |",
		},
		"profile p.jsonl":   {"| sealing: secrets, AEAD, digests of members, leaf | 6.00 | 75 % |\n| strict parsing | 2.00 | 25 % |\n| **together** | 8.00 | |"},
		"seal p.jsonl":      {"| 256 B | 13 | 66 | 4.00 | 5.00 | 6.50 |"},
		"append none.jsonl": {"*Not measured yet.*"},
	} {
		name, files, _ := strings.Cut(kind, " ")
		text, _ := render(t, dir, name, files)
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s lacks %q:\n%s", kind, w, text)
			}
		}
	}
	for _, kind := range report.Kinds() {
		if !strings.HasPrefix(kind, "plot-") {
			continue
		}
		files := "a.jsonl x.svg"
		if strings.HasPrefix(kind, "plot-growth") || strings.HasSuffix(kind, "memory") || strings.HasSuffix(kind, "debt") || strings.HasSuffix(kind, "disk") {
			files = "g.jsonl x.svg"
		}
		text, svgs := render(t, dir, kind, files)
		if !strings.Contains(text, "](page/x.svg)") || len(svgs) != 1 {
			t.Errorf("%s: %d plots\n%s", kind, len(svgs), text)
		}
		wellFormed(t, svgs["x.svg"])
	}
}

func wellFormed(t *testing.T, svg []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, svg)
		}
	}
	if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
		t.Errorf("a plot with figures that are none:\n%s", svg)
	}
}

// Write replaces the page and lays the plots beside it.
func TestWrite(t *testing.T) {
	doc := filepath.Join(t.TempDir(), "page.md")
	if err := os.Mkdir(report.Folder(doc), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, report.Folder(doc), "a.jsonl", result("Append/path=whole/size=256/callers=1/window=1", bench.UnitRate, 1000.0))
	if err := os.WriteFile(doc, page("plot-rates", "a.jsonl rates.svg"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := report.Write(doc); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(doc)
	if err != nil || !strings.Contains(string(text), "(page/rates.svg)") {
		t.Errorf("%v\n%s", err, text)
	}
	if _, err := os.Stat(filepath.Join(report.Folder(doc), "rates.svg")); err != nil {
		t.Error(err)
	}
}

// A page that asks for what there is not is refused, and the line is named.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.jsonl"), []byte("{\"format\":\"lacuna-bench/1\"}\n{\"format\":\"other/1\"}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"<!-- bench: pie a.jsonl -->\n<!-- /bench -->":                   "line 1: pie: no such kind",
		"\n<!-- bench: append -->\n<!-- /bench -->":                      "line 2: append: of which files?",
		"<!-- bench: append a.jsonl -->\n":                               "the block append does not end",
		"<!-- /bench -->\n":                                              "line 1: a block ends",
		"<!-- bench: append a.jsonl -->\n<!-- bench: grow a.jsonl -->":   "line 2: grow begins inside of append",
		"<!-- bench: append ../a.jsonl -->\n<!-- /bench -->":             "not in the folder",
		"<!-- bench: append bad.jsonl -->\n<!-- /bench -->":              "line 2: format \"other/1\"",
		"<!-- bench: plot-rates a.jsonl -->\n<!-- /bench -->":            "needs files",
		"<!-- bench: plot-rates a.jsonl b/../x.svg -->\n<!-- /bench -->": "not a name",
	} {
		if _, _, err := report.Render([]byte(text), dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzRender(f *testing.F) {
	f.Add([]byte("<!-- bench: append a.jsonl -->\nold\n<!-- /bench -->\n"))
	f.Add([]byte("<!-- bench: plot-rates a.jsonl x.svg -->\n<!-- /bench -->"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, doc []byte) {
		out, _, err := report.Render(doc, dir)
		if err != nil {
			return
		}
		if again, _, err := report.Render(out, dir); err != nil || !bytes.Equal(again, out) {
			t.Errorf("rendered twice: %v\n%q\n%q", err, out, again)
		}
	})
}

// TestPage holds the pages that have figures against their records. Write one anew
// with: go run ./cmd/lacuna bench report docs/explanation/performance.md
func TestPage(t *testing.T) {
	for _, name := range []string{"performance", "erasure"} {
		t.Run(name, func(t *testing.T) { testPage(t, "../../docs/explanation/"+name+".md") })
	}
}

func testPage(t *testing.T, page string) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	dir := report.Folder(page)
	out, svgs, err := report.Render(text, dir)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out, text) {
		t.Errorf("%s is not what its records say; run lacuna bench report %s", page, page)
	}
	for name, svg := range svgs {
		have, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(have, svg) {
			t.Errorf("%s is not what its records say: %v", name, err)
		}
	}
}
