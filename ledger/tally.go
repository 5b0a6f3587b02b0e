package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
)

// What a list row says beside its index, docs/spec/rows.md: how many events of the key, up
// to this one and without a gap, are only counted under one purpose. Whoever folds a person
// reads the last row of such a run and none of its events, so that a fold costs as much as
// the person has events that decide something, however often their data was used.
//
// Every row has one, of the same length, under the key itself. A snapshot of the state at
// every sixteenth event would be a row more, and old files would show for ever which
// entries are the sixteenth of somebody.
type tallyText = [keystore.ListedSize]byte

// Limits of what a tally can say: a run that would pass one begins anew.
const (
	tallyMost = 1<<24 - 1 // events
	tallyTime = 1 << 48   // milliseconds, until the year 10889
)

// putTally returns the text of a tally whose purpose has a print, zeros where there is none.
//
//	u24 events || first 4 bytes of SHA-256(purpose) || u48 first event_time || u48 last less first
func putTally(t consent.Tally, print uint32) (text tallyText) {
	if !sayable(t) {
		return text
	}
	binary.BigEndian.PutUint32(text[0:], uint32(t.Count)<<8)
	binary.BigEndian.PutUint32(text[3:], print)
	put48(text[7:], t.First)
	put48(text[13:], t.Last-t.First)
	return text
}

func sayable(t consent.Tally) bool {
	return t.Count > 0 && t.Count <= tallyMost && t.First >= 0 && t.First <= t.Last && t.Last < tallyTime
}

var errTally = errors.New("what a list row says of its run is malformed")

// parseTally reads what putTally wrote, with the print of the purpose instead of the
// purpose.
func parseTally(text *tallyText) (t consent.Tally, print uint32, err error) {
	t.Count = uint64(binary.BigEndian.Uint32(text[0:]) >> 8)
	print = binary.BigEndian.Uint32(text[3:])
	t.First = get48(text[7:])
	t.Last = t.First + get48(text[13:])
	if t.Count == 0 && *text != (tallyText{}) || t.Last >= tallyTime {
		return consent.Tally{}, 0, errTally
	}
	return t, print, nil
}

func put48(b []byte, n int64) {
	binary.BigEndian.PutUint16(b, uint16(n>>32))
	binary.BigEndian.PutUint32(b[2:], uint32(n))
}

func get48(b []byte) int64 {
	return int64(binary.BigEndian.Uint16(b))<<32 | int64(binary.BigEndian.Uint32(b[2:]))
}

// printOf is what stands for a purpose. Two declared purposes may have the same:
// then neither is known by it, and their events are opened.
func printOf(purpose string) uint32 {
	h := sha256.Sum256([]byte(purpose))
	return binary.BigEndian.Uint32(h[:])
}

// purposes are the declared purposes of one version of the register.
type purposes struct {
	reg     *event.Register
	byPrint map[uint32]string // empty where several have it
	byName  map[string]purposeName
}

// A purposeName is the register's own copy of it: what is in an event is part of its text.
type purposeName struct {
	id    string
	print uint32
}

// purposesOf returns the purposes of a register, which are listed once for each version.
func (l *Ledger) purposesOf(reg *event.Register) *purposes {
	if p := l.purposes.Load(); p != nil && p.reg == reg {
		return p
	}
	p := &purposes{reg, make(map[uint32]string), make(map[string]purposeName)}
	for _, x := range reg.Purposes() {
		print := printOf(x.ID)
		if _, taken := p.byPrint[print]; taken {
			p.byPrint[print] = ""
		} else {
			p.byPrint[print] = x.ID
		}
		p.byName[x.ID] = purposeName{x.ID, print}
	}
	l.purposes.Store(p)
	return p
}

// tallyAfter is the tally of a chain's next event: of the run that it goes on with, or that
// it begins; and what its list row says of it. Both are zero where the event has to be
// opened to be folded.
func (l *Ledger) tallyAfter(reg *event.Register, before consent.Tally, ev *event.Event) (consent.Tally, tallyText) {
	t, ok := consent.TallyOf(ev)
	if !ok {
		return consent.Tally{}, tallyText{}
	}
	name, ok := l.purposesOf(reg).byName[t.Purpose]
	if t.Purpose = name.id; !ok || !sayable(t) {
		return consent.Tally{}, tallyText{}
	}
	if both, ok := before.With(t); ok && sayable(both) {
		t = both
	}
	return t, putTally(t, name.print)
}

// tallyOf opens what a list row says of its run. It is the zero tally where the event has
// to be opened: that is so, too, where the row cannot be read, because the events say the
// same; fsck tells of it.
func (l *Ledger) tallyOf(lease *keystore.Lease, g uint32, seq uint64, row *listValue) consent.Tally {
	text, err := lease.OpenListed(g, seq, &row.sealed)
	if err != nil {
		return consent.Tally{}
	}
	t, print, err := parseTally(&text)
	if err != nil || t.Count > seq {
		return consent.Tally{}
	}
	if t.Purpose = l.purposesOf(l.register.Load()).byPrint[print]; t.Purpose == "" {
		return consent.Tally{}
	}
	return t
}
