package event

import (
	"bytes"
	"unicode/utf8"
)

// parsePlain reads the texts that services really send, several times faster
// than the general way: an object of strings without escapes, true, false, null,
// small whole numbers, and lists and objects of these that are canonical as they
// stand. Whatever is not so plain, and every fault, is left to jsontext: false
// says nothing about the text. A fuzz test holds the two against each other.
func parsePlain(line []byte) (*Event, bool) {
	line = line[skipBlanks(line, 0):]
	for len(line) > 0 && blank(line[len(line)-1]) {
		line = line[:len(line)-1]
	}
	if len(line) < 2 || len(line) > MaxSize || line[0] != '{' || !utf8.Valid(line) {
		return nil, false
	}
	var room [32]plainMember
	found, i := room[:0], skipBlanks(line, 1)
	if i < len(line) && line[i] == '}' {
		return nil, false
	}
	for {
		nameEnd := plainString(line, i)
		if nameEnd <= i+2 || len(found) == len(room) {
			return nil, false
		}
		m := plainMember{name: uint16(i), nameEnd: uint16(nameEnd), known: nameOf(string(line[i+1 : nameEnd-1]))}
		if m.known == unnamed && !ascii(line[i:nameEnd]) {
			return nil, false
		}
		i = skipBlanks(line, nameEnd)
		if i >= len(line) || line[i] != ':' {
			return nil, false
		}
		i = skipBlanks(line, i+1)
		end := plainValue(line, i, 1)
		if end < 0 {
			return nil, false
		}
		m.value, m.end = uint16(i), uint16(end)
		// Sorted as it grows; a name that is there already is a fault.
		k := len(found)
		found = append(found, m)
		for ; k > 0; k-- {
			c := m.compare(&found[k-1], line)
			if c == 0 {
				return nil, false
			}
			if c > 0 {
				break
			}
			found[k] = found[k-1]
		}
		found[k] = m
		i = skipBlanks(line, end)
		if i >= len(line) {
			return nil, false
		}
		if line[i] == '}' {
			if i+1 != len(line) {
				return nil, false
			}
			break
		}
		if line[i] != ',' {
			return nil, false
		}
		i = skipBlanks(line, i+1)
	}
	e := newRoom(len(found))
	text := append(make([]byte, 0, len(line)), '{')
	for k := range found {
		m := &found[k]
		if k > 0 {
			text = append(text, ',')
		}
		text = append(text, line[m.name:m.nameEnd]...)
		text = append(text, ':')
		at := len(text)
		text = append(text, line[m.value:m.end]...) // within its capacity: nothing became longer
		value := text[at:len(text):len(text)]
		if m.known == unnamed {
			e.members = append(e.members, Member{string(line[m.name+1 : m.nameEnd-1]), value})
			continue
		}
		e.members = append(e.members, Member{names[m.known], value})
		if m.known == nType {
			e.typ = typeNamed(value)
		}
	}
	e.text = append(text, '}')
	if e.typ != nil {
		e.fields = placesOf(e.typ, found)
	}
	return e, true
}

// plainMember is a member in the text that came in, by where its name, in quotes, and its value begin and end.
type plainMember struct {
	name, nameEnd, value, end uint16
	known                     name // number of the name
}

// compare compares the names of two members.
func (m *plainMember) compare(x *plainMember, line []byte) int {
	if m.known != unnamed && x.known != unnamed {
		return int(m.known) - int(x.known)
	}
	return compareQuoted(line[m.name:m.nameEnd], line[x.name:x.nameEnd])
}

// placesOf returns the places of members among the fields of a type, or 0 where
// one of them is none of the type's.
func placesOf(t *Type, ms []plainMember) (fields uint64) {
	for i := range ms {
		if ms[i].known == unnamed || t.places[ms[i].known] == noPlace {
			return 0
		}
		fields |= 1 << t.places[ms[i].known]
	}
	return fields
}

// newRoom returns an event with room for members, few of them in the same memory:
// as many as most events have when they come in, and when they are filled. With
// twelve it would be more than 512 bytes, and cost the collector more.
func newRoom(members int) *Event {
	if members <= 7 {
		x := new(struct {
			Event
			room [7]Member
		})
		x.members = x.room[:0]
		return &x.Event
	}
	if members <= 11 {
		x := new(struct {
			Event
			room [11]Member
		})
		x.members = x.room[:0]
		return &x.Event
	}
	return &Event{members: make([]Member, 0, members)}
}

// compareQuoted compares two names in quotes without their quotes.
func compareQuoted(a, b []byte) int { return bytes.Compare(a[1:len(a)-1], b[1:len(b)-1]) }

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func skipBlanks(b []byte, i int) int {
	for i < len(b) && blank(b[i]) {
		i++
	}
	return i
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// plainString returns the end of a string without escapes that starts at i, or -1.
func plainString(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < 0x20 || c == '\\':
			return -1
		}
	}
	return -1
}

// plainValue returns the end of the value at i if it is canonical as it stands, or -1.
func plainValue(b []byte, i, depth int) int {
	if i >= len(b) || depth > 8 {
		return -1
	}
	switch c := b[i]; {
	case c == '"':
		return plainString(b, i)
	case '0' <= c && c <= '9':
		at := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		// 15 digits are below 2^53. What follows a number ends it, or it is not plain.
		if i-at > 15 || c == '0' && i-at > 1 || i < len(b) && (b[i] == '.' || b[i] == 'e' || b[i] == 'E') {
			return -1
		}
		return i
	case c == 't' && bytes.HasPrefix(b[i:], []byte("true")), c == 'n' && bytes.HasPrefix(b[i:], []byte("null")):
		return i + 4
	case c == 'f' && bytes.HasPrefix(b[i:], []byte("false")):
		return i + 5
	case c == '[':
		return plainList(b, i, depth)
	case c == '{':
		return plainObject(b, i, depth)
	}
	return -1
}

func plainList(b []byte, i, depth int) int {
	for i++; ; i++ {
		if i = plainValue(b, i, depth+1); i < 0 || i >= len(b) {
			return -1 // an empty list is rare enough to be left to jsontext
		}
		if b[i] == ']' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
	}
}

func plainObject(b []byte, i, depth int) int {
	var before []byte
	for i++; ; i++ {
		end := plainString(b, i)
		if end < 0 || !ascii(b[i:end]) {
			return -1
		}
		name := b[i:end]
		if before != nil && compareQuoted(before, name) >= 0 {
			return -1
		}
		before = name
		if end >= len(b) || b[end] != ':' {
			return -1
		}
		if i = plainValue(b, end+1, depth+1); i < 0 || i >= len(b) {
			return -1
		}
		if b[i] == '}' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
	}
}
