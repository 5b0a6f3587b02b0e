package event

import (
	"encoding/base64"
	"time"
)

// WithChain returns a full event with what the ledger adds when it seals: its
// number in its chain, the leaf hash of the event before it (all zero for the
// first, which has none), and the time of recording.
func (e *Event) WithChain(seq uint64, prev [32]byte, recorded time.Time) *Event {
	head := []byte("null")
	if prev != ([32]byte{}) {
		head = quote(base64.StdEncoding.EncodeToString(prev[:]))
	}
	return e.WithMembers(
		Member{"_prev", head},
		Member{"_recorded", quotedTime(recorded)},
		Member{"_seq", appendInt(nil, int(seq))})
}
