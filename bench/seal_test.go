package bench

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// The blocks of a message are those that SHA-256 pads it to.
func TestBlocks(t *testing.T) {
	for n, want := range map[int]int{0: 1, 55: 1, 56: 2, 64: 2, 119: 2, 120: 3} {
		if got := blocks(n); got != want {
			t.Errorf("%d bytes are %d blocks, want %d", n, got, want)
		}
	}
}

// What is counted of an event is what its envelope and its disclosures really are.
func TestFloor(t *testing.T) {
	members, err := FullMembers(Small)
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewKeys(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	sealed, err := k.Seal(members)
	if err != nil {
		t.Fatal(err)
	}
	f := floorOf(members, sealed.Envelope)
	opening, err := envelope.OpenFields(k.lease, sealed.Envelope, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if len(opening.Disclosures) != len(f.encoded) {
		t.Fatalf("%d disclosures, %d counted", len(opening.Disclosures), len(f.encoded))
	}
	for i, d := range opening.Disclosures {
		if got := base64.RawURLEncoding.EncodedLen(f.encoded[i]); got != len(d) {
			t.Errorf("disclosure %d has %d bytes, %d counted", i, len(d), got)
		}
	}
	event, err := envelope.Open(k.lease, sealed.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	if padded := (len(event) + 1 + 255) / 256 * 256; f.sealed != padded {
		t.Errorf("%d bytes are sealed, %d counted", padded, f.sealed)
	}
	if f.all() < len(f.hashes) || f.all() > 200 {
		t.Errorf("%d blocks in %d hashes", f.all(), len(f.hashes))
	}
	buf := make([]byte, 8192)
	f.hash(buf)
	if sink != sha256.Sum256(buf[:55]) {
		t.Error("hash does not hash")
	}
	if err := f.rest(buf); err != nil {
		t.Error(err)
	}
}

func TestSealCost(t *testing.T) {
	r, err := SealCost(t.Context(), t.TempDir(), Large, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{UnitSeal, UnitPrimitives, UnitHashes, UnitBlocks} {
		if r.Metric(unit) <= 0 {
			t.Errorf("%v has no %s", r, unit)
		}
	}
}
