package ledger

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
)

// withChain returns the members of an event as they are sealed: its place in its
// chain, the leaf hash of the one before it (null for the first), and when it was
// recorded. The three names sort before all others.
func withChain(ev *event.Event, seq uint64, prev merkle.Hash, now time.Time) []envelope.Member {
	members := ev.Members()
	out := make([]envelope.Member, 3, len(members)+3)
	before := []byte("null")
	if seq > 1 {
		before = []byte(`"` + prev.String() + `"`) // base64 needs no escapes
	}
	out[0] = envelope.Member{Name: "_prev", Value: before}
	out[1] = envelope.Member{Name: "_recorded", Value: []byte(`"` + event.FormatTime(now) + `"`)}
	out[2] = envelope.Member{Name: "_seq", Value: strconv.AppendUint(nil, seq, 10)}
	for _, m := range members {
		out = append(out, envelope.Member{Name: m.Name, Value: m.Value})
	}
	return out
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
