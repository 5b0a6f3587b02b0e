package consent

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/ledger/event"
)

// The serialisation of a state, for snapshots. It is private to the ledger: a
// snapshot can always be made again from the events, so a version that is not
// known is an error and no more.
//
//	"LCS" version(1) body
//
// The body is the fields of State in order. Numbers are unsigned varints in
// shortest form; times are milliseconds as zigzag varints. A string is a varint
// n: the (n-1)th string that was written before, or for 0 a new one, as length
// and bytes. SHA-256 in hex stands as 32 bytes.
const stateMagic = "LCS\x02"

// errState says that bytes are no state. It does not say what they hold.
var errState = errors.New("not the serialisation of a state, or one of another version")

// MarshalBinary returns the serialisation of the state. Equal states give equal bytes.
func (s *State) MarshalBinary() ([]byte, error) {
	if s == nil {
		s = New()
	}
	w := &writer{b: append(make([]byte, 0, 512), stateMagic...)}
	w.uint(s.count)
	w.uint(s.other)
	w.time(s.last)
	w.len(len(s.tracks))
	for _, t := range s.tracks {
		w.str(t.purpose)
		w.str(t.channel)
		w.str(t.contact)
		w.len(len(t.steps))
		for _, x := range t.steps {
			w.step(x)
		}
	}
	w.len(len(s.stops))
	for _, x := range s.stops {
		w.step(&x.step)
		w.str(x.purpose)
		w.str(x.channel)
		w.str(x.contact)
	}
	w.len(len(s.notes))
	for _, n := range s.notes {
		w.bool(n.acknowledged)
		w.time(n.at)
		w.time(n.learnt)
		w.uint(n.index)
		w.str(n.purpose)
		w.ref(n.notice)
	}
	w.len(len(s.uses))
	for _, u := range s.uses {
		w.str(u.purpose)
		w.uint(u.count)
		w.time(u.first)
		w.time(u.last)
	}
	w.len(len(s.shares))
	for _, x := range s.shares {
		w.str(x.recipient)
		w.str(x.purpose)
		w.str(x.ref)
		w.strs(x.attributes)
		w.time(x.first)
		w.time(x.last)
		w.uint(x.count)
		w.uint(x.index)
	}
	w.len(len(s.rights))
	for _, r := range s.rights {
		w.str(r.ID)
		w.str(r.Right)
		w.time(toMilli(r.At))
		w.time(toMilli(r.Due))
		w.uint(r.Index)
	}
	w.len(len(s.objects))
	for _, o := range s.objects {
		w.time(o.at)
		w.time(o.learnt)
		w.uint(o.index)
		w.bool(o.purposes == nil)
		w.strs(o.purposes)
	}
	w.len(len(s.marks))
	for _, m := range s.marks {
		w.uint(uint64(m.kind))
		w.str(m.id)
		w.str(m.compartment)
		w.str(m.ground)
		w.time(m.review)
		w.time(m.at)
		w.time(m.learnt)
		w.uint(m.index)
		w.time(m.end)
		w.time(m.endLearnt)
	}
	return w.b, nil
}

// UnmarshalState reads what MarshalBinary wrote, and nothing else: bytes that
// MarshalBinary would not have written are an error.
func UnmarshalState(b []byte) (*State, error) {
	if !bytes.HasPrefix(b, []byte(stateMagic)) {
		return nil, fmt.Errorf("reading a state: %w", errState)
	}
	r := &reader{b: b[len(stateMagic):]}
	s := &State{count: r.uint(), other: r.uint(), last: r.time()}
	for range r.len() {
		t := &track{purpose: r.str(), channel: r.str(), contact: r.str()}
		for range r.len() {
			x := r.step()
			t.steps = append(t.steps, &x)
		}
		s.tracks = append(s.tracks, t)
	}
	for range r.len() {
		s.stops = append(s.stops, &stop{step: r.step(), purpose: r.str(), channel: r.str(), contact: r.str()})
	}
	for range r.len() {
		s.notes = append(s.notes, &note{acknowledged: r.bool(), at: r.time(), learnt: r.time(), index: r.uint(), purpose: r.str(), notice: r.ref()})
	}
	for range r.len() {
		s.uses = append(s.uses, use{purpose: r.str(), count: r.uint(), first: r.time(), last: r.time()})
	}
	for range r.len() {
		s.shares = append(s.shares, &share{recipient: r.str(), purpose: r.str(), ref: r.str(), attributes: r.strs(),
			first: r.time(), last: r.time(), count: r.uint(), index: r.uint()})
	}
	for range r.len() {
		s.rights = append(s.rights, &Right{ID: r.str(), Right: r.str(), At: fromMilli(r.time()), Due: fromMilli(r.time()), Index: r.uint()})
	}
	for range r.len() {
		o := &object{at: r.time(), learnt: r.time(), index: r.uint()}
		all := r.bool()
		if o.purposes = r.strs(); o.purposes == nil && !all {
			o.purposes = []string{}
		} else if all && o.purposes != nil {
			r.bad = true
		}
		s.objects = append(s.objects, o)
	}
	for range r.len() {
		m := &mark{kind: markKind(min(r.uint(), 255)), id: r.str(), compartment: r.str(), ground: r.str(),
			review: r.time(), at: r.time(), learnt: r.time(), index: r.uint(), end: r.time(), endLearnt: r.time()}
		r.bad = r.bad || m.kind > suppression
		s.marks = append(s.marks, m)
	}
	if r.bad || len(r.b) > 0 || !s.ordered() {
		return nil, fmt.Errorf("reading a state: %w", errState)
	}
	// Whatever else could be written in two ways shows here.
	if again, err := s.MarshalBinary(); err != nil || !bytes.Equal(again, b) {
		return nil, fmt.Errorf("reading a state: %w", errState)
	}
	return s, nil
}

// ordered checks what Apply and the queries rely on.
func (s *State) ordered() bool {
	for _, t := range s.tracks {
		if len(t.steps) == 0 || !slices.IsSortedFunc(t.steps, order) || slices.ContainsFunc(t.steps, func(x *step) bool { return x.kind == withdrawn }) {
			return false
		}
	}
	return strictly(s.tracks, compareTracks) && strictly(s.shares, compareShares) &&
		strictly(s.uses, func(a, b use) int { return bytes.Compare([]byte(a.purpose), []byte(b.purpose)) }) &&
		slices.IsSortedFunc(s.stops, func(a, b *stop) int { return order(&a.step, &b.step) }) &&
		!slices.ContainsFunc(s.stops, func(x *stop) bool { return x.kind != withdrawn })
}

func strictly[T any](s []T, compare func(a, b T) int) bool {
	for i := 1; i < len(s); i++ {
		if compare(s[i-1], s[i]) >= 0 {
			return false
		}
	}
	return true
}

type writer struct {
	b    []byte
	seen map[string]uint64
}

func (w *writer) uint(n uint64) { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) len(n int)     { w.uint(uint64(n)) }
func (w *writer) time(ms int64) { w.b = binary.AppendVarint(w.b, ms) }

func (w *writer) bool(v bool) {
	if v {
		w.uint(1)
	} else {
		w.uint(0)
	}
}

func (w *writer) str(s string) {
	if n, ok := w.seen[s]; ok {
		w.uint(n)
		return
	}
	if w.seen == nil {
		w.seen = make(map[string]uint64)
	}
	w.seen[s] = uint64(len(w.seen)) + 1
	w.uint(0)
	w.len(len(s))
	w.b = append(w.b, s...)
}

func (w *writer) strs(list []string) {
	w.len(len(list))
	for _, s := range list {
		w.str(s)
	}
}

func (w *writer) ref(r event.Ref) {
	w.str(r.ID)
	w.len(r.Version)
}

func (w *writer) step(x *step) {
	w.uint(uint64(x.kind))
	w.time(x.at)
	w.time(x.learnt - x.at)
	w.uint(x.index)
	w.str(x.id)
	w.str(x.request)
	w.bool(x.confirmed)
	w.ref(x.form)
	w.ref(x.notice)
	raw, err := hex.DecodeString(x.token)
	if err != nil || len(raw) != 32 || hex.EncodeToString(raw) != x.token {
		w.bool(false)
		w.str(x.token)
	} else {
		w.bool(true)
		w.b = append(w.b, raw...)
	}
	w.time(x.expires)
}

type reader struct {
	b    []byte
	seen []string
	bad  bool
}

func (r *reader) uint() uint64 {
	n, k := binary.Uvarint(r.b)
	if k <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[k:]
	return n
}

func (r *reader) time() int64 {
	n, k := binary.Varint(r.b)
	if k <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[k:]
	return n
}

// len reads a count. Everything that is counted takes a byte at least, so a
// larger count is a fault and allocates nothing.
func (r *reader) len() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) bool() bool { return r.uint() == 1 }

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) str() string {
	switch n := r.uint(); {
	case n == 0:
		s := string(r.take(r.len()))
		r.seen = append(r.seen, s)
		return s
	case n <= uint64(len(r.seen)):
		return r.seen[n-1]
	}
	r.bad, r.b = true, nil
	return ""
}

func (r *reader) strs() []string {
	var out []string
	for range r.len() {
		out = append(out, r.str())
	}
	return out
}

func (r *reader) ref() event.Ref {
	id := r.str()
	n := r.uint()
	if n > 1<<31-1 {
		r.bad = true
	}
	return event.Ref{ID: id, Version: int(n & (1<<31 - 1))}
}

func (r *reader) step() step {
	x := step{kind: kind(min(r.uint(), 255)), at: r.time()}
	x.learnt = x.at + r.time()
	x.index, x.id, x.request, x.confirmed = r.uint(), r.str(), r.str(), r.bool()
	x.form, x.notice = r.ref(), r.ref()
	if r.bool() {
		x.token = hex.EncodeToString(r.take(32))
	} else {
		x.token = r.str()
	}
	x.expires = r.time()
	if x.kind > withdrawn {
		r.bad = true
	}
	return x
}
