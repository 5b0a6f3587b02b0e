package plot

import (
	"fmt"
	"io"
)

// WriteBars draws the chart as groups of bars, one bar of each series in each
// group, with the figure above it.
func (c *Chart) WriteBars(w io.Writer) error {
	v := c.begin()
	groups := max(1, len(c.Groups))
	room := float64(width-left-right) / float64(groups)
	bar := room * 0.84 / float64(max(1, len(c.Series)))
	for g, name := range c.Groups {
		v.text(left+room*(float64(g)+0.5), height-bottom+18, "middle", "text", "", name)
	}
	for i, s := range c.Series {
		for _, p := range s.Points {
			x := left + room*(p.X+0.08) + bar*float64(i)
			y, foot := v.y(p.Y), float64(height-bottom)
			fmt.Fprintf(v, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x+1, y, bar-2, max(0, foot-y), colour(i))
			label := y
			if p.Most > 0 {
				v.whisker(x+bar/2, p)
				label = v.y(p.Most)
			}
			v.text(x+bar/2, label-5, "middle", "text", `font-size="11"`, short(p.Y))
		}
	}
	return v.end(w)
}

// whisker draws the range of a point.
func (v *canvas) whisker(x float64, p Point) {
	fmt.Fprintf(v, `<path class="whisker" fill="none" d="M%.1f %.1fh6m-3 0V%.1fm-3 0h6"/>`+"\n", x-3, v.y(p.Most), v.y(p.Least))
}
