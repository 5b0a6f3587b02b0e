package envelope_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"
)

// This file is a second implementation of sealing, written from
// docs/spec/{envelope,leaf,opening}.md line by line and with no regard for
// speed. It shares nothing with the package but the two ciphers.

// A fataler is a *testing.T or a *rapid.T.
type fataler interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

type refMember struct{ name, value string }

// refMembers parses an event into members. It trusts that the event is
// canonical: generators take care of that.
func refMembers(t fataler, event []byte) []refMember {
	d := jsontext.NewDecoder(bytes.NewReader(event))
	if tok, err := d.ReadToken(); err != nil || tok.Kind() != '{' {
		t.Fatalf("reference: not an object: %v", err)
	}
	var ms []refMember
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			t.Fatal(err)
		}
		n := name.String()
		value, err := d.ReadValue()
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, refMember{n, string(value)})
	}
	return ms
}

func refHMAC(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func refSHA(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func refB64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type refParts struct{ K, KC, S, r []byte }

func refSecret(dek []byte, suite byte, e []byte) []byte {
	prk, err := hkdf.Extract(sha256.New, dek, []byte("lacuna/v1"))
	if err != nil {
		panic(err)
	}
	s, err := hkdf.Expand(sha256.New, prk, "lacuna/v1/event"+string([]byte{suite})+string(e), 32)
	if err != nil {
		panic(err)
	}
	return s
}

func refExpand(s []byte, suite byte) refParts {
	b, err := hkdf.Expand(sha256.New, s, "lacuna/v1/parts"+string([]byte{suite}), 128)
	if err != nil {
		panic(err)
	}
	return refParts{b[:32], b[32:64], b[64:96], b[96:]}
}

// refPad pads to a multiple of 256 up to 4,096 and by Padmé above.
func refPad(event []byte) []byte {
	p := append(slices.Clone(event), 0x80)
	want := len(p)
	if len(p) <= 4096 {
		for want%256 != 0 {
			want++
		}
	} else {
		E := math.Floor(math.Log2(float64(len(p))))
		S := math.Floor(math.Log2(E)) + 1
		z := math.Pow(2, E-S)
		want = int(math.Ceil(float64(len(p))/z) * z)
	}
	return append(p, make([]byte, want-len(p))...)
}

func refAEAD(suite byte, k []byte) cipher.AEAD {
	if suite == 1 {
		a, err := chacha20poly1305.New(k)
		if err != nil {
			panic(err)
		}
		return a
	}
	b, err := aes.NewCipher(k)
	if err != nil {
		panic(err)
	}
	a, err := cipher.NewGCM(b)
	if err != nil {
		panic(err)
	}
	return a
}

// refEnvelope seals; nonce is used by suite 2 only.
func refEnvelope(p refParts, suite byte, e, nonce, event []byte) []byte {
	ad := slices.Concat([]byte{suite}, e, p.KC)
	if suite == 1 {
		return slices.Concat(ad, refAEAD(1, p.K).Seal(nil, make([]byte, 12), refPad(event), ad))
	}
	return slices.Concat(ad, nonce, refAEAD(2, p.K).Seal(nil, nonce, refPad(event), ad))
}

// refOpen is the reverse of refEnvelope.
func refOpen(s, env []byte) ([]byte, error) {
	suite := env[0]
	p := refExpand(s, suite)
	if !bytes.Equal(p.KC, env[17:49]) {
		return nil, errors.New("key commitment differs")
	}
	nonce, ct := make([]byte, 12), env[49:]
	if suite == 2 {
		nonce, ct = ct[:12], ct[12:]
	}
	b, err := refAEAD(suite, p.K).Open(nil, nonce, ct, env[:49])
	if err != nil {
		return nil, err
	}
	event := b[:bytes.LastIndexByte(b, 0x80)]
	if !bytes.Equal(refPad(event), b) {
		return nil, errors.New("padding differs")
	}
	return event, nil
}

func refSalts(p refParts, suite byte, n int) [][]byte {
	stream := make([]byte, 16*n)
	if suite == 1 {
		c, err := chacha20.NewUnauthenticatedCipher(p.S, make([]byte, 12))
		if err != nil {
			panic(err)
		}
		c.XORKeyStream(stream, stream)
	} else {
		b, err := aes.NewCipher(p.S)
		if err != nil {
			panic(err)
		}
		cipher.NewCTR(b, make([]byte, 16)).XORKeyStream(stream, stream)
	}
	return slices.Collect(slices.Chunk(stream, 16))
}

func refDisclosures(p refParts, suite byte, ms []refMember) []string {
	salts := refSalts(p, suite, len(ms))
	ds := make([]string, len(ms))
	for i, m := range ms {
		name, err := jsontext.AppendQuote(nil, m.name)
		if err != nil {
			panic(err)
		}
		ds[i] = refB64(fmt.Appendf(nil, `["%s",%s,%s]`, refB64(salts[i]), name, m.value))
	}
	return ds
}

func refMembersHash(ms []refMember, ds []string) []byte {
	b := []byte("lacuna/v1/members")
	b = binary.BigEndian.AppendUint16(b, uint16(len(ms)))
	for i, m := range ms {
		b = append(b, byte(len(m.name)))
		b = append(b, m.name...)
		b = append(b, refSHA([]byte(ds[i]))...)
	}
	return refSHA(b)
}

func refLeaf(r []byte, origin string, env, dP []byte) []byte {
	dE := refSHA([]byte("lacuna/v1/envelope"), env)
	mac := refHMAC(r, []byte("lacuna/v1/leaf"), refSHA([]byte(origin)), dE, dP)
	return append([]byte{1, 0}, mac...)
}

// refLeafOf is the leaf of a whole event.
func refLeafOf(t fataler, s, env []byte, origin string) []byte {
	event, err := refOpen(s, env)
	if err != nil {
		t.Fatalf("reference: %v", err)
	}
	p := refExpand(s, env[0])
	ms := refMembers(t, event)
	return refLeaf(p.r, origin, env, refMembersHash(ms, refDisclosures(p, env[0], ms)))
}
