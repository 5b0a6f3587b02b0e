package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// A scanner looks for secrets in bytes, in every form in which they could lie
// there. It keeps all forms under their first four bytes, so that a byte of a file
// costs one look into a table.
type scanner struct {
	first map[uint32][]form
	some  [1 << 16]bool // the first two bytes of any form
}

type form struct {
	bytes  []byte
	secret int
	name   string
}

// forms are the ways in which a text can be written down. A hash of it without a
// key is one of them: who guesses the text finds it.
func forms(secret string) map[string][]byte {
	u16 := utf16.Encode([]rune(secret))
	var le, be []byte
	for _, u := range u16 {
		le, be = binary.LittleEndian.AppendUint16(le, u), binary.BigEndian.AppendUint16(be, u)
	}
	quoted, err := json.Marshal(secret)
	if err != nil {
		panic(err)
	}
	escaped := make([]byte, 0, len(quoted))
	for _, r := range secret {
		switch {
		case r > 0x7f:
			escaped = fmt.Appendf(escaped, "\\u%04x", r) // all in the basic plane
		case r == '"' || r == '\\' || r == '/':
			escaped = append(escaped, '\\', byte(r))
		default:
			escaped = append(escaped, byte(r))
		}
	}
	sum := sha256.Sum256([]byte(secret))
	all := map[string][]byte{
		"raw": []byte(secret), "JSON": bytes.Trim(quoted, `"`), "JSON, ASCII": escaped,
		"UTF-16LE": le, "UTF-16BE": be,
		"hex": []byte(hex.EncodeToString([]byte(secret))), "HEX": []byte(strings.ToUpper(hex.EncodeToString([]byte(secret)))),
		"SHA-256": sum[:], "SHA-256 in hex": []byte(hex.EncodeToString(sum[:])), "SHA-256 in base64": []byte(base64.RawStdEncoding.EncodeToString(sum[:])),
	}
	for shift := range 3 {
		// The characters at both ends depend on what stands beside the secret.
		padded := append(make([]byte, shift), secret...)
		padded = padded[:len(padded)/3*3]
		skip := (shift*8 + 5) / 6
		all[fmt.Sprintf("base64 at %d", shift)] = []byte(base64.StdEncoding.EncodeToString(padded)[skip:])
		all[fmt.Sprintf("base64url at %d", shift)] = []byte(base64.URLEncoding.EncodeToString(padded)[skip:])
	}
	return all
}

func newScanner(secrets []string) *scanner {
	s := &scanner{first: map[uint32][]form{}}
	for i, secret := range secrets {
		seen := map[string]bool{}
		for name, b := range forms(secret) {
			if len(b) < 8 || seen[string(b)] {
				continue // too short to be told from chance, or the same as another
			}
			seen[string(b)] = true
			k := binary.BigEndian.Uint32(b)
			s.first[k] = append(s.first[k], form{b, i, name})
			s.some[k>>16] = true
		}
	}
	return s
}

// in reports what is found in b.
func (s *scanner) in(b []byte) (found []form) {
	for i := 0; i+8 <= len(b); i++ {
		if !s.some[binary.BigEndian.Uint16(b[i:])] {
			continue
		}
		for _, f := range s.first[binary.BigEndian.Uint32(b[i:])] {
			if bytes.HasPrefix(b[i:], f.bytes) {
				found = append(found, f)
			}
		}
	}
	return found
}

// files scans every file below some folders, and files themselves, names included.
func (s *scanner) files(t testing.TB, roots ...string) (found []string, scanned int64) {
	t.Helper()
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // the engine has dropped it meanwhile
			}
			if err != nil {
				return err
			}
			for _, f := range s.in([]byte(d.Name())) {
				found = append(found, fmt.Sprintf("name of %s: secret %d, %s", path, f.secret, f.name))
			}
			if d.IsDir() {
				return nil
			}
			b, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			scanned += int64(len(b))
			for _, f := range s.in(b) {
				found = append(found, fmt.Sprintf("%s: secret %d, %s", path, f.secret, f.name))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found, scanned
}

// TestScanner plants every form of every secret between other bytes, base64 of a
// longer text at each alignment, and finds each of them; it finds nothing in bytes
// without one.
func TestScanner(t *testing.T) {
	secrets := []string{"kunde:müller-lüdenscheidt", `sagte "nein" am 4. Mai`, "plain-ascii-0001"}
	s := newScanner(secrets)
	around := bytes.Repeat([]byte{0x5a, 0, 0xff, 'a'}, 25)
	if f := s.in(around); len(f) != 0 {
		t.Errorf("found %v in nothing", f)
	}
	for i, secret := range secrets {
		for name, b := range forms(secret) {
			planted := slices.Concat(around, b, around)
			f := s.in(planted)
			if !slices.ContainsFunc(f, func(f form) bool { return f.secret == i }) {
				t.Errorf("secret %d as %s is not found", i, name)
			}
		}
		for shift := range 6 {
			text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret + "yyyy"))
			if len(s.in([]byte(text))) == 0 {
				t.Errorf("secret %d in base64 behind %d bytes is not found", i, shift)
			}
		}
	}
}
