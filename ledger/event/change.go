package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Change compares a register event in short form with the newest version of
// what it defines. The same content again is the same version and need not be
// recorded; other content becomes the next version, and changes says in a line
// each what is different. What the ledger fills (id, time, actor, version) is no
// content. The error is a *[Refused].
func (r *Register) Change(short *Event) (same bool, nextVersion int, changes []string, err error) {
	var rs reasons
	t := typeOf(short, &rs)
	if t == nil {
		return false, 0, nil, rs.err()
	}
	if !t.Register() {
		return false, 0, nil, Refuse(UnknownType, "/type", "not a register event")
	}
	checkForm(t, short, false, &rs)
	if err := rs.err(); err != nil {
		return false, 0, nil, err
	}
	same, nextVersion, changes = r.change(t, short, content(t, short))
	return same, nextVersion, changes, nil
}

func (r *Register) change(t *Type, short *Event, now []Member) (same bool, next int, changes []string) {
	cur := r.newest(t, short.Str(t.idField))
	if cur == nil {
		return false, 1, nil
	}
	was := content(t, cur.Event)
	changes = differences(was, now)
	if !cur.Public && short.flag("public") {
		changes = append(changes, "public: now readable by the world")
	}
	if len(changes) == 0 {
		return true, cur.Version, nil
	}
	return false, cur.Version + 1, changes
}

// newest returns the newest entry of a register type by its id, or nil.
func (r *Register) newest(t *Type, id string) *Entry {
	r = r.orEmpty()
	switch t.Name {
	case "controller.registered":
		if x, ok := r.controllers.version(id, 0); ok {
			return &x.Entry
		}
	case "purpose.declared":
		if x, ok := r.purposes.version(id, 0); ok {
			return &x.Entry
		}
	case "notice.published":
		if x, ok := r.notices.version(id, 0); ok {
			return &x.Entry
		}
	case "form.published":
		if x, ok := r.forms.version(id, 0); ok {
			return &x.Entry
		}
	case "recipient.registered":
		if x, ok := r.recipients.version(id, 0); ok {
			return &x.Entry
		}
	case "preservation.ordered":
		if x, ok := r.orders.version(id, 0); ok {
			return &x.Entry
		}
	}
	return nil
}

// flags whose absence means the same as this value, so that writing it is no change.
var defaults = map[string]string{
	"advertising": "false", "sensitive": "false", "material": "false", "explicit": "false", "active": "true",
}

// content returns the members of a register event that make up what it says, in
// the form in which they are sealed. It gives the same for the short form and
// for the full form that was made from it.
func content(t *Type, e *Event) []Member {
	out := make([]Member, 0, len(e.members)+2)
	for _, m := range e.members {
		f, ok := t.Field(m.Name)
		if !ok || f.Full == kNothing || bookkeeping(m.Name) || defaults[m.Name] == string(m.Value) && defaults[m.Name] != "" {
			continue
		}
		switch m.Name {
		case "retention":
			if r, hint := parseRetention(m.Value); hint == "" {
				m.Value = canonicalRetention(r)
			}
		case "effective_from", "review_at":
			if at := e.timeOf(m.Name); !at.IsZero() {
				m.Value = quotedTime(at)
			}
		}
		out = append(out, m)
	}
	add := func(name string, value []byte) {
		if !slices.ContainsFunc(out, func(m Member) bool { return m.Name == name }) {
			out = append(out, Member{name, value})
		}
	}
	switch t.Name {
	case "purpose.declared":
		add("compartment", quote(e.Str("purpose_id")))
	case "notice.published":
		if text := e.Str("text"); text != "" {
			sum := sha256.Sum256([]byte(text))
			add("sha256", quote(hex.EncodeToString(sum[:])))
		}
	case "form.published":
		if e.Str("method") != "checkbox" {
			add("prefilled", []byte("false"))
		}
	}
	slices.SortFunc(out, func(a, b Member) int { return compareNames(a.Name, b.Name) })
	return out
}

// bookkeeping: members that every register event has and that say nothing of its subject matter.
func bookkeeping(name string) bool {
	switch name {
	case "type", "id", "schema", "actor", "event_time", "late", "late_reason", "supersedes", "test", "version", "public", "_seq", "_prev", "_recorded":
		return true
	}
	return false
}

// differences compares two sorted contents. Register content is the
// controller's own and concerns nobody, so short values may be shown.
func differences(was, now []Member) []string {
	var out []string
	for i, j := 0, 0; i < len(was) || j < len(now); {
		switch {
		case j == len(now) || i < len(was) && compareNames(was[i].Name, now[j].Name) < 0:
			out = append(out, was[i].Name+": removed")
			i++
		case i == len(was) || compareNames(was[i].Name, now[j].Name) > 0:
			out = append(out, now[j].Name+": "+shown(now[j].Value)+" (new)")
			j++
		default:
			if !bytes.Equal(was[i].Value, now[j].Value) {
				out = append(out, difference(was[i].Name, was[i].Value, now[j].Value)...)
			}
			i, j = i+1, j+1
		}
	}
	return out
}

func difference(name string, was, now []byte) []string {
	switch {
	case was[0] == '[' && now[0] == '[':
		a, b := strs(was), strs(now)
		var parts []string
		for _, s := range b {
			if !slices.Contains(a, s) {
				parts = append(parts, "+"+s)
			}
		}
		for _, s := range a {
			if !slices.Contains(b, s) {
				parts = append(parts, "-"+s)
			}
		}
		if parts == nil {
			parts = []string{"another order"}
		}
		return []string{name + ": " + strings.Join(parts, " ")}
	case was[0] == '{' && now[0] == '{':
		var out []string
		for k, x := range fields(now) {
			if y, ok := field(was, k); !ok {
				out = append(out, fmt.Sprintf("%s.%s: %s (new)", name, k, shown(x)))
			} else if !bytes.Equal(x, y) {
				out = append(out, fmt.Sprintf("%s.%s: was %s, now %s", name, k, shown(y), shown(x)))
			}
		}
		for k := range fields(was) {
			if _, ok := field(now, k); !ok {
				out = append(out, fmt.Sprintf("%s.%s: removed", name, k))
			}
		}
		return out
	}
	return []string{fmt.Sprintf("%s: was %s, now %s", name, shown(was), shown(now))}
}

// shown is a value, cut where it is long.
func shown(v []byte) string {
	const limit = 72
	if len(v) <= limit {
		return string(v)
	}
	cut := v[:limit]
	for len(cut) > 0 && !utf8.Valid(cut) {
		cut = cut[:len(cut)-1]
	}
	return string(cut) + "…"
}
