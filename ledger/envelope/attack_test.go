package envelope_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// Each test here is an attack that a draft of the format lost to. Where the
// draft can be shown in a few lines it is, so that the test says what would
// happen without the rule.

// TestTwoTruths [1]: an operator seals two digests for one member and shows
// "given" to one auditor and "refused" to the other, under one leaf.
func TestTwoTruths(t *testing.T) {
	const origin = "log.example"
	r, dE := refSHA([]byte("r")), refSHA([]byte("any envelope"))
	lie := []string{
		refB64([]byte(`["` + refB64(make([]byte, 16)) + `","answer","given"]`)),
		refB64([]byte(`["` + refB64(make([]byte, 16)) + `","answer","refused"]`)),
	}
	for order, digests := range [][]string{{lie[0], lie[1]}, {lie[1], lie[0]}} {
		list := []byte("lacuna/v1/members\x00\x02")
		f := &envelope.FieldOpening{R: [32]byte(r), DE: [32]byte(dE)}
		for _, d := range digests {
			list = append(list, 6)
			list = append(list, "answer"...)
			list = append(list, refSHA([]byte(d))...)
			f.Members = append(f.Members, envelope.MemberDigest{Name: "answer", Digest: [32]byte(refSHA([]byte(d)))})
		}
		mac := refHMAC(r, []byte("lacuna/v1/leaf"), refSHA([]byte(origin)), dE, refSHA(list))
		leaf := append([]byte{1, 0}, mac...)

		for auditor, d := range lie {
			// The draft took a disclosure whose digest is somewhere in the list.
			draft := slices.ContainsFunc(f.Members, func(m envelope.MemberDigest) bool {
				return bytes.Equal(m.Digest[:], refSHA([]byte(d)))
			})
			if !draft {
				t.Fatal("the attack does not work against the draft; this test is broken")
			}
			f.Disclosures = []envelope.Disclosure{envelope.Disclosure(d)}
			o := f.Opening(leaf)
			if _, _, err := o.Verify(envelope.Origin(origin)); !errors.Is(err, envelope.ErrMembers) {
				t.Errorf("order %d, auditor %d: %v", order, auditor, err)
			}
			if _, err := o.Marshal(); !errors.Is(err, envelope.ErrMembers) {
				t.Errorf("order %d, auditor %d: serialised: %v", order, auditor, err)
			}
			// Written by a program that is not ours.
			wire := fmt.Sprintf(`{"de":"%s","disclosures":["%s"],"kind":"field","lacuna":"opening/v1","leaf_hash":"%s","members":[["answer","%s"],["answer","%s"]],"r":"%s"}`,
				refB64(dE), d, refB64(o.LeafHash[:]), refB64(f.Members[0].Digest[:]), refB64(f.Members[1].Digest[:]), refB64(r))
			if _, err := envelope.ParseOpening([]byte(wire)); !errors.Is(err, envelope.ErrOpening) {
				t.Errorf("order %d, auditor %d: parsed: %v", order, auditor, err)
			}
		}
	}
}

// TestTwoTruthsNested [1]: the same lie one level down, where a parser that
// takes the last of two equal names differs from one that takes the first.
func TestTwoTruthsNested(t *testing.T) {
	for _, value := range []string{
		`{"answer":"given","answer":"refused"}`,
		`{"b":1,"a":2}`,
		`{"a": 1}`,
		`1.0`,
		`"\u0041"`,
	} {
		d := refB64([]byte(`["` + refB64(make([]byte, 16)) + `","decision",` + value + `]`))
		f := &envelope.FieldOpening{
			Members:     []envelope.MemberDigest{{Name: "decision", Digest: [32]byte(refSHA([]byte(d)))}},
			Disclosures: []envelope.Disclosure{envelope.Disclosure(d)},
		}
		if _, _, err := f.Verify(testOrigin); !errors.Is(err, envelope.ErrDisclosure) || !errors.Is(err, envelope.ErrNotCanonical) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

// TestFullOpeningRecomputes [1]: a leaf whose d_P is not that of the sealed
// event (a list for auditors, another event for the person) has field
// openings and no full one.
func TestFullOpeningRecomputes(t *testing.T) {
	const origin = "log.example"
	dek, e := bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{8}, 16)
	s := refSecret(dek, 1, e)
	p := refExpand(s, 1)
	env := refEnvelope(p, 1, e, nil, []byte(`{"answer":"refused"}`))
	other := []refMember{{"answer", `"given"`}}
	ds := refDisclosures(p, 1, other)
	leaf := refLeaf(p.r, origin, env, refMembersHash(other, ds))

	f := &envelope.FieldOpening{
		R: [32]byte(p.r), DE: [32]byte(refSHA([]byte("lacuna/v1/envelope"), env)),
		Members:     []envelope.MemberDigest{{Name: "answer", Digest: [32]byte(refSHA([]byte(ds[0])))}},
		Disclosures: []envelope.Disclosure{envelope.Disclosure(ds[0])},
	}
	if _, _, err := f.Opening(leaf).Verify(envelope.Origin(origin)); err != nil {
		t.Fatalf("the lie in the list should look well-formed: %v", err)
	}
	full := &envelope.FullOpening{Secret: [32]byte(s), Envelope: env}
	var mismatch *envelope.LeafError
	if _, _, err := full.Opening(leaf).Verify(envelope.Origin(origin)); !errors.As(err, &mismatch) {
		t.Fatalf("a full opening of another event than the leaf commits to: %v", err)
	}
}

// TestDefaultHidesLinks [7]: _prev is the hash of another public leaf. An
// opening made without further thought must not show it, nor _seq.
func TestDefaultHidesLinks(t *testing.T) {
	for _, suite := range suites {
		first, err := envelope.Seal(alice, suite, testOrigin, []byte(`{"_prev":null,"_seq":0,"type":"consent.requested"}`))
		if err != nil {
			t.Fatal(err)
		}
		link := envelope.LeafHash(first.Leaf[:])
		event := `{"_prev":"` + base64.StdEncoding.EncodeToString(link[:]) + `","_seq":1,"type":"consent.given"}`
		second, err := envelope.Seal(alice, suite, testOrigin, []byte(event))
		if err != nil {
			t.Fatal(err)
		}
		shows := func(reveal func(string) bool) bool {
			f, err := envelope.OpenFields(alice, second.Envelope, reveal)
			if err != nil {
				t.Fatal(err)
			}
			b, err := f.Opening(second.Leaf[:]).Marshal()
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Disclosures {
				j, _ := base64.RawURLEncoding.DecodeString(string(d))
				b = append(b, j...)
			}
			return strings.Contains(string(b), base64.StdEncoding.EncodeToString(link[:])) || strings.Contains(string(b), `"_seq",1`)
		}
		if !shows(func(string) bool { return true }) {
			t.Fatal("the search finds nothing even where everything is shown; this test is broken")
		}
		if shows(nil) {
			t.Error("a field opening shows the way to another leaf by default")
		}
		f, err := envelope.OpenFields(alice, second.Envelope, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, shown, err := f.Opening(second.Leaf[:]).Verify(testOrigin)
		if err != nil {
			t.Fatal(err)
		}
		if got := shown.HeldBack(); !slices.Equal(got, []string{"_prev", "_seq"}) {
			t.Errorf("held back: %q", got)
		}
		if string(shown.Event()) != `{"type":"consent.given"}` {
			t.Error("the rest is not shown")
		}
	}
}

// TestTransplantedLeaf: the 34 public bytes of log A are appended to log B,
// and whoever gets A's receipt opens B's entry with it.
func TestTransplantedLeaf(t *testing.T) {
	for _, suite := range suites {
		sealed, err := envelope.Seal(alice, suite, envelope.Origin("a.example"), []byte(testEvent))
		if err != nil {
			t.Fatal(err)
		}
		fields, err := envelope.OpenFields(alice, sealed.Envelope, nil)
		if err != nil {
			t.Fatal(err)
		}
		full, err := envelope.OpenFull(alice, sealed.Envelope)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []*envelope.Opening{fields.Opening(sealed.Leaf[:]), full.Opening(sealed.Leaf[:])} {
			if _, _, err := o.Verify(envelope.Origin("a.example")); err != nil {
				t.Fatal(err)
			}
			var mismatch *envelope.LeafError
			if _, _, err := o.Verify(envelope.Origin("b.example")); !errors.As(err, &mismatch) {
				t.Errorf("%v, %s opening in another log: %v", suite, o.Kind(), err)
			}
		}
	}
}

// TestSuiteConfusion: bytes sealed under one suite are offered as the other.
func TestSuiteConfusion(t *testing.T) {
	for _, suite := range suites {
		other := envelope.ChaCha20Poly1305 + envelope.AES256GCM - suite
		sealed, err := envelope.Seal(alice, suite, testOrigin, []byte(`{"text":"`+strings.Repeat("long enough that the length alone does not tell ", 8)+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		full, err := envelope.OpenFull(alice, sealed.Envelope)
		if err != nil {
			t.Fatal(err)
		}
		relabelled := bytes.Clone(sealed.Envelope)
		relabelled[0] = byte(other)
		if _, err := envelope.Open(alice, relabelled); !errors.Is(err, envelope.ErrWrongKey) {
			t.Errorf("%v as %v: %v", suite, other, err)
		}
		// With the right secret in hand, and with the commitment that this
		// secret has under the other suite.
		full.Envelope = relabelled
		if _, _, err := full.Verify(testOrigin); !errors.Is(err, envelope.ErrWrongKey) {
			t.Errorf("%v as %v, full opening: %v", suite, other, err)
		}
		copy(relabelled[17:49], refExpand(full.Secret[:], byte(other)).KC)
		if _, _, err := full.Verify(testOrigin); !errors.Is(err, envelope.ErrCorrupt) {
			t.Errorf("%v as %v, commitment replaced: %v", suite, other, err)
		}
		for _, unknown := range []byte{0, 3, 255} {
			relabelled[0] = unknown
			if _, err := envelope.Open(alice, relabelled); err == nil {
				t.Errorf("suite %d opened", unknown)
			}
			if _, err := envelope.Seal(alice, envelope.Suite(unknown), testOrigin, []byte(testEvent)); err == nil {
				t.Errorf("suite %d sealed", unknown)
			}
		}
	}
}

// TestDisclosureBelongs: a disclosure counts for the member of its own name
// and its own digest only, once, and in order.
func TestDisclosureBelongs(t *testing.T) {
	sealed, err := envelope.Seal(alice, 1, testOrigin, []byte(`{"a":1,"b":2,"c":3}`))
	if err != nil {
		t.Fatal(err)
	}
	f, err := envelope.OpenFields(alice, sealed.Envelope, nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := envelope.Seal(alice, 1, testOrigin, []byte(`{"a":1,"b":2,"d":3}`))
	if err != nil {
		t.Fatal(err)
	}
	g, err := envelope.OpenFields(alice, foreign.Envelope, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, x := f.Disclosures, g.Disclosures
	for what, ds := range map[string][]envelope.Disclosure{
		"twice":                        {d[0], d[0]},
		"disorder":                     {d[1], d[0]},
		"of another event":             {x[0]},
		"of a member that is not here": {x[2]},
		"empty":                        {""},
		"padded":                       {d[0] + "="},
		"with a line end":              {d[0][:4] + "\n" + d[0][4:]},
		"in the standard alphabet":     {"+///"},
		"salt of 15 bytes":             {envelope.Disclosure(refB64([]byte(`["` + refB64(make([]byte, 15)) + `","a",1]`)))},
		"salt of 17 bytes":             {envelope.Disclosure(refB64([]byte(`["` + refB64(make([]byte, 17)) + `","a",1]`)))},
		"salt with other last bits":    {envelope.Disclosure(refB64([]byte(`["AAAAAAAAAAAAAAAAAAAAAB","a",1]`)))},
		"four elements":                {envelope.Disclosure(refB64([]byte(`["` + refB64(make([]byte, 16)) + `","a",1,1]`)))},
		"two elements":                 {envelope.Disclosure(refB64([]byte(`["` + refB64(make([]byte, 16)) + `","a"]`)))},
		"white space":                  {envelope.Disclosure(refB64([]byte(`["` + refB64(make([]byte, 16)) + `","a", 1]`)))},
	} {
		h := *f
		h.Disclosures = ds
		if _, _, err := h.Verify(testOrigin); !errors.Is(err, envelope.ErrDisclosure) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// The holder of an opening may show less of it, and nothing else changes.
	h := *f
	h.Disclosures = d[1:2]
	_, shown, err := h.Opening(sealed.Leaf[:]).Verify(testOrigin)
	if err != nil || string(shown.Get("b")) != "2" || !slices.Equal(shown.HeldBack(), []string{"a", "c"}) || !shown.Has("a") || shown.Has("d") {
		t.Errorf("showing less: %v", err)
	}
	if full, err := envelope.OpenFull(alice, sealed.Envelope); err != nil {
		t.Error(err)
	} else if less, err := full.Fields(func(name string) bool { return name == "b" }); err != nil || !slices.Equal(less.Disclosures, d[1:2]) {
		t.Errorf("a field opening from the full one: %v", err)
	}
}

// TestRedacted: no verb prints what opens or what is shown.
func TestRedacted(t *testing.T) {
	sealed, err := envelope.Seal(alice, 1, testOrigin, []byte(`{"subject":"leonie"}`))
	if err != nil {
		t.Fatal(err)
	}
	f, err := envelope.OpenFields(alice, sealed.Envelope, nil)
	if err != nil {
		t.Fatal(err)
	}
	full, err := envelope.OpenFull(alice, sealed.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	o := f.Opening(sealed.Leaf[:])
	_, shown, err := o.Verify(testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	members, err := envelope.Split([]byte(`{"subject":"leonie"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		for _, v := range []any{f, full, o, shown, members[0], members, shown.Members, f.Disclosures} {
			s := fmt.Sprintf(verb, v)
			for _, secret := range []string{"leonie", "6c656f6e6965", fmt.Sprintf("%x", full.Secret), fmt.Sprintf("%d", full.Secret[:]), string(f.Disclosures[0])} {
				if strings.Contains(s, secret) {
					t.Errorf("%s of %T prints %.60s", verb, v, s)
				}
			}
		}
	}
}

// TestBase64Length: a decoder that skips line ends and rounds lengths down takes a
// line end wherever the characters without it are whole groups of four. Then one
// opening has several spellings.
func TestBase64Length(t *testing.T) {
	_, openings := seeds(t)
	for _, text := range openings {
		o, err := envelope.ParseOpening(text)
		if err != nil {
			t.Fatal(err)
		}
		if o.Kind() != envelope.Full {
			continue
		}
		at := bytes.Index(text, []byte(`{"envelope":"`)) + len(`{"envelope":"`)
		end := at + bytes.IndexByte(text[at:], '"')
		if (end-at)%4 != 0 {
			t.Fatalf("an envelope of %d characters does not test this", end-at)
		}
		for _, c := range []string{"\n", "\r", "\r\n", "\n\n"} {
			if _, err := envelope.ParseOpening(slices.Concat(text[:end], []byte(c), text[end:])); !errors.Is(err, envelope.ErrOpening) {
				t.Errorf("%q at the end of the envelope: %v", c, err)
			}
		}
	}
}
