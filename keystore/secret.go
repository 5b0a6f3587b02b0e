package keystore

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// A Secret is 32 secret bytes: a page key, a share of the root, a derived key.
// It prints as "[secret]" whatever the verb, and compares in constant time.
type Secret [32]byte

const redactedSecret = "[secret]"

func (Secret) String() string               { return redactedSecret }
func (Secret) GoString() string             { return redactedSecret }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redactedSecret) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redactedSecret), nil }
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedSecret + `"`), nil }
func (Secret) Format(f fmt.State, _ rune)   { io.WriteString(f, redactedSecret) }

// Equal compares in constant time.
func (s *Secret) Equal(o *Secret) bool { return subtle.ConstantTimeCompare(s[:], o[:]) == 1 }

// Zero overwrites the secret.
func (s *Secret) Zero() { clear(s[:]) }

// newSecret draws 32 bytes. crypto/rand never fails: it ends the program.
func newSecret() (s Secret) {
	rand.Read(s[:])
	return s
}
