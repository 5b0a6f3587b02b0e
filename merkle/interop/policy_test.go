package interop

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"filippo.io/torchwood"
	formats "github.com/transparency-dev/formats/witness"

	"github.com/lacunalog/lacuna/merkle"
)

// policyKeys are a log and witnesses to write policies with.
type policyKeys struct {
	log       merkle.Signer
	logKey    string
	cosigners []*merkle.Cosigner
}

func newPolicyKeys(t *testing.T, witnesses int) policyKeys {
	t.Helper()
	skey, vkey, err := merkle.GenerateKey(seedReader(7), origin)
	if err != nil {
		t.Fatal(err)
	}
	k := policyKeys{logKey: vkey}
	if k.log, err = merkle.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	for i := range witnesses {
		skey, _, err := merkle.GenerateCosigner(seedReader(20+i), fmt.Sprintf("witness.example/w%d", i), merkle.CosignatureEd25519)
		if err != nil {
			t.Fatal(err)
		}
		c, err := merkle.NewCosigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		k.cosigners = append(k.cosigners, c)
	}
	return k
}

// The three readers of policies, and what each thinks of a signed checkpoint.
var policyReaders = []struct {
	name string
	read func(text string) (func(signed []byte) error, error)
}{
	{"ours", func(text string) (func([]byte) error, error) {
		p, err := merkle.ParsePolicy([]byte(text))
		if err != nil {
			return nil, err
		}
		return func(signed []byte) error { _, _, err := p.Check(signed, origin); return err }, nil
	}},
	{"torchwood", func(text string) (func([]byte) error, error) {
		p, err := torchwood.ParsePolicy([]byte(text))
		if err != nil {
			return nil, err
		}
		return func(signed []byte) error { _, _, err := torchwood.VerifyCheckpoint(signed, p); return err }, nil
	}},
	{"formats", func(text string) (func([]byte) error, error) {
		p, err := formats.ParsePolicy([]byte(text))
		if err != nil {
			return nil, err
		}
		return func(signed []byte) error {
			if !p.Satisfied(signed) {
				return fmt.Errorf("not satisfied")
			}
			return nil
		}, nil
	}},
}

// Random policies, written as the text says, mean the same to everybody.
func TestPoliciesMeanTheSame(t *testing.T) {
	k := newPolicyKeys(t, 8)
	rng := rand.New(rand.NewPCG(1, 2))
	met, unmet := 0, 0
	for range 300 {
		text := randomPolicy(rng, k)
		checks := make([]func([]byte) error, len(policyReaders))
		for i, r := range policyReaders {
			var err error
			if checks[i], err = r.read(text); err != nil {
				t.Fatalf("%s refuses %v in\n%s", r.name, err, text)
			}
		}
		for range 4 {
			signers := []merkle.Signer{k.log}
			for _, c := range k.cosigners {
				if rng.IntN(2) == 0 {
					signers = append(signers, c.At(1679315147))
				}
			}
			signed, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: origin, Size: 1, Root: merkle.LeafHash(nil)}, signers...)
			if err != nil {
				t.Fatal(err)
			}
			want := checks[0](signed)
			for i, check := range checks[1:] {
				if got := check(signed); (got == nil) != (want == nil) {
					t.Fatalf("%s: %v, ours: %v, for\n%s\n%s", policyReaders[i+1].name, got, want, text, signed)
				}
			}
			if want == nil {
				met++
			} else {
				unmet++
			}
		}
	}
	if met < 100 || unmet < 100 {
		t.Errorf("%d met, %d not: the policies are not mixed", met, unmet)
	}
}

// randomPolicy makes groups of what no group has yet.
func randomPolicy(rng *rand.Rand, k policyKeys) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# a policy\n\nlog %s https://log.example\n", k.logKey)
	var free []string
	for i, c := range k.cosigners {
		name := fmt.Sprintf("w%d", i)
		fmt.Fprintf(&b, " witness\t%s  %s https://witness.example/%d \n", name, c.VKey(), i)
		free = append(free, name)
	}
	rng.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	last := free[0]
	for i := range rng.IntN(5) {
		n := 1 + rng.IntN(min(4, len(free)))
		members := free[:n]
		threshold := []string{"any", "all", fmt.Sprint(1 + rng.IntN(n))}[rng.IntN(3)]
		last = fmt.Sprintf("g%d", i)
		fmt.Fprintf(&b, "group %s %s %s\n", last, threshold, strings.Join(members, " "))
		free = append(free[n:], last)
	}
	if rng.IntN(20) == 0 {
		last = "none"
	}
	fmt.Fprintf(&b, "quorum %s\n", last)
	return b.String()
}

// Policies at the edge of the text, and beyond. Where a reader of others does
// not do what the text of tlog-policy says, the table says so; should a newer
// one do it, this test tells.
func TestPoliciesAtTheEdge(t *testing.T) {
	k := newPolicyKeys(t, 3)
	a, b, c := k.cosigners[0].VKey(), k.cosigners[1].VKey(), k.cosigners[2].VKey()
	log, w := "log "+k.logKey+"\n", "witness a "+a+" u\nwitness b "+b+" u\nwitness c "+c+" u\n"
	mldsa, _ := ourCosigner(t, merkle.CosignatureMLDSA44)
	for name, x := range map[string]struct {
		text                     string
		ours, torchwood, formats bool
	}{
		"a witness":                    {log + w + "quorum a\n", true, true, true},
		"a group":                      {log + w + "group g all a b\ngroup h any g c\nquorum h\n", true, true, true},
		"none":                         {log + "quorum none\n", true, true, true},
		"lines after the quorum":       {log + w + "quorum a\ngroup g any b\n", true, true, true},
		"no log":                       {w + "quorum a\n", true, true, true},
		"empty":                        {"", false, false, false},
		"no quorum":                    {log + w, false, false, false},
		"unknown keyword":              {log + w + "quorum a\nfoo\n", false, false, false},
		"group of nothing":             {log + w + "group g any\nquorum g\n", false, false, false},
		"threshold too high":           {log + w + "group g 3 a b\nquorum g\n", false, false, false},
		"threshold negative":           {log + w + "group g -1 a b\nquorum g\n", false, false, false},
		"threshold no number":          {log + w + "group g some a b\nquorum g\n", false, false, false},
		"member not defined":           {log + w + "group g any d\nquorum g\n", false, false, false},
		"group of itself":              {log + w + "group g any g\nquorum g\n", false, false, false},
		"group of a later one":         {log + w + "group g any h\ngroup h any a\nquorum g\n", false, false, false},
		"name twice":                   {log + w + "witness a " + b + " u\nquorum a\n", false, false, false},
		"group and witness of a name":  {log + w + "group a any b\nquorum a\n", false, false, false},
		"quorum not defined":           {log + w + "quorum d\n", false, false, false},
		"a log's key as witness":       {log + "witness l " + k.logKey + " u\nquorum l\n", false, false, true}, // formats takes it for type 0x04
		"no key":                       {log + "witness a\nquorum a\n", false, false, false},
		"key cut":                      {log + "witness a " + a[:len(a)-4] + " u\nquorum a\n", false, false, false},
		"ML-DSA-44":                    {log + "witness m " + mldsa.VKey() + " u\nquorum m\n", true, false, true}, // torchwood since v0.10.0
		"no URL":                       {log + "witness a " + a + "\nquorum a\n", true, true, false},
		"key id of another key":        {log + "witness a " + strings.Replace(a, "w0+", "w9+", 1) + " u\nquorum a\n", false, false, true},
		"two quorums":                  {log + w + "quorum a\nquorum b\n", false, false, true},
		"quorum before":                {log + "quorum a\n" + w, false, true, true},
		"quorum of two":                {log + w + "quorum a b\n", false, true, false},
		"threshold of zero":            {log + w + "group g 0 a b\nquorum g\n", false, false, true},
		"threshold with sign":          {log + w + "group g +1 a b\nquorum g\n", false, true, false},
		"threshold with zero before":   {log + w + "group g 01 a b\nquorum g\n", false, true, true},
		"member twice":                 {log + w + "group g 2 a a\nquorum g\n", false, true, true},
		"member of two groups":         {log + w + "group g any a\ngroup h any a\ngroup i all g h\nquorum i\n", false, true, true},
		"witness twice":                {log + w + "witness d " + a + " u\ngroup g 2 a d\nquorum g\n", false, true, true},
		"log twice":                    {log + log + w + "quorum a\n", false, true, true},
		"witness of the name none":     {log + w + "witness none " + a + " u\nquorum a\n", false, true, false},
		"group of the name all":        {log + w + "group all any a\nquorum all\n", true, true, false},
		"comment behind words":         {log + w + "quorum a # comment\n", false, true, true},
		"number sign inside":           {log + "witness #a " + a + " u\nquorum #a\n", true, false, false},
		"no newline at the end":        {log + w + "quorum a", false, true, true},
		"carriage returns":             {strings.ReplaceAll(log+w+"quorum a\n", "\n", "\r\n"), false, true, true},
		"form feed":                    {log + w + "quorum\fa\n", false, true, true},
		"no-break space inside a name": {log + "witness a\u00a0b " + a + " u\nquorum a\u00a0b\n", true, false, false},
		"not UTF-8":                    {log + "witness \xff " + a + " u\nquorum \xff\n", true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			for i, want := range []bool{x.ours, x.torchwood, x.formats} {
				if _, err := policyReaders[i].read(x.text); (err == nil) != want {
					t.Errorf("%s: %v, expected to be accepted: %t", policyReaders[i].name, err, want)
				}
			}
		})
	}
}
