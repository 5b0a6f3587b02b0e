package merkle_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// A policyWorld is the example of https://c2sp.org/tlog-policy with keys.
type policyWorld struct {
	log       merkle.Signer
	logKey    string
	witnesses map[string]*merkle.Cosigner
	text      string
}

func newPolicyWorld(t testing.TB) policyWorld {
	t.Helper()
	w := policyWorld{witnesses: map[string]*merkle.Cosigner{}}
	w.log, _, w.logKey = testKey(t, 1, testOrigin)
	w.text = "log " + w.logKey + "\n\n"
	for i, name := range []string{"X1", "X2", "X3", "Y1", "Y2", "Y3"} {
		w.witnesses[name] = testCosigner(t, byte(10+i), "witness.example/"+name, cosigningAlgorithms[i&1])
		w.text += fmt.Sprintf("witness %s %s\n", name, w.witnesses[name].VKey())
	}
	w.text += `group X-witnesses 2 X1 X2 X3
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`
	return w
}

// sign signs a head by the log and the named witnesses.
func (w policyWorld) sign(t testing.TB, names ...string) []byte {
	signers := []merkle.Signer{w.log}
	for _, n := range names {
		signers = append(signers, w.witnesses[n].At(1679315147))
	}
	return sign(t, testHead(), signers...)
}

func parsePolicy(t testing.TB, text string) *merkle.Policy {
	t.Helper()
	p, err := merkle.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPolicyExample(t *testing.T) {
	w := newPolicyWorld(t)
	p := parsePolicy(t, w.text)
	if logs, ws := p.Logs(), p.Witnesses(); len(logs) != 1 || logs[0].VKey != w.logKey || logs[0].Verifier.Name() != testOrigin ||
		len(ws) != 6 || ws[2].Name != "X3" || ws[2].VKey != w.witnesses["X3"].VKey() || ws[2].Verifier.KeyHash() != w.witnesses["X3"].KeyHash() {
		t.Errorf("read as %+v, %+v", logs, ws)
	}
	for _, x := range []struct {
		by   string
		want string // the error, or empty
	}{
		{"X1 X2 Y3", ""},
		{"X2 X3 Y1 Y2", ""},
		{"X1 X2 X3 Y1 Y2 Y3", ""},
		{"", `the quorum is not met: group "X-and-Y" has 0 of 2, without "X-witnesses", "Y-witnesses"; ` +
			`group "X-witnesses" has 0 of 2, without "X1", "X2", "X3"; group "Y-witnesses" has 0 of 1, without "Y1", "Y2", "Y3"`},
		{"X1 X2 X3", `the quorum is not met: group "X-and-Y" has 1 of 2, without "Y-witnesses"; group "Y-witnesses" has 0 of 1, without "Y1", "Y2", "Y3"`},
		{"X2 Y1", `the quorum is not met: group "X-and-Y" has 1 of 2, without "X-witnesses"; group "X-witnesses" has 1 of 2, without "X1", "X3"`},
	} {
		c, cs, err := p.Check(w.sign(t, strings.Fields(x.by)...), testOrigin)
		switch e, ok := errors.AsType[*merkle.PolicyError](err); {
		case x.want == "" && (err != nil || c.Size != 300 || len(cs) != len(strings.Fields(x.by))):
			t.Errorf("%s: %v, %v", x.by, cs, err)
		case x.want != "" && (!ok || e.Error() != x.want || e.Quorum != "X-and-Y"):
			t.Errorf("%s: %v\nwant %s", x.by, err, x.want)
		}
	}
}

func TestPolicyCheck(t *testing.T) {
	w := newPolicyWorld(t)
	p := parsePolicy(t, w.text)
	good := w.sign(t, "X1", "X2", "Y1")
	stranger, strangerKey, _ := testKey(t, 3, testOrigin)
	other, _, otherText := testKey(t, 4, "log.example/other")
	second := testCosigner(t, 5, testOrigin, merkle.CosignatureMLDSA44)
	both := parsePolicy(t, "log "+otherText+"\n"+w.text)
	second2 := parsePolicy(t, strings.Replace(w.text, w.logKey, second.VKey(), 1))
	noLog := parsePolicy(t, strings.Replace(w.text, "log "+w.logKey, "# no log", 1))

	for name, x := range map[string]struct {
		p      *merkle.Policy
		signed []byte
		origin string
		logs   []merkle.Verifier
		want   any // pointer to the expected type of error, or nil
	}{
		"good":                      {p, good, testOrigin, nil, nil},
		"two logs, one signed":      {both, good, testOrigin, nil, nil},
		"a log from elsewhere":      {noLog, good, testOrigin, []merkle.Verifier{testVerifier(t, w.logKey)}, nil},
		"the log in both places":    {p, good, testOrigin, []merkle.Verifier{testVerifier(t, w.logKey)}, nil},
		"the log's ML-DSA-44 key":   {second2, sign(t, testHead(), second.At(1), w.witnesses["X1"].At(1), w.witnesses["X2"].At(1), w.witnesses["Y1"].At(1)), testOrigin, nil, nil},
		"another origin expected":   {p, good, "log.example", nil, new(*merkle.SignatureError)},
		"another log of the policy": {both, good, "log.example/other", nil, new(*merkle.OriginError)},
		"no log known":              {noLog, good, testOrigin, nil, new(*merkle.SignatureError)},
		"a log from elsewhere, not": {noLog, good, testOrigin, []merkle.Verifier{strangerKey}, new(*merkle.SignatureError)},
		"signed by a stranger":      {p, sign(t, testHead(), stranger, w.witnesses["X1"].At(1), w.witnesses["X2"].At(1), w.witnesses["Y1"].At(1)), testOrigin, nil, new(*merkle.SignatureError)},
		"signed by the other log":   {both, sign(t, testHead(), other, w.witnesses["X1"].At(1), w.witnesses["X2"].At(1), w.witnesses["Y1"].At(1)), testOrigin, nil, new(*merkle.SignatureError)},
		"signed by witnesses alone": {p, sign(t, testHead(), w.witnesses["X1"].At(1), w.witnesses["X2"].At(1), w.witnesses["Y1"].At(1)), testOrigin, nil, new(*merkle.SignatureError)},
		"too few":                   {p, w.sign(t, "X1", "Y1"), testOrigin, nil, new(*merkle.PolicyError)},
		"enough, but one is wrong":  {p, corrupt(t, w.sign(t, "X1", "X2", "Y1", "Y2")), testOrigin, nil, new(*merkle.SignatureError)},
		"no note":                   {p, []byte("text"), testOrigin, nil, new(error)},
		"another size":              {p, []byte(strings.Replace(string(good), "\n300\n", "\n301\n", 1)), testOrigin, nil, new(*merkle.SignatureError)},
	} {
		_, _, err := x.p.Check(x.signed, x.origin, x.logs...)
		if x.want == nil && err != nil || x.want != nil && (err == nil || !errors.As(err, x.want)) {
			t.Errorf("%s: %v, want %T", name, err, x.want)
		}
	}
	// A log may witness itself: that is what the policy says then.
	self := parsePolicy(t, "log "+second.VKey()+"\nwitness self "+second.VKey()+"\nquorum self\n")
	if _, cs, err := self.Check(sign(t, testHead(), second.At(7)), testOrigin); err != nil || len(cs) != 1 || cs[0].Time != 7 {
		t.Errorf("a log that is its own witness: %v, %v", cs, err)
	}
	// What the caller has behind its keys stays as it is.
	room := []merkle.Verifier{strangerKey, nil}
	if _, _, err := p.Check(good, testOrigin, room[:1]...); err != nil || room[1] != nil {
		t.Errorf("the slice of the caller was written to: %v", err)
	}
	// Neither the name alone nor the id alone makes a witness.
	x1 := w.witnesses["X1"]
	alone := parsePolicy(t, "witness X1 "+x1.VKey()+"\nquorum X1\n")
	for _, c := range []merkle.Cosignature{{Name: x1.Name(), KeyHash: 1}, {Name: "w", KeyHash: x1.KeyHash()}} {
		if alone.Satisfied([]merkle.Cosignature{c}) == nil {
			t.Errorf("%+v satisfies the policy", c)
		}
	}
	// The quorum alone.
	_, cs, err := merkle.Cosignatures(good, p.Witnesses()[0].Verifier)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Satisfied(cs); err == nil {
		t.Error("one of six satisfies the policy")
	}
	one := parsePolicy(t, strings.Replace(w.text, "quorum X-and-Y", "quorum X1", 1))
	if err := one.Satisfied(cs); err != nil {
		t.Error(err)
	}
	if err := one.Satisfied(nil); err == nil || err.Error() != `the quorum is not met: witness "X1" has not cosigned` {
		t.Errorf("got %v", err)
	}
	if err := parsePolicy(t, "quorum none\n").Satisfied(nil); err != nil {
		t.Error(err)
	}
}

// corrupt changes the last signature of a note, and it stays well formed.
func corrupt(t testing.TB, signed []byte) []byte {
	t.Helper()
	b := slices.Clone(signed)
	at := len(b) - 20
	if b[at] != 'A' {
		b[at] = 'A'
	} else {
		b[at] = 'B'
	}
	return b
}

// Every refusal names the line and says what is wrong with it.
func TestParsePolicyRefuses(t *testing.T) {
	_, _, log := testKey(t, 1, testOrigin)
	_, _, log2 := testKey(t, 1, "log.example/other")
	a := testCosigner(t, 2, "witness.example/a", merkle.CosignatureEd25519).VKey()
	sameKey := testCosigner(t, 2, "witness.example/b", merkle.CosignatureEd25519).VKey()
	b := testCosigner(t, 3, "witness.example/b", merkle.CosignatureMLDSA44).VKey()
	const end = "quorum none\n"
	w := "witness a " + a + "\nwitness b " + b + "\n"
	for name, x := range map[string]struct {
		text, want string
	}{
		"empty":                  {"", "no quorum line"},
		"comments only":          {"# quorum none\n \t# x\n", "no quorum line"},
		"no final newline":       {"quorum none", "line 1: does not end in a newline"},
		"last line cut":          {w + "quorum a", "line 3: does not end in a newline"},
		"carriage return":        {"# a\r\nquorum none\r\n", "line 1: carriage return"},
		"null":                   {"\n# \x00\n" + end, "line 2: control character 0x00"},
		"delete":                 {"# \x7f\n" + end, "line 1: control character 0x7f"},
		"vertical tab":           {"quorum\vnone\n", "line 1: control character 0x0b"},
		"keyword":                {"logs " + log + "\n" + end, `line 1: "logs" is none of`},
		"keyword in capitals":    {"LOG " + log + "\n" + end, `line 1: "LOG" is none of`},
		"byte order mark":        {"\ufeffquorum none\n", "line 1: "},
		"log without key":        {"log\n" + end, "line 1: want: log <vkey> [<url>]"},
		"log with more":          {"log " + log + " u v\n" + end, "line 1: want: log <vkey> [<url>]"},
		"log with comment":       {"log " + log + " # x\n" + end, "line 1: comments stand on lines of their own"},
		"log with short comment": {"log " + log + " #x\n" + end, "line 1: comments stand on lines of their own"},
		"log with a name":        {"log name " + log + "\n" + end, "line 1: reading public key"},
		"log of a witness's key": {"log " + a + "\n" + end, "line 1: an Ed25519 cosignature key; want Ed25519 or ML-DSA-44"},
		"log twice":              {"log " + log + "\nlog " + log + "\n" + end, "line 2: a log with this public key"},
		"log key of two names":   {"log " + log + "\nlog " + log2 + "\n" + end, "line 2: a log with this public key"},
		"witness without key":    {"witness a\n" + end, "line 1: want: witness <name> <vkey> [<url>]"},
		"witness without name":   {"witness " + a + "\n" + end, "line 1: want: witness <name> <vkey> [<url>]"},
		"witness with more":      {"witness a " + a + " u v\n" + end, "line 1: want: witness <name> <vkey> [<url>]"},
		"witness of a log's key": {"witness a " + log + "\n" + end, "line 1: an Ed25519 key; want Ed25519 cosignature or ML-DSA-44"},
		"witness of no key":      {"witness a secret\n" + end, "line 1: reading public key: not of the form"},
		"witness none":           {"witness none " + a + "\n" + end, `line 1: "none" is not a name`},
		"witness name twice":     {"witness a " + a + "\nwitness a " + b + "\n" + end, `line 2: "a" is defined already`},
		"witness key twice":      {"witness a " + a + "\nwitness c " + a + "\n" + end, `line 2: witness "a" has the same public key`},
		"witness key, two names": {"witness a " + a + "\nwitness c " + sameKey + "\n" + end, `line 2: witness "a" has the same public key`},
		"group short":            {w + "group g any\n" + end, "line 3: want: group"},
		"group without members":  {w + "group g 1\n" + end, "line 3: want: group"},
		"group of zero":          {w + "group g 0 a\n" + end, `line 3: threshold "0" is not all, any or a number from 1 to 1`},
		"group of too many":      {w + "group g 3 a b\n" + end, `line 3: threshold "3" is not all, any or a number from 1 to 2`},
		"group of 2^64 + 1":      {w + "group g 18446744073709551617 a b\n" + end, `line 3: threshold "18446744073709551617" is not`},
		"group of -1":            {w + "group g -1 a b\n" + end, `line 3: threshold "-1" is not`},
		"group of 01":            {w + "group g 01 a b\n" + end, `line 3: threshold "01" is not`},
		"group of Any":           {w + "group g Any a b\n" + end, `line 3: threshold "Any" is not`},
		"group of itself":        {w + "group g any g\n" + end, `line 3: "g" is not defined on a line before`},
		"group of a later one":   {w + "group g any h\ngroup h any a\n" + end, `line 3: "h" is not defined on a line before`},
		"group of a log":         {"log " + log + "\ngroup g any " + testOrigin + "\n" + end, "line 2: \"log.example/lacuna\" is not defined"},
		"group of none":          {w + "group g any none\n" + end, `line 3: "none" is not defined on a line before`},
		"group named none":       {w + "group none any a\n" + end, `line 3: "none" is not a name`},
		"group named as witness": {w + "group a any b\n" + end, `line 3: "a" is defined already`},
		"member twice":           {w + "group g 2 a a\n" + end, `line 3: "a" is a member of a group already`},
		"member of two groups":   {w + "group g any a\ngroup h any a b\n" + end, `line 4: "a" is a member of a group already`},
		"quorum without name":    {w + "quorum\n", "line 3: want: quorum <name>|none"},
		"quorum of two":          {w + "quorum a b\n", "line 3: want: quorum <name>|none"},
		"quorum unknown":         {w + "quorum c\n", `line 3: "c" is not defined on a line before`},
		"quorum before":          {"quorum a\n" + w, `line 1: "a" is not defined on a line before`},
		"quorum twice":           {w + end + end, "line 4: the quorum is defined already, on line 3"},
		"quorum with comment":    {w + "quorum a # x\n", "line 3: comments stand on lines of their own"},
		"a Kelvin is no K":       {"witness K " + a + "\nquorum \u212a\n", "line 2: "},
	} {
		p, err := merkle.ParsePolicy([]byte(x.text))
		if err == nil {
			t.Errorf("%s: accepted as %+v", name, p)
		} else if !strings.HasPrefix(err.Error(), "malformed policy: "+x.want) {
			t.Errorf("%s: %v, want %s", name, err, x.want)
		}
	}
}

// What the text of tlog-policy allows and other readers may not.
func TestParsePolicyAccepts(t *testing.T) {
	_, _, log := testKey(t, 1, testOrigin)
	a := testCosigner(t, 2, "witness.example/a", merkle.CosignatureEd25519).VKey()
	for name, text := range map[string]string{
		"nothing at all":          "quorum none\n",
		"tabs and spaces":         "\t log\t" + log + "  \t\n \t \nwitness  a\t" + a + "\nquorum\ta \n",
		"comments":                "# a\n\t # b\n#\nquorum none\n",
		"URLs of any kind":        "log " + log + " urn:x\nwitness a " + a + " https://ü.example/\xff\nquorum a\n",
		"number sign in a name":   "witness #a " + a + "\nquorum #a\n",
		"keywords as names":       "witness all " + a + "\ngroup any any all\ngroup quorum 1 any\nquorum quorum\n",
		"lines after the quorum":  "witness a " + a + "\nquorum a\ngroup g any a\nlog " + log + "\n",
		"names that are no UTF-8": "witness \xff\xfe " + a + "\nquorum \xff\xfe\n",
		"a no-break space":        "witness a\u00a0b " + a + "\nquorum a\u00a0b\n",
	} {
		if _, err := merkle.ParsePolicy([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := parsePolicy(t, "log "+log+" https://log.example/\nwitness a "+a+" https://witness.example/\nquorum a\n")
	if l, w := p.Logs()[0], p.Witnesses()[0]; l.URL != "https://log.example/" || w.URL != "https://witness.example/" {
		t.Errorf("URLs are %q, %q", l.URL, w.URL)
	}
}

// Two keys of one name and one key id: an id of 32 bits is easily met twice.
func TestPolicyKeyIDTwice(t *testing.T) {
	seen := map[uint32]uint32{}
	key := func(n uint32) []byte {
		return binary.BigEndian.AppendUint32(append([]byte{0x04}, make([]byte, 28)...), n)
	}
	for n := range uint32(1 << 20) {
		id := keyID(testWitness, key(n))
		m, ok := seen[id]
		seen[id] = n
		if !ok {
			continue
		}
		text := "witness a " + rekey(testWitness, key(m)) + "\nwitness b " + rekey(testWitness, key(n)) + "\nquorum b\n"
		if _, err := merkle.ParsePolicy([]byte(text)); err == nil || !strings.Contains(err.Error(), "line 2: name and key id are those of another key") {
			t.Errorf("keys %d and %d: %v", m, n, err)
		}
		return
	}
	t.Fatal("no two keys of a million have the same id")
}

// As many logs, witnesses and groups as the text asks for, and the limit.
func TestPolicyLimits(t *testing.T) {
	write := func(logs, witnesses, groups int) string {
		var b strings.Builder
		for i := range logs {
			key := append([]byte{0x01, byte(i), byte(i >> 8)}, make([]byte, 30)...)
			fmt.Fprintf(&b, "log %s\n", rekey("log.example", key))
		}
		for i := range witnesses {
			key := append([]byte{0x04, byte(i), byte(i >> 8)}, make([]byte, 30)...)
			fmt.Fprintf(&b, "witness w%d %s\n", i, rekey("witness.example", key))
		}
		last := "w0"
		for i := range groups {
			fmt.Fprintf(&b, "group g%d all %s\n", i, last)
			last = fmt.Sprintf("g%d", i)
		}
		fmt.Fprintf(&b, "quorum %s\n", last)
		return b.String()
	}
	p := parsePolicy(t, write(256, 256, 256))
	if err := p.Satisfied(nil); err == nil || strings.Count(err.Error(), "group ") != 256 {
		t.Errorf("a chain of 256 groups: %.200v", err)
	}
	for what, text := range map[string]string{"logs": write(257, 1, 0), "witnesses": write(0, 257, 0), "groups": write(0, 1, 257)} {
		if _, err := merkle.ParsePolicy([]byte(text)); err == nil || !strings.Contains(err.Error(), "more than 256 "+what) {
			t.Errorf("%s: %.200v", what, err)
		}
	}
}

// An oracle evaluates random policies by the definition, recursively and from
// the text alone.
func TestPolicyAgainstOracle(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var keys []*merkle.Cosigner
	for i := range byte(9) {
		keys = append(keys, testCosigner(t, 30+i, fmt.Sprintf("witness.example/%d", i), merkle.CosignatureEd25519))
	}
	met := 0
	const rounds = 2000
	for range rounds {
		var text strings.Builder
		var free []string
		groups := map[string][]string{} // name to threshold and members
		for i, k := range keys {
			fmt.Fprintf(&text, "witness w%d %s\n", i, k.VKey())
			free = append(free, fmt.Sprintf("w%d", i))
		}
		rng.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
		last := free[0]
		for i := range rng.IntN(6) {
			n := 1 + rng.IntN(min(5, len(free)))
			k := 1 + rng.IntN(n)
			last = fmt.Sprintf("g%d", i)
			groups[last] = append([]string{fmt.Sprint(k)}, free[:n]...)
			fmt.Fprintf(&text, "group %s %s\n", last, strings.Join(groups[last], " "))
			free = append(free[n:], last)
		}
		fmt.Fprintf(&text, "quorum %s\n", last)
		p := parsePolicy(t, text.String())
		signed := map[string]bool{}
		var cs []merkle.Cosignature
		for i, k := range keys {
			if rng.IntN(2) == 0 {
				signed[fmt.Sprintf("w%d", i)] = true
				cs = append(cs, merkle.Cosignature{Name: k.Name(), KeyHash: k.KeyHash()})
			}
		}
		var witnessed func(name string) bool
		witnessed = func(name string) bool {
			g, ok := groups[name]
			if !ok {
				return signed[name]
			}
			n := 0
			for _, m := range g[1:] {
				if witnessed(m) {
					n++
				}
			}
			return fmt.Sprint(n) >= g[0] // one digit
		}
		err := p.Satisfied(cs)
		if (err == nil) != witnessed(last) {
			t.Fatalf("%v, by %v, for\n%s", err, signed, text.String())
		}
		if e, ok := errors.AsType[*merkle.PolicyError](err); ok {
			for _, l := range e.Lacks {
				for _, m := range l.Missing {
					if witnessed(m) {
						t.Fatalf("%v, but %q has", e, m)
					}
				}
				if witnessed(l.Group) || fmt.Sprint(l.Need) != groups[l.Group][0] || l.Have+len(l.Missing) != len(groups[l.Group])-1 {
					t.Fatalf("%v is wrong for\n%s", e, text.String())
				}
			}
		}
		if err == nil {
			met++
		}
	}
	if met < rounds/5 || met > rounds*4/5 {
		t.Errorf("%d of %d were met: the policies are not mixed", met, rounds)
	}
}
