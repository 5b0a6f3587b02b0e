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

func TestMarshal(t *testing.T) {
	p := busy(t)
	b, err := p.s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events: %d bytes", p.s.Count(), len(b))
	s, err := UnmarshalState(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, purpose := range []string{"newsletter", "own-similar-products", "chat-service", "yearly"} {
		q := Question{Purpose: purpose}
		if a, b := p.s.May(q, p.r, at(20)), s.May(q, p.r, at(20)); a.Text() != b.Text() || a.Decision != b.Decision {
			t.Errorf("%s: %v after reading back, %v before", purpose, b, a)
		}
	}
	if s.Count() != p.s.Count() || !s.LastEvent().Equal(p.s.LastEvent()) || s.Known() != p.s.Known() || len(s.Rights()) != 3 || len(s.Recipients()) != 1 {
		t.Error("something was lost")
	}
	var none *State
	b, _ = none.MarshalBinary()
	if s, err := UnmarshalState(b); err != nil || s.Count() != 0 {
		t.Errorf("the empty state: %v", err)
	}
}

// TestUnmarshalIsStrict: no prefix, no longer text, no other version; and where
// a changed byte is still a state, it is written back as it was read.
func TestUnmarshalIsStrict(t *testing.T) {
	b, err := busy(t).s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if _, err := UnmarshalState(b[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are a state", n, len(b))
		}
	}
	if _, err := UnmarshalState(append(bytes.Clone(b), 0)); err == nil {
		t.Error("a byte too many is a state")
	}
	for i := range b {
		for _, flip := range []byte{1, 0x80, 0xff} {
			c := bytes.Clone(b)
			c[i] ^= flip
			s, err := UnmarshalState(c)
			if err != nil {
				continue
			}
			if again, _ := s.MarshalBinary(); !bytes.Equal(again, c) {
				t.Fatalf("byte %d changed: read, and written differently", i)
			}
		}
	}
}

func FuzzUnmarshalState(f *testing.F) {
	b, err := busy(f).s.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(stateMagic))
	empty, _ := New().MarshalBinary()
	f.Add(empty)
	r := testRegister(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := UnmarshalState(b)
		if err != nil {
			return
		}
		if again, _ := s.MarshalBinary(); !bytes.Equal(again, b) {
			t.Fatal("read, and written differently")
		}
		// Whatever it holds, it can be asked and carried on.
		s.May(Question{Purpose: "newsletter", At: at(3)}, r, at(5))
		s.Consents(r, at(5))
		s.Recipients()
		s.Ended(at(5))
		if next, err := s.Apply(parse(t, `{"type":"consent.withdrawn","purpose":"*","event_time":"2026-05-04T12:00:00Z"}`), 1); err != nil || next.Consented("newsletter", "email", "") && !s.Consented("newsletter", "email", "") {
			t.Fatal("a withdrawal is refused, or gives consent")
		}
	})
}

func BenchmarkMarshal(b *testing.B) {
	s := busy(b).s
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.MarshalBinary(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	text, _ := busy(b).s.MarshalBinary()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := UnmarshalState(text); err != nil {
			b.Fatal(err)
		}
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
