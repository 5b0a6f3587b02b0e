package merkle_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/lacunalog/lacuna/merkle"
)

// A seedReader makes keys that are the same in every run. Ed25519 signatures
// are deterministic, so everything signed with them is too.
type seedReader byte

func (s seedReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s) + byte(i)
	}
	return len(p), nil
}

// testKey returns a key pair for that name.
func testKey(tb testing.TB, seed byte, name string) (merkle.Signer, merkle.Verifier, string) {
	tb.Helper()
	skey, vkey, err := merkle.GenerateKey(seedReader(seed), name)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := merkle.NewSigner(skey)
	if err != nil {
		tb.Fatal(err)
	}
	v, err := merkle.NewVerifier(vkey)
	if err != nil {
		tb.Fatal(err)
	}
	return s, v, vkey
}

const testOrigin = "log.example/lacuna"

// The example of https://c2sp.org/signed-note. Its text is not a checkpoint, so
// the key is checked through the package that reads notes for us.
const (
	specKey  = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
	specNote = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)

func TestSignedNoteExample(t *testing.T) {
	v, err := merkle.NewVerifier(specKey)
	if err != nil {
		t.Fatal(err)
	}
	if v.Name() != "example.com/foo" || v.KeyHash() != 0x530d903a {
		t.Errorf("key is %s+%08x", v.Name(), v.KeyHash())
	}
	n, err := note.Open([]byte(specNote), note.VerifierList(v))
	if err != nil || n.Text != "This is an example message.\n" {
		t.Errorf("opening the example: %v", err)
	}
	if _, err := note.Open([]byte(strings.Replace(specNote, "an", "no", 1)), note.VerifierList(v)); err == nil {
		t.Error("a changed example was accepted")
	}
	// The signature is fine and still this is no checkpoint.
	if _, err := merkle.OpenCheckpoint([]byte(specNote), "This is an example message.", v); err == nil {
		t.Error("a note that is not a checkpoint was accepted")
	}
}

func TestCheckpointText(t *testing.T) {
	// The example of https://c2sp.org/tlog-checkpoint.
	const text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	c, err := merkle.ParseCheckpoint(text)
	if err != nil {
		t.Fatal(err)
	}
	if c.Origin != "example.com/behind-the-sofa" || c.Size != 20852163 || c.Root.String() != "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=" || c.Extensions != nil {
		t.Errorf("parsed as %+v", c)
	}
	if c.Text() != text {
		t.Errorf("written as %q", c.Text())
	}
	c, err = merkle.ParseCheckpoint(text + "one\ntwo words — and a dash\n")
	if err != nil || len(c.Extensions) != 2 || c.Text() != text+"one\ntwo words — and a dash\n" {
		t.Errorf("extension lines: %+v, %v", c, err)
	}
}

func TestParseCheckpointRefuses(t *testing.T) {
	const root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
	for name, text := range map[string]string{
		"empty":                  "",
		"newline":                "\n",
		"no final newline":       "o\n1\n" + root,
		"two lines":              "o\n1\n",
		"empty origin":           "\n1\n" + root + "\n",
		"empty size":             "o\n\n" + root + "\n",
		"empty extension":        "o\n1\n" + root + "\n\n",
		"empty extension inside": "o\n1\n" + root + "\n\nx\n",
		"leading zero":           "o\n01\n" + root + "\n",
		"plus":                   "o\n+1\n" + root + "\n",
		"minus":                  "o\n-1\n" + root + "\n",
		"space before size":      "o\n 1\n" + root + "\n",
		"space after size":       "o\n1 \n" + root + "\n",
		"hexadecimal":            "o\n0x1\n" + root + "\n",
		"underscore":             "o\n1_0\n" + root + "\n",
		"Arabic digits":          "o\n١\n" + root + "\n",
		"2^63":                   "o\n9223372036854775808\n" + root + "\n",
		"2^64":                   "o\n18446744073709551616\n" + root + "\n",
		"root without padding":   "o\n1\n" + root[:43] + "\n",
		"root with padding bits": "o\n1\n" + root[:42] + "J=\n",
		"root too short":         "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jx\n",
		"root too long":          "o\n1\n" + root[:43] + "A\n",
		"root in URL alphabet":   "o\n1\n" + strings.ReplaceAll(root, "/", "_") + "\n",
		"root and more":          "o\n1\n" + root + " \n",
		"carriage returns":       "o\r\n1\r\n" + root + "\r\n",
		"return inside the root": "o\n1\n" + root[:20] + "\r" + root[20:] + "\n",
		"tab":                    "o\tp\n1\n" + root + "\n",
		"not UTF-8":              "o\xff\n1\n" + root + "\n",
	} {
		if c, err := merkle.ParseCheckpoint(text); err == nil {
			t.Errorf("%s: accepted as %+v", name, c)
		}
	}
}

func TestSignAndOpenCheckpoint(t *testing.T) {
	s, v, _ := testKey(t, 1, testOrigin)
	witness, witnessV, _ := testKey(t, 2, "witness.example/w1")
	_, other, _ := testKey(t, 3, testOrigin)
	c := merkle.Checkpoint{Origin: testOrigin, Size: 7, Root: merkle.LeafHash([]byte("root"))}
	signed, err := merkle.SignCheckpoint(c, s, witness)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(signed), c.Text()+"\n— "+testOrigin+" ") {
		t.Errorf("signed as %q", signed)
	}
	for name, vs := range map[string][]merkle.Verifier{
		"log":             {v},
		"witness":         {witnessV},
		"both":            {v, witnessV},
		"one not present": {other, v},
	} {
		got, err := merkle.OpenCheckpoint(signed, testOrigin, vs...)
		if err != nil || got.Text() != c.Text() {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}

	text, sigs, _ := strings.Cut(string(signed), "\n\n")
	lines := strings.SplitAfter(sigs, "\n")
	badLine := strings.Replace(lines[0], "=\n", "A\n", 1)
	for name, x := range map[string]struct {
		signed   string
		origin   string
		verifier []merkle.Verifier
		want     any // pointer to the expected type
	}{
		"other origin expected":  {string(signed), "log.example", []merkle.Verifier{v}, new(*merkle.OriginError)},
		"other origin and key":   {string(signed), "log.example", []merkle.Verifier{other}, new(*merkle.OriginError)},
		"other key":              {string(signed), testOrigin, []merkle.Verifier{other}, new(*merkle.SignatureError)},
		"no key":                 {string(signed), testOrigin, nil, new(*merkle.SignatureError)},
		"changed size":           {strings.Replace(string(signed), "\n7\n", "\n8\n", 1), testOrigin, []merkle.Verifier{v}, new(*merkle.SignatureError)},
		"changed origin":         {strings.Replace(string(signed), "log.", "lag.", 1), testOrigin, []merkle.Verifier{v}, new(*merkle.SignatureError)},
		"added extension":        {text + "\nx\n\n" + sigs, testOrigin, []merkle.Verifier{v}, new(*merkle.SignatureError)},
		"one of two changed":     {text + "\n\n" + lines[0] + strings.Replace(lines[1], " ", " A", 2), testOrigin, []merkle.Verifier{v, witnessV}, nil},
		"no signature":           {text + "\n\n", testOrigin, []merkle.Verifier{v}, nil},
		"no separator":           {text + "\n" + sigs, testOrigin, []merkle.Verifier{v}, nil},
		"signature cut":          {string(signed[:len(signed)-1]), testOrigin, []merkle.Verifier{v}, nil},
		"not base64":             {text + "\n\n" + badLine, testOrigin, []merkle.Verifier{v}, nil},
		"carriage return inside": {strings.Replace(string(signed), "\n", "\r\n", 1), testOrigin, []merkle.Verifier{v}, nil},
	} {
		_, err := merkle.OpenCheckpoint([]byte(x.signed), x.origin, x.verifier...)
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if x.want != nil && !errors.As(err, x.want) {
			t.Errorf("%s: %v is not a %T", name, err, x.want)
		}
	}

	// What differed is in the message.
	_, err = merkle.OpenCheckpoint(signed, testOrigin, other)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%08x", other.KeyHash())) || !strings.Contains(err.Error(), fmt.Sprintf("%08x", v.KeyHash())) {
		t.Errorf("the keys are not in %v", err)
	}
}

// A second encoding of the log's own signature is refused: the last character
// before the padding carries bits that decoders ignore.
func TestSignatureNotCanonical(t *testing.T) {
	s, v, _ := testKey(t, 1, testOrigin)
	signed, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: testOrigin, Root: merkle.EmptyRoot()}, s)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndexByte(signed, '=') - 1
	if signed[at] == '=' {
		at--
	}
	changed := bytes.Clone(signed)
	changed[at]++ // from 4 bits used of 6, or 2 of 6, to the same with another rest
	if _, err := note.Open(changed, note.VerifierList(v)); err != nil {
		t.Fatalf("the lenient reader does not accept it either: %v", err)
	}
	_, err = merkle.OpenCheckpoint(changed, testOrigin, v)
	if e, ok := errors.AsType[*merkle.SignatureError](err); !ok || !e.Invalid {
		t.Errorf("got %v", err)
	}
}

func TestSignCheckpointRefuses(t *testing.T) {
	s, _, _ := testKey(t, 1, testOrigin)
	good := merkle.Checkpoint{Origin: testOrigin, Size: 1, Root: merkle.LeafHash(nil)}
	if _, err := merkle.SignCheckpoint(good); err == nil {
		t.Error("a checkpoint without any signature was written")
	}
	for name, change := range map[string]func(*merkle.Checkpoint){
		"no origin":          func(c *merkle.Checkpoint) { c.Origin = "" },
		"line break":         func(c *merkle.Checkpoint) { c.Origin = "a\nb" },
		"origin like a size": func(c *merkle.Checkpoint) { c.Origin = "a\n1\n" + merkle.EmptyRoot().String() },
		"control character":  func(c *merkle.Checkpoint) { c.Origin = "a\x07" },
		"not UTF-8":          func(c *merkle.Checkpoint) { c.Origin = "a\xff" },
		"long origin":        func(c *merkle.Checkpoint) { c.Origin = strings.Repeat("a", 256) },
		"too large":          func(c *merkle.Checkpoint) { c.Size = 1 << 63 },
		"empty with a root":  func(c *merkle.Checkpoint) { c.Size = 0 },
		"empty extension":    func(c *merkle.Checkpoint) { c.Extensions = []string{""} },
		"two lines in one":   func(c *merkle.Checkpoint) { c.Extensions = []string{"a\nb"} },
	} {
		c := good
		change(&c)
		if signed, err := merkle.SignCheckpoint(c, s); err == nil {
			t.Errorf("%s: signed as %q", name, signed)
		}
	}
	if _, err := merkle.SignCheckpoint(good, failingSigner{s}); err == nil {
		t.Error("the error of a signer was lost")
	}
}

type failingSigner struct{ merkle.Signer }

func (failingSigner) Sign([]byte) ([]byte, error) { return nil, errors.New("no") }
