package consent

import (
	"bytes"
	"testing"
)

// busy is a person with something of everything.
func busy(t testing.TB) *person {
	p := newPerson(t)
	p.record(at(0), request(token))
	p.record(at(1), confirm(token))
	p.record(at(2), `"type":"data.collected","purpose":"newsletter","categories":["EmailAddress"],"channel":"business_card"`)
	p.record(at(3), `"type":"notice.acknowledged","notice":"privacy-de"`)
	p.record(at(4), `"type":"data.disclosed","purpose":"newsletter","recipient":"mailer","attributes":["EmailAddress","Name"],"recipient_ref":"m-88121"`)
	p.record(at(5), `"type":"communication.sent","purpose":"newsletter","channel":"email"`)
	p.record(at(6), `"type":"right.requested","right":"A15"`)
	p.record(at(7), `"type":"right.requested","right":"A21","scope":{"purposes":["own-similar-products"]}`)
	p.record(at(8), `"type":"consent.given","form":"chat-start","contact":"tel:+49711","decisions":{"chat-service":"yes","newsletter":"no"}`)
	p.record(at(9), `"type":"consent.withdrawn","channel":"chat"`)
	p.record(at(10), `"type":"right.requested","right":"A7-3","scope":{"purposes":["yearly"]}`)
	return p
}

// TestMarshal: bytes are equal where states are, and differ where one knows more.
func TestMarshal(t *testing.T) {
	p, q := busy(t), busy(t)
	seen := map[string]int{}
	for n := 0; ; n++ {
		a, _ := p.s.MarshalBinary()
		b, _ := q.s.MarshalBinary()
		if !bytes.Equal(a, b) {
			t.Fatal("the same events give other bytes")
		}
		if before, ok := seen[string(a)]; ok {
			t.Fatalf("after %d and %d more events the bytes are the same", before, n)
		}
		seen[string(a)] = n
		if n == 3 {
			break
		}
		line := []string{`"type":"communication.sent","purpose":"newsletter","channel":"email"`, `"type":"right.requested","right":"A15"`, `"type":"consent.withdrawn","channel":"chat"`}[n]
		p.record(at(30+n), line)
		q.record(at(30+n), line)
	}
	var none *State
	a, _ := none.MarshalBinary()
	if b, _ := New().MarshalBinary(); !bytes.Equal(a, b) {
		t.Error("nothing known is not nothing known")
	}
}

func BenchmarkMay(b *testing.B) {
	p := busy(b)
	q := Question{Purpose: "newsletter", Channel: "email"}
	b.ReportAllocs()
	for b.Loop() {
		p.s.May(q, p.r, at(20))
	}
}

func BenchmarkApply(b *testing.B) {
	p := busy(b)
	e := parse(b, `{"type":"communication.sent","purpose":"newsletter","channel":"email","event_time":"2026-05-04T23:00:00Z","id":"x"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.s.Apply(e, 200); err != nil {
			b.Fatal(err)
		}
	}
}
