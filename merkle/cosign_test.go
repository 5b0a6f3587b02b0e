package merkle_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"filippo.io/mldsa"
	"golang.org/x/mod/sumdb/note"

	"github.com/lacunalog/lacuna/merkle"
)

const testWitness = "witness.example/w1"

var cosigningAlgorithms = []merkle.Algorithm{merkle.CosignatureEd25519, merkle.CosignatureMLDSA44}

// testCosigner returns a cosigner that is the same in every run, as are its
// signatures.
func testCosigner(tb testing.TB, seed byte, name string, a merkle.Algorithm) *merkle.Cosigner {
	tb.Helper()
	skey, vkey, err := merkle.GenerateCosigner(seedReader(seed), name, a)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := merkle.NewCosigner(skey)
	if err != nil {
		tb.Fatal(err)
	}
	if c.VKey() != vkey || c.Name() != name || c.Algorithm() != a {
		tb.Fatalf("generated %s and read it as %s", vkey, c.VKey())
	}
	return c
}

func testVerifier(tb testing.TB, vkey string) merkle.Verifier {
	tb.Helper()
	v, err := merkle.NewVerifier(vkey)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func testHead() merkle.Checkpoint {
	return merkle.Checkpoint{Origin: testOrigin, Size: 300, Root: merkle.LeafHash([]byte("root"))}
}

func sign(tb testing.TB, c merkle.Checkpoint, signers ...merkle.Signer) []byte {
	tb.Helper()
	signed, err := merkle.SignCheckpoint(c, signers...)
	if err != nil {
		tb.Fatal(err)
	}
	return signed
}

// What is signed, written once more from the text of tlog-cosignature and
// verified by the libraries themselves.
func TestCosignedBytes(t *testing.T) {
	c := testHead()
	const at = 1679315147
	for _, a := range cosigningAlgorithms {
		t.Run(a.String(), func(t *testing.T) {
			w := testCosigner(t, 1, testWitness, a)
			signed := sign(t, c, w.At(at))
			_, b64, ok := strings.Cut(strings.TrimSuffix(string(signed), "\n"), "\n\n— "+testWitness+" ")
			if !ok {
				t.Fatalf("signed as %q", signed)
			}
			payload, err := base64.StdEncoding.DecodeString(b64)
			if err != nil {
				t.Fatal(err)
			}
			key, err := base64.StdEncoding.DecodeString(strings.SplitN(w.VKey(), "+", 3)[2])
			if err != nil {
				t.Fatal(err)
			}
			if binary.BigEndian.Uint32(payload) != w.KeyHash() || binary.BigEndian.Uint64(payload[4:]) != at {
				t.Errorf("key id and time are %x", payload[:12])
			}
			sig := payload[12:]
			switch a {
			case merkle.CosignatureEd25519:
				message := "cosignature/v1\ntime 1679315147\n" + c.Text()
				if len(payload) != 76 || key[0] != 0x04 || !ed25519.Verify(key[1:], []byte(message), sig) {
					t.Errorf("%d bytes, which do not verify", len(payload))
				}
			case merkle.CosignatureMLDSA44:
				var m bytes.Buffer
				m.WriteString("subtree/v1\n\x00")
				m.WriteByte(18)
				m.WriteString(testWitness)
				_ = binary.Write(&m, binary.BigEndian, uint64(at))
				m.WriteByte(18)
				m.WriteString(testOrigin)
				_ = binary.Write(&m, binary.BigEndian, uint64(0))
				_ = binary.Write(&m, binary.BigEndian, uint64(300))
				m.Write(c.Root[:])
				public, err := mldsa.NewPublicKey(mldsa.MLDSA44(), key[1:])
				if err != nil {
					t.Fatal(err)
				}
				if err := mldsa.Verify(public, m.Bytes(), sig, nil); err != nil || len(payload) != 2432 || key[0] != 0x06 {
					t.Errorf("%d bytes: %v", len(payload), err)
				}
			}
			if again := sign(t, c, w.At(at)); !bytes.Equal(signed, again) {
				t.Error("the same statement was signed in two ways")
			}
			if other := sign(t, c, w.At(at+1)); bytes.Equal(signed[:len(signed)-60], other[:len(other)-60]) {
				t.Error("another time has the same signature")
			}
		})
	}
}

func TestCosignatures(t *testing.T) {
	log, logKey, _ := testKey(t, 1, testOrigin)
	w1 := testCosigner(t, 2, testWitness, merkle.CosignatureEd25519)
	w2 := testCosigner(t, 2, testWitness, merkle.CosignatureMLDSA44)
	w3 := testCosigner(t, 4, "witness.example/w3", merkle.CosignatureEd25519)
	c := testHead()
	signed := sign(t, c, log, w1.At(10), w2.At(20), w3.At(30))
	want := func(w *merkle.Cosigner, time uint64) merkle.Cosignature {
		return merkle.Cosignature{Name: w.Name(), KeyHash: w.KeyHash(), Algorithm: w.Algorithm(), Time: time}
	}
	for name, x := range map[string]struct {
		verifiers []merkle.Verifier
		want      []merkle.Cosignature
	}{
		"none asked for":   {nil, nil},
		"one":              {[]merkle.Verifier{w3.Verifier()}, []merkle.Cosignature{want(w3, 30)}},
		"order of lines":   {[]merkle.Verifier{w3.Verifier(), w2.Verifier(), w1.Verifier()}, []merkle.Cosignature{want(w1, 10), want(w2, 20), want(w3, 30)}},
		"one twice":        {[]merkle.Verifier{w3.Verifier(), testVerifier(t, w3.VKey())}, []merkle.Cosignature{want(w3, 30)}},
		"the log's own":    {[]merkle.Verifier{logKey}, nil},
		"one not there":    {[]merkle.Verifier{testCosigner(t, 9, testWitness, merkle.CosignatureEd25519).Verifier()}, nil},
		"kept by note too": {[]merkle.Verifier{w2.Verifier(), logKey}, []merkle.Cosignature{want(w2, 20)}},
	} {
		got, cs, err := merkle.Cosignatures(signed, x.verifiers...)
		if err != nil || got.Text() != c.Text() || fmt.Sprint(cs) != fmt.Sprint(x.want) {
			t.Errorf("%s: %v, %v, want %v", name, cs, err, x.want)
		}
	}
	// The log's second signature opens the checkpoint as well as the first.
	own := testCosigner(t, 5, testOrigin, merkle.CosignatureMLDSA44)
	if _, err := merkle.OpenCheckpoint(sign(t, c, log, own.At(1)), testOrigin, own.Verifier()); err != nil {
		t.Error(err)
	}
}

// Every way in which a signature that is there can be wrong.
func TestCosignaturesRefused(t *testing.T) {
	c := testHead()
	for _, a := range cosigningAlgorithms {
		t.Run(a.String(), func(t *testing.T) {
			w := testCosigner(t, 2, testWitness, a)
			signed := string(sign(t, c, w.At(10)))
			text, line, _ := strings.Cut(signed, "\n\n")
			payload, _ := base64.StdEncoding.DecodeString(strings.TrimSuffix(strings.TrimPrefix(line, "— "+testWitness+" "), "\n"))
			with := func(change func(b []byte) []byte) string {
				return text + "\n\n— " + testWitness + " " + base64.StdEncoding.EncodeToString(change(bytes.Clone(payload))) + "\n"
			}
			other := c
			other.Extensions = []string{"x"}
			cases := map[string]string{
				"size":              strings.Replace(signed, "\n300\n", "\n301\n", 1),
				"origin":            strings.Replace(signed, "log.example", "lag.example", 1),
				"root":              strings.Replace(signed, c.Root.String(), merkle.EmptyRoot().String(), 1),
				"line added":        text + "\nx\n\n" + line,
				"time":              with(func(b []byte) []byte { b[11]++; return b }),
				"time beyond 2^63":  with(func(b []byte) []byte { b[4] |= 0x80; return b }),
				"first byte":        with(func(b []byte) []byte { b[12]++; return b }),
				"last byte":         with(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }),
				"cut":               with(func(b []byte) []byte { return b[:len(b)-1] }),
				"too long":          with(func(b []byte) []byte { return append(b, 0) }),
				"time only":         with(func(b []byte) []byte { return b[:12] }),
				"id only":           with(func(b []byte) []byte { return b[:5] }),
				"of a note":         noteOf(t, "no checkpoint\n", w),
				"without signature": text + "\n\n",
			}
			for name, s := range cases {
				if _, cs, err := merkle.Cosignatures([]byte(s), w.Verifier()); err == nil {
					t.Errorf("%s: accepted as %+v", name, cs)
				} else if e, ok := errors.AsType[*merkle.SignatureError](err); name != "without signature" && (!ok || !e.Invalid) {
					t.Errorf("%s: %v", name, err)
				}
			}
			// Another key of the same name is not the same key, and so is not there.
			if _, cs, err := merkle.Cosignatures([]byte(signed), testCosigner(t, 3, testWitness, a).Verifier()); err != nil || cs != nil {
				t.Errorf("another key: %v, %v", cs, err)
			}
			// Neither kind of verifier takes what is no checkpoint.
			if w.Verifier().Verify([]byte("no checkpoint\n"), payload[4:]) {
				t.Error("verifies what is no checkpoint")
			}
			_, err := merkle.SignCheckpoint(other, w.At(10))
			if covers := a == merkle.CosignatureEd25519; (err == nil) != covers {
				t.Errorf("extension lines are signed: %v", err)
			}
		})
	}
}

// noteOf puts a signature of a checkpoint under another text.
func noteOf(t *testing.T, text string, w *merkle.Cosigner) string {
	_, lines, _ := strings.Cut(string(sign(t, testHead(), w.At(10))), "\n\n")
	return text + "\n" + lines
}

// An ML-DSA-44 signature commits to the name of the cosigner: the same key
// under another name is another cosigner, also to whoever computes the id anew.
func TestCosignerNameIsSigned(t *testing.T) {
	a, b := testCosigner(t, 1, "a.example", merkle.CosignatureMLDSA44), testCosigner(t, 1, "b.example", merkle.CosignatureMLDSA44)
	sig, err := a.At(1).Sign([]byte(testHead().Text()))
	if err != nil {
		t.Fatal(err)
	}
	if !a.Verifier().Verify([]byte(testHead().Text()), sig) || b.Verifier().Verify([]byte(testHead().Text()), sig) {
		t.Error("the name makes no difference")
	}
}

// Statements that no cosigner of ours would sign, but that somebody has signed
// with the key.
func TestSignedNonsense(t *testing.T) {
	ed := testCosigner(t, 1, testWitness, merkle.CosignatureEd25519)
	pq := testCosigner(t, 1, testWitness, merkle.CosignatureMLDSA44)
	seed := make([]byte, 32)
	_, _ = seedReader(1).Read(seed)
	private, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seed)
	if err != nil {
		t.Fatal(err)
	}
	c := testHead()
	signEd := func(time uint64, text string) []byte {
		message := fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", time, text)
		return append(binary.BigEndian.AppendUint64(nil, time), ed25519.Sign(ed25519.NewKeyFromSeed(seed), message)...)
	}
	signPQ := func(time uint64, start, end uint64) []byte {
		sig, err := private.Sign(nil, subtreeMessage(testWitness, time, testOrigin, start, end, c.Root), nil)
		if err != nil {
			t.Fatal(err)
		}
		return append(binary.BigEndian.AppendUint64(nil, time), sig...)
	}
	if !ed.Verifier().Verify([]byte(c.Text()), signEd(1, c.Text())) || !pq.Verifier().Verify([]byte(c.Text()), signPQ(1, 0, 300)) {
		t.Fatal("the controls do not verify")
	}
	if ed.Verifier().Verify([]byte("text\n"), signEd(1, "text\n")) {
		t.Error("a cosignature of what is no checkpoint verifies")
	}
	if ed.Verifier().Verify([]byte(c.Text()), signEd(1<<63, c.Text())) || pq.Verifier().Verify([]byte(c.Text()), signPQ(1<<63, 0, 300)) {
		t.Error("a time of 2^63 verifies")
	}
}

// One public key under two names, or for two algorithms, is two keys.
func TestKeysOfOneSeed(t *testing.T) {
	note, noteKey, _ := testKey(t, 1, testWitness)
	ed := testCosigner(t, 1, testWitness, merkle.CosignatureEd25519)
	other := testCosigner(t, 1, "witness.example/w2", merkle.CosignatureEd25519)
	c := testHead()
	_, cs, err := merkle.Cosignatures(sign(t, c, note, ed.At(1), other.At(2)), noteKey, ed.Verifier(), other.Verifier())
	if err != nil || len(cs) != 2 || cs[0].Time != 1 || cs[1].Time != 2 {
		t.Errorf("%v, %v", cs, err)
	}
}

func TestCosignerRefuses(t *testing.T) {
	for _, a := range cosigningAlgorithms {
		w := testCosigner(t, 1, testWitness, a)
		good := testHead()
		if _, err := w.At(math.MaxInt64).Sign([]byte(good.Text())); err != nil {
			t.Errorf("%s: the largest time: %v", a, err)
		}
		empty := merkle.Checkpoint{Origin: testOrigin}
		for name, x := range map[string]struct {
			time uint64
			text string
		}{
			"time 2^63":      {1 << 63, good.Text()},
			"no checkpoint":  {1, "text\n"},
			"leading zero":   {1, strings.Replace(good.Text(), "300", "0300", 1)},
			"empty log":      {1, empty.Text()},
			"signature also": {1, good.Text() + "\n— a b\n"},
		} {
			if sig, err := w.At(x.time).Sign([]byte(x.text)); err == nil {
				t.Errorf("%s: %s: signed as %x", a, name, sig)
			}
		}
		_, err := w.At(0).Sign([]byte(good.Text()))
		if may := a == merkle.CosignatureMLDSA44; (err == nil) != may {
			t.Errorf("%s: time 0: %v", a, err)
		}
		// Nothing that prints a cosigner prints its key.
		skey, _, _ := merkle.GenerateCosigner(seedReader(1), testWitness, a)
		seed, _ := base64.StdEncoding.DecodeString(strings.SplitN(skey, "+", 5)[4])
		for _, format := range []string{"%v", "%+v", "%#v", "%x"} {
			out := fmt.Sprintf(format, w) + fmt.Sprintf(format, *w) + fmt.Sprintf(format, w.At(1)) + fmt.Sprintf(format, w.Verifier())
			for _, secret := range []string{fmt.Sprintf("%x", seed[1:]), fmt.Sprint(seed[1:9]), fmt.Sprintf("%#v", seed[1:])} {
				if strings.Contains(out, strings.Trim(secret, "[]")) {
					t.Errorf("%s: %s shows the key", a, format)
				}
			}
		}
	}
	long := merkle.Checkpoint{Origin: strings.Repeat("o", 256), Size: 1, Root: merkle.LeafHash(nil)}
	if _, err := testCosigner(t, 1, testWitness, merkle.CosignatureMLDSA44).At(1).Sign([]byte(long.Text())); err == nil {
		t.Error("an origin of 256 bytes was signed")
	}
}

func TestCosignerKeys(t *testing.T) {
	for _, name := range []string{"", "a b", "a+b", "a\u00a0b", "a\nb", "a\x00b", "a\xff", strings.Repeat("n", 256)} {
		for _, a := range cosigningAlgorithms {
			if _, _, err := merkle.GenerateCosigner(seedReader(1), name, a); err == nil {
				t.Errorf("a cosigner named %q was generated", name)
			}
		}
	}
	if _, _, err := merkle.GenerateCosigner(brokenReader{}, "a", merkle.CosignatureEd25519); err == nil {
		t.Error("a key was made of nothing")
	}
	for _, a := range []merkle.Algorithm{0, merkle.Ed25519, 0x02, 0x05, 0xff} {
		if _, _, err := merkle.GenerateCosigner(seedReader(1), "a", a); err == nil {
			t.Errorf("a cosigner with %s was generated", a)
		}
	}
	noteKey, noteVKey, err := merkle.GenerateKey(seedReader(1), testWitness)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := merkle.NewCosigner(noteKey); err == nil {
		t.Error("the key of a log cosigns")
	}
	for _, a := range cosigningAlgorithms {
		skey, vkey, err := merkle.GenerateCosigner(seedReader(1), testWitness, a)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := merkle.VerifierOf(skey); err != nil || got != vkey {
			t.Errorf("%s: the public key is %q, %v", a, got, err)
		}
		if v := testVerifier(t, vkey); v.Name() != testWitness || fmt.Sprintf("%08x", v.KeyHash()) != strings.Split(vkey, "+")[1] {
			t.Errorf("%s: the verifier is %s+%08x", a, v.Name(), v.KeyHash())
		}
		if vkey == noteVKey || strings.Split(vkey, "+")[1] == strings.Split(noteVKey, "+")[1] {
			t.Errorf("%s: the key id is that of the other kind of key", a)
		}
		secret := strings.SplitN(skey, "+", 5)[4]
		for name, bad := range map[string]string{
			"empty":       "",
			"public":      vkey,
			"other name":  strings.Replace(skey, "witness.", "witnezz.", 1),
			"other id":    strings.Replace(skey, "+"+strings.Split(vkey, "+")[1]+"+", "+00000000+", 1),
			"id of 7":     strings.Replace(skey, "+"+strings.Split(vkey, "+")[1], "+"+strings.Split(vkey, "+")[1][1:], 1),
			"cut":         skey[:len(skey)-4],
			"longer":      skey + "AAAA",
			"only secret": secret,
			"other type":  strings.Replace(skey, "+"+secret, "+BQ"+secret[2:], 1),
			"other kind":  strings.Replace(skey, "+"+secret, otherKind(a)+secret[2:], 1),
			"line break":  skey + "\n",
			"other end":   skey[:len(skey)-1] + string(skey[len(skey)-1]+1),
		} {
			_, err1 := merkle.NewCosigner(bad)
			_, err2 := merkle.VerifierOf(bad)
			_, err3 := merkle.NewSigner(bad)
			for _, err := range []error{err1, err2, err3} {
				if err == nil {
					t.Errorf("%s: %s: accepted as a secret key", a, name)
				} else if strings.Contains(err.Error(), secret[4:12]) {
					t.Errorf("%s: %s: the error shows the key", a, name)
				}
			}
		}
		if _, err := merkle.NewSigner(skey); err == nil || !strings.Contains(err.Error(), "need a time") {
			t.Errorf("%s: a signer without a time: %v", a, err)
		}
	}
}

func TestVerifiersRefused(t *testing.T) {
	w := testCosigner(t, 1, testWitness, merkle.CosignatureMLDSA44)
	skey, _, _ := merkle.GenerateCosigner(seedReader(1), testWitness, merkle.CosignatureMLDSA44)
	for name, bad := range map[string]string{
		"empty":             "",
		"secret":            skey,
		"cut":               w.VKey()[:len(w.VKey())-4],
		"other name":        strings.Replace(w.VKey(), "witness", "witnezz", 1),
		"id of 9 digits":    strings.Replace(w.VKey(), "+", "+0", 1),
		"no id":             strings.Replace(w.VKey(), "+", "", 1),
		"not canonical":     w.VKey() + "=",
		"line break inside": w.VKey()[:60] + "\n" + w.VKey()[60:],
		"line break":        w.VKey() + "\n",
		"unknown type":      rekey("a", append([]byte{0x02}, make([]byte, 32)...)),
		"private type":      rekey("a", append([]byte{0xff}, make([]byte, 32)...)),
		"Ed25519, 31 bytes": rekey("a", append([]byte{0x04}, make([]byte, 31)...)),
		"Ed25519, 33 bytes": rekey("a", append([]byte{0x01}, make([]byte, 33)...)),
		"ML-DSA, 32 bytes":  rekey("a", append([]byte{0x06}, make([]byte, 32)...)),
		"ML-DSA-65":         rekey("a", append([]byte{0x06}, make([]byte, 1952)...)),
		"only a type":       rekey("a", []byte{0x01}),
		"name of 256":       rekey(strings.Repeat("n", 256), append([]byte{0x06}, make([]byte, 1312)...)),
		"space in name":     rekey("a b", append([]byte{0x04}, make([]byte, 32)...)),
		"no name":           rekey("", append([]byte{0x04}, make([]byte, 32)...)),
	} {
		if v, err := merkle.NewVerifier(bad); err == nil {
			t.Errorf("%s: accepted as %s+%08x", name, v.Name(), v.KeyHash())
		} else if strings.Contains(err.Error(), skey[len(skey)-12:]) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
	if _, err := merkle.NewVerifier(skey); err == nil || err.Error() != "this is a secret key, not a public one" {
		t.Errorf("a secret key: %v", err)
	}
	if _, err := merkle.NewVerifier(rekey("a", append([]byte{0x04}, make([]byte, 32)...))); err != nil {
		t.Errorf("control: %v", err)
	}
}

// rekey writes a public key with the id that belongs to it.
func rekey(name string, key []byte) string {
	return fmt.Sprintf("%s+%08x+%s", name, keyID(name, key), base64.StdEncoding.EncodeToString(key))
}

// A checkpoint may have many signatures, and large ones.
func TestManySignatures(t *testing.T) {
	log, logKey, _ := testKey(t, 1, testOrigin)
	signers, verifiers := []merkle.Signer{log}, []merkle.Verifier{logKey}
	for i := range byte(20) {
		w := testCosigner(t, i, fmt.Sprintf("witness.example/%d", i), cosigningAlgorithms[i&1])
		signers, verifiers = append(signers, w.At(uint64(i)+1)), append(verifiers, w.Verifier())
	}
	signed := sign(t, testHead(), signers...)
	if _, err := merkle.OpenCheckpoint(signed, testOrigin, verifiers...); err != nil {
		t.Error(err)
	}
	if _, cs, err := merkle.Cosignatures(signed, verifiers...); err != nil || len(cs) != 20 {
		t.Errorf("%d cosignatures, %v", len(cs), err)
	}
	if _, err := note.Open(signed, note.VerifierList(verifiers...)); err != nil {
		t.Errorf("the library that we read notes with: %v", err)
	}
}

// keyID is the key id as signed-note defines it.
func keyID(name string, key []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), key...))
	return binary.BigEndian.Uint32(sum[:])
}

// otherKind is how the base64 of a secret key begins that is of the other
// cosigning algorithm, with its plus sign.
func otherKind(a merkle.Algorithm) string {
	if a == merkle.CosignatureEd25519 {
		return "+Bg"
	}
	return "+BA"
}
