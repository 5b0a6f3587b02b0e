package plot_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/bench/plot"
)

// element is what the tests look at in a plot.
type element struct {
	name, text string
}

func parse(t *testing.T, svg []byte) (es []element) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return es
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, svg)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			es = append(es, element{name: tok.Name.Local})
		case xml.CharData:
			if len(es) > 0 {
				es[len(es)-1].text += string(tok)
			}
		}
	}
}

func count(es []element, name string) (n int) {
	for _, e := range es {
		if e.name == name {
			n++
		}
	}
	return n
}

func has(es []element, text string) bool {
	for _, e := range es {
		if e.name == "text" && strings.TrimSpace(e.text) == text {
			return true
		}
	}
	return false
}

func TestBars(t *testing.T) {
	c := plot.Chart{Title: "a < b & c", XLabel: "callers", YLabel: "events/s", Log: true, Groups: []string{"1", "64"}, Target: 500, TargetName: "aim",
		Series: []plot.Series{{Name: "ours", Points: []plot.Point{{X: 0, Y: 2500, Least: 2000, Most: 3000}, {X: 1, Y: 60_000}}}, {Name: "theirs", Points: []plot.Point{{X: 1, Y: 17_600}}}}}
	var b bytes.Buffer
	if err := c.WriteBars(&b); err != nil {
		t.Fatal(err)
	}
	es := parse(t, b.Bytes())
	// The ground, three bars, two marks of the legend.
	if n := count(es, "rect"); n != 6 {
		t.Errorf("%d rectangles", n)
	}
	if n := count(es, "path"); n != 1 {
		t.Errorf("%d whiskers", n)
	}
	for _, text := range []string{"a < b & c", "callers", "events/s", "1", "64", "2.5k", "60k", "17.6k", "ours", "theirs", "aim", "100", "100k"} {
		if !has(es, text) {
			t.Errorf("no %q in\n%s", text, &b)
		}
	}
	if !strings.Contains(b.String(), "prefers-color-scheme:dark") {
		t.Error("not made for the dark")
	}
}

func TestLines(t *testing.T) {
	c := plot.Chart{Title: "growth", XLabel: "events", YLabel: "MiB", Series: []plot.Series{
		{Name: "cgo", Points: []plot.Point{{X: 1e6, Y: 100}, {X: 2e6, Y: 230}, {X: 10e6, Y: 240}}},
		{Name: "pure Go", Points: []plot.Point{{X: 1e6, Y: 120, Least: 110, Most: 125}}}}}
	var b bytes.Buffer
	if err := c.WriteLines(&b); err != nil {
		t.Fatal(err)
	}
	es := parse(t, b.Bytes())
	if n := count(es, "circle"); n != 4 {
		t.Errorf("%d points", n)
	}
	for _, text := range []string{"0", "5M", "10M", "50", "250", "MiB", "events", "cgo", "pure Go"} {
		if !has(es, text) {
			t.Errorf("no %q in\n%s", text, &b)
		}
	}
}

// A chart of nothing, of zeros, of one figure is still a plot.
func TestDegenerate(t *testing.T) {
	for _, c := range []plot.Chart{
		{}, {Log: true}, {Groups: []string{"x"}, Series: []plot.Series{{}}},
		{Groups: []string{"x"}, Series: []plot.Series{{Points: []plot.Point{{}}}}},
		{Log: true, Groups: []string{"x"}, Series: []plot.Series{{Points: []plot.Point{{Y: 0}, {Y: 1000}}}}},
		{Log: true, Groups: []string{"x"}, Series: []plot.Series{{Points: []plot.Point{{Y: 1000}}}}},
	} {
		for _, write := range []func(io.Writer) error{c.WriteBars, c.WriteLines} {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			parse(t, b.Bytes())
			if s := b.String(); strings.Contains(s, "NaN") || strings.Contains(s, "Inf") {
				t.Errorf("%+v:\n%s", c, s)
			}
		}
	}
}
