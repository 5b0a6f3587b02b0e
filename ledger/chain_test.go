package ledger

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
)

// What is sealed says the same as event.WithChain would.
func TestWithChain(t *testing.T) {
	ev, err := event.Parse([]byte(`{"type":"x","subject":"c-2","a":[1,2],"z":null}`))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for seq := uint64(1); seq < 2000; seq++ {
		var prev merkle.Hash
		if seq > 1 {
			for i := range prev {
				prev[i] = byte(rng.Uint32())
			}
		}
		now := time.Unix(rng.Int64N(8e9)-3e9, rng.Int64N(1e9)).In(time.FixedZone("", int(rng.Int32N(80000))-40000))
		if seq%7 == 0 {
			now = now.Truncate(time.Second)
		}
		c := withChain(ev, seq, prev, now)
		want := ev.WithChain(seq, prev, now).Members()
		if len(c.members) != len(want) {
			t.Fatalf("%d members, want %d", len(c.members), len(want))
		}
		for i, m := range c.members {
			if m.Name != want[i].Name || string(m.Value) != string(want[i].Value) {
				t.Fatalf("member %d is %s, want %s", i, m.Value, want[i].Value)
			}
		}
		c.release()
	}
}
