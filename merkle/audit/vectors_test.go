package audit

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
	"github.com/lacunalog/lacuna/merkle"
)

// evidenceVectors is docs/spec/vectors/evidence.json.
type evidenceVectors struct {
	About  []string         `json:"about"`
	Origin string           `json:"origin"`
	VKey   string           `json:"vkey"`
	Cases  []evidenceVector `json:"cases"`
}

type evidenceVector struct {
	Name string `json:"name"`
	// Verdict is fork, older, unshown or refused.
	Verdict string `json:"verdict"`
	File    string `json:"file"`
}

// TestEvidenceVectors holds docs/spec/vectors/evidence.json against the code, and
// reads it back, knowing nothing but the file.
func TestEvidenceVectors(t *testing.T) {
	file := vectors.Same(t, "evidence.json", makeEvidenceVectors(t))
	var got evidenceVectors
	if err := json.Unmarshal(file, &got); err != nil {
		t.Fatal(err)
	}
	l, err := NewLog([]string{got.VKey}, got.Origin, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range got.Cases {
		e, err := ParseEvidence([]byte(c.File))
		if err == nil {
			err = e.Verify(l)
		}
		verdict := "refused"
		if err == nil {
			verdict = string(e.Kind)
		}
		if verdict != c.Verdict {
			t.Errorf("%s: %s (%v), want %s", c.Name, verdict, err, c.Verdict)
		}
	}
}

func makeEvidenceVectors(t *testing.T) *evidenceVectors {
	one := newHistory(t).grow(700, "a").grow(1000, "b")
	two := newHistory(t).grow(700, "a").grow(1000, "c")
	v := &evidenceVectors{
		About: []string{
			"Test vectors for docs/spec/evidence.md. The key is for tests only.",
			"file: the bytes of an evidence file. verdict: its kind if it holds for the log with that origin and vkey, or refused.",
		},
		Origin: testOrigin, VKey: one.vkey,
	}
	found := func(known, shown *history, knownSize, shownSize int, tiles *history) *Evidence {
		a := auditor(t, one, known.files(t, knownSize))
		mustRound(t, a, knownSize)
		a.Source = withTilesOf(files{"checkpoint": shown.signed(t, shownSize)}, tiles.files(t, max(knownSize, shownSize)))
		_, err := a.Round(t.Context())
		c, ok := errors.AsType[*ConflictError](err)
		if !ok {
			t.Fatalf("got %v, want evidence", err)
		}
		c.Evidence.Source, c.Evidence.Found = "https://log.example/audited", "2026-11-22T12:00:00Z"
		return c.Evidence
	}
	add := func(name, verdict string, e *Evidence, change func(*Evidence)) {
		copied := *e
		if change != nil {
			change(&copied)
		}
		b, err := copied.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		v.Cases = append(v.Cases, evidenceVector{name, verdict, string(b)})
	}
	fork := found(one, two, 900, 1000, two)
	older := found(one, one, 1000, 900, one)
	unshown := found(one, two, 900, 1000, one)
	add("a fork of two sizes", "fork", fork, nil)
	add("a fork of one size", "fork", found(one, two, 1000, 1000, two), nil)
	add("a fork, the smaller shown last", "fork", found(one, two, 1000, 900, one), nil)
	add("an older head", "older", older, nil)
	add("a head whose tree is not shown", "unshown", unshown, nil)
	other := merkle.LeafHash(nil)
	add("another root than the proof leads to", "refused", fork, func(e *Evidence) { e.Root = &other })
	add("a fork without a proof", "refused", fork, func(e *Evidence) { e.Proof = nil })
	add("two heads of one history", "refused", fork, func(e *Evidence) { e.Shown = string(one.signed(t, 1000)) })
	add("a head of another key", "refused", fork, func(e *Evidence) { e.Shown = e.Shown[:len(e.Shown)-8] + "AAAAAA=\n" })
	add("an older head that is the newer one", "refused", older, func(e *Evidence) { e.Remembered, e.Shown = e.Shown, e.Remembered })
	add("an older head of another history", "refused", older, func(e *Evidence) { e.Shown = string(two.signed(t, 900)) })
	add("one head twice", "refused", unshown, func(e *Evidence) { e.Shown = e.Remembered })
	add("an unknown kind", "refused", fork, func(e *Evidence) { e.Kind = "spoon" })
	add("a later version", "refused", fork, func(e *Evidence) { e.Format = "lacuna/log-evidence/v2" })
	add("members of another kind", "refused", fork, func(e *Evidence) { e.What = "x" })
	text := v.Cases[0].File
	for _, c := range []struct{ name, old, new string }{
		{"another indentation", "  \"kind\"", " \"kind\""},
		{"a member twice", "  \"kind\": \"fork\",\n", "  \"kind\": \"fork\",\n  \"kind\": \"fork\",\n"},
		{"a member that nobody knows", "  \"kind\": \"fork\",\n", "  \"kind\": \"fork\",\n  \"mood\": \"fork\",\n"},
		{"members in another order", "  \"kind\": \"fork\",\n  \"origin\": \"log.example/audited\",\n", "  \"origin\": \"log.example/audited\",\n  \"kind\": \"fork\",\n"},
		{"another spelling of a string", "\"fork\"", "\"for\\u006b\""},
		{"no line feed at the end", "}\n", "}"},
	} {
		changed := strings.Replace(text, c.old, c.new, 1)
		if changed == text {
			t.Fatalf("%s: nothing was changed", c.name)
		}
		v.Cases = append(v.Cases, evidenceVector{c.name, "refused", changed})
	}
	return v
}
