package certificate

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"testing"
)

// sample makes an epoch with one request in it, from fixed bytes: its record, the subject's copy of the
// certificate, and the members of the request with their salts.
func sample(t testing.TB) (statement []byte, c *Certificate, members []sampleMember) {
	t.Helper()
	return sampleOf(t, nil, nil)
}

// sampleOf is sample with terms and a record that are worded otherwise. The record names the approvers of
// the terms.
func sampleOf(t testing.TB, change func(*Terms, Digest), record func(*Record)) (statement []byte, c *Certificate, members []sampleMember) {
	t.Helper()
	const origin = "demo.lacuna.test"
	until := "2029-12-31"
	terms := Terms{
		Origin: origin, Tree: fixedID("tree"), Epoch: 7, Level: "L1", Reason: ReasonRequest,
		Scope: "everything without a declared reason to stay", RequestedAt: "2026-05-04T12:31:39Z", KeysDestroyedAt: "2026-05-04T12:31:40Z",
		Erased:     []Part{{"chat", "2026-05"}, {"marketing", ""}},
		Kept:       []Stay{{"consent-evidence", "2026", "proof of consent, Art. 17(3)(e)", &until}, {"suppression", "", "asked for", nil}},
		Recipients: []string{"mailer"}, NotCovered: NotCovered("L1", false),
	}
	o := &Opening{Rho: fixed("rho"), Disclosures: []string{}}
	for _, m := range []sampleMember{
		{Name: MemberErase, Value: terms.Erased},
		{Name: MemberReason, Value: terms.Reason},
		{Name: MemberAsked, Value: terms.RequestedAt},
		{Name: MemberScope, Value: terms.Scope},
		{Name: MemberSubject, Value: "c-2"},
	} {
		salt := fixedID("salt of " + m.Name)
		m.Salt = b64.EncodeToString(salt[:])
		text, err := Canonical([]any{m.Salt, m.Name, m.Value})
		if err != nil {
			t.Fatal(err)
		}
		m.Disclosure = b64.EncodeToString(text)
		m.Digest = sha256.Sum256([]byte(m.Disclosure))
		members = append(members, m)
		o.Members = append(o.Members, MemberDigest{m.Name, m.Digest})
		o.Disclosures = append(o.Disclosures, m.Disclosure)
	}
	if change != nil {
		change(&terms, o.Commitment(origin))
	}
	approvers := []string{}
	for _, a := range terms.Approvals {
		approvers = append(approvers, a.Key)
	}
	const place, entries, index = 17, 21, 1071
	digest, err := terms.Digest()
	if err != nil {
		t.Fatal(err)
	}
	leaves := make([]SumNode, MinRequests)
	for i := range leaves {
		seed := fixed("seed")
		mac := hmac.New(sha256.New, seed[:])
		binary.Write(mac, binary.BigEndian, uint64(i))
		leaves[i].Hash = Digest(mac.Sum(nil))
	}
	leaves[place] = RequestLeaf(o.Commitment(origin), digest, entries)
	levels, err := SumTree(leaves)
	if err != nil {
		t.Fatal(err)
	}
	previous := fixed("previous")
	r := &Record{
		Type: RecordType, Schema: RecordSchema, Tree: terms.Tree, Epoch: terms.Epoch, Attempt: fixedID("attempt"),
		Previous: &previous, PagesRoot: fixed("pages"), KeysDestroyedAt: terms.KeysDestroyedAt, Level: terms.Level,
		Holders:      []Statement{{Holder: fixedID("holder"), Kind: "file", Level: "L1", Destroyed: []uint64{6}, Overwritten: 1, Copies: 1}},
		Subjects:     Subjects{Closure: "0", Request: Bucket(1), Retention: "0"},
		RequestsRoot: levels[6][0].Hash, RequestsSize: MinRequests, Approvers: approvers, Sweep: SweepPending,
	}
	if record != nil {
		record(r)
	}
	if statement, err = r.Statement(); err != nil {
		t.Fatal(err)
	}
	return statement, &Certificate{
		Type: Type, Schema: Schema, Copy: CopySubject, Terms: terms, Record: RecordRef{Index: index, Leaf: LeafHash(statement)},
		Commitment: o.Commitment(origin), Entries: entries, Place: place, Path: SumPath(levels, place),
		Opening: o, Notify: []Recipient{{ID: "mailer", Ref: "m-88121"}},
	}, members
}

type sampleMember struct {
	Name       string `json:"name"`
	Value      any    `json:"value"`
	Salt       string `json:"salt"`
	Disclosure string `json:"disclosure"`
	Digest     Digest `json:"digest"`
}

// fixed is a digest that a reader can compute: SHA-256 of a label.
func fixed(label string) Digest { return sha256.Sum256([]byte(label)) }

func fixedID(label string) ID {
	d := fixed(label)
	return ID(d[:16])
}

func TestVerifyCertificate(t *testing.T) {
	statement, c, _ := sample(t)
	for _, c := range []*Certificate{c, c.Officer()} {
		text, err := c.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%s copy: %v", c.Copy, err)
		}
		if err := Verify(again, statement, 1071); err != nil {
			t.Errorf("%s copy: %v", c.Copy, err)
		}
		if err := Verify(again, statement, 1070); err == nil {
			t.Errorf("%s copy: verifies at another index", c.Copy)
		}
	}
	if c.Officer().Opening != nil || c.Officer().Notify != nil {
		t.Error("the officer's copy names somebody")
	}
	if c.Opening == nil || len(c.Opening.Disclosures) != 5 || len(c.Notify) != 1 {
		t.Error("the subject's copy is not complete")
	}
}

// TestOfficerNamesNobody looks for the identifier, and for how a recipient knows the person, in both
// copies. It is in the subject's, as a disclosure, so the search is able to find it.
func TestOfficerNamesNobody(t *testing.T) {
	_, c, members := sample(t)
	names := func(c *Certificate) bool {
		text, err := c.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			if m.Name == MemberSubject && (bytes.Contains(text, []byte(m.Disclosure)) || bytes.Contains(text, []byte(m.Salt))) {
				return true
			}
		}
		return bytes.Contains(text, []byte("c-2")) || bytes.Contains(text, []byte("m-88121"))
	}
	if !names(c) {
		t.Error("control: the subject's copy does not open the identifier")
	}
	if names(c.Officer()) {
		t.Error("the officer's copy holds an identifier")
	}
}

// TestWithhold shows the scope of a request without showing a name.
func TestWithhold(t *testing.T) {
	statement, c, _ := sample(t)
	shown := *c
	shown.Opening = c.Opening.Withhold(MemberSubject)
	if err := Verify(&shown, statement, 1071); err != nil {
		t.Error(err)
	}
	members, err := shown.Opening.Disclosed()
	if err != nil || members[MemberSubject] != nil || string(members[MemberReason]) != `"request"` {
		t.Errorf("shown %s, %v", members, err)
	}
	// The other salts must not follow from anything that is shown.
	var all []byte
	for _, d := range c.Opening.Disclosures {
		all = append(all, d...)
	}
	if bytes.Contains(all, c.Opening.Rho[:]) {
		t.Error("a salt is made of rho")
	}
}

// TestCertificateMutations changes every value of both copies, and of the record, in every way that JSON
// allows: none may verify.
func TestCertificateMutations(t *testing.T) {
	statement, c, _ := sample(t)
	for _, c := range []*Certificate{c, c.Officer()} {
		text, err := c.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for path, mutant := range mutants(t, text) {
			n++
			m, err := Parse(mutant)
			if err != nil {
				continue
			}
			if err := Verify(m, statement, 1071); err == nil && !onlyWithholds(m, c) {
				t.Errorf("%s copy verifies with another %s", c.Copy, path)
			}
		}
		if n < 60 {
			t.Errorf("only %d mutants", n)
		}
	}
	for path, mutant := range mutants(t, statement) {
		if Verify(c, mutant, 1071) == nil {
			t.Errorf("verifies under a record with another %s", path)
		}
	}
}

// onlyWithholds reports whether m is c with disclosures taken out, which is what they are for.
func onlyWithholds(m, c *Certificate) bool {
	if m.Opening == nil || len(m.Opening.Disclosures) >= len(c.Opening.Disclosures) {
		return false
	}
	a, b := *m, *c
	a.Opening, b.Opening = m.Opening.Withhold(MemberErase, MemberReason, MemberAsked, MemberScope, MemberSubject), c.Opening.Withhold(MemberErase, MemberReason, MemberAsked, MemberScope, MemberSubject)
	x, _ := Canonical(a)
	y, _ := Canonical(b)
	return bytes.Equal(x, y)
}

// mutants changes one thing in a JSON text at a time: every string, number, boolean and null gets another
// value, every element and member is left out once, and every object and array gets one more.
func mutants(t testing.TB, text []byte) map[string][]byte {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]byte)
	var root any = v
	emit := func(path string) {
		b, err := Canonical(root)
		if err != nil {
			t.Fatal(err)
		}
		out[path] = b
	}
	var walk func(path string, v any, set func(any))
	walk = func(path string, v any, set func(any)) {
		try := func(kind string, w any) {
			set(w)
			emit(path + " " + kind)
			set(v)
		}
		switch v := v.(type) {
		case nil:
			try("(string)", "2026-05-05")
			try("(digest)", fixed("another").String())
		case bool:
			try("(negated)", !v)
		case json.Number:
			n, _ := v.Int64()
			try("(plus 1)", n+1)
			try("(minus 1)", n-1)
			try("(0)", 0)
		case string:
			try("(longer)", v+"x")
			try("(empty)", "")
			try("(null)", nil)
			try("(day)", "2026-05-05")
			try("(time)", "2026-05-05T00:00:00Z")
			for i := range min(len(v), 64) {
				c := v[i] ^ 1
				if v[i] == 'Z' || v[i] == '"' || c == '"' || c == '\\' {
					continue
				}
				try(fmt.Sprintf("(byte %d)", i), v[:i]+string(c)+v[i+1:])
			}
			for _, w := range []string{"L0", "L1", "L2", "L3", "0", "1-9", "10-99", "request", "retention", "closure", "subject", "officer"} {
				if w != v {
					try("("+w+")", w)
				}
			}
		case []any:
			for i := range v {
				walk(fmt.Sprintf("%s/%d", path, i), v[i], func(w any) { v[i] = w })
				less := append(append([]any{}, v[:i]...), v[i+1:]...)
				try(fmt.Sprintf("(without %d)", i), less)
			}
			if len(v) > 0 {
				try("(one twice)", append(append([]any{}, v...), v[0]))
			}
			if len(v) > 1 {
				swapped := append([]any{v[1], v[0]}, v[2:]...)
				a, _ := json.Marshal(v[0])
				b, _ := json.Marshal(v[1])
				if !bytes.Equal(a, b) {
					try("(swapped)", swapped)
				}
			}
			try("(one more)", append(append([]any{}, v...), "x"))
		case map[string]any:
			for name, w := range v {
				walk(path+"/"+name, w, func(x any) { v[name] = x })
				delete(v, name)
				emit(path + "/" + name + " (left out)")
				v[name] = w
			}
			v["zz"] = 1
			emit(path + " (one more member)")
			delete(v, "zz")
		}
	}
	walk("", v, func(w any) { root = w })
	for path, b := range out {
		if bytes.Equal(b, text) {
			t.Fatalf("%s is not a mutant", path)
		}
	}
	return out
}

func TestBuckets(t *testing.T) {
	for n, want := range map[int]string{-1: "0", 0: "0", 1: "1-9", 9: "1-9", 10: "10-99", 99: "10-99", 100: "100-999", 1234: "1000-9999"} {
		got := Bucket(n)
		if got != want {
			t.Errorf("bucket of %d: %s, want %s", n, got, want)
		}
		if err := checkBucket(got); err != nil {
			t.Errorf("%s: %v", got, err)
		}
	}
	for _, s := range []string{"", "1", "1-", "1-99", "2-9", "10-9", "01-9", "1-9 ", "0-9", "-", "1000000000000-9999999999999"} {
		if checkBucket(s) == nil {
			t.Errorf("%q is a bucket", s)
		}
	}
}
