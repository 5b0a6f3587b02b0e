package envelope

import (
	"fmt"
	"strings"
)

// ParseOpening reads what Marshal wrote, and nothing else: no white space, no
// other member, no other order, no other spelling of a byte. It checks the
// form; [Opening.Verify] checks the content.
//
// There is one way to write each opening, so this is no JSON parser: it walks
// along the text that must stand there.
func ParseOpening(b []byte) (*Opening, error) {
	if len(b) > MaxOpening {
		return nil, fmt.Errorf("%w: %d bytes are too many", ErrOpening, len(b))
	}
	c := cursor{text: string(b)}
	o := new(Opening)
	switch {
	case c.skip(`{"de":"`):
		o.Field = new(FieldOpening)
		c.field(o.Field, o)
	case c.skip(`{"envelope":"`):
		o.Full = new(FullOpening)
		c.full(o.Full, o)
	case c.skip(`{"kind":"public",`):
		c.public(o)
	default:
		c.fail("no opening of a known kind")
	}
	if c.err == nil && c.at != len(c.text) {
		c.fail("bytes after the opening")
	}
	if c.err != nil {
		if i := strings.Index(c.text, `"lacuna":"`); i >= 0 && !strings.HasPrefix(c.text[i:], versionMember) {
			return nil, fmt.Errorf("%w: its version is not %s", ErrOpening, version)
		}
		return nil, c.err
	}
	return o, nil
}

// cursor walks along the text of an opening. After the first failure nothing
// moves any more.
type cursor struct {
	text string
	at   int
	err  error
}

func (c *cursor) fail(why string) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: byte %d: %s", ErrOpening, c.at, why)
	}
}

// skip steps over s if it stands here.
func (c *cursor) skip(s string) bool {
	if c.err != nil || !strings.HasPrefix(c.text[c.at:], s) {
		return false
	}
	c.at += len(s)
	return true
}

// expect steps over s, which must stand here.
func (c *cursor) expect(s string) {
	if !c.skip(s) {
		c.fail("expected " + s)
	}
}

// quoted returns the text up to the next quotation mark, which it steps over.
func (c *cursor) quoted() string {
	if c.err != nil {
		return ""
	}
	n := strings.IndexByte(c.text[c.at:], '"')
	if n < 0 {
		c.fail("a string does not end")
		return ""
	}
	s := c.text[c.at : c.at+n]
	c.at += n + 1
	return s
}

// bytes decodes the base64url up to the next quotation mark.
func (c *cursor) bytes() []byte {
	start := c.at
	text := c.quoted()
	b, err := decode64(make([]byte, 0, b64.DecodedLen(len(text))), text)
	if err != nil {
		c.at = start
		c.fail(err.Error())
	}
	return b
}

// bytes32 is bytes for a value of 32 bytes.
func (c *cursor) bytes32(dst *[32]byte) {
	const chars = 43
	if c.err != nil {
		return
	}
	if len(c.text)-c.at <= chars || c.text[c.at+chars] != '"' {
		c.fail("expected 32 bytes in base64url")
		return
	}
	var buf [34]byte // the decoder writes whole groups of three
	b, err := decode64(buf[:0], c.text[c.at:c.at+chars])
	if err != nil {
		c.fail(err.Error())
		return
	}
	*dst = [32]byte(b)
	c.at += chars + 1
}

// head reads what every kind has: its name, the version, the leaf hash.
func (c *cursor) head(o *Opening) {
	c.expect(versionMember + `,"leaf_hash":"`)
	c.bytes32(&o.LeafHash)
}

func (c *cursor) field(f *FieldOpening, o *Opening) {
	c.bytes32(&f.DE)
	c.expect(`,"disclosures":[`)
	for c.skip(`"`) {
		if len(f.Disclosures) == MaxMembers {
			c.fail(errCount.Error())
		}
		d := Disclosure(c.quoted())
		if !d.spelled() {
			c.fail(errBase64.Error())
		}
		f.Disclosures = append(f.Disclosures, d)
		if !c.skip(`,`) {
			break
		}
		if c.err == nil && !strings.HasPrefix(c.text[c.at:], `"`) {
			c.fail("expected a disclosure")
		}
	}
	c.expect(`],"kind":"field",`)
	c.head(o)
	c.expect(`,"members":[`)
	f.Members = make([]MemberDigest, 0, 16)
	for {
		var m MemberDigest
		c.expect(`["`)
		m.Name = c.quoted()
		c.expect(`,"`)
		c.bytes32(&m.Digest)
		c.expect(`]`)
		if c.err != nil {
			return
		}
		if len(f.Members) == MaxMembers {
			c.fail(errCount.Error())
		}
		f.Members = append(f.Members, m)
		if !c.skip(`,`) {
			break
		}
	}
	if err := f.checkNames(); err != nil {
		c.fail(err.Error())
	}
	c.expect(`],"r":"`)
	c.bytes32(&f.R)
	c.statements(o)
	c.expect(`}`)
}

func (c *cursor) full(f *FullOpening, o *Opening) {
	f.Envelope = c.bytes()
	c.expect(`,"kind":"full",`)
	c.head(o)
	c.expect(`,"secret":"`)
	c.bytes32(&f.Secret)
	c.statements(o)
	c.expect(`}`)
}

// statements reads the last member, which may be missing and may not be empty.
func (c *cursor) statements(o *Opening) {
	if !c.skip(`,"statements":[`) {
		return
	}
	for {
		if c.err != nil {
			return
		}
		if len(o.Statements) == maxStatements {
			c.fail("too many statements")
			return
		}
		end, err := scanValue([]byte(c.text), c.at, 0)
		if err != nil {
			c.at = end
			c.fail(err.Error())
			return
		}
		s := []byte(c.text[c.at:end])
		if err := checkStatement(s); err != nil {
			c.fail(err.Error())
			return
		}
		o.Statements = append(o.Statements, s)
		c.at = end
		if !c.skip(`,`) {
			break
		}
	}
	c.expect(`]`)
}

func (c *cursor) public(o *Opening) {
	c.head(o)
	c.expect(`,"statement":`)
	if c.err != nil {
		return
	}
	statement, ok := strings.CutSuffix(c.text[c.at:], "}")
	if !ok {
		c.fail("an object does not end")
		return
	}
	o.Public = []byte(statement)
	if err := checkStatement(o.Public); err != nil {
		c.fail(err.Error())
		return
	}
	c.at = len(c.text)
}
