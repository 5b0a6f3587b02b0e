package consent

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/lacunalog/lacuna/ledger/event"
)

// MarshalBinary returns bytes by which states are compared: that of the cache with that of
// the store, or one that was handed out with what it was. Equal states give equal bytes, and
// others give others. Nothing is stored so.
//
// They are the fields of State in order. Numbers are unsigned varints in shortest form;
// times are milliseconds as zigzag varints. A string is a varint n: the (n-1)th string that
// was written before, or for 0 a new one, as length and bytes. SHA-256 in hex stands as 32
// bytes.
func (s *State) MarshalBinary() ([]byte, error) {
	if s == nil {
		s = New()
	}
	w := &writer{b: make([]byte, 0, 512)}
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
