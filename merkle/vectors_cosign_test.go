package merkle_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"filippo.io/mldsa"
	"github.com/lacunalog/lacuna/merkle"
)

type (
	cosignerVector struct {
		Name      string   `json:"name"`
		Algorithm hexBytes `json:"algorithm"`
		Seed      hexBytes `json:"seed"`
		SKey      string   `json:"skey"`
		VKey      string   `json:"vkey"`
		KeyID     string   `json:"key_id"`
	}
	cosignatureVector struct {
		Name    string   `json:"name"`
		Valid   bool     `json:"valid"`
		VKey    string   `json:"vkey"`
		Note    string   `json:"note"`
		Time    string   `json:"time,omitempty"`
		Message hexBytes `json:"message,omitempty"`
	}
	subtreeSignatureVector struct {
		Name    string      `json:"name"`
		Valid   bool        `json:"valid"`
		VKey    string      `json:"vkey"`
		Origin  string      `json:"origin"`
		Start   string      `json:"start"`
		End     string      `json:"end"`
		Root    merkle.Hash `json:"root"`
		Line    string      `json:"line"`
		Message hexBytes    `json:"message,omitempty"`
	}
	subtreeProofVector struct {
		Name    string        `json:"name"`
		Valid   bool          `json:"valid"`
		Start   uint64        `json:"start"`
		End     uint64        `json:"end"`
		Size    uint64        `json:"size"`
		Proof   []merkle.Hash `json:"proof"`
		Subtree merkle.Hash   `json:"subtree"`
		Root    merkle.Hash   `json:"root"`
	}
	cosignatureVectors struct {
		About         []string                 `json:"about"`
		Keys          []cosignerVector         `json:"keys"`
		BadKeys       []string                 `json:"bad_keys"`
		Cosignatures  []cosignatureVector      `json:"cosignatures"`
		Subtrees      []subtreeSignatureVector `json:"subtrees"`
		SubtreeProofs []subtreeProofVector     `json:"subtree_proofs"`
	}
)

func TestCosignatureVectors(t *testing.T) {
	v := vectorFile(t, "cosignature.json", makeCosignatureVectors(t))
	for _, x := range v.Keys {
		skey, vkey, err := merkle.GenerateCosigner(bytes.NewReader(x.Seed), x.Name, merkle.Algorithm(x.Algorithm[0]))
		if err != nil || skey != x.SKey || vkey != x.VKey || !strings.HasPrefix(vkey, x.Name+"+"+x.KeyID+"+") {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
	for _, k := range v.BadKeys {
		if _, err := merkle.NewVerifier(k); err == nil {
			t.Errorf("%.60s is accepted", k)
		}
	}
	for _, x := range v.Cosignatures {
		_, cs, err := merkle.Cosignatures([]byte(x.Note), testVerifier(t, x.VKey))
		if err == nil && len(cs) == 0 {
			err = fmt.Errorf("no cosignature")
		}
		expect(t, x.Valid, x.Name, err)
		if err == nil && decimal(cs[0].Time) != x.Time {
			t.Errorf("%s: time is %d", x.Name, cs[0].Time)
		}
	}
	for _, x := range v.Subtrees {
		var start, end uint64
		if _, err := fmt.Sscan(x.Start+" "+x.End, &start, &end); err != nil {
			t.Fatal(err)
		}
		expect(t, x.Valid, x.Name, verifySubtreeLine([]byte(x.Line), x.Origin, start, end, x.Root, x.VKey))
	}
	for _, x := range v.SubtreeProofs {
		expect(t, x.Valid, x.Name, merkle.VerifySubtree(x.Start, x.End, x.Size, x.Proof, x.Subtree, x.Root))
	}
}

// subtreeMessage is the structure of tlog-cosignature, written apart from the
// code under test.
func subtreeMessage(name string, time uint64, origin string, start, end uint64, root merkle.Hash) hexBytes {
	b := []byte("subtree/v1\n\x00")
	b = append(append(b, byte(len(name))), name...)
	b = binary.BigEndian.AppendUint64(b, time)
	b = append(append(b, byte(len(origin))), origin...)
	b = binary.BigEndian.AppendUint64(b, start)
	b = binary.BigEndian.AppendUint64(b, end)
	return append(b, root[:]...)
}

// verifySubtreeLine checks a signature line of a subtree, which only those do who asked
// a witness for one: nothing of ours does.
func verifySubtreeLine(line []byte, origin string, start, end uint64, root merkle.Hash, vkey string) error {
	if err := merkle.CheckSubtree(start, end, end); err != nil {
		return err
	}
	name, rest, _ := strings.Cut(vkey, "+")
	id, public64, _ := strings.Cut(rest, "+")
	text, ended := strings.CutSuffix(string(line), "\n")
	signature64, ok := strings.CutPrefix(text, "— "+name+" ")
	if !ok || !ended {
		return fmt.Errorf("the line is not one of %s", name)
	}
	sig, err := base64.StdEncoding.Strict().DecodeString(signature64)
	if err != nil || len(sig) != 4+8+mldsa.MLDSA44SignatureSize || fmt.Sprintf("%x", sig[:4]) != id {
		return fmt.Errorf("%d bytes of signature, %v", len(sig), err)
	}
	key, err := base64.StdEncoding.DecodeString(public64)
	if err != nil || key[0] != byte(merkle.CosignatureMLDSA44) {
		return fmt.Errorf("key of another kind, %v", err)
	}
	public, err := mldsa.NewPublicKey(mldsa.MLDSA44(), key[1:])
	if err != nil {
		return err
	}
	time := binary.BigEndian.Uint64(sig[4:])
	if start > 0 && time > 0 || time >= 1<<63 {
		return fmt.Errorf("signed with time %d", time)
	}
	return mldsa.Verify(public, subtreeMessage(name, time, origin, start, end, root), sig[12:], nil)
}

func makeCosignatureVectors(t *testing.T) cosignatureVectors {
	v := cosignatureVectors{About: []string{
		"Test vectors for docs/spec/cosignature.md. Keys are for tests only: their seeds are printed here. Signatures are deterministic, also those of ML-DSA-44.",
		"bad_keys: not the text of a public key that signs checkpoints.",
		"cosignatures: valid if the note is a checkpoint with a signature under vkey, and it verifies. message is what is signed.",
		"subtrees: valid if line is a signature of that subtree under vkey. Numbers that may be large are text.",
		"subtree_proofs: valid if the proof shows that the subtree is in the tree of that size and root. The tree is that of merkle.json.",
	}}
	key := func(seed byte, name string, a merkle.Algorithm) *merkle.Cosigner {
		skey, vkey, err := merkle.GenerateCosigner(seedReader(seed), name, a)
		if err != nil {
			t.Fatal(err)
		}
		b := make(hexBytes, 32)
		_, _ = seedReader(seed).Read(b)
		v.Keys = append(v.Keys, cosignerVector{name, hexBytes{byte(a)}, b, skey, vkey, strings.Split(vkey, "+")[1]})
		return testCosigner(t, seed, name, a)
	}
	log, _, _ := testKey(t, 1, testOrigin)
	ed := key(4, testWitness, merkle.CosignatureEd25519)
	pq := key(4, testWitness, merkle.CosignatureMLDSA44)
	own := key(5, testOrigin, merkle.CosignatureMLDSA44)
	for _, x := range []struct {
		name string
		key  []byte
	}{
		{"witness.example/w1", append([]byte{0x04}, make([]byte, 31)...)},
		{"witness.example/w1", append([]byte{0x06}, make([]byte, 32)...)},
		{"witness.example/w1", append([]byte{0x05}, make([]byte, 32)...)},
		{"witness example", append([]byte{0x04}, make([]byte, 32)...)},
		{"", append([]byte{0x04}, make([]byte, 32)...)},
	} {
		v.BadKeys = append(v.BadKeys, rekey(x.name, x.key))
	}
	v.BadKeys = append(v.BadKeys, strings.Replace(ed.VKey(), "/w1+", "/w2+", 1), strings.Replace(ed.VKey(), "+", "", 1), ed.VKey()+"=")

	const at = 1679315147
	l := newMemLog(300)
	c := merkle.Checkpoint{Origin: testOrigin, Size: 300, Root: l.r.Root()}
	empty := merkle.Checkpoint{Origin: testOrigin, Root: merkle.EmptyRoot()}
	extended := merkle.Checkpoint{Origin: testOrigin, Size: 300, Root: c.Root, Extensions: []string{"one", "two words"}}
	message := func(w *merkle.Cosigner, time uint64, c merkle.Checkpoint) hexBytes {
		if w.Algorithm() == merkle.CosignatureEd25519 {
			return hexBytes(fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, c.Text()))
		}
		return subtreeMessage(w.Name(), time, c.Origin, 0, c.Size, c.Root)
	}
	valid := func(name string, w *merkle.Cosigner, time uint64, c merkle.Checkpoint) string {
		signed := string(sign(t, c, log, w.At(time)))
		v.Cosignatures = append(v.Cosignatures, cosignatureVector{name, true, w.VKey(), signed, decimal(time), message(w, time, c)})
		return signed
	}
	one := valid("Ed25519", ed, at, c)
	valid("Ed25519, an empty log", ed, at, empty)
	valid("Ed25519, extension lines", ed, at, extended)
	valid("Ed25519, the latest time", ed, 1<<63-1, c)
	two := valid("ML-DSA-44", pq, at, c)
	valid("ML-DSA-44, an empty log", pq, at, empty)
	valid("ML-DSA-44, no time stated", pq, 0, c)
	valid("ML-DSA-44, the log's own", own, at, c)

	invalid := func(name string, w *merkle.Cosigner, note string) {
		v.Cosignatures = append(v.Cosignatures, cosignatureVector{Name: name, VKey: w.VKey(), Note: note})
	}
	retime := func(note string, time uint64) string {
		at := strings.LastIndex(note, " ") + 1
		b, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(note[at:], "\n"))
		if err != nil {
			t.Fatal(err)
		}
		binary.BigEndian.PutUint64(b[4:], time)
		return note[:at] + base64.StdEncoding.EncodeToString(b) + "\n"
	}
	cut := func(note string, n int) string {
		at := strings.LastIndex(note, " ") + 1
		b, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(note[at:], "\n"))
		if err != nil {
			t.Fatal(err)
		}
		return note[:at] + base64.StdEncoding.EncodeToString(b[:n]) + "\n"
	}
	for _, x := range []struct {
		kind string
		w    *merkle.Cosigner
		note string
	}{{"Ed25519", ed, one}, {"ML-DSA-44", pq, two}} {
		invalid(x.kind+", size changed", x.w, strings.Replace(x.note, "\n300\n", "\n301\n", 1))
		invalid(x.kind+", origin changed", x.w, strings.Replace(x.note, testOrigin+"\n", "log.example/lacuma\n", 1))
		invalid(x.kind+", time changed", x.w, retime(x.note, at+1))
		invalid(x.kind+", time of 2^63", x.w, retime(x.note, 1<<63))
		invalid(x.kind+", line added", x.w, strings.Replace(x.note, "=\n\n", "=\nx\n\n", 1))
		invalid(x.kind+", cut", x.w, cut(x.note, 75))
		invalid(x.kind+", time alone", x.w, cut(x.note, 12))
	}
	invalid("signed with the other kind of key", pq, one)
	invalid("signed by the log alone", ed, string(sign(t, c, log)))
	invalid("ML-DSA-44, under another name", testCosigner(t, 5, "witness.example/w2", merkle.CosignatureMLDSA44),
		string(renamed(t, sign(t, c, own.At(at)), own, testCosigner(t, 5, "witness.example/w2", merkle.CosignatureMLDSA44))))

	ref := newReference(l.leaves)
	subtree := func(name string, start, end uint64) string {
		root := ref.mth(int(start), int(end))
		line, err := pq.SignSubtree(testOrigin, start, end, root)
		if err != nil {
			t.Fatal(err)
		}
		v.Subtrees = append(v.Subtrees, subtreeSignatureVector{name, true, pq.VKey(), testOrigin, decimal(start), decimal(end), root, string(line),
			subtreeMessage(pq.Name(), 0, testOrigin, start, end, root)})
		return string(line)
	}
	line := subtree("the second tile", 256, 300)
	subtree("the first tile", 0, 256)
	subtree("one entry", 77, 78)
	root := ref.mth(256, 300)
	for _, x := range []struct {
		name       string
		start, end uint64
		line       string
	}{
		{"another end", 256, 299, line},
		{"another start", 0, 300, line},
		{"not a subtree", 255, 300, line},
		{"two lines", 256, 300, line + line},
		{"no newline", 256, 300, strings.TrimSuffix(line, "\n")},
		{"with a time", 256, 300, retime(line, at)},
	} {
		v.Subtrees = append(v.Subtrees, subtreeSignatureVector{x.name, false, pq.VKey(), testOrigin, decimal(x.start), decimal(x.end), root, x.line, nil})
	}
	v.Subtrees = append(v.Subtrees, subtreeSignatureVector{"another origin", false, pq.VKey(), "log.example", "256", "300", root, line, nil})

	whole := ref.mth(0, 300)
	for _, x := range [][2]uint64{{0, 300}, {0, 1}, {0, 256}, {0, 299}, {256, 300}, {256, 288}, {288, 300}, {296, 299}, {77, 78}, {299, 300}, {128, 200}} {
		v.SubtreeProofs = append(v.SubtreeProofs, subtreeProofVector{fmt.Sprintf("%d to %d", x[0], x[1]), true, x[0], x[1], 300,
			notNil(ref.subtreeProof(int(x[0]), int(x[1]), 0, 300, true)), ref.mth(int(x[0]), int(x[1])), whole})
	}
	good := v.SubtreeProofs[7]
	change := func(name string, f func(x *subtreeProofVector)) {
		x := good
		x.Name, x.Valid, x.Proof = name, false, slices.Clone(x.Proof)
		f(&x)
		v.SubtreeProofs = append(v.SubtreeProofs, x)
	}
	change("another start", func(x *subtreeProofVector) { x.Start = 292; x.End = 295 })
	change("another end", func(x *subtreeProofVector) { x.End = 298 })
	change("another size", func(x *subtreeProofVector) { x.Size = 301 })
	change("another subtree", func(x *subtreeProofVector) { x.Subtree = whole })
	change("another root", func(x *subtreeProofVector) { x.Root = x.Subtree })
	change("hash missing", func(x *subtreeProofVector) { x.Proof = x.Proof[1:] })
	change("hash twice", func(x *subtreeProofVector) { x.Proof = append(x.Proof, x.Proof[0]) })
	change("hashes swapped", func(x *subtreeProofVector) { x.Proof[0], x.Proof[1] = x.Proof[1], x.Proof[0] })
	change("not a subtree", func(x *subtreeProofVector) { x.Start = 297 })
	change("no entries", func(x *subtreeProofVector) { x.End = x.Start })
	return v
}

func notNil(hashes []merkle.Hash) []merkle.Hash { return append([]merkle.Hash{}, hashes...) }

// renamed puts a signature under another name and the id that belongs to it, as
// somebody does who would pass one cosigner off as another.
func renamed(t *testing.T, signed []byte, from, to *merkle.Cosigner) []byte {
	t.Helper()
	text, line, _ := strings.Cut(string(signed), "\n\n— "+from.Name()+" ")
	b, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(line, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := hex.DecodeString(strings.Split(to.VKey(), "+")[1])
	if err != nil {
		t.Fatal(err)
	}
	return []byte(text + "\n\n— " + to.Name() + " " + base64.StdEncoding.EncodeToString(append(id, b[4:]...)) + "\n")
}
