//go:build pkcs11 && cgo

package holder

import "github.com/lacunalog/lacuna/keystore/holder/pkcs11"

func createToken(uri string) (replica, error) { return token(pkcs11.Create(uri)) }

func openToken(uri string) (replica, error) { return token(pkcs11.Open(uri)) }

func token(t *pkcs11.Token, err error) (replica, error) {
	if err != nil {
		return nil, err // and no interface around a nil pointer
	}
	return t, nil
}

func wipeToken(uri string) error { return pkcs11.Wipe(uri) }

func discardToken(uri string) error { return pkcs11.Discard(uri) }
