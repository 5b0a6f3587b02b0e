package receipt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// describe writes the lines of a verified receipt.
func (r *Report) describe() {
	texts := statements(r.Get("statement"))
	for _, s := range r.Statements {
		// The words that the person read. The event names them by their hash.
		var form struct {
			Statement json.RawMessage `json:"statement"`
		}
		if json.Unmarshal(s, &form) == nil {
			for _, t := range statements(form.Statement) {
				r.say(OK, Proven, "%s", t)
			}
		}
	}
	if len(texts) > 0 {
		for _, t := range texts {
			r.say(OK, Proven, "%s", t)
		}
	} else if t := r.text("type"); t != "" {
		r.say(OK, Proven, "%s", printable(t))
	} else {
		r.say(OK, Proven, "an entry that does not show its type")
	}
	var heldBack []string
	for _, m := range r.Members {
		switch {
		case m.HeldBack:
			heldBack = append(heldBack, m.Name)
		case m.Name != "statement" || len(texts) == 0:
			r.say(Detail, Proven, "%s: %s", m.Name, shorten(printable(string(m.Value))))
		}
	}
	switch n := len(heldBack); {
	case n == 1:
		r.say(Note, Proven, "1 member is held back: %s", heldBack[0])
	case n > 8:
		r.say(Note, Proven, "%d members are held back", n)
	case n > 1:
		r.say(Note, Proven, "%d members are held back: %s", n, strings.Join(heldBack, ", "))
	}
	if r.Epoch != nil {
		r.describeEpoch()
	}
	if r.Sweep != nil {
		r.describeSweep()
	}
	if r.Lost != nil {
		r.describeLost()
	}
	r.say(OK, Proven, "entry %d of %d under the head signed by %s", r.Index, r.Size, printable(r.Origin))
	r.say(OK, Proven, "golang.org/x/mod/sumdb/tlog agrees (not our code)")
	r.Head.attest(r.say, "this head", "the entry was in the log")
	r.earlier(r.Head)
	r.say(Note, Asserted, "that this was recorded and is unchanged is proven; that it is true is the operator's word")
}

// statements returns the texts of a member statement, which is a string or
// an object of language and text, quoted for a terminal.
func statements(value json.RawMessage) []string {
	if len(value) == 0 {
		return nil
	}
	switch value[0] {
	case '"':
		return []string{printable(string(value))}
	case '{':
		var texts map[string]json.RawMessage
		if json.Unmarshal(value, &texts) != nil {
			return nil
		}
		var lines []string
		for _, lang := range slices.Sorted(maps.Keys(texts)) {
			t := bytes.TrimSpace(texts[lang])
			if len(t) == 0 || t[0] != '"' {
				return nil
			}
			lines = append(lines, printable(string(t)))
		}
		return lines
	}
	return nil
}

// printable escapes what a terminal would act upon or hide: control
// characters, invisible ones, and those that turn the direction of text. A
// receipt may come from somebody who wants its reader to see something else.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// longest is how many characters of a value a person is shown.
const longest = 1000

func shorten(s string) string {
	if utf8.RuneCountInString(s) <= longest {
		return s
	}
	return string([]rune(s)[:longest]) + fmt.Sprintf("… (%d bytes in all; the JSON form shows them)", len(s))
}
