package recorded

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// A call is a system call. One without a name never came to an end.
type call struct {
	name string
	args []string
	ret  int64
}

// An event is the beginning or the end of a call: others go on between the two.
type event struct {
	*call
	end bool
}

// died reports whether a thread was gone before the call, or its name, was written
// down to the end: another thread ended the program. Nothing follows in the thread,
// and what the call did, if the kernel began it, nobody has waited for.
func died(text string) bool {
	return strings.HasSuffix(text, " <detached ...>") || strings.HasSuffix(text, "= ?")
}

// parse reads the output of strace -f -xx.
func parse(text string) ([]event, error) {
	type half struct {
		c    *call
		text string
	}
	var events []event
	begun := map[string]half{} // by thread
	for n, line := range strings.Split(text, "\n") {
		thread, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimLeft(rest, " ")
		if rest == "" || strings.HasPrefix(rest, "---") || strings.HasPrefix(rest, "+++") {
			continue
		}
		if before, ok := strings.CutSuffix(rest, " <unfinished ...>"); ok {
			h := half{new(call), before}
			begun[thread] = h
			events = append(events, event{h.c, false})
			continue
		}
		h := half{c: new(call)}
		if strings.HasPrefix(rest, "<... ") {
			_, after, _ := strings.Cut(rest, " resumed>")
			var ok bool
			if h, ok = begun[thread]; !ok {
				return nil, fmt.Errorf("strace, line %d: the end of a call that did not begin", n+1)
			}
			delete(begun, thread)
			rest = h.text + after
		} else {
			events = append(events, event{h.c, false})
		}
		if died(rest) {
			continue
		}
		var err error
		if *h.c, err = parseCall(rest); err != nil {
			return nil, fmt.Errorf("strace, line %d: %w", n+1, err)
		}
		events = append(events, event{h.c, true})
	}
	return events, nil
}

// parseCall reads name(arg, arg) = result.
func parseCall(s string) (call, error) {
	name, rest, ok := strings.Cut(s, "(")
	at := strings.LastIndex(rest, ") ")
	if !ok || at < 0 {
		return call{}, fmt.Errorf("no call: %.60q", s)
	}
	c := call{name: name, args: split(rest[:at])}
	_, result, ok := strings.Cut(rest[at:], "= ")
	if !ok {
		return call{}, fmt.Errorf("no result: %.60q", s)
	}
	result, _, _ = strings.Cut(result, " ")
	var err error
	if c.ret, err = strconv.ParseInt(result, 0, 64); err != nil {
		return call{}, fmt.Errorf("result %q: %w", result, err)
	}
	return c, nil
}

// split separates arguments. Strings are all hexadecimal, so a comma in one is none.
func split(s string) []string {
	var args []string
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '[', '{', '(':
			depth++
		case ']', '}', ')':
			depth--
		case ',':
			if depth == 0 {
				args = append(args, strings.TrimSpace(s[from:i]))
				from = i + 1
			}
		}
	}
	return append(args, strings.TrimSpace(s[from:]))
}

// text reads a string argument.
func text(arg string) ([]byte, error) {
	s, ok := strings.CutPrefix(arg, `"`)
	s, ok2 := strings.CutSuffix(s, `"`)
	if !ok || !ok2 {
		return nil, fmt.Errorf("not a whole string: %.40q", arg)
	}
	return hex.DecodeString(strings.ReplaceAll(s, `\x`, ""))
}

func number(arg string) (int64, error) { return strconv.ParseInt(arg, 0, 64) }
