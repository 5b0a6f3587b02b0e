package envelope

import (
	"errors"
	"fmt"
)

// version names the serialisation; docs/spec/opening.md describes it.
const (
	version       = "opening/v1"
	versionMember = `"lacuna":"` + version + `"`
)

// MaxOpening is the longest serialised opening: a full opening of the
// largest event fits.
const MaxOpening = 2 << 20

// maxStatements bounds the statements that go with an opening: an event refers
// to a form, a notice and little else.
const maxStatements = 16

// ErrOpening is wrapped by every refusal of bytes that are no serialised
// opening.
var ErrOpening = errors.New("not an opening")

// Marshal serialises an opening: canonical JSON, base64url without padding,
// no member that could be left out. Parsing it again gives the same bytes.
func (o *Opening) Marshal() ([]byte, error) {
	var b []byte
	for _, s := range o.Statements {
		if err := checkStatement(s); err != nil {
			return nil, fmt.Errorf("serialising an opening: %w", err)
		}
	}
	switch o.Kind() {
	case Field:
		f := o.Field
		if err := f.checkNames(); err != nil {
			return nil, fmt.Errorf("serialising an opening: %w", err)
		}
		b = append(b, `{"de":"`...)
		b = b64.AppendEncode(b, f.DE[:])
		b = append(b, `","disclosures":[`...)
		for i, d := range f.Disclosures {
			if !d.spelled() {
				return nil, fmt.Errorf("serialising an opening: %w: %w", ErrDisclosure, errBase64)
			}
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, '"')
			b = append(b, d...)
			b = append(b, '"')
		}
		b = append(b, `],"kind":"field",`+versionMember+`,"leaf_hash":"`...)
		b = b64.AppendEncode(b, o.LeafHash[:])
		b = append(b, `","members":[`...)
		for i := range f.Members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, '[', '"')
			b = append(b, f.Members[i].Name...)
			b = append(b, '"', ',', '"')
			b = b64.AppendEncode(b, f.Members[i].Digest[:])
			b = append(b, '"', ']')
		}
		b = append(b, `],"r":"`...)
		b = b64.AppendEncode(b, f.R[:])
		b = append(b, '"')
		b = o.appendStatements(b)
		b = append(b, '}')
	case Full:
		b = append(b, `{"envelope":"`...)
		b = b64.AppendEncode(b, o.Full.Envelope)
		b = append(b, `","kind":"full",`+versionMember+`,"leaf_hash":"`...)
		b = b64.AppendEncode(b, o.LeafHash[:])
		b = append(b, `","secret":"`...)
		b = b64.AppendEncode(b, o.Full.Secret[:])
		b = append(b, '"')
		b = o.appendStatements(b)
		b = append(b, '}')
	case Public:
		if len(o.Statements) > 0 {
			return nil, fmt.Errorf("serialising an opening: %w: a public statement with statements", ErrOpening)
		}
		if err := checkStatement(o.Public); err != nil {
			return nil, fmt.Errorf("serialising an opening: %w", err)
		}
		b = append(b, `{"kind":"public",`+versionMember+`,"leaf_hash":"`...)
		b = b64.AppendEncode(b, o.LeafHash[:])
		b = append(b, `","statement":`...)
		b = append(b, o.Public...)
		b = append(b, '}')
	default:
		return nil, errNoOpener
	}
	if len(b) > MaxOpening {
		return nil, fmt.Errorf("serialising an opening: %w: %d bytes are too many", ErrOpening, len(b))
	}
	return b, nil
}

// appendStatements writes the last member, which is left out where it would be
// empty.
func (o *Opening) appendStatements(b []byte) []byte {
	for i, s := range o.Statements {
		if i == 0 {
			b = append(b, `,"statements":[`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, s...)
	}
	if len(o.Statements) > 0 {
		b = append(b, ']')
	}
	return b
}
