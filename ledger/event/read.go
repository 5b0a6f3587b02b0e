package event

import (
	"time"
)

// Time returns the member event_time of a full event, or the zero time.
func (e *Event) Time() time.Time {
	if e.at != 0 {
		return time.UnixMilli(e.at).UTC()
	}
	return e.timeOf("event_time")
}

// Recorded returns the member _recorded, or the zero time before the ledger has set it.
func (e *Event) Recorded() time.Time { return e.timeOf("_recorded") }

func (e *Event) timeOf(name string) time.Time {
	i, ok := e.find(name)
	if !ok {
		return time.Time{}
	}
	s, ok := unquote(e.members[i].Value)
	if !ok {
		return time.Time{}
	}
	t, err := ParseTime(s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// Strings returns the strings of a member that is a list.
func (e *Event) Strings(name string) []string { return e.list(name) }

// Uint returns a member that is a whole number below 2^53.
func (e *Event) Uint(name string) (uint64, bool) {
	v, ok := e.Get(name)
	if !ok {
		return 0, false
	}
	return sequenceOf(v)
}

// ScopePurposes returns the purposes that the scope of a right.requested names;
// nil stands for all.
func (e *Event) ScopePurposes() []string {
	v, _ := e.Get("scope")
	p, _ := field(v, "purposes")
	return strs(p)
}

func (e *Event) list(name string) []string { v, _ := e.Get(name); return strs(v) }

func (e *Event) flag(name string) bool { v, _ := e.Get(name); return isTrue(v) }

func (e *Event) texts(name string) map[string]string {
	v, ok := e.Get(name)
	if !ok {
		return nil
	}
	m := make(map[string]string)
	for k, x := range fields(v) {
		m[k], _ = unquote(x)
	}
	return m
}

// FormRef returns the form that a full event refers to.
func (e *Event) FormRef() (Ref, bool) { v, _ := e.Get("form"); return readRef(v) }

// NoticeRef returns the notice that a full event refers to.
func (e *Event) NoticeRef() (Ref, bool) { v, _ := e.Get("notice"); return readRef(v) }

// readRef reads a reference in either form.
func readRef(v []byte) (ref Ref, ok bool) {
	if len(v) > 0 && v[0] == '{' {
		id, _ := field(v, "id")
		ref.ID, ok = unquote(id)
		if n, has := field(v, "version"); has {
			ref.Version, _ = intOf(n)
		}
		return ref, ok
	}
	s, ok := unquote(v)
	if !ok {
		return ref, false
	}
	ref.ID, ref.Version, ok = splitRef(s)
	return ref, ok
}
