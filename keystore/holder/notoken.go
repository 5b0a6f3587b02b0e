//go:build !pkcs11 || !cgo

package holder

import (
	"errors"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder/pkcs11"
)

func createToken(uri string) (replica, error) { return nil, noTokens(uri) }

func openToken(uri string) (replica, error) { return nil, noTokens(uri) }

func wipeToken(uri string) error { return noTokens(uri) }

func discardToken(uri string) error { return noTokens(uri) }

// noTokens says what is wrong with a URI, and otherwise with this program.
func noTokens(uri string) error {
	if _, err := pkcs11.ParseURI(uri); err != nil {
		return err
	}
	return keystore.Hinted("build it with cgo and the tag: go build -tags pkcs11 ./cmd/lacuna", "the root is in a token: %w", errNoTokens)
}

var errNoTokens = errors.New("this program was built without PKCS #11")
