// Package report makes tables and plots from records of bench, inside a document
// that says which ones it wants:
//
//	<!-- bench: append peers.jsonl -->
//	…written by lacuna bench report…
//	<!-- /bench -->
//
// The first word is a kind, from [Kinds]; then come files with records, and for a
// plot the name of the SVG. All lie in a folder beside the document that is named
// like it, without its ending. What stands between the two comments is replaced,
// so a figure in such a document is one that was measured, or none.
package report

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/lacunalog/lacuna/bench"
)

// A block is what one comment asks for. It writes Markdown, and the plot where the
// kind is one.
type block func(b *bytes.Buffer, recs []bench.Record) error

var tables = map[string]block{
	"machine":    machineTable,
	"append":     appendTable,
	"ask":        askTable,
	"grow":       growTable,
	"open":       openTable,
	"proof":      proofTable,
	"erase":      eraseTable,
	"erase-load": eraseLoadTable,
	"together":   togetherTable,
	"keys":       keysTable,
	"sweep":      sweepTable,
	"ways":       waysTable,
	"profile":    profileTable,
	"seal":       sealTable,
	"targets":    targetTable,
}

var (
	opening = regexp.MustCompile(`^<!-- bench: (\S+)((?: \S+)*) -->$`)
	closing = "<!-- /bench -->"
)

// Kinds are the kinds of tables and of plots.
func Kinds() []string {
	kinds := slices.Collect(maps.Keys(tables))
	kinds = slices.AppendSeq(kinds, maps.Keys(plots))
	slices.Sort(kinds)
	return kinds
}

// Render replaces the blocks of a document, and returns the plots by their names.
// dir is where the records are; a file that is not there leaves the block without
// figures.
func Render(doc []byte, dir string) (out []byte, svgs map[string][]byte, err error) {
	svgs = make(map[string][]byte)
	var b bytes.Buffer
	inside := ""
	for n, line := range strings.SplitAfter(string(doc), "\n") {
		text := strings.TrimSpace(line)
		m := opening.FindStringSubmatch(text)
		switch {
		case m != nil && inside != "":
			return nil, nil, fmt.Errorf("line %d: %s begins inside of %s", n+1, m[1], inside)
		case m != nil:
			inside = m[1]
			b.WriteString(line)
			if err := render(&b, m[1], strings.Fields(m[2]), dir, svgs); err != nil {
				return nil, nil, fmt.Errorf("line %d: %s: %w", n+1, m[1], err)
			}
		case text == closing && inside == "":
			return nil, nil, fmt.Errorf("line %d: a block ends that did not begin", n+1)
		case text == closing:
			inside = ""
			b.WriteString(line)
		case inside == "":
			b.WriteString(line)
		}
	}
	if inside != "" {
		return nil, nil, fmt.Errorf("the block %s does not end", inside)
	}
	return b.Bytes(), svgs, nil
}

func render(b *bytes.Buffer, kind string, args []string, dir string, svgs map[string][]byte) error {
	b.WriteByte('\n')
	defer b.WriteByte('\n')
	files := args
	draw := plots[kind]
	if draw != nil {
		if len(args) < 2 || !strings.HasSuffix(args[len(args)-1], ".svg") {
			return errors.New("a plot needs files with records and the name of its .svg")
		}
		files = args[:len(args)-1]
		if svg := args[len(args)-1]; svg != filepath.Base(svg) {
			return fmt.Errorf("%s is not a name", svg)
		}
	}
	table := tables[kind]
	if draw == nil && table == nil {
		return fmt.Errorf("no such kind; kinds are %s", strings.Join(Kinds(), ", "))
	}
	if len(files) == 0 {
		return errors.New("of which files?")
	}
	var recs []bench.Record
	for _, f := range files {
		if f != filepath.Base(f) {
			return fmt.Errorf("%s is not in the folder", f)
		}
		r, err := bench.ReadRecordFiles(filepath.Join(dir, f))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		recs = append(recs, r...)
	}
	if len(recs) == 0 {
		b.WriteString("*Not measured yet.*\n")
		return nil
	}
	if table != nil {
		return table(b, recs)
	}
	name := args[len(args)-1]
	chart, write := draw(recs)
	var svg bytes.Buffer
	if err := write(chart, &svg); err != nil {
		return err
	}
	svgs[name] = svg.Bytes()
	fmt.Fprintf(b, "![%s](%s/%s)\n", chart.Title, filepath.Base(dir), name)
	return nil
}

// Folder is where the records of a document are.
func Folder(doc string) string { return strings.TrimSuffix(doc, filepath.Ext(doc)) }

// Write renders a document in place and writes its plots beside the records.
func Write(doc string) error {
	text, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	dir := Folder(doc)
	out, svgs, err := Render(text, dir)
	if err != nil {
		return fmt.Errorf("%s: %w", doc, err)
	}
	for name, svg := range svgs {
		if err := os.WriteFile(filepath.Join(dir, name), svg, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(doc, out, 0o644)
}
