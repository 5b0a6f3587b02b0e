package envelope_test

import (
	"fmt"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// An event is sealed; an auditor gets an opening of two of its three members,
// and computes the leaf from nothing but that.
func Example() {
	var lease envelope.Keys = alice // of the keystore
	origin := envelope.Origin("log.example")
	event, err := envelope.Canonicalize([]byte(`{"type": "consent.given", "purpose": "newsletter", "subject": "c-2"}`))
	if err != nil {
		panic(err)
	}
	sealed, err := envelope.Seal(lease, envelope.ChaCha20Poly1305, origin, event)
	if err != nil {
		panic(err)
	}
	fields, err := envelope.OpenFields(lease, sealed.Envelope, func(name string) bool { return name != "subject" })
	if err != nil {
		panic(err)
	}
	extra, err := fields.Opening(sealed.Leaf[:]).Marshal()
	if err != nil {
		panic(err)
	}

	// The auditor's side.
	opening, err := envelope.ParseOpening(extra)
	if err != nil {
		panic(err)
	}
	leaf, shown, err := opening.Verify(origin)
	if err != nil {
		panic(err)
	}
	fmt.Println(len(leaf), string(leaf) == string(sealed.Leaf[:]))
	fmt.Println(string(shown.Event()))
	fmt.Println("held back:", shown.HeldBack())
	// Output:
	// 34 true
	// {"purpose":"newsletter","type":"consent.given"}
	// held back: [subject]
}
