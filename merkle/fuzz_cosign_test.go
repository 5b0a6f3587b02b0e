package merkle_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/lacunalog/lacuna/merkle"
)

func FuzzNewVerifier(f *testing.F) {
	_, _, log := testKey(f, 1, testOrigin)
	f.Add(log)
	f.Add(specKey)
	f.Add("PRIVATE+KEY+" + log)
	for _, a := range cosigningAlgorithms {
		f.Add(testCosigner(f, 1, testWitness, a).VKey())
	}
	f.Add(rekey("a", []byte{0x01}))
	f.Add(rekey("", make([]byte, 33)))
	f.Fuzz(func(t *testing.T, vkey string) {
		v, err := merkle.NewVerifier(vkey)
		if err != nil {
			return
		}
		// What we accept of the oldest kind, the library does.
		if parts := strings.SplitN(vkey, "+", 3); len(parts[2]) == 44 && strings.HasPrefix(parts[2], "AQ") {
			if _, err := note.NewVerifier(vkey); err != nil {
				t.Errorf("%q was accepted: %v", vkey, err)
			}
		}
		// No key may panic, whatever the signature.
		for _, n := range []int{0, 8, 64, 72, 2420, 2428} {
			v.Verify([]byte(testHead().Text()), make([]byte, n))
		}
	})
}

func FuzzCosignatures(f *testing.F) {
	log, logKey, _ := testKey(f, 1, testOrigin)
	w1 := testCosigner(f, 2, testWitness, merkle.CosignatureEd25519)
	w2 := testCosigner(f, 2, testWitness, merkle.CosignatureMLDSA44)
	c := testHead()
	signed := sign(f, c, log, w1.At(10), w2.At(20))
	f.Add(signed)
	f.Add(sign(f, c, w2.At(20)))
	f.Add(bytes.Replace(signed, []byte("300"), []byte("301"), 1))
	f.Add(bytes.Replace(signed, []byte("\n\n"), []byte("\nx\n\n"), 1))
	f.Add(append(bytes.Clone(signed), linesOf(f, signed)...))
	f.Add([]byte("\n\n— a AAAAAAA=\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, cs, err := merkle.Cosignatures(b, logKey, w1.Verifier(), w2.Verifier())
		if err != nil || len(cs) == 0 {
			return
		}
		// The keys have signed one head, each at one time.
		times := map[merkle.Algorithm]uint64{merkle.CosignatureEd25519: 10, merkle.CosignatureMLDSA44: 20}
		for _, x := range cs {
			if got.Text() != c.Text() || x.Time != times[x.Algorithm] || x.Name != testWitness {
				t.Errorf("a forged cosignature was accepted: %+v of %q", x, got.Text())
			}
		}
	})
}

func FuzzAddSignatures(f *testing.F) {
	log, logKey, _ := testKey(f, 1, testOrigin)
	w := testCosigner(f, 2, testWitness, merkle.CosignatureEd25519)
	signed := sign(f, testHead(), log)
	line := linesOf(f, sign(f, testHead(), w.At(10)))
	f.Add(signed, line)
	f.Add(signed, append(bytes.Clone(line), line...))
	f.Add(signed, linesOf(f, signed))
	f.Add(signed, []byte("— a AAAAAAA=\n\n— b AAAAAAA=\n"))
	f.Add(signed, []byte("text\n\n— b AAAAAAA=\n"))
	f.Add([]byte("\n\n— a AAAAAAA=\n"), line)
	f.Add(line, line)
	f.Fuzz(func(t *testing.T, signed, lines []byte) {
		got, err := merkle.AddSignatures(signed, lines)
		if err != nil {
			return
		}
		// Whatever a stranger sends as lines, the text stays what it was and so
		// do the signatures that were there.
		if !bytes.HasPrefix(got, signed) {
			t.Fatalf("%q and %q become %q", signed, lines, got)
		}
		_, before, err1 := openAny(signed)
		text, after, err2 := openAny(got)
		if err1 != nil || err2 != nil {
			t.Fatalf("%q and %q become %q: %v, %v", signed, lines, got, err1, err2)
		}
		if !bytes.HasPrefix(signed, []byte(text)) || len(after) < len(before) || !slices.Equal(after[:len(before)], before) {
			t.Fatalf("%q and %q become %q", signed, lines, got)
		}
		if again, err := merkle.AddSignatures(got, lines); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q added twice to %q: %q, %v", lines, signed, again, err)
		}
		all, err := merkle.SignatureLines(got)
		if err != nil || !bytes.HasSuffix(got, append([]byte("\n\n"), all...)) {
			t.Fatalf("the lines of %q are %q, %v", got, all, err)
		}
		_, _, _ = merkle.Cosignatures(got, logKey, w.Verifier())
	})
}

// FuzzCutNote holds what takes a note apart against note.Open.
func FuzzCutNote(f *testing.F) {
	const line = "— a AAAAAAA=\n"
	for _, s := range []string{
		specNote, "", "\n\n", "\n\n" + line, "text\n\n" + line, "text\n\n\n" + line, "text\n\n" + line + "\n" + line,
		"text\n\n" + line[:len(line)-1], "text\n\n" + line + line, "text\n\n" + line + "b", "text\n" + line, "text\r\n\n" + line,
		"t\xffext\n\n" + line, "t\u00a0ext\n\n" + line, "text\n\n— a AAAA\n", "text\n\n— a AAAAAA=\n", "text\n\n— a AAAAAAB=\n",
		"text\n\n— a  AAAAAAA=\n", "text\n\n— a AAAAAAA= \n", "text\n\n—  AAAAAAA=\n", "text\n\n— a+b AAAAAAA=\n", "text\n\n— a\u00a0b AAAAAAA=\n",
		"text\n\n— aAAAAAAA=\n", "text\n\n- a AAAAAAA=\n", "text\n\n— a AAAAAAA=\x7f\n", "text\n\n— a " + strings.Repeat("AAAA", 900) + "\n",
		"text\n\n" + strings.Repeat(line, 100), "text\n\n" + strings.Repeat(line, 101),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want, sigs, err1 := openAny(b)
		text, lines, err2 := merkle.CutNote(b)
		if (err1 == nil) != (err2 == nil) || err1 != nil && err1.Error() != err2.Error() {
			t.Fatalf("%q: %v, note.Open says %v", b, err2, err1)
		}
		if err1 != nil {
			return
		}
		if string(text) != want || !bytes.Equal(b, slices.Concat(text, []byte("\n"), lines)) {
			t.Fatalf("%q is cut into %q and %q, want the text %q", b, text, lines, want)
		}
		// note.Open leaves out a line that stands there twice.
		if n := bytes.Count(lines, []byte("\n")); n < len(sigs) || len(sigs) == 0 {
			t.Fatalf("%q has %d lines and %d signatures", b, n, len(sigs))
		}
	})
}

// openAny reads text and signatures of a note without looking at the latter.
func openAny(signed []byte) (string, []note.Signature, error) {
	_, err := note.Open(signed, nil)
	if e, ok := err.(*note.UnverifiedNoteError); ok {
		return e.Note.Text, e.Note.UnverifiedSigs, nil
	}
	return "", nil, err
}

func FuzzParsePolicy(f *testing.F) {
	w := newPolicyWorld(f)
	log := "log " + w.logKey + " https://log.example\n"
	a := "witness a " + w.witnesses["X1"].VKey() + " u\n"
	f.Add([]byte(w.text))
	f.Add([]byte(log + a + "group g 1 a\nquorum g\n"))
	f.Add([]byte(log + a + "group g all g\nquorum g\n"))
	f.Add([]byte(log + a + a + "quorum a\n"))
	f.Add([]byte("# \xff\n\tquorum\t none \n"))
	f.Add([]byte("quorum none"))
	f.Add([]byte("quorum none\r\n"))
	signed := w.sign(f, "X1", "Y1")
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := merkle.ParsePolicy(text)
		if err != nil {
			if p != nil {
				t.Error("a policy and an error")
			}
			return
		}
		// Everything that names something stands in the text.
		var keys []merkle.Verifier
		for _, l := range p.Logs() {
			keys = append(keys, l.Verifier)
			if !bytes.Contains(text, []byte(l.VKey)) || !bytes.Contains(text, []byte(l.URL)) {
				t.Errorf("%q has no log %+v", text, l)
			}
		}
		var all []merkle.Cosignature
		for _, x := range p.Witnesses() {
			keys = append(keys, x.Verifier)
			all = append(all, merkle.Cosignature{Name: x.Verifier.Name(), KeyHash: x.Verifier.KeyHash()})
			if !bytes.Contains(text, []byte(x.Name)) || !bytes.Contains(text, []byte(x.VKey)) {
				t.Errorf("%q has no witness %+v", text, x)
			}
		}
		// If all cosign, every policy is met; if nobody does, only "none".
		if err := p.Satisfied(all); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if p.Satisfied(nil) == nil && !bytes.Contains(text, []byte("none")) {
			t.Errorf("%q asks for nobody", text)
		}
		// Without spaces around lines, and without comments, it means the same.
		var bare strings.Builder
		for line := range strings.Lines(string(text)) {
			if line = strings.Trim(line, " \t\n"); line != "" && line[0] != '#' {
				bare.WriteString(line + "\n")
			}
		}
		q, err := merkle.ParsePolicy([]byte(bare.String()))
		if err != nil || len(q.Logs())+len(q.Witnesses()) != len(keys) || (p.Satisfied(nil) == nil) != (q.Satisfied(nil) == nil) {
			t.Errorf("%q is not the same as %q: %v", text, bare.String(), err)
		}
		if _, _, err := p.Check(signed, testOrigin); err == nil && !slices.ContainsFunc(keys, func(v merkle.Verifier) bool { return v.Name() == testOrigin }) {
			t.Errorf("%q accepts a log that it does not name", text)
		}
	})
}

func FuzzVerifySubtree(f *testing.F) {
	l := newMemLog(70)
	ref := newReference(l.leaves)
	f.Add(uint64(64), uint64(68), uint64(70), merkle.AppendTile(nil, ref.subtreeProof(64, 68, 0, 70, true)))
	f.Add(uint64(0), uint64(70), uint64(70), []byte{})
	f.Add(uint64(0), uint64(1), uint64(1)<<63, []byte{})
	f.Add(uint64(1)<<62, uint64(1)<<63-1, uint64(1)<<63-1, make([]byte, 64*merkle.HashSize))
	root := ref.mth(0, 70)
	f.Fuzz(func(t *testing.T, start, end, size uint64, b []byte) {
		var proof []merkle.Hash
		for ; len(b) >= merkle.HashSize; b = b[merkle.HashSize:] {
			proof = append(proof, merkle.Hash(b[:merkle.HashSize]))
		}
		sub := merkle.EmptyRoot()
		if start < end && end <= 70 {
			sub = ref.mth(int(start), int(end))
		}
		if merkle.VerifySubtree(start, end, size, proof, sub, root) == nil && size == 70 && !slices.Equal(proof, ref.subtreeProof(int(start), int(end), 0, 70, true)) {
			t.Errorf("[%d, %d) has two proofs", start, end)
		}
	})
}
