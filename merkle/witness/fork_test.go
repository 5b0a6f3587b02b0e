package witness_test

import (
	"testing"
	"time"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/audit"
	"github.com/lacunalog/lacuna/merkle/witness"
)

// A log that shows two histories is caught, with what others need to see it.
func TestServerFork(t *testing.T) {
	log := newTree(t, origin, 40)
	l, err := audit.NewLog([]string{log.vkey}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	fork := log.fork(2)
	body := func(old int, proof []merkle.Hash, signed []byte) []byte {
		return witness.AddRequest(witness.NewAdd(uint64(old), proof, signed))
	}
	for _, c := range []struct {
		name   string
		body   []byte
		caught bool
	}{
		{"the same size", body(7, nil, fork.signed(7)), true},
		{"the same size, with a proof", body(7, fork.proof(3, 7), fork.signed(7)), true},
		{"a larger one, with its own proof", fork.add(7, 30), true},
		{"the next one", fork.add(7, 8), true},
		{"no fork", log.add(7, 30), false},
		{"asks for the size", log.add(0, 30), false},
		{"another old size", fork.add(6, 30), false},
		{"no proof", body(7, nil, fork.signed(30)), false},
		{"the proof of the log", body(7, log.proof(7, 30), fork.signed(30)), false},
		{"a wrong proof of the log", body(7, log.proof(6, 30), log.signed(30)), false},
		{"a changed proof of the log", body(7, append([]merkle.Hash{{}}, log.proof(7, 30)[1:]...), log.signed(30)), false},
		{"too long a proof", body(7, append(log.proof(7, 30), merkle.Hash{}), log.signed(30)), false},
		{"signed by nobody", damaged(body(7, nil, fork.signed(7))), false},
	} {
		var caught []witness.Fork
		o := options(t, log)
		o.Fork = func(f witness.Fork) { caught = append(caught, f) }
		s, err := witness.NewServerOn(o, newDisk())
		if err != nil {
			t.Fatal(err)
		}
		post(s, log.add(0, 7))
		post(s, c.body)
		if len(caught) > 1 || (len(caught) == 1) != c.caught {
			t.Errorf("%s: caught %d times", c.name, len(caught))
		}
		for _, f := range caught {
			e, err := audit.NewFork(l, f.Cosigned, f.Refused, f.Root, f.Proof, "a test", time.Unix(1000, 0))
			if err != nil || f.Origin != origin || !e.Proves() {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}
