// Package pkcs11 is a root holder in a token that speaks PKCS #11: a security
// module, a smart card, or SoftHSM, a program that behaves like one. It is in builds
// with cgo and the tag pkcs11; other builds know the names of tokens and refuse to
// open them.
//
// A token is named by a URI after RFC 7512:
//
//	pkcs11:token=vault;object=crm?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/lacuna/pin
//
// Without pin-source the PIN is taken from the environment variable LACUNA_PKCS11_PIN.
// The URI stands in the configuration and in the list of processes, so a PIN in it
// (pin-value) is refused.
//
// The token makes an AES-256 key of its own for every share, which it never gives away,
// and beside it lies a record with the share sealed by that key:
//
//	"LCNT0001" || holder16 || tree16 || u64 epoch || attempt16 || iv12 || AES-256-GCM(key, iv, share, AD = all before iv)
//
// Destroying the key destroys the share, whoever has copies of the record. So the
// holder is as good as the token's word that a destroyed key is gone, and that nobody
// made a copy of it. Neither can be seen from here: the level is L0, and
// [keystore.Caps] says why. SoftHSM writes its keys into files that it removes, and
// whoever puts such a file back has the key again; and it syncs nothing, so that a power
// cut may take the live share, too.
//
// A token has no lock: that one program at a time uses it for a ledger is seen to by
// the lock of the ledger. And the module that speaks for it runs inside our process: a
// share is in memory that only the module can wipe.
package pkcs11
