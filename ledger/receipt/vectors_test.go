package receipt_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/ledger/receipt/receipttest"
)

// growthVectors is the file that docs/spec/consistency.md refers to.
type growthVectors struct {
	About []string `json:"about"`
	VKey  string   `json:"vkey"`
	Cases []vector `json:"cases"`
}

type vector struct {
	Name    string `json:"name"`
	Old     string `json:"old"`
	New     string `json:"new"`
	Proof   string `json:"proof"`
	Outcome string `json:"outcome"`
}

func drawVectors() growthVectors {
	l := receipttest.NewFixedLog("log.example/lacuna")
	const n = 70
	for i := range n {
		l.AppendLeaf(fmt.Appendf(nil, "entry %d", i), nil)
	}
	v := growthVectors{
		About: []string{
			"Test vectors for docs/spec/consistency.md: two signed checkpoints of the log that vkey speaks for, and a proof.",
			"outcome: consistent; rollback; fork, as far as the three texts show it; refused for everything else that does not verify.",
		},
		VKey: l.VKey,
	}
	add := func(name, outcome string, older, newer *receipttest.Log, proof []byte) {
		v.Cases = append(v.Cases, vector{name, string(older.Checkpoint()), string(newer.Checkpoint()), string(proof), outcome})
	}
	proof := func(l *receipttest.Log, older uint64) []byte { return receipt.AppendProof(nil, l.Consistency(older)) }
	for _, s := range [][2]uint64{{0, 0}, {0, 5}, {1, 2}, {3, 7}, {4, 7}, {6, 6}, {6, 8}, {8, 9}, {32, 70}, {37, 70}, {64, 65}, {69, 70}} {
		part := l.Cut(s[1])
		add(fmt.Sprintf("%d and %d entries", s[0], s[1]), "consistent", l.Cut(s[0]), part, proof(part, s[0]))
	}
	good := proof(l, 37)
	text := string(good)
	add("the last hash left out", "refused", l.Cut(37), l, good[:len(good)-45])
	add("one hash twice", "refused", l.Cut(37), l, append(bytes.Clone(good), good[len(good)-45:]...))
	add("two hashes in the other order", "refused", l.Cut(37), l, []byte(text[45:90]+text[:45]+text[90:]))
	add("no newline at the end", "refused", l.Cut(37), l, good[:len(good)-1])
	add("an empty line", "refused", l.Cut(37), l, []byte(text[:45]+"\n"+text[45:]))
	add("carriage returns", "refused", l.Cut(37), l, []byte(strings.ReplaceAll(text, "\n", "\r\n")))
	add("base64 without padding", "refused", l.Cut(37), l, []byte(strings.Replace(text, "=", "", 1)))
	add("base64 with an unused bit set", "refused", l.Cut(37), l, []byte(text[:42]+string(text[42]+1)+text[43:]))
	add("a proof where none is needed", "refused", l.Cut(37), l.Cut(37), good)
	add("no proof where one is needed", "refused", l.Cut(37), l, nil)
	add("the proof of other sizes", "refused", l.Cut(36), l, good)
	add("the wrong way round", "rollback", l, l.Cut(37), good)
	fork := l.Fork()
	fork.Rewrite(5, []byte("another entry 5"))
	add("one size and two roots", "fork", l.Cut(37), fork.Cut(37), nil)
	add("one size and two roots, whatever the proof", "fork", l, fork, []byte("x"))
	add("an old entry is another one", "fork", l.Cut(37), fork, proof(fork, 37))
	add("an old entry is another one, and the proof is of the other branch", "refused", l.Cut(37), fork, good)
	add("an old entry is another one, and the proof leaves the old root out", "refused", l.Cut(32), fork, proof(fork, 32))
	return v
}

func TestVectors(t *testing.T) {
	v := drawVectors()
	vectors.Same(t, "consistency.json", v)
	tr := trust(t, nil, v.VKey)
	for _, c := range v.Cases {
		g, err := tr.Compare(t.Context(), []byte(c.Old), []byte(c.New), receipt.GrowthProof{File: append([]byte{}, c.Proof...)})
		if err != nil {
			t.Fatal(err)
		}
		outcome := "consistent"
		if g.Failure != nil {
			outcome = "refused"
			if s := g.Failure.Stage; s == receipt.StageFork || s == receipt.StageRollback {
				outcome = string(s)
			}
		}
		if outcome != c.Outcome {
			t.Errorf("%s: %s, want %s", c.Name, outcome, c.Outcome)
		}
	}
}
