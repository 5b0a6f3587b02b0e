package interop

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"github.com/lacunalog/lacuna/merkle"
)

const witnessName = "witness.example/w1"

// cosigned returns a head of our own, signed by its log and by a cosigner.
func cosigned(t *testing.T, cosigner merkle.Signer) (merkle.Checkpoint, []byte) {
	t.Helper()
	skey, _, err := merkle.GenerateKey(seedReader(7), origin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := merkle.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	c := merkle.Checkpoint{Origin: origin, Size: 300, Root: merkle.LeafHash([]byte("root"))}
	signed, err := merkle.SignCheckpoint(c, s, cosigner)
	if err != nil {
		t.Fatal(err)
	}
	return c, signed
}

func ourCosigner(t *testing.T, a merkle.Algorithm) (cosigner *merkle.Cosigner, skey string) {
	t.Helper()
	skey, vkey, err := merkle.GenerateCosigner(seedReader(9), witnessName, a)
	if err != nil {
		t.Fatal(err)
	}
	c, err := merkle.NewCosigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	if c.VKey() != vkey {
		t.Fatalf("public key is %s, and was %s", c.VKey(), vkey)
	}
	return c, skey
}

// What we sign, each of the others verifies, and none of them if a bit differs.
func TestOthersVerifyCosignatures(t *testing.T) {
	for name, x := range map[string]struct {
		algorithm merkle.Algorithm
		verifier  func(vkey string) (note.Verifier, error)
	}{
		"Ed25519, torchwood":   {merkle.CosignatureEd25519, func(k string) (note.Verifier, error) { return torchwood.NewCosignatureVerifier(k) }},
		"Ed25519, formats":     {merkle.CosignatureEd25519, formats.NewVerifierForCosignatureV1},
		"ML-DSA-44, formats":   {merkle.CosignatureMLDSA44, formats.NewVerifierForCosignatureV1},
		"ML-DSA-44, formats 2": {merkle.CosignatureMLDSA44, func(k string) (note.Verifier, error) { return formats.NewMLDSAVerifier(k) }},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := ourCosigner(t, x.algorithm)
			_, signed := cosigned(t, c.At(1679315147))
			v, err := x.verifier(c.VKey())
			if err != nil {
				t.Fatal(err)
			}
			n, err := note.Open(signed, note.VerifierList(v))
			if err != nil {
				t.Fatal(err)
			}
			if at, err := formats.CoSigV1Timestamp(n.Sigs[0]); err != nil || at.Unix() != 1679315147 {
				t.Errorf("they read time %v, %v", at, err)
			}
			if _, err := note.Open(bytes.Replace(signed, []byte("\n300\n"), []byte("\n301\n"), 1), note.VerifierList(v)); err == nil {
				t.Error("they accept another size")
			}
		})
	}
}

// What the others sign, with keys of ours or of theirs, we verify, and read the
// time of.
func TestCosignaturesOfOthers(t *testing.T) {
	type theirs struct {
		signer note.Signer
		vkey   string
	}
	for name, sign := range map[string]func(t *testing.T) theirs{
		"Ed25519, torchwood": func(t *testing.T) theirs {
			_, private, err := ed25519.GenerateKey(nil)
			if err != nil {
				t.Fatal(err)
			}
			s, err := torchwood.NewCosignatureSigner(witnessName, private)
			if err != nil {
				t.Fatal(err)
			}
			return theirs{s, s.Verifier().String()}
		},
		"Ed25519, formats, our key": func(t *testing.T) theirs {
			c, skey := ourCosigner(t, merkle.CosignatureEd25519)
			s, err := formats.NewSignerForCosignatureV1(skey)
			if err != nil {
				t.Fatal(err)
			}
			return theirs{s, c.VKey()}
		},
		"ML-DSA-44, formats, our key": func(t *testing.T) theirs {
			c, skey := ourCosigner(t, merkle.CosignatureMLDSA44)
			s, err := formats.NewSignerForCosignatureV1(skey)
			if err != nil {
				t.Fatal(err)
			}
			return theirs{s, c.VKey()}
		},
		"ML-DSA-44, formats, their key": func(t *testing.T) theirs {
			skey, vkey, err := formats.GenerateMLDSAKey(witnessName)
			if err != nil {
				t.Fatal(err)
			}
			s, err := formats.NewSignerForCosignatureV1(skey)
			if err != nil {
				t.Fatal(err)
			}
			// Their secret keys are ours.
			if got, err := merkle.VerifierOf(skey); err != nil || got != vkey {
				t.Errorf("their secret key has the public key %s, %v, want %s", got, err, vkey)
			}
			c, err := merkle.NewCosigner(skey)
			if err != nil || c.VKey() != vkey || c.KeyHash() != s.KeyHash() {
				t.Errorf("their secret key is not ours: %v", err)
			}
			return theirs{s, vkey}
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := sign(t)
			before := uint64(time.Now().Unix())
			c, signed := cosigned(t, x.signer)
			after := uint64(time.Now().Unix())
			v, err := merkle.NewVerifier(x.vkey)
			if err != nil {
				t.Fatal(err)
			}
			got, cs, err := merkle.Cosignatures(signed, v)
			if err != nil || got.Text() != c.Text() || len(cs) != 1 {
				t.Fatalf("%+v, %+v, %v", got, cs, err)
			}
			if cs[0].Name != witnessName || cs[0].KeyHash != x.signer.KeyHash() || cs[0].Time < before || cs[0].Time > after {
				t.Errorf("read as %+v, signed between %d and %d", cs[0], before, after)
			}
			_, _, err = merkle.Cosignatures(bytes.Replace(signed, []byte("\n300\n"), []byte("\n301\n"), 1), v)
			if err == nil {
				t.Error("another size is accepted")
			}
		})
	}
}

// A subtree that we sign they verify.
func TestSubtreeSignatures(t *testing.T) {
	c, skey := ourCosigner(t, merkle.CosignatureMLDSA44)
	s, err := formats.NewMLDSASigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ start, end uint64 }{{256, 300}, {0, 300}} {
		root := merkle.LeafHash([]byte{byte(x.start >> 8)})
		line, err := c.SignSubtree(origin, x.start, x.end, root)
		if err != nil {
			t.Fatal(err)
		}
		_, b64, _ := strings.Cut(strings.TrimPrefix(string(line), "— "), " ")
		sig := unbase64(t, strings.TrimSuffix(b64, "\n"))[4:]
		if !s.Verifier().VerifySubtree(0, origin, x.start, x.end, root[:], sig) {
			t.Errorf("%+v: they refuse ours", x)
		}
		if s.Verifier().VerifySubtree(0, origin, x.start, x.end+1, root[:], sig) {
			t.Errorf("%+v: they accept another end", x)
		}
	}
}

// The text says that an ML-DSA-44 signature does not cover extension lines. The
// others verify one all the same; we do not let it vouch for what it is not of.
func TestExtensionLines(t *testing.T) {
	c, _ := ourCosigner(t, merkle.CosignatureMLDSA44)
	_, signed := cosigned(t, c.At(1))
	text, sigs, _ := bytes.Cut(signed, []byte("\n\n"))
	changed := bytes.Join([][]byte{text, []byte("smuggled\n"), sigs}, []byte("\n"))
	theirs, err := formats.NewVerifierForCosignatureV1(c.VKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(changed, note.VerifierList(theirs)); err != nil {
		t.Logf("they refuse it too now: %v", err)
	}
	if _, cs, err := merkle.Cosignatures(changed, c.Verifier()); err == nil {
		t.Errorf("an extension line that nobody signed: %+v", cs)
	}
}

func unbase64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signatureLine writes a signature as a line of a note.
func signatureLine(name string, hash uint32, sig []byte) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, hash), sig...)
	return []byte("— " + name + " " + base64.StdEncoding.EncodeToString(b) + "\n")
}
