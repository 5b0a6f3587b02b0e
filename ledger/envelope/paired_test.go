package envelope_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle/sha2"
)

// TestPairedAgainstAlone seals events of every shape twice under one e, two hashes
// at a time and one at a time: the bytes have to be the same.
func TestPairedAgainstAlone(t *testing.T) {
	if !sha2.Fast {
		t.Skip("needs an amd64 processor with the SHA extensions, and a build without the tag purego")
	}
	rng := rand.New(rand.NewPCG(7, 7))
	origin := envelope.Origin("example.org/log")
	for round := range 300 {
		n := 1 + rng.IntN(20)
		switch round {
		case 0:
			n = 1
		case 1:
			n = envelope.MaxMembers
		}
		var text bytes.Buffer
		for i := range n {
			long := rng.IntN(40)
			if rng.IntN(6) == 0 {
				long = rng.IntN(1200)
			}
			fmt.Fprintf(&text, `,"m%03d":"%s"`, i, strings.Repeat("x", long))
		}
		event := append([]byte{'{'}, append(text.Bytes()[1:], '}')...)
		var e [16]byte
		for i := range e {
			e[i] = byte(rng.Uint32())
		}
		two, err := envelope.SealWith(alice, envelope.ChaCha20Poly1305, origin, event, e)
		if err != nil {
			t.Fatal(err)
		}
		restore := envelope.Alone()
		one, err := envelope.SealWith(alice, envelope.ChaCha20Poly1305, origin, event, e)
		restore()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one.Envelope, two.Envelope) || one.Leaf != two.Leaf {
			t.Fatalf("%d members, %d bytes: paired hashes give other bytes", n, len(event))
		}
	}
}

// TestVectorsAlone is the vectors on a processor without instructions for SHA-256.
func TestVectorsAlone(t *testing.T) {
	defer envelope.Alone()()
	t.Run("envelope", TestEnvelopeVectors)
	t.Run("leaf", TestLeafVectors)
	t.Run("opening", TestOpeningVectors)
}
