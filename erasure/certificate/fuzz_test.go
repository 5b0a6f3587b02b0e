package certificate

import (
	"bytes"
	"testing"
)

// What is accepted is exactly what would be written: one text for one meaning.
func FuzzParseRecord(f *testing.F) {
	statement, _, _ := sample(f)
	f.Add(statement)
	f.Add(append(bytes.Clone(statement), '\n'))
	f.Add(bytes.Replace(statement, []byte(`"epoch":7`), []byte(`"epoch":7.0`), 1))
	f.Add(bytes.Replace(statement, []byte(`"epoch":7`), []byte(`"epoch":7,"epoch":8`), 1))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRecord(b)
		if err != nil {
			return
		}
		again, err := r.Statement()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("accepted %q, writes %q, %v", b, again, err)
		}
	})
}

func FuzzParseCertificate(f *testing.F) {
	statement, c, _ := sample(f)
	for _, c := range []*Certificate{c, c.Officer()} {
		text, err := c.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(bytes.Replace(text, []byte(`"entries":21`), []byte(`"entries":22`), 1))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		again, err := m.Marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("accepted %q, writes %q, %v", b, again, err)
		}
		if Verify(m, statement, 1071) != nil {
			return
		}
		o, _ := m.Officer().Marshal()
		want, _ := c.Officer().Marshal()
		if !bytes.Equal(o, want) {
			t.Errorf("another certificate verifies: %s", b)
		}
	})
}

func FuzzDisclosure(f *testing.F) {
	_, c, _ := sample(f)
	for _, d := range c.Opening.Disclosures {
		f.Add(d)
		f.Add(d + "=")
	}
	f.Add(b64.EncodeToString([]byte(`["AAAAAAAAAAAAAAAAAAAAAA","n",{"b":1,"a":2}]`)))
	f.Add(b64.EncodeToString([]byte(`["AAAAAAAAAAAAAAAAAAAAAA","n"]`)))
	f.Fuzz(func(t *testing.T, d string) {
		name, value, err := readDisclosure(d)
		if err != nil {
			return
		}
		text, err := b64.DecodeString(d)
		if err != nil || !bytes.HasSuffix(text, append(bytes.Clone(value), ']')) {
			t.Errorf("%q holds %q, %q", d, name, value)
		}
	})
}
