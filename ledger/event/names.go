package event

import (
	"strings"
	"time"
	"unicode/utf8"
)

func validID(s string) bool {
	if s == "" || len(s) > 128+8 { // "/2" of a second event of one request, and so on
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return true
}

func validName(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

// splitRef reads "privacy-de" and "privacy-de@3"; version 0 means the newest.
func splitRef(s string) (name string, version int, ok bool) {
	name, v, at := strings.Cut(s, "@")
	if at {
		if version, ok = intOf([]byte(v)); !ok || version == 0 || v[0] == '0' {
			return "", 0, false
		}
	}
	return name, version, validName(name)
}

func validCategory(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '_' || c == '-' || c == '.' || c == ':')) {
			return false
		}
	}
	return true
}

func validCountry(s string) bool {
	c, sub, has := strings.Cut(s, "-")
	if len(c) != 2 || c != strings.ToUpper(c) || !letters(c) {
		return false
	}
	return !has || len(sub) >= 1 && len(sub) <= 3 && letters(strings.Map(digitToLetter, sub))
}

func digitToLetter(r rune) rune {
	if '0' <= r && r <= '9' {
		return 'A'
	}
	return r
}

func validLang(s string) bool {
	if len(s) > 35 {
		return false
	}
	for i, p := range strings.Split(s, "-") {
		if len(p) < 1 || len(p) > 8 || i == 0 && (len(p) < 2 || !letters(p)) || !letters(strings.Map(digitToLetter, p)) {
			return false
		}
	}
	return true
}

func letters(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return s != ""
}

func validHex256(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return false
		}
	}
	return true
}

func validHash(s string) bool {
	h, ok := strings.CutPrefix(s, "sha256:")
	return ok && validHex256(h)
}

func validCohort(s string) bool {
	switch len(s) {
	case 0:
		return true
	case 4:
		_, err := time.Parse("2006", s)
		return err == nil
	case 7:
		_, err := time.Parse("2006-01", s)
		return err == nil
	}
	return false
}

func oneOf(s string, values []string) bool {
	for _, v := range values {
		if v == s {
			return true
		}
	}
	return false
}

// splitAge reads below_16 and at_least_16.
func splitAge(s string) (age int, below, ok bool) {
	n, below := strings.CutPrefix(s, "below_")
	if !below {
		if n, ok = strings.CutPrefix(s, "at_least_"); !ok {
			return 0, false, false
		}
	}
	age, ok = intOf([]byte(n))
	return age, below, ok && age > 0 && age < 130
}

// validSubject: the exact bytes of the controller's own identifier.
func validSubject(s string) bool {
	return len(s) <= 256 && s != "" && utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }) < 0
}
