package ledger

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
)

// A chained is the members of an event as they are sealed: its place in its
// chain, the leaf hash of the one before it (null for the first), and when it was
// recorded. The three names sort before all others.
type chained struct {
	members []envelope.Member
	text    []byte // of the three
}

var chaineds = sync.Pool{New: func() any {
	return &chained{members: make([]envelope.Member, 0, 32), text: make([]byte, 0, 128)}
}}

// withChain gives an event its place. The result is scratch: it is released when
// the event is sealed.
func withChain(ev *event.Event, seq uint64, prev merkle.Hash, now time.Time) *chained {
	c := chaineds.Get().(*chained)
	b := c.text[:0]
	if seq > 1 {
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, prev[:]) // base64 needs no escapes
		b = append(b, '"')
	} else {
		b = append(b, "null"...)
	}
	before := len(b)
	b = append(b, '"')
	b = event.AppendTime(b, now)
	b = append(b, '"')
	recorded := len(b)
	b = strconv.AppendUint(b, seq, 10)
	c.text = b
	c.members = append(c.members[:0],
		envelope.Member{Name: "_prev", Value: b[:before]},
		envelope.Member{Name: "_recorded", Value: b[before:recorded]},
		envelope.Member{Name: "_seq", Value: b[recorded:]})
	for _, m := range ev.Members() {
		c.members = append(c.members, envelope.Member{Name: m.Name, Value: m.Value})
	}
	return c
}

func (c *chained) release() {
	clear(c.members) // the values belong to the event
	chaineds.Put(c)
}

// placeInChain reads _seq and _prev back; zeros where they are missing.
func placeInChain(ev *event.Event) (seq uint64, prev merkle.Hash) {
	if v, ok := ev.Get("_seq"); ok {
		seq, _ = strconv.ParseUint(string(v), 10, 64)
	}
	if v, ok := ev.Get("_prev"); ok {
		var text string
		if json.Unmarshal(v, &text) == nil {
			prev, _ = merkle.ParseHash(text)
		}
	}
	return seq, prev
}
