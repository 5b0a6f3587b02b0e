package pkcs11

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

const scheme = "pkcs11:"

// A URI names the place of a share in a token.
type URI struct {
	Module string // the shared library that speaks for the token, an absolute path
	Token  string // the token's label
	Serial string // its serial number; either may be empty, not both
	Object string // what the holder's objects in it are called
	PIN    string // file with the PIN; "" for the environment
}

// IsURI reports whether a place of the root is a token, and not a file.
func IsURI(place string) bool {
	return len(place) >= len(scheme) && strings.EqualFold(place[:len(scheme)], scheme)
}

// SameToken reports whether two places lie in one token.
func SameToken(a, b string) bool {
	x, err1 := ParseURI(a)
	y, err2 := ParseURI(b)
	return err1 == nil && err2 == nil && x.Module == y.Module && x.Token == y.Token && x.Serial == y.Serial
}

// ParseURI reads a URI strictly: attributes that it does not know would otherwise be
// taken for a choice that they are not.
func ParseURI(s string) (u URI, err error) {
	if !IsURI(s) {
		return u, fmt.Errorf("%q is no URI of a token", s)
	}
	path, query, _ := strings.Cut(s[len(scheme):], "?")
	seen := make(map[string]bool)
	read := func(attributes, separator string, known map[string]*string) error {
		if attributes == "" {
			return nil
		}
		for _, a := range strings.Split(attributes, separator) {
			name, value, ok := strings.Cut(a, "=")
			switch {
			case name == "pin-value":
				return errors.New("pin-value: a PIN does not belong here, where everybody reads it; name a file with pin-source, or use LACUNA_PKCS11_PIN")
			case !ok || known[name] == nil:
				return fmt.Errorf("attribute %q is not known here", name)
			case seen[name]:
				return fmt.Errorf("attribute %q stands twice", name)
			}
			seen[name] = true
			text, err := url.PathUnescape(value)
			if err != nil || text == "" || strings.ContainsRune(text, 0) {
				return fmt.Errorf("attribute %q is empty or not percent-encoded", name)
			}
			*known[name] = text
		}
		return nil
	}
	err = read(path, ";", map[string]*string{"token": &u.Token, "serial": &u.Serial, "object": &u.Object})
	if err == nil {
		err = read(query, "&", map[string]*string{"module-path": &u.Module, "pin-source": &u.PIN})
	}
	u.PIN = strings.TrimPrefix(u.PIN, "file:")
	switch {
	case err != nil:
	case u.Token == "" && u.Serial == "":
		err = errors.New("it names no token: token=LABEL or serial=NUMBER")
	case u.Object == "":
		err = errors.New("it does not say what the objects in the token are called: object=NAME")
	case !filepath.IsAbs(u.Module):
		err = errors.New("it needs module-path=FILE, the token's library, an absolute path")
	case seen["pin-source"] && !filepath.IsAbs(u.PIN):
		err = errors.New("pin-source has to be a file, by an absolute path")
	}
	if err != nil {
		return URI{}, fmt.Errorf("the URI of a token: %w", err)
	}
	return u, nil
}
