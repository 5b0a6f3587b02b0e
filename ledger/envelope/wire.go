package envelope

import (
	"errors"
	"fmt"
)

// version names the serialisation; docs/spec/opening.md describes it.
const version = "opening/v1"

// MaxOpening is the longest serialised opening: a full opening of the
// largest event fits.
const MaxOpening = 2 << 20

// ErrOpening is wrapped by every refusal of bytes that are no serialised
// opening.
var ErrOpening = errors.New("not an opening")

// Marshal serialises an opening: canonical JSON, base64url without padding,
// no member that could be left out. Parsing it again gives the same bytes.
func (o *Opening) Marshal() ([]byte, error) {
	var b []byte
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
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, '"')
			b = append(b, d...)
			b = append(b, '"')
		}
		b = append(b, `],"kind":"field","lacuna":"`+version+`","leaf_hash":"`...)
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
		b = append(b, `"}`...)
	case Full:
		b = append(b, `{"envelope":"`...)
		b = b64.AppendEncode(b, o.Full.Envelope)
		b = append(b, `","kind":"full","lacuna":"`+version+`","leaf_hash":"`...)
		b = b64.AppendEncode(b, o.LeafHash[:])
		b = append(b, `","secret":"`...)
		b = b64.AppendEncode(b, o.Full.Secret[:])
		b = append(b, `"}`...)
	case Public:
		if err := checkStatement(o.Public); err != nil {
			return nil, fmt.Errorf("serialising an opening: %w", err)
		}
		b = append(b, `{"kind":"public","lacuna":"`+version+`","leaf_hash":"`...)
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

// ParseOpening reads what Marshal wrote, and nothing else: no white space, no
// other member, no other order, no other spelling of a byte. It checks the
// form; [Opening.Verify] checks the content.
func ParseOpening(b []byte) (*Opening, error) {
	if len(b) > MaxOpening {
		return nil, fmt.Errorf("%w: %d bytes are too many", ErrOpening, len(b))
	}
	var s spans
	if err := s.split(b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOpening, err)
	}
	r := reader{b: b, s: &s}
	o, err := r.opening()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOpening, err)
	}
	return o, nil
}

// reader takes the members of a serialised opening one after the other.
type reader struct {
	b    []byte
	s    *spans
	next int
}

func (r *reader) opening() (*Opening, error) {
	kind, err := r.peekKind()
	if err != nil {
		return nil, err
	}
	o := new(Opening)
	switch kind {
	case Field:
		f := new(FieldOpening)
		o.Field = f
		err = first(r.bytes32("de", &f.DE), r.disclosures(&f.Disclosures), r.head(kind, o),
			r.members(&f.Members), r.bytes32("r", &f.R))
	case Full:
		f := new(FullOpening)
		o.Full = f
		err = first(r.bytes("envelope", &f.Envelope), r.head(kind, o), r.bytes32("secret", &f.Secret))
	case Public:
		err = first(r.head(kind, o), r.statement(&o.Public))
	default:
		return nil, errors.New("unknown kind")
	}
	if err != nil {
		return nil, err
	}
	if r.next != r.s.n {
		return nil, errors.New("unexpected member")
	}
	return o, nil
}

// first returns the first error there is, so that a refusal is one line.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// peekKind finds the kind before anything else is read, since it says what
// to expect; the version goes first, so that a later one is named as such.
func (r *reader) peekKind() (Kind, error) {
	var kind Kind
	found := false
	for i := range r.s.n {
		value := string(r.s.value(r.b, i))
		switch string(r.s.name(r.b, i)) {
		case "lacuna":
			if value != `"`+version+`"` {
				return "", errors.New("another version than " + version)
			}
			found = true
		case "kind":
			if len(value) > 2 && value[0] == '"' {
				kind = Kind(value[1 : len(value)-1])
			}
		}
	}
	if !found {
		return "", errors.New(`no member "lacuna"`)
	}
	return kind, nil
}

// take returns the value of the next member, which must have that name.
func (r *reader) take(name string) ([]byte, error) {
	if r.next == r.s.n || string(r.s.name(r.b, r.next)) != name {
		return nil, fmt.Errorf("no member %q in its place", name)
	}
	r.next++
	return r.s.value(r.b, r.next-1), nil
}

// head reads kind, lacuna and leaf_hash, which stand together in every kind.
func (r *reader) head(kind Kind, o *Opening) error {
	if _, err := r.take("kind"); err != nil {
		return err
	}
	if _, err := r.take("lacuna"); err != nil {
		return err
	}
	return r.bytes32("leaf_hash", &o.LeafHash)
}

func (r *reader) bytes(name string, dst *[]byte) error {
	value, err := r.take(name)
	if err != nil {
		return err
	}
	text, ok := unquote(value)
	if !ok {
		return fmt.Errorf("%s: not a string without escapes", name)
	}
	if *dst, err = decode64(make([]byte, 0, b64.DecodedLen(len(text))), text); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (r *reader) bytes32(name string, dst *[32]byte) error {
	value, err := r.take(name)
	if err != nil {
		return err
	}
	text, ok := unquote(value)
	if !ok {
		return fmt.Errorf("%s: not a string without escapes", name)
	}
	return decode32(name, text, dst)
}

func (r *reader) statement(dst *[]byte) error {
	value, err := r.take("statement")
	if err != nil {
		return err
	}
	if err := checkStatement(value); err != nil {
		return err
	}
	*dst = append([]byte(nil), value...)
	return nil
}

func (r *reader) disclosures(dst *[]Disclosure) error {
	value, err := r.take("disclosures")
	if err != nil {
		return err
	}
	for element, err := range elements(value) {
		if err != nil {
			return fmt.Errorf("disclosures: %w", err)
		}
		text, ok := unquote(element)
		if !ok {
			return errors.New("disclosures: not a string without escapes")
		}
		if len(*dst) == MaxMembers {
			return errCount
		}
		*dst = append(*dst, Disclosure(text))
	}
	return nil
}

func (r *reader) members(dst *[]MemberDigest) error {
	value, err := r.take("members")
	if err != nil {
		return err
	}
	for pair, err := range elements(value) {
		if err != nil {
			return fmt.Errorf("members: %w", err)
		}
		var m MemberDigest
		n := 0
		for element, err := range elements(pair) {
			text, ok := unquote(element)
			switch {
			case err != nil || !ok || n > 1:
				return errors.New("members: not a pair of name and digest")
			case n == 0:
				m.Name = string(text)
			default:
				if err := decode32("members", text, &m.Digest); err != nil {
					return err
				}
			}
			n++
		}
		if n != 2 {
			return errors.New("members: not a pair of name and digest")
		}
		if len(*dst) == MaxMembers {
			return errCount
		}
		*dst = append(*dst, m)
	}
	return nil
}

// elements yields the elements of a canonical JSON array, or one error.
func elements(value []byte) func(yield func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		if len(value) < 2 || value[0] != '[' {
			yield(nil, errors.New("not an array"))
			return
		}
		for i := 1; value[i] != ']'; {
			end, err := scanValue(value, i, 1)
			if err != nil || !yield(value[i:end], nil) {
				return // scanned before, so it cannot fail here
			}
			i = end
			if value[i] == ',' {
				i++
			}
		}
	}
}

// unquote returns what stands between the quotation marks of a JSON string
// that has no escapes.
func unquote(value []byte) ([]byte, bool) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false
	}
	text := value[1 : len(value)-1]
	for _, c := range text {
		if c == '\\' {
			return nil, false
		}
	}
	return text, true
}

func decode32(name string, text []byte, dst *[32]byte) error {
	var buf [34]byte // the decoder writes whole groups of three
	if len(text) != 43 {
		return fmt.Errorf("%s: not 32 bytes", name)
	}
	b, err := decode64(buf[:0], text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	*dst = [32]byte(b)
	return nil
}
