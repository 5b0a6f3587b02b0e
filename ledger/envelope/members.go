package envelope

import (
	"errors"
	"fmt"
	"math"
)

const (
	// MaxMembers is how many members an event may have: their number and
	// their ranks fit the salt keystream of 4 KiB with room to spare.
	MaxMembers = 255
	// MaxName is the longest member name, in bytes: its length is one byte
	// in what the leaf commits to.
	MaxName = 255
	// MaxEvent is the longest event, in bytes of canonical JSON. Scans and
	// transcripts are attachments, not members.
	MaxEvent = 1 << 20
)

// A Member is one name and its value of the top level of an event.
type Member struct {
	Name  string
	Value []byte // canonical JSON
}

var (
	// ErrMembers is wrapped by refusals of the top level of an event: not an
	// object, empty, too many members, or names that are out of order,
	// repeated, too long or not plain ASCII.
	ErrMembers = errors.New("members not acceptable")
	errEmpty   = fmt.Errorf("%w: not an object with at least one member", ErrMembers)
	errCount   = fmt.Errorf("%w: more than %d", ErrMembers, MaxMembers)
	errOrder   = fmt.Errorf("%w: names not strictly increasing", ErrMembers)
	errName    = fmt.Errorf("%w: a name must be 1 to %d bytes of printable ASCII without quotation mark, backslash and space", ErrMembers, MaxName)
	errPieces  = fmt.Errorf("%w: a value is not one JSON value", ErrMembers)
	errTooBig  = fmt.Errorf("%w: more than %d bytes", ErrMembers, MaxEvent)
)

// Split checks that event is a canonical JSON object that can be sealed and
// returns its members in order. The values alias event.
//
// Names at the top level are narrower than JSON's: printable ASCII without
// the quotation mark and the backslash. So bytewise order and RFC 8785 order
// are the same, no name has two spellings, and no name looks like another one
// on a screen. (A Cyrillic "аnswer" beside "answer" would be two answers to a
// reader who is shown only one of them.)
func Split(event []byte) ([]Member, error) {
	if len(event) > MaxEvent {
		return nil, errTooBig
	}
	var s spans
	if err := s.split(event); err != nil {
		return nil, err
	}
	members := make([]Member, s.n)
	for i := range members {
		members[i] = Member{string(s.name(event, i)), s.value(event, i)}
	}
	return members, nil
}

// spans are the places of names and values in the bytes of an event. They
// are offsets so that an event is cut up without allocating.
type spans struct {
	n  int
	at [MaxMembers]span
}

// span: the name without quotation marks, and the value behind the colon,
// which always starts two bytes after the name's end.
type span struct{ name, nameEnd, valueEnd uint32 }

func (s *spans) name(event []byte, i int) []byte { return event[s.at[i].name:s.at[i].nameEnd] }
func (s *spans) value(event []byte, i int) []byte {
	return event[s.at[i].nameEnd+2 : s.at[i].valueEnd]
}

// split fills s from a whole event, and refuses what is not canonical. The
// length is the caller's to bound.
func (s *spans) split(event []byte) error {
	s.n = 0
	if len(event) < 2 || event[0] != '{' {
		return errEmpty
	}
	i := 1
	for {
		if s.n == MaxMembers {
			return errCount
		}
		start := i + 1
		end, err := scanName(event, i)
		if err != nil {
			return err
		}
		if s.n > 0 && string(s.name(event, s.n-1)) >= string(event[start:end]) {
			return errOrder
		}
		if end+1 >= len(event) || event[end+1] != ':' {
			return &canonicalError{end + 1, "no : after a member name"}
		}
		if i, err = scanValue(event, end+2, 1); err != nil {
			return err
		}
		s.at[s.n] = span{uint32(start), uint32(end), uint32(i)}
		s.n++
		if i >= len(event) {
			return &canonicalError{i, "an object does not end"}
		}
		switch event[i] {
		case ',':
			i++
		case '}':
			if i+1 != len(event) {
				return &canonicalError{i + 1, "bytes after the object"}
			}
			return nil
		default:
			return &canonicalError{i, "neither , nor } after a member"}
		}
	}
}

// scanName checks the member name whose opening quotation mark is b[i] and
// returns the offset of the closing one.
func scanName(b []byte, i int) (end int, err error) {
	if i >= len(b) || b[i] != '"' {
		return i, errEmpty
	}
	for end = i + 1; end < len(b) && nameByte[b[end]]; end++ {
	}
	if end == len(b) || b[end] != '"' || end == i+1 || end-i-1 > MaxName {
		return i, errName
	}
	return end, nil
}

// nameByte marks the bytes that a member name may have.
var nameByte = func() (t [256]bool) {
	for c := 0x21; c <= 0x7e; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

func validName(name string) bool {
	if len(name) == 0 || len(name) > MaxName {
		return false
	}
	for i := range len(name) {
		if !nameByte[name[i]] {
			return false
		}
	}
	return true
}

// join appends the event made of members to dst, which is empty, and fills s.
// Every piece is scanned: a value that is not canonical would be sealed for ever
// and could be opened by nobody, and one that is more than one value would smuggle
// in a member, or swallow one.
func (s *spans) join(dst []byte, members []Member) ([]byte, error) {
	switch {
	case len(members) == 0:
		return nil, errEmpty
	case len(members) > MaxMembers:
		return nil, errCount
	case joinedSize(members) > MaxEvent:
		return nil, errTooBig
	}
	for i := range members {
		m := &members[i]
		if !validName(m.Name) {
			return nil, errName
		}
		if i > 0 && members[i-1].Name >= m.Name {
			return nil, errOrder
		}
		if i == 0 {
			dst = append(dst, '{', '"')
		}
		name := len(dst)
		dst = append(dst, m.Name...)
		nameEnd := len(dst)
		dst = append(dst, '"', ':')
		value := len(dst)
		dst = append(dst, m.Value...)
		valueEnd := len(dst)
		dst = append(dst, ',', '"')
		// Where it stands now there are bytes behind it, and the scanner takes eight at once.
		// A value that is right ends where it should, whatever follows its comma.
		end, err := scanValue(dst[value:min(valueEnd+8, cap(dst))], 0, 1)
		if err != nil || value+end != valueEnd {
			return nil, refused(m.Value)
		}
		s.at[i] = span{uint32(name), uint32(nameEnd), uint32(valueEnd)}
	}
	s.n = len(members)
	return append(dst[:len(dst)-2], '}'), nil
}

// refused says why a value is not one canonical value.
func refused(value []byte) error {
	if _, err := scanValue(value, 0, 1); err != nil {
		return err
	}
	return errPieces
}

// joinedSize is the length of the event made of members.
func joinedSize(members []Member) int {
	size := 1 // the opening brace; the closing one is the last comma
	for i := range members {
		size += len(members[i].Name) + len(members[i].Value) + len(`"":,`)
		if size > math.MaxInt32 {
			return math.MaxInt32
		}
	}
	return size
}
