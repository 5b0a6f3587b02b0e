// Package plot draws the few kinds of plots that the results of bench need, as
// SVG that stands alone: no script, no font file, readable on a light and on a dark
// background (it follows prefers-color-scheme), with units at both axes.
//
//	c := plot.Chart{Title: "Appending", XLabel: "callers", YLabel: "events/s", Log: true,
//		Groups: []string{"1", "64"}, Series: []plot.Series{{Name: "whole", Points: []plot.Point{{X: 0, Y: 2500}, {X: 1, Y: 60000}}}}}
//	err := c.WriteBars(w)
//
// A point may have a range, drawn as a whisker: what the rounds of a measurement
// gave at least and at most.
package plot

import (
	"fmt"
	"html"
	"io"
	"math"
	"strconv"
	"strings"
)

// A Point is one figure.
type Point struct {
	X, Y        float64
	Least, Most float64 // the range that Y is the median of; zero for none
}

// A Series is figures that belong together.
type Series struct {
	Name   string
	Points []Point
}

// A Chart is a plot with one horizontal and one vertical axis.
type Chart struct {
	Title, XLabel, YLabel string
	Log                   bool     // powers of ten at the vertical axis
	Groups                []string // of bars: what stands below them; X of a point is the number of its group
	Series                []Series
	// Target, where it is not zero, is drawn as a dashed line across.
	Target     float64
	TargetName string
}

// Sizes in pixels. Text is 13 pixels high.
const (
	width, height            = 760, 400
	left, right, top, bottom = 78, 16, 44, 106
)

// Colours that differ in lightness too, so that they can be told apart without
// seeing colours, on white and on black.
var colours = []string{"#2f6fde", "#d9822b", "#2a9d5c", "#b04ac4", "#8a8f98", "#c23b4b", "#1aa3b8", "#a68a00"}

const style = `<style>
svg{font:13px system-ui,-apple-system,"Segoe UI",sans-serif}
.ground{fill:#fff}.text{fill:#1f2328}.weak{fill:#59636e}.grid{stroke:#d1d9e0}.axis{stroke:#59636e}.whisker{stroke:#1f2328}.target{stroke:#c23b4b}
@media (prefers-color-scheme:dark){.ground{fill:#0d1117}.text{fill:#e6edf3}.weak{fill:#9198a1}.grid{stroke:#2b323b}.axis{stroke:#9198a1}.whisker{stroke:#e6edf3}.target{stroke:#ff7b86}}
</style>
`

// A canvas is a plot that is being drawn.
type canvas struct {
	strings.Builder
	chart    *Chart
	lo, hi   float64 // of the vertical axis
	x1       float64 // where the horizontal axis ends
	fraction float64 // between two marks at the vertical axis
}

func (c *Chart) begin() *canvas {
	v := &canvas{chart: c}
	v.lo, v.hi = math.Inf(1), math.Inf(-1)
	see := func(y float64) {
		if y > 0 || !c.Log {
			v.lo, v.hi = min(v.lo, y), max(v.hi, y)
		}
	}
	for _, s := range c.Series {
		for _, p := range s.Points {
			see(p.Y)
			if p.Most > 0 {
				see(p.Least)
				see(p.Most)
			}
		}
	}
	if c.Target != 0 {
		see(c.Target)
	}
	if math.IsInf(v.lo, 1) {
		v.lo, v.hi = 1, 10
	}
	if c.Log {
		v.lo, v.hi = math.Pow(10, math.Floor(math.Log10(v.lo))), math.Pow(10, math.Ceil(math.Log10(v.hi)))
		if v.lo == v.hi {
			v.hi *= 10
		}
	} else {
		v.lo = min(v.lo, 0)
		if v.hi <= v.lo {
			v.hi = v.lo + 1
		}
		v.fraction = niceStep((v.hi - v.lo) / 5)
		v.hi = math.Ceil(v.hi/v.fraction-1e-9) * v.fraction
	}
	fmt.Fprintf(v, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n", width, height, html.EscapeString(c.Title))
	v.WriteString(style)
	fmt.Fprintf(v, `<rect class="ground" width="%d" height="%d"/>`+"\n", width, height)
	v.text(left, 24, "start", "text", `font-weight="600" font-size="15"`, c.Title)
	v.horizontals()
	return v
}

// niceStep is the least of 1, 2 and 5 times a power of ten that is not below x.
func niceStep(x float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*p >= x*(1-1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// y is where a figure stands.
func (v *canvas) y(f float64) float64 {
	share := 0.0
	if v.chart.Log {
		share = math.Log10(max(f, v.lo)/v.lo) / math.Log10(v.hi/v.lo)
	} else {
		share = (f - v.lo) / (v.hi - v.lo)
	}
	return height - bottom - share*(height-top-bottom)
}

func (v *canvas) horizontals() {
	mark := func(f float64) {
		y := v.y(f)
		fmt.Fprintf(v, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`+"\n", left, width-right, y, y)
		v.text(left-6, y+4, "end", "weak", "", short(f))
	}
	if v.chart.Log {
		for f := v.lo; f <= v.hi*1.001; f *= 10 {
			mark(f)
		}
	} else {
		for i := 0; ; i++ {
			f := v.lo + float64(i)*v.fraction
			if f > v.hi+v.fraction/2 {
				break
			}
			mark(f)
		}
	}
	fmt.Fprintf(v, `<text class="weak" transform="translate(16 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n",
		top+(height-top-bottom)/2, html.EscapeString(v.chart.YLabel))
	v.text(left+(width-left-right)/2, height-bottom+38, "middle", "weak", "", v.chart.XLabel)
}

func (v *canvas) text(x, y float64, anchor, class, more, s string) {
	if more != "" {
		more = " " + more
	}
	fmt.Fprintf(v, `<text class="%s" x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>`+"\n", class, x, y, anchor, more, html.EscapeString(s))
}

// end draws what lies over everything else, and writes the plot.
func (v *canvas) end(w io.Writer) error {
	if t := v.chart.Target; t != 0 {
		y := v.y(t)
		fmt.Fprintf(v, `<line class="target" stroke-dasharray="6 4" stroke-width="1.5" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`+"\n", left, width-right, y, y)
		v.text(width-right, y-5, "end", "weak", "", v.chart.TargetName)
	}
	fmt.Fprintf(v, `<line class="axis" x1="%d" x2="%d" y1="%d" y2="%d"/>`+"\n", left, width-right, height-bottom, height-bottom)
	v.legend()
	v.WriteString("</svg>\n")
	_, err := io.WriteString(w, v.String())
	return err
}

// legend names the series below the plot, in two rows where one is too short.
func (v *canvas) legend() {
	x, y := float64(left), float64(height-38)
	for i, s := range v.chart.Series {
		wide := 40 + 7.4*float64(len([]rune(s.Name)))
		if x > left && x+wide > width {
			x, y = left, y+22
		}
		fmt.Fprintf(v, `<rect x="%.1f" y="%.1f" width="11" height="11" rx="2" fill="%s"/>`+"\n", x, y-10, colour(i))
		v.text(x+16, y, "start", "text", "", s.Name)
		x += wide
	}
}

func colour(i int) string { return colours[i%len(colours)] }

// short writes a figure as one says it: 60k, 1.5M.
func short(f float64) string {
	for _, u := range []struct {
		of   float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(f) >= u.of {
			return digits(f/u.of) + u.name
		}
	}
	return digits(f)
}

func digits(f float64) string {
	prec := 0
	switch a := math.Abs(f); {
	case a == math.Trunc(a):
	case a < 1:
		prec = 2
	case a < 100:
		prec = 1
	}
	return strconv.FormatFloat(f, 'f', prec, 64)
}
