package envelope_test

import (
	"crypto/rand"
	"testing"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// fixedSecret leaves the derivation of s to the keystore's own benchmarks.
type fixedSecret [32]byte

func (k fixedSecret) EventSecret(byte, [16]byte) [32]byte { return k }

// benchEvent has 10 members and 250 bytes, as events of the catalogue have.
const benchEvent = testEvent

func BenchmarkSeal(b *testing.B) {
	for _, suite := range suites {
		b.Run(suite.String(), func(b *testing.B) {
			b.ReportAllocs()
			event := []byte(benchEvent)
			var k envelope.Keys = &fixedSecret{1}
			for b.Loop() {
				if _, err := envelope.Seal(k, suite, testOrigin, event); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSealWithKey(b *testing.B) {
	b.ReportAllocs()
	event := []byte(benchEvent)
	var k envelope.Keys = alice
	for b.Loop() {
		if _, err := envelope.Seal(k, envelope.ChaCha20Poly1305, testOrigin, event); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealMembers(b *testing.B) {
	b.ReportAllocs()
	members, err := envelope.Split([]byte(benchEvent))
	if err != nil {
		b.Fatal(err)
	}
	var k envelope.Keys = &fixedSecret{1}
	for b.Loop() {
		if _, err := envelope.SealMembers(k, envelope.ChaCha20Poly1305, testOrigin, members); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSealReference is the second implementation of the tests: what the
// text of the format costs when it is written down with the standard library.
func BenchmarkSealReference(b *testing.B) {
	b.ReportAllocs()
	secret, e := make([]byte, 32), make([]byte, 16)
	for b.Loop() {
		rand.Read(e)
		p := refExpand(secret, 1)
		ms := refMembers(b, []byte(benchEvent))
		env := refEnvelope(p, 1, e, nil, []byte(benchEvent))
		refLeaf(p.r, "log.example", env, refMembersHash(ms, refDisclosures(p, 1, ms)))
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, suite := range suites {
		b.Run(suite.String(), func(b *testing.B) {
			b.ReportAllocs()
			var k envelope.Keys = &fixedSecret{1}
			sealed, err := envelope.Seal(k, suite, testOrigin, []byte(benchEvent))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := envelope.Open(k, sealed.Envelope); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifyField(b *testing.B) {
	var k envelope.Keys = &fixedSecret{1}
	sealed, err := envelope.Seal(k, envelope.ChaCha20Poly1305, testOrigin, []byte(benchEvent))
	if err != nil {
		b.Fatal(err)
	}
	f, err := envelope.OpenFields(k, sealed.Envelope, nil)
	if err != nil {
		b.Fatal(err)
	}
	o := f.Opening(sealed.Leaf[:])
	wire, err := o.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("parsed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := o.Verify(testOrigin); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("from-bytes", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(wire)))
		for b.Loop() {
			o, err := envelope.ParseOpening(wire)
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := o.Verify(testOrigin); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkVerifyFull(b *testing.B) {
	b.ReportAllocs()
	var k envelope.Keys = &fixedSecret{1}
	sealed, err := envelope.Seal(k, envelope.ChaCha20Poly1305, testOrigin, []byte(benchEvent))
	if err != nil {
		b.Fatal(err)
	}
	f, err := envelope.OpenFull(k, sealed.Envelope)
	if err != nil {
		b.Fatal(err)
	}
	o := f.Opening(sealed.Leaf[:])
	for b.Loop() {
		if _, _, err := o.Verify(testOrigin); err != nil {
			b.Fatal(err)
		}
	}
}
