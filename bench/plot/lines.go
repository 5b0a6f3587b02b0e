package plot

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// WriteLines draws the chart as lines through the points of each series. The
// horizontal axis begins at zero.
func (c *Chart) WriteLines(w io.Writer) error {
	v := c.begin()
	for _, s := range c.Series {
		for _, p := range s.Points {
			v.x1 = max(v.x1, p.X)
		}
	}
	if v.x1 == 0 {
		v.x1 = 1
	}
	step := niceStep(v.x1 / 10)
	for i := 0; ; i++ {
		f := float64(i) * step
		if f > v.x1+step*1e-6 {
			break
		}
		x := v.x(f)
		fmt.Fprintf(v, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", x, x, top, height-bottom)
		v.text(x, height-bottom+18, "middle", "weak", "", short(f))
	}
	for i, s := range c.Series {
		var d strings.Builder
		for n, p := range s.Points {
			letter := "L"
			if n == 0 {
				letter = "M"
			}
			fmt.Fprintf(&d, "%s%.1f %.1f", letter, v.x(p.X), v.y(p.Y))
		}
		fmt.Fprintf(v, `<path fill="none" stroke="%s" stroke-width="2" d="%s"/>`+"\n", colour(i), d.String())
		for _, p := range s.Points {
			if p.Most > 0 {
				v.whisker(v.x(p.X), p)
			}
			fmt.Fprintf(v, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`+"\n", v.x(p.X), v.y(p.Y), colour(i))
		}
	}
	return v.end(w)
}

// x is where a figure stands at the horizontal axis.
func (v *canvas) x(f float64) float64 {
	share := f / v.x1
	if math.IsNaN(share) {
		share = 0
	}
	return left + 14 + share*(width-left-right-28)
}
