package verifier

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/lacunalog/lacuna/ledger/receipt"
)

// verificationText is what people see.
func verificationText(v *receipt.Verification, unread int, explain bool) []byte {
	var b bytes.Buffer
	many := len(v.Reports)+unread > 1
	for _, r := range v.Reports {
		if many {
			fmt.Fprintf(&b, "%s:\n", shown(r.File))
		}
		lines(&b, r.Checks, r.Lines, explain)
	}
	if len(v.Findings) > 0 {
		fmt.Fprintln(&b, "together:")
	}
	for _, f := range v.Findings {
		fmt.Fprintln(&b, f.Line)
	}
	if many {
		fmt.Fprintln(&b, summary(v, unread))
	}
	return b.Bytes()
}

// certificateText is certificates as letters, and every other report as it is.
func certificateText(v *receipt.Verification, lang string) []byte {
	var b bytes.Buffer
	for _, r := range v.Reports {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		if r.Verified && r.Certificate != nil {
			if text, err := r.Certificate.Text(lang, r.Sweep); err == nil {
				b.WriteString(text)
				continue
			}
		}
		fmt.Fprintf(&b, "%s:\n", shown(r.File))
		lines(&b, nil, r.Lines, false)
	}
	for _, f := range v.Findings {
		fmt.Fprintln(&b, f.Line)
	}
	return b.Bytes()
}

// growthText is what people see of two heads.
func growthText(g *receipt.Growth, explain bool) []byte {
	var b bytes.Buffer
	lines(&b, g.Checks, g.Lines, explain)
	return b.Bytes()
}

// lines writes what was concluded; explained, it comes behind what was looked at. The
// check that failed is what the last line says.
func lines(b *bytes.Buffer, checks []receipt.Check, lines []receipt.Line, explain bool) {
	for _, c := range checks {
		if explain && c.Passed {
			fmt.Fprintln(b, c)
		}
	}
	for _, l := range lines {
		fmt.Fprintln(b, l)
	}
}

// summary is the last line about many files.
func summary(v *receipt.Verification, unread int) string {
	n := count(v, unread)
	s := fmt.Sprintf("%d files: %d verified", n.Files, n.Verified)
	if n.Failed > 0 {
		s += fmt.Sprintf(", %d FAILED", n.Failed)
	}
	if n.Unread > 0 {
		s += fmt.Sprintf(", %d not read", n.Unread)
	}
	for _, f := range v.Findings {
		if f.Mark == receipt.Failed {
			return s + "; together they FAILED"
		}
	}
	return s
}

// shown quotes the name of a file that a terminal would act upon.
func shown(name string) string {
	if q := strconv.Quote(name); q != `"`+name+`"` {
		return q
	}
	return name
}
