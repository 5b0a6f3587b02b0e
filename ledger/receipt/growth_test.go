package receipt_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/ledger/receipt/receipttest"
	"github.com/lacunalog/lacuna/merkle"
)

// compare returns the stage of the failure, or "" and the text.
func compare(t testing.TB, tr *receipt.Trust, older, newer, proof []byte) (stage receipt.Stage, text string) {
	t.Helper()
	g, err := tr.Compare(t.Context(), older, newer, receipt.GrowthProof{File: proof})
	if err != nil {
		t.Fatal(err)
	}
	if g.Verified != (g.Failure == nil) || len(g.Lines) == 0 || len(g.Checks) == 0 {
		t.Fatalf("report and failure disagree: %+v", g)
	}
	if g.Failure != nil {
		return g.Failure.Stage, g.Failure.Text
	}
	for _, l := range g.Lines {
		text += l.String() + "\n"
	}
	return "", text
}

// heads returns the signed heads of a log that grows to n entries, by size.
func heads(l *receipttest.Log, n int) (signed [][]byte) {
	for range n {
		signed = append(signed, l.Checkpoint())
		l.Fill(1)
	}
	return append(signed, l.Checkpoint())
}

// TestCompare: every size against every larger one, with proofs from RFC 6962's own
// definition.
func TestCompare(t *testing.T) {
	const n = 20
	full := receipttest.NewLog("demo.lacuna.test")
	tr := trust(t, nil, full.VKey)
	signed := heads(full, n)
	grown := full.Fork() // at every size
	for older := range n + 1 {
		for newer := older; newer <= n; newer++ {
			part := grown.Cut(uint64(newer))
			proof := receipt.AppendProof([]byte{}, part.Consistency(uint64(older)))
			stage, text := compare(t, tr, signed[older], signed[newer], proof)
			want := "those of the old head"
			if older == newer {
				want = "have the same root"
			}
			if stage != "" || !strings.Contains(text, want) {
				t.Fatalf("%d and %d: stage %q, %s", older, newer, stage, text)
			}
			if older == newer {
				continue
			}
			// Too much, too little, and another place.
			if len(proof) > 0 {
				if stage, _ := compare(t, tr, signed[older], signed[newer], proof[:len(proof)-45]); stage != receipt.StageConsistency {
					t.Errorf("%d and %d, the last hash left out: stage %q", older, newer, stage)
				}
			}
			more := append(bytes.Clone(proof), merkle.Hash{}.String()+"\n"...)
			if stage, _ := compare(t, tr, signed[older], signed[newer], more); stage != receipt.StageConsistency {
				t.Errorf("%d and %d, one hash more: stage %q", older, newer, stage)
			}
		}
	}
}

// TestCompareMutations flips every bit of a proof and of both heads.
func TestCompareMutations(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	tr := trust(t, nil, l.VKey)
	signed := heads(l, 11)
	files := [][]byte{bytes.Clone(signed[6]), bytes.Clone(signed[11]), receipt.AppendProof(nil, l.Consistency(6))}
	if stage, text := compare(t, tr, files[0], files[1], files[2]); stage != "" {
		t.Fatalf("control: stage %q, %s", stage, text)
	}
	for n, f := range files {
		for i := range f {
			for bit := range 8 {
				f[i] ^= 1 << bit
				if stage, _ := compare(t, tr, files[0], files[1], files[2]); stage == "" || stage == receipt.StageFork {
					t.Errorf("file %d, bit %d of byte %d: stage %q", n, bit, i, stage)
				}
				f[i] ^= 1 << bit
			}
		}
	}
}

// TestFork: what is evidence against the log, and what is only a file too many or too
// few. Nobody may be accused because of a mistake of somebody else.
func TestFork(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	l.Fill(9)
	fork := l.Fork()
	older := l.Checkpoint()
	l.Fill(3)
	fork.Rewrite(4, []byte("another entry"))
	rewritten := fork.Checkpoint()
	fork.Fill(5)
	newer := fork.Checkpoint()
	tr := trust(t, nil, l.VKey)
	proof := receipt.AppendProof(nil, fork.Consistency(9))
	other := receipttest.NewLog("other.example")
	other.Fill(14)
	honest := l.Fork()
	honest.Fill(2) // as long as the other branch
	empty := receipttest.NewLog("demo.lacuna.test")

	for _, c := range []struct {
		name                string
		older, newer, proof []byte
		stage               receipt.Stage
		text                string
	}{
		{"two heads of one size", older, rewritten, nil, receipt.StageFork, "fork: two signed heads of size 9 have different roots"},
		{"and an old entry is another one", older, newer, proof, receipt.StageFork, "history was rewritten; keep both files and the proof"},
		{"with the proof of the other branch", older, newer, receipt.AppendProof(nil, honest.Consistency(9)), receipt.StageConsistency, "the proof or the tiles are not of these heads"},
		{"nothing but noise for a proof", older, newer, receipt.AppendProof(nil, make([]merkle.Hash, 5)), receipt.StageConsistency, ""},
		{"control: the honest branch", older, l.Checkpoint(), receipt.AppendProof(nil, l.Consistency(9)), "", "and 3 were added"},
		{"the wrong way round", l.Checkpoint(), older, nil, receipt.StageRollback, "rollback: the old head has 12 entries and the new one 9"},
		{"a proof where none is needed", older, older, proof, receipt.StageConsistency, ""},
		{"another log", older, other.Checkpoint(), nil, receipt.StageLog, "new head: it is of another log: it is for \"other.example\""},
		{"another key", older, empty.Checkpoint(), nil, receipt.StageSignature, "new head: signature: signed by"},
		{"no head", []byte("x\n"), newer, nil, receipt.StageFile, "old head: not a signed checkpoint"},
		{"the heads of receipts", l.Cut(9).Receipt(3, nil), l.Receipt(3, nil), receipt.AppendProof(nil, l.Consistency(9)), "", "and 3 were added"},
		{"half a receipt", older, l.Receipt(3, nil)[:200], nil, receipt.StageFile, "new head: not a signed checkpoint"},
		{"a proof that is none", older, newer, []byte("x\n"), receipt.StageFile, "file: consistency proof: line 1: "},
	} {
		if stage, text := compare(t, tr, c.older, c.newer, c.proof); stage != c.stage || !strings.Contains(text, c.text) {
			t.Errorf("%s: stage %q, %s", c.name, stage, text)
		}
	}
	if _, err := tr.Compare(t.Context(), older, newer, receipt.GrowthProof{}); !errors.Is(err, receipt.ErrNoProof) {
		t.Errorf("without a proof: %v", err)
	}
	two := trust(t, receipttest.Policy([]*receipttest.Log{l, other}, 0))
	if stage, text := compare(t, two, older, other.Checkpoint(), nil); stage != receipt.StageLog || !strings.Contains(text, "two logs") {
		t.Errorf("two logs of one policy: stage %q, %s", stage, text)
	}
}

// TestForkOfAnySize: an old entry is another one under a new head, at every size of the
// old head, powers of two among them, whose proofs leave the old root out.
func TestForkOfAnySize(t *testing.T) {
	const n = 20
	l := receipttest.NewLog("demo.lacuna.test")
	tr := trust(t, nil, l.VKey)
	signed := heads(l, n)
	fork := l.Fork()
	fork.Rewrite(0, []byte("another entry"))
	newer := fork.Checkpoint()
	for older := 1; older < n; older++ {
		g, err := tr.Compare(t.Context(), signed[older], newer, receipt.GrowthProof{Tiles: fork.Tile})
		if err != nil || g.Failure == nil || g.Failure.Stage != receipt.StageFork {
			t.Errorf("%d entries: %+v, %v", older, g.Failure, err)
		}
		// Somebody else's tiles, and damaged ones, are no evidence.
		damaged := fork.Fork()
		damaged.Rewrite(n-1, []byte("damaged"))
		for name, tiles := range map[string]*receipttest.Log{"the other branch": l, "damaged": damaged} {
			g, err := tr.Compare(t.Context(), signed[older], newer, receipt.GrowthProof{Tiles: tiles.Tile})
			if err != nil || g.Failure == nil || g.Failure.Stage != receipt.StageConsistency {
				t.Errorf("%d entries, %s: %+v, %v", older, name, g.Failure, err)
			}
		}
		if g, err := tr.Compare(t.Context(), signed[older], signed[n], receipt.GrowthProof{Tiles: l.Tile}); err != nil || !g.Verified {
			t.Errorf("control: %d entries: %v", older, err)
		}
	}
}

// TestCompareTimes: heads are dated by the same witnesses as receipts.
func TestCompareTimes(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	w := witnesses()[0]
	tr := trust(t, receipttest.Policy([]*receipttest.Log{l}, 1, w))
	l.Fill(2)
	at := func(time uint64) []byte { return l.Checkpoint(w.At(time)) }
	older, early := at(noon+3), at(noon)
	l.Fill(1)
	proof := receipt.AppendProof(nil, l.Consistency(2))
	if stage, text := compare(t, tr, older, at(later), proof); stage != "" ||
		!strings.Contains(text, "countersigned the old head at 2026-05-04T12:00:03Z") || !strings.Contains(text, "countersigned the new head at 2026-05-04T12:00:07Z") {
		t.Errorf("stage %q, %s", stage, text)
	}
	if stage, text := compare(t, tr, older, at(noon+1), proof); stage != receipt.StageWitnesses || !strings.Contains(text, "one of its two words is false") {
		t.Errorf("a witness that went back: stage %q, %s", stage, text)
	}
	if stage, _ := compare(t, tr, early, at(noon+1), proof); stage != "" {
		t.Errorf("control: stage %q", stage)
	}
	if stage, text := compare(t, tr, older, l.Checkpoint(), proof); stage != receipt.StageWitnesses || !strings.HasPrefix(text, "new head: witnesses: ") {
		t.Errorf("without a witness: stage %q, %s", stage, text)
	}
}

func FuzzParseProof(f *testing.F) {
	l := receipttest.NewLog("demo.lacuna.test")
	l.Fill(9)
	f.Add([]byte{})
	f.Add(receipt.AppendProof(nil, l.Consistency(5)))
	f.Add([]byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"))
	f.Add(bytes.Repeat([]byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"), 64))
	f.Fuzz(func(t *testing.T, file []byte) {
		hashes, err := receipt.ParseProof(file)
		if err == nil && !bytes.Equal(receipt.AppendProof(nil, hashes), file) {
			t.Errorf("accepted %q", file)
		}
	})
}
