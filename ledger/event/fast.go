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
	line = bytes.Trim(line, " \t\r\n")
	if len(line) < 2 || len(line) > MaxSize || line[0] != '{' || !utf8.Valid(line) {
		return nil, false
	}
	var found [32]plainMember
	n, i := 0, skipBlanks(line, 1)
	if i < len(line) && line[i] == '}' {
		return nil, false
	}
	for {
		nameEnd := plainString(line, i)
		if nameEnd <= i+2 || n == len(found) || !ascii(line[i:nameEnd]) {
			return nil, false
		}
		m := plainMember{name: line[i:nameEnd]}
		i = skipBlanks(line, nameEnd)
		if i >= len(line) || line[i] != ':' {
			return nil, false
		}
		i = skipBlanks(line, i+1)
		end := plainValue(line, i, 1)
		if end < 0 {
			return nil, false
		}
		m.value = line[i:end]
		// Sorted as it grows; a name that is there already is a fault.
		k := n
		for ; k > 0; k-- {
			c := compareQuoted(found[k-1].name, m.name)
			if c == 0 {
				return nil, false
			}
			if c < 0 {
				break
			}
			found[k] = found[k-1]
		}
		found[k] = m
		n++
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
	text, members := make([]byte, 0, len(line)), make([]Member, n)
	text = append(text, '{')
	for k, m := range found[:n] {
		if k > 0 {
			text = append(text, ',')
		}
		text = append(text, m.name...)
		text = append(text, ':')
		at := len(text)
		text = append(text, m.value...) // within its capacity: nothing became longer
		members[k] = Member{intern(m.name), text[at:len(text):len(text)]}
	}
	return newEvent(append(text, '}'), members), true
}

// plainMember is a member in the text that came in; the name has its quotes.
type plainMember struct{ name, value []byte }

// compareQuoted compares two names in quotes without their quotes.
func compareQuoted(a, b []byte) int { return bytes.Compare(a[1:len(a)-1], b[1:len(b)-1]) }

func skipBlanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
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
