package merkle_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

func linesOf(tb testing.TB, signed []byte, keys ...merkle.Verifier) []byte {
	tb.Helper()
	lines, err := merkle.SignatureLines(signed, keys...)
	if err != nil {
		tb.Fatal(err)
	}
	return lines
}

// A witness signs the text and answers its lines; the log adds them.
func TestAddSignatures(t *testing.T) {
	log, logKey, _ := testKey(t, 1, testOrigin)
	w1 := testCosigner(t, 2, testWitness, merkle.CosignatureEd25519)
	w2 := testCosigner(t, 2, testWitness, merkle.CosignatureMLDSA44)
	c := testHead()
	own := sign(t, c, log)
	answer := linesOf(t, sign(t, c, w1.At(10), w2.At(10)))
	signed, err := merkle.AddSignatures(own, answer)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(signed, append(bytes.Clone(own), answer...)) {
		t.Errorf("joined to %q", signed)
	}
	if _, cs, err := merkle.Cosignatures(signed, w1.Verifier(), w2.Verifier()); err != nil || len(cs) != 2 {
		t.Errorf("%v, %v", cs, err)
	}
	// What is sent to a witness is the log's part.
	if lines := linesOf(t, signed, logKey); string(c.Text()+"\n"+string(lines)) != string(own) {
		t.Errorf("the log's own lines are %q", lines)
	}
	if lines := linesOf(t, signed, w1.Verifier(), w2.Verifier()); !bytes.Equal(lines, answer) {
		t.Errorf("the witness's lines are %q", lines)
	}
	if lines := linesOf(t, own, w1.Verifier()); lines != nil {
		t.Errorf("lines of a key that is not there: %q", lines)
	}
	// Neither the name alone nor the id alone makes a key.
	second := testCosigner(t, 2, testOrigin, merkle.CosignatureMLDSA44)
	if lines := linesOf(t, sign(t, c, log, second.At(1)), logKey); string(c.Text()+"\n"+string(lines)) != string(own) {
		t.Errorf("the lines of one key are %q", lines)
	}
	if lines := linesOf(t, own, renamedKey{logKey}); lines != nil {
		t.Errorf("the lines of a key of another name are %q", lines)
	}
	// The same again changes nothing, and neither does a later signature.
	for _, more := range [][]byte{answer, linesOf(t, sign(t, c, w1.At(99))), append(bytes.Clone(answer), answer...)} {
		if again, err := merkle.AddSignatures(signed, more); err != nil || !bytes.Equal(again, signed) {
			t.Errorf("a second signature of a key: %v", err)
		}
	}
	if twice, err := merkle.AddSignatures(own, append(linesOf(t, sign(t, c, w1.At(7))), answer...)); err != nil {
		t.Error(err)
	} else if _, cs, err := merkle.Cosignatures(twice, w1.Verifier(), w2.Verifier()); err != nil || len(cs) != 2 || cs[0].Time != 7 || bytes.Count(twice, []byte("\n— ")) != 3 {
		t.Errorf("two lines of a key in one answer: %v, %v\n%s", cs, err, twice)
	}
	// Nothing is written into what was given.
	room := append(make([]byte, 0, 9999), own...)
	if _, err := merkle.AddSignatures(room, answer); err != nil || !bytes.Equal(room[:cap(room)][len(own):], make([]byte, 9999-len(own))) {
		t.Errorf("the note that was given was written behind: %v", err)
	}
}

type renamedKey struct{ merkle.Verifier }

func (renamedKey) Name() string { return "log.example/renamed" }

func TestAddSignaturesRefuses(t *testing.T) {
	log, _, _ := testKey(t, 1, testOrigin)
	own := string(sign(t, testHead(), log))
	w := testCosigner(t, 2, testWitness, merkle.CosignatureEd25519)
	line := string(linesOf(t, sign(t, testHead(), w.At(10))))
	for name, x := range map[string]struct{ signed, lines string }{
		"no lines":              {own, ""},
		"empty line":            {own, "\n"},
		"empty line before":     {own, "\n" + line},
		"empty line after":      {own, line + "\n"},
		"empty line between":    {own, line + "\n" + strings.Replace(line, "witness", "witnezz", 1)},
		"no newline":            {own, strings.TrimSuffix(line, "\n")},
		"carriage return":       {own, strings.TrimSuffix(line, "\n") + "\r\n"},
		"hyphen":                {own, strings.Replace(line, "—", "-", 1)},
		"no dash":               {own, strings.TrimPrefix(line, "— ")},
		"two spaces":            {own, strings.Replace(line, " ", "  ", 1)},
		"space at the end":      {own, strings.TrimSuffix(line, "\n") + " \n"},
		"no name":               {own, strings.Replace(line, testWitness, "", 1)},
		"name with plus":        {own, strings.Replace(line, "/", "+", 1)},
		"name with space":       {own, strings.Replace(line, "/", "\u00a0", 1)},
		"name with tab":         {own, strings.Replace(line, "/", "\t", 1)},
		"name not UTF-8":        {own, strings.Replace(line, "/", "\xff", 1)},
		"no base64":             {own, "— " + testWitness + "\n"},
		"empty base64":          {own, "— " + testWitness + " \n"},
		"only a key id":         {own, "— " + testWitness + " AAAAAA==\n"},
		"not canonical":         {own, "— " + testWitness + " AAAAAEF=\n"},
		"an answer of a server": {own, "<html>\n"},
		"101 lines":             {own, manyLines(101)},
		"101 of one key":        {own, strings.Repeat(line, 101)},
		"101 with the log's":    {own, manyLines(100)},
		"note cut":              {own[:len(own)-1], line},
		"note without lines":    {testHead().Text() + "\n", line},
		"no note":               {"", line},
	} {
		if got, err := merkle.AddSignatures([]byte(x.signed), []byte(x.lines)); err == nil {
			t.Errorf("%s: accepted as %q", name, got)
		}
	}
	if _, err := merkle.AddSignatures([]byte(own), []byte(manyLines(99))); err != nil {
		t.Errorf("100 lines: %v", err)
	}
	if _, err := merkle.SignatureLines([]byte(own[:len(own)-1])); err == nil {
		t.Error("lines of what is no note")
	}
}

func manyLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "— w%d AAAAAAA=\n", i)
	}
	return b.String()
}
