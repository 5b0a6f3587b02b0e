package merkle_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

type (
	keyVector struct {
		Name  string   `json:"name"`
		Seed  hexBytes `json:"ed25519_seed"`
		SKey  string   `json:"skey"`
		VKey  string   `json:"vkey"`
		KeyID string   `json:"key_id"`
	}
	textVector struct {
		Name       string       `json:"name"`
		Valid      bool         `json:"valid"`
		Text       string       `json:"text"`
		Origin     string       `json:"origin,omitempty"`
		Size       string       `json:"size,omitempty"`
		Root       *merkle.Hash `json:"root,omitempty"`
		Extensions []string     `json:"extensions,omitempty"`
	}
	noteVector struct {
		Name   string   `json:"name"`
		Valid  bool     `json:"valid"`
		Origin string   `json:"origin"`
		VKeys  []string `json:"vkeys"`
		Note   string   `json:"note"`
	}
	checkpointVectors struct {
		About []string     `json:"about"`
		Keys  []keyVector  `json:"keys"`
		Texts []textVector `json:"texts"`
		Notes []noteVector `json:"notes"`
	}
	proofVector struct {
		Name   string   `json:"name"`
		Parses bool     `json:"parses"`
		Valid  bool     `json:"valid"`
		VKey   string   `json:"vkey"`
		Entry  hexBytes `json:"entry"`
		Proof  string   `json:"proof"`
		Extra  hexBytes `json:"extra"`
	}
	proofVectors struct {
		About  []string      `json:"about"`
		Proofs []proofVector `json:"proofs"`
	}
)

func TestCheckpointVectors(t *testing.T) {
	v := vectorFile(t, "checkpoint.json", makeCheckpointVectors(t))
	for _, x := range v.Keys {
		vkey, err := merkle.VerifierOf(x.SKey)
		if err != nil || vkey != x.VKey || !strings.HasPrefix(vkey, x.Name+"+"+x.KeyID+"+") {
			t.Errorf("%s: %q, %v", x.Name, vkey, err)
		}
		skey, _, err := merkle.GenerateKey(bytes.NewReader(x.Seed), x.Name)
		if err != nil || skey != x.SKey {
			t.Logf("%s: the standard library no longer makes this key of this seed", x.Name)
		}
	}
	for _, x := range v.Texts {
		c, err := merkle.ParseCheckpoint(x.Text)
		expect(t, x.Valid, x.Name, err)
		if x.Valid && (c.Text() != x.Text || c.Origin != x.Origin || decimal(c.Size) != x.Size || c.Root != *x.Root || len(c.Extensions) != len(x.Extensions)) {
			t.Errorf("%s: read as %+v", x.Name, c)
		}
	}
	for _, x := range v.Notes {
		var verifiers []merkle.Verifier
		for _, k := range x.VKeys {
			verifier, err := merkle.NewVerifier(k)
			if err != nil {
				t.Fatal(err)
			}
			verifiers = append(verifiers, verifier)
		}
		_, err := merkle.OpenCheckpoint([]byte(x.Note), x.Origin, verifiers...)
		expect(t, x.Valid, x.Name, err)
	}
}

func makeCheckpointVectors(t *testing.T) checkpointVectors {
	v := checkpointVectors{About: []string{
		"Test vectors for docs/spec/log.md. Keys are for tests only: their seeds are printed here.",
		"texts: the body of a checkpoint, before any signature. size is text because not every JSON reader holds 64 bits.",
		"notes: valid if the note is a checkpoint of that origin and is signed by one of the vkeys, and if no signature under any of the vkeys is wrong.",
	}}
	key := func(seed byte, name string) (merkle.Signer, string) {
		skey, vkey, err := merkle.GenerateKey(seedReader(seed), name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := merkle.NewSigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		b := make(hexBytes, 32)
		_, _ = seedReader(seed).Read(b)
		v.Keys = append(v.Keys, keyVector{name, b, skey, vkey, strings.Split(vkey, "+")[1]})
		return s, vkey
	}
	log, logKey := key(1, testOrigin)
	witness, witnessKey := key(2, "witness.example/w1")
	_, otherKey := key(3, testOrigin)

	l := newMemLog(300)
	c := merkle.Checkpoint{Origin: testOrigin, Size: 300, Root: l.r.Root()}
	root := c.Root.String()
	text := func(name string, c merkle.Checkpoint) {
		v.Texts = append(v.Texts, textVector{name, true, c.Text(), c.Origin, decimal(c.Size), &c.Root, c.Extensions})
	}
	text("300 entries", c)
	text("no entries", merkle.Checkpoint{Origin: testOrigin, Root: merkle.EmptyRoot()})
	text("largest size", merkle.Checkpoint{Origin: testOrigin, Size: merkle.MaxSize, Root: c.Root})
	text("origin with spaces", merkle.Checkpoint{Origin: "Go SUM database tree — not ours", Size: 1, Root: c.Root})
	text("extension lines", merkle.Checkpoint{Origin: testOrigin, Size: 1, Root: c.Root, Extensions: []string{"one", "two words"}})
	for _, x := range [][2]string{
		{"no final newline", "o\n1\n" + root},
		{"two lines", "o\n1\n"},
		{"empty origin", "\n1\n" + root + "\n"},
		{"empty extension line", "o\n1\n" + root + "\n\nx\n"},
		{"size with leading zero", "o\n01\n" + root + "\n"},
		{"size with sign", "o\n+1\n" + root + "\n"},
		{"size 2^63", "o\n9223372036854775808\n" + root + "\n"},
		{"size not a number", "o\n1e3\n" + root + "\n"},
		{"root of 31 bytes", "o\n1\n" + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n"},
		{"root without padding", "o\n1\n" + strings.TrimRight(root, "=") + "\n"},
		{"root with padding bits set", "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n"},
		{"root in the URL alphabet", "o\n1\nCsUYapGGPo4dkMgIAUqom_Xajj7h2fB2MPA3j2jxq2I=\n"},
		{"carriage returns", "o\r\n1\r\n" + root + "\r\n"},
	} {
		v.Texts = append(v.Texts, textVector{Name: x[0], Text: x[1]})
	}

	sign := func(c merkle.Checkpoint, s ...merkle.Signer) string {
		b, err := merkle.SignCheckpoint(c, s...)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	one, two := sign(c, log), sign(c, log, witness)
	add := func(name string, valid bool, origin, note string, vkeys ...string) {
		v.Notes = append(v.Notes, noteVector{name, valid, origin, vkeys, note})
	}
	add("signed by the log", true, testOrigin, one, logKey)
	add("an empty log", true, testOrigin, sign(merkle.Checkpoint{Origin: testOrigin, Root: merkle.EmptyRoot()}, log), logKey)
	add("cosigned", true, testOrigin, two, logKey)
	add("cosigned, both keys known", true, testOrigin, two, logKey, witnessKey)
	add("an unknown key of the same name signed too", true, testOrigin, two, logKey, otherKey)
	add("unknown signature of a kind nobody knows", true, testOrigin, one+"— example.com/future AAAAAEFCQ0Q=\n", logKey)
	add("key of another id", false, testOrigin, one, otherKey)
	add("another origin expected", false, "log.example", one, logKey)
	add("size changed", false, testOrigin, strings.Replace(one, "\n300\n", "\n301\n", 1), logKey)
	add("origin changed", false, "log.example/lacuma", strings.Replace(one, "lacuna", "lacuma", 1), logKey)
	add("line added", false, testOrigin, strings.Replace(one, "=\n\n", "=\nx\n\n", 1), logKey)
	add("signature of another text", false, testOrigin, c.Text()+"\n"+strings.SplitN(sign(merkle.Checkpoint{Origin: testOrigin, Size: 299, Root: c.Root}, log), "\n\n", 2)[1], logKey)
	add("one good and one wrong signature, both keys known", false, testOrigin,
		one+strings.SplitAfterN(sign(merkle.Checkpoint{Origin: testOrigin, Size: 299, Root: c.Root}, witness), "\n\n", 2)[1], logKey, witnessKey)
	add("the same, but the wrong one is of an unknown key", true, testOrigin,
		one+strings.SplitAfterN(sign(merkle.Checkpoint{Origin: testOrigin, Size: 299, Root: c.Root}, witness), "\n\n", 2)[1], logKey)
	add("no signature", false, testOrigin, c.Text()+"\n", logKey)
	add("hyphen instead of em dash", false, testOrigin, strings.Replace(one, "—", "-", 1), logKey)
	add("carriage return", false, testOrigin, strings.Replace(one, "\n300", "\r\n300", 1), logKey)
	add("no final newline", false, testOrigin, strings.TrimSuffix(one, "\n"), logKey)
	add("no empty line", false, testOrigin, strings.Replace(one, "\n\n", "\n", 1), logKey)
	add("the example of signed-note, which is no checkpoint", false, "This is an example message.", specNote, specKey)
	return v
}

func TestProofVectors(t *testing.T) {
	v := vectorFile(t, "proof.json", makeProofVectors(t))
	for _, x := range v.Proofs {
		p, err := merkle.ParseProof([]byte(x.Proof))
		expect(t, x.Parses, x.Name+", parsing", err)
		if err != nil {
			continue
		}
		if !bytes.Equal(p.Extra, x.Extra) {
			t.Errorf("%s: extra is %x", x.Name, p.Extra)
		}
		verifier, err := merkle.NewVerifier(x.VKey)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Verify(x.Entry, verifier)
		expect(t, x.Valid, x.Name, err)
	}
}

func makeProofVectors(t *testing.T) proofVectors {
	v := proofVectors{About: []string{
		"Test vectors for docs/spec/proof.md, the general part: entries and extra are arbitrary bytes here. For extra that holds an opening see opening.md.",
		"parses: the text is a well-formed proof file. valid: it proves that entry is in the log that vkey speaks for.",
	}}
	_, _, logKey := testKey(t, 1, testOrigin)
	_, _, otherKey := testKey(t, 3, testOrigin)
	_, _, otherLog := testKey(t, 1, "log.example/other")
	file := func(index, size int, extra []byte) string {
		p, _ := testProof(t, index, size, extra)
		b, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	valid := func(name string, index, size int, extra string) {
		v.Proofs = append(v.Proofs, proofVector{name, true, true, logKey, testEntry(index), file(index, size, []byte(extra)), []byte(extra)})
	}
	valid("the only entry", 0, 1, "")
	valid("the only entry, with extra", 0, 1, "{\"a\":1}")
	valid("first of two", 0, 2, "")
	valid("last of 300", 299, 300, "some data")
	valid("first of the second tile", 256, 300, strings.Repeat("long ", 200))

	invalid := func(name, vkey string, entry []byte, proof, extra string) {
		v.Proofs = append(v.Proofs, proofVector{name, true, false, vkey, entry, proof, []byte(extra)})
	}
	good, entry := file(77, 300, []byte("some data")), testEntry(77)
	leaf := merkle.LeafHash(entry)
	lines := strings.SplitAfter(good, "\n")
	invalid("other entry", logKey, testEntry(78), good, "some data")
	invalid("leaf hash instead of entry", logKey, leaf[:], good, "some data")
	invalid("other index", logKey, entry, strings.Replace(good, "index 77\n", "index 76\n", 1), "some data")
	invalid("hash missing", logKey, entry, strings.Replace(good, lines[4], "", 1), "some data")
	invalid("hash twice", logKey, entry, strings.Replace(good, lines[4], lines[4]+lines[4], 1), "some data")
	invalid("hashes swapped", logKey, entry, strings.Replace(good, lines[4]+lines[5], lines[5]+lines[4], 1), "some data")
	invalid("other key", otherKey, entry, good, "some data")
	invalid("other log", otherLog, entry, good, "some data")
	invalid("size in the checkpoint changed", logKey, entry, strings.Replace(good, "\n300\n", "\n301\n", 1), "some data")
	v.Proofs = append(v.Proofs, proofVector{"extra changed, which nothing protects", true, true, logKey, entry,
		strings.Replace(good, "extra c29tZSBkYXRh\n", "extra c29tZSBkYXRi\n", 1), []byte("some datb")})

	hash := strings.TrimSuffix(lines[4], "\n")
	for _, x := range [][2]string{
		{"empty", ""},
		{"other version", strings.Replace(good, "@v1", "@v2", 1)},
		{"carriage returns", strings.ReplaceAll(good, "\n", "\r\n")},
		{"no final newline", strings.TrimSuffix(good, "\n")},
		{"empty line at the end", good + "\n"},
		{"extra is empty", strings.Replace(good, "extra c29tZSBkYXRh\n", "extra \n", 1)},
		{"extra with padding bits set", strings.Replace(good, "extra c29tZSBkYXRh\n", "extra c29tZSBkYXR=\n", 1)},
		{"extra without padding", strings.Replace(good, "extra c29tZSBkYXRh\n", "extra c29tZSBkYXQ\n", 1)},
		{"extra after index", strings.Replace(good, "extra c29tZSBkYXRh\nindex 77\n", "index 77\nextra c29tZSBkYXRh\n", 1)},
		{"extra twice", strings.Replace(good, "extra c29tZSBkYXRh\n", "extra c29tZSBkYXRh\nextra c29tZSBkYXRh\n", 1)},
		{"no index", strings.Replace(good, "index 77\n", "", 1)},
		{"index with leading zero", strings.Replace(good, "index 77\n", "index 077\n", 1)},
		{"index with sign", strings.Replace(good, "index 77\n", "index +77\n", 1)},
		{"index not in the tree", strings.Replace(good, "index 77\n", "index 300\n", 1)},
		{"hash with padding bits set", strings.Replace(good, hash, hash[:42]+string(hash[42]+1)+"=", 1)},
		{"hash of 31 bytes", strings.Replace(good, hash, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", 1)},
		{"space after a hash", strings.Replace(good, hash, hash+" ", 1)},
		{"64 hashes", strings.Replace(good, hash+"\n", strings.Repeat(hash+"\n", 64), 1)},
		{"two empty lines before the checkpoint", strings.Replace(good, "\n\n"+testOrigin, "\n\n\n"+testOrigin, 1)},
		{"no empty line before the checkpoint", strings.Replace(good, "\n\n"+testOrigin, "\n"+testOrigin, 1)},
		{"no checkpoint", strings.SplitAfter(good, "\n\n")[0]},
		{"checkpoint without signature", strings.Split(good, "— ")[0]},
		{"size in the checkpoint with leading zero", strings.Replace(good, "\n300\n", "\n0300\n", 1)},
	} {
		v.Proofs = append(v.Proofs, proofVector{Name: x[0], VKey: logKey, Entry: entry, Proof: x[1]})
	}
	return v
}
