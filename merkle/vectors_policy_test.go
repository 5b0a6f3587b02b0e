package merkle_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

type (
	policyVector struct {
		Name  string `json:"name"`
		Valid bool   `json:"valid"`
		Text  string `json:"text"`
		// Met and Unmet are sets of witnesses.
		Met   [][]string `json:"met,omitempty"`
		Unmet [][]string `json:"unmet,omitempty"`
	}
	policyBytesVector struct {
		Name  string   `json:"name"`
		Valid bool     `json:"valid"`
		Text  hexBytes `json:"text"`
	}
	policyNoteVector struct {
		Name   string `json:"name"`
		Valid  bool   `json:"valid"`
		Policy string `json:"policy"`
		Origin string `json:"origin"`
		Note   string `json:"note"`
	}
	policyVectors struct {
		About    []string            `json:"about"`
		Policies []policyVector      `json:"policies"`
		Bytes    []policyBytesVector `json:"bytes"`
		Notes    []policyNoteVector  `json:"notes"`
	}
)

func TestPolicyVectors(t *testing.T) {
	v := vectorFile(t, "policy.json", makePolicyVectors(t))
	for _, x := range v.Policies {
		p, err := merkle.ParsePolicy([]byte(x.Text))
		expect(t, x.Valid, x.Name, err)
		if err != nil {
			continue
		}
		satisfied := func(names []string) error {
			var cs []merkle.Cosignature
			for _, w := range p.Witnesses() {
				for _, n := range names {
					if w.Name == n {
						cs = append(cs, merkle.Cosignature{Name: w.Verifier.Name(), KeyHash: w.Verifier.KeyHash()})
					}
				}
			}
			return p.Satisfied(cs)
		}
		for _, names := range x.Met {
			expect(t, true, fmt.Sprint(x.Name, names), satisfied(names))
		}
		for _, names := range x.Unmet {
			expect(t, false, fmt.Sprint(x.Name, names), satisfied(names))
		}
	}
	for _, x := range v.Bytes {
		_, err := merkle.ParsePolicy(x.Text)
		expect(t, x.Valid, x.Name, err)
	}
	for _, x := range v.Notes {
		_, _, err := parsePolicy(t, x.Policy).Check([]byte(x.Note), x.Origin)
		expect(t, x.Valid, x.Name, err)
	}
}

func makePolicyVectors(t *testing.T) policyVectors {
	v := policyVectors{About: []string{
		"Test vectors for docs/spec/policy.md. The keys are made of the seeds that cosignature.json has, counted on.",
		"policies: valid if the text is a policy. met and unmet are sets of witnesses, by name, that are a quorum and that are none.",
		"bytes: the same for texts that are no UTF-8.",
		"notes: valid if the note is a checkpoint of that origin which the policy accepts.",
	}}
	log, _, logKey := testKey(t, 1, testOrigin)
	other, _, otherKey := testKey(t, 3, "log.example/other")
	keys := map[string]*merkle.Cosigner{}
	var witnesses strings.Builder
	for i, n := range []string{"a", "b", "c", "d", "e"} {
		keys[n] = testCosigner(t, byte(6+i), "witness.example/"+n, merkle.CosignatureEd25519)
		fmt.Fprintf(&witnesses, "witness %s %s\n", n, keys[n].VKey())
	}
	pq := testCosigner(t, 4, testWitness, merkle.CosignatureMLDSA44)
	l, w := "log "+logKey+"\n", witnesses.String()
	sets := func(list ...string) (sets [][]string) {
		for _, s := range list {
			sets = append(sets, strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }))
		}
		return sets
	}
	valid := func(name, text string, met, unmet [][]string) string {
		v.Policies = append(v.Policies, policyVector{name, true, text, met, unmet})
		return text
	}
	nested := valid("nested groups", "# two of three, and one of two\n"+l+"\n"+w+"group X 2 a b c\ngroup Y any d e\n\ngroup both all X Y\nquorum both\n",
		sets("a b d", "b c e", "a b c d e"), sets("", "a b c", "a d e", "d e"))
	valid("one witness", l+w+"quorum c\n", sets("c", "a b c"), sets("", "a b d e"))
	none := valid("no quorum", l+"quorum none\n", sets(""), nil)
	valid("nothing but that", "quorum none\n", sets(""), nil)
	valid("white space and comments", "\t # x\n\n \t\n  log\t"+logKey+" \thttps://log.example \n"+w+" group\tX  1   a\n#\n quorum X\t\n", sets("a"), sets("b"))
	valid("an ML-DSA-44 witness", "witness pq "+pq.VKey()+" https://witness.example\nquorum pq\n", sets("pq"), sets(""))
	valid("an ML-DSA-44 log", "log "+testCosigner(t, 5, testOrigin, merkle.CosignatureMLDSA44).VKey()+"\nquorum none\n", sets(""), nil)
	valid("lines after the quorum", w+"quorum a\ngroup X any b\n"+l, sets("a"), sets("b"))
	valid("a member that is the quorum too", w+"group X any a b\nquorum a\n", sets("a"), sets("b"))
	valid("keywords as names", "witness all "+keys["a"].VKey()+"\ngroup quorum any all\nquorum quorum\n", sets("all"), sets(""))
	valid("number signs in names and URLs", "witness #a "+keys["a"].VKey()+" https://witness.example/#a\nquorum #a\n", sets("#a"), sets(""))
	valid("a no-break space is part of a name", "witness a\u00a0b "+keys["a"].VKey()+"\nquorum a\u00a0b\n", sets("a\u00a0b"), sets(""))

	for _, x := range [][2]string{
		{"empty", ""},
		{"no quorum line", l + w},
		{"two quorum lines", l + "quorum none\nquorum none\n"},
		{"quorum before its witness", "quorum a\n" + w},
		{"quorum not defined", w + "quorum f\n"},
		{"quorum of two names", w + "quorum a b\n"},
		{"no final newline", w + "quorum a"},
		{"carriage returns", "quorum none\r\n"},
		{"control character in a comment", "# \x01\nquorum none\n"},
		{"form feed", "quorum\fnone\n"},
		{"delete", "# \x7f\nquorum none\n"},
		{"unknown keyword", "cosigner a " + keys["a"].VKey() + "\nquorum none\n"},
		{"comment behind words", w + "quorum a # x\n"},
		{"comment behind a key", "log " + logKey + " #x\nquorum none\n"},
		{"log with a name", "log a " + logKey + "\nquorum none\n"},
		{"log of a witness's key", "log " + keys["a"].VKey() + "\nquorum none\n"},
		{"witness of a log's key", "witness a " + logKey + "\nquorum none\n"},
		{"witness without a name", "witness " + keys["a"].VKey() + "\nquorum none\n"},
		{"witness called none", "witness none " + keys["a"].VKey() + "\nquorum none\n"},
		{"two logs of one key", l + l + "quorum none\n"},
		{"two witnesses of one key", w + "witness f " + keys["a"].VKey() + "\nquorum none\n"},
		{"two witnesses of one key with other names", w + "witness f " + testCosigner(t, 6, "witness.example/f", merkle.CosignatureEd25519).VKey() + "\nquorum none\n"},
		{"two witnesses of one name", w + "witness a " + pq.VKey() + "\nquorum none\n"},
		{"group of the name of a witness", w + "group a any b\nquorum none\n"},
		{"group without members", w + "group X any\nquorum none\n"},
		{"group of zero", w + "group X 0 a b\nquorum none\n"},
		{"group of three of two", w + "group X 3 a b\nquorum none\n"},
		{"group of 01", w + "group X 01 a b\nquorum none\n"},
		{"group of +1", w + "group X +1 a b\nquorum none\n"},
		{"group of itself", w + "group X any X\nquorum none\n"},
		{"group of a later one", w + "group X any Y\ngroup Y any a\nquorum none\n"},
		{"group of none", w + "group X any none\nquorum none\n"},
		{"member twice", w + "group X 2 a a\nquorum none\n"},
		{"member of two groups", w + "group X any a\ngroup Y any a\nquorum none\n"},
		{"key of another name", strings.Replace(l, "lacuna+", "lacuma+", 1) + "quorum none\n"},
	} {
		v.Policies = append(v.Policies, policyVector{Name: x[0], Text: x[1]})
	}
	v.Bytes = []policyBytesVector{
		{"names are bytes", true, hexBytes("witness \xff\xfe " + keys["a"].VKey() + " \xff\nquorum \xff\xfe\n")},
		{"names are compared as bytes", false, hexBytes("witness \xff " + keys["a"].VKey() + "\nquorum \xfe\n")},
		{"null", false, hexBytes("# \x00\nquorum none\n")},
	}

	c := testHead()
	signed := func(s merkle.Signer, c merkle.Checkpoint, names string) string {
		signers := []merkle.Signer{s}
		for _, n := range strings.Fields(names) {
			signers = append(signers, keys[n].At(1679315147))
		}
		return string(sign(t, c, signers...))
	}
	add := func(name string, valid bool, policy, origin, note string) {
		v.Notes = append(v.Notes, policyNoteVector{name, valid, policy, origin, note})
	}
	second := c
	second.Origin = "log.example/other"
	both := "log " + otherKey + "\n" + nested
	add("a quorum", true, nested, testOrigin, signed(log, c, "a b d"))
	add("everybody", true, nested, testOrigin, signed(log, c, "a b c d e"))
	add("a policy of two logs", true, both, testOrigin, signed(log, c, "a b d"))
	add("the other log", true, both, "log.example/other", signed(other, second, "a b d"))
	add("no witness asked for", true, none, testOrigin, signed(log, c, ""))
	add("too few", false, nested, testOrigin, signed(log, c, "a b c"))
	add("nobody", false, nested, testOrigin, signed(log, c, ""))
	add("one of the two logs vouches for the other", false, both, testOrigin, signed(other, c, "a b d"))
	add("not signed by the log", false, nested, testOrigin, string(sign(t, c, keys["a"].At(1), keys["b"].At(1), keys["d"].At(1))))
	add("a log that is not in the policy", false, "quorum none\n", testOrigin, signed(log, c, ""))
	add("another origin expected", false, both, "log.example/other", signed(log, c, "a b d"))
	add("a quorum, and one cosignature that is wrong", false, nested, testOrigin, string(corrupt(t, []byte(signed(log, c, "a b d e")))))
	return v
}
