package receipt_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/ledger/receipt/receipttest"
)

// verified returns the reports of receipts, which must verify.
func verified(t *testing.T, l *receipttest.Log, files ...[]byte) (reports []*receipt.Report) {
	t.Helper()
	for _, f := range files {
		r, err := receipt.Verify(f, l.VKey)
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
	}
	return reports
}

func open(t *testing.T, l *receipttest.Log, indexes ...uint64) []*receipt.Report {
	t.Helper()
	var files [][]byte
	for _, i := range indexes {
		files = append(files, l.Receipt(i, receipttest.All))
	}
	return verified(t, l, files...)
}

// expect checks that among the findings there is one with that mark and text,
// and that nothing failed unless expected to.
func expect(t *testing.T, findings []receipt.Finding, mark receipt.Mark, text string) {
	t.Helper()
	ok := slices.ContainsFunc(findings, func(f receipt.Finding) bool { return f.Mark == mark && strings.Contains(f.Text, text) })
	if mark != receipt.Failed && slices.ContainsFunc(findings, func(f receipt.Finding) bool { return f.Mark == receipt.Failed }) {
		ok = false
	}
	if !ok {
		var all []string
		for _, f := range findings {
			all = append(all, f.String())
		}
		t.Errorf("no %q with %q in\n%s", mark, text, strings.Join(all, "\n"))
	}
}

func TestCheckChain(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	l.Fill(4)
	c := l.Chain(`{"type":"consent.requested"}`, `{"type":"consent.given"}`, `{"type":"data.disclosed"}`, `{"type":"consent.withdrawn"}`)
	l.Fill(3)

	expect(t, receipt.CheckChain(open(t, l, c...)), receipt.OK, "numbers 1 to 4 of the chain follow one another without a hole")
	expect(t, receipt.CheckChain(open(t, l, c[2], c[0], c[1], c[2])), receipt.OK, "numbers 1 to 3")
	expect(t, receipt.CheckChain(open(t, l, c[1], c[2])), receipt.Note, "what came before number 2 is not shown")
	expect(t, receipt.CheckChain(open(t, l, c[0])), receipt.OK, "number 1 of the chain")
	expect(t, receipt.CheckChain(open(t, l, c[0], c[1], c[3])), receipt.Failed, "a hole: number 3 of the chain is missing between entry 5 and entry 7")
	expect(t, receipt.CheckChain(open(t, l, c[0], c[3])), receipt.Failed, "a hole: numbers 2 to 3 of the chain are missing")
	if f := receipt.CheckChain(nil); len(f) != 0 {
		t.Errorf("nothing at all: %v", f)
	}
}

func TestCheckChainRefuses(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	c := l.Chain(`{"type":"a"}`, `{"type":"b"}`)
	d := l.Chain(`{"type":"c"}`, `{"type":"d"}`)
	hidden := verified(t, l, l.Receipt(c[1], nil))
	expect(t, receipt.CheckChain(append(open(t, l, c[0]), hidden...)), receipt.Failed, "entry 1 does not show _seq and _prev")
	expect(t, receipt.CheckChain(open(t, l, c[0], d[0])), receipt.Failed, "both number 1 of the chain: if they are of one chain, this is evidence that the operator lied")
	expect(t, receipt.CheckChain(open(t, l, c[0], d[1])), receipt.Failed, "entry 3 does not follow entry 0")
	bad, _ := receipt.Verify(nil, l.VKey)
	expect(t, receipt.CheckChain([]*receipt.Report{bad}), receipt.Failed, "does not verify")
	other := receipttest.NewLog("other.example")
	e := other.Chain(`{"type":"a"}`, `{"type":"b"}`)
	expect(t, receipt.CheckChain(append(open(t, l, c[0]), open(t, other, e[1])...)), receipt.Failed, "another log")
}

// TestTwoHistories: one chain goes on in two ways, each shown to somebody else.
// Both receipts are in order on their own.
func TestTwoHistories(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	c := l.Chain(`{"type":"consent.requested"}`, `{"type":"consent.given"}`)
	lie := l.Append(fmt.Sprintf(`{"_prev":"%s","_seq":2,"type":"consent.refused"}`, l.LeafHash(c[0])))
	for _, reports := range [][]*receipt.Report{open(t, l, c[1], lie), open(t, l, lie, c[0], c[1])} {
		expect(t, receipt.CheckTogether(reports), receipt.Failed, "one chain has two histories, which is evidence that the operator lied; keep both files")
		expect(t, receipt.CheckChain(reports), receipt.Failed, "evidence that the operator lied")
	}
	expect(t, receipt.CheckChain(open(t, l, c...)), receipt.OK, "numbers 1 to 2")
	expect(t, receipt.CheckChain(open(t, l, c[0], lie)), receipt.OK, "numbers 1 to 2")
}

func TestCheckTogether(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	c := l.Chain(`{"type":"a"}`, `{"type":"b"}`)
	wrongNumber := l.Append(fmt.Sprintf(`{"_prev":"%s","_seq":7,"type":"x"}`, l.LeafHash(c[1])))
	expect(t, receipt.CheckTogether(open(t, l, c[1], wrongNumber)), receipt.Failed, "entry 2 says that it is number 7 of its chain and follows entry 1, which is number 2")
	noStart := l.Append(`{"_prev":null,"_seq":3,"type":"x"}`)
	expect(t, receipt.CheckTogether(open(t, l, noStart)), receipt.Failed, "entry 3: it is number 3 of its chain, and _prev says otherwise")
	leaf, env := l.Leaf(c[0])
	copied := l.AppendLeaf(leaf, env)
	expect(t, receipt.CheckTogether(open(t, l, c[0], copied)), receipt.Failed, "entries 0 and 4 are the same sealed event")
	for _, event := range []string{`{"_prev":7,"_seq":2,"type":"x"}`, `{"_prev":"abc","_seq":2,"type":"x"}`, `{"_prev":null,"_seq":0,"type":"x"}`, `{"_prev":null,"_seq":"1","type":"x"}`, `{"_prev":null,"_seq":1.5,"type":"x"}`} {
		expect(t, receipt.CheckTogether(open(t, l, l.Append(event))), receipt.Failed, "keep the file")
	}
	if f := receipt.CheckTogether(open(t, l, c...)); len(f) != 0 {
		t.Errorf("an honest log: %v", f)
	}
	p := l.Publish(`{"type":"log.key"}`)
	if f := receipt.CheckTogether(open(t, l, p, l.Publish(`{"type":"log.key"}`))); len(f) != 0 {
		t.Errorf("a statement published twice: %v", f)
	}

	// A log that is rewritten and signs again.
	before := open(t, l, c...)
	forked := l.Fork()
	forked.Fill(1)
	l.Append(`{"type":"y"}`)
	expect(t, receipt.CheckTogether(append(open(t, l, c[0]), open(t, forked, c[1])...)), receipt.Failed, "have different roots")
	l2 := receipttest.NewLog(l.Origin)
	l2.Fill(30)
	after, err := receipt.Verify(l2.Receipt(c[1], nil), l2.VKey)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, receipt.CheckTogether(append(before, after)), receipt.Failed, "entry 1 is not the same under two signed heads: the log was rewritten")
}

// TestDroppedLastEvent [8]: a person withdraws; the operator drops the last
// event of the chain and asserts that there was nothing more. The chain alone
// does not show it. The receipt in the person's hand does.
func TestDroppedLastEvent(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	c := l.Chain(`{"subject":"c-2","type":"consent.requested"}`, `{"subject":"c-2","type":"consent.given"}`, `{"subject":"c-2","type":"consent.withdrawn"}`, `{"subject":"c-2","type":"right.requested"}`)
	other := l.Chain(`{"subject":"c-2","type":"a"}`, `{"subject":"c-2","type":"b"}`, `{"subject":"c-2","type":"c"}`, `{"subject":"c-2","type":"d"}`, `{"subject":"c-2","type":"e"}`)

	// What the operator shows, without the withdrawal, is a perfect chain.
	expect(t, receipt.CheckChain(open(t, l, c[0], c[1])), receipt.OK, "numbers 1 to 2 of the chain follow one another without a hole")
	expect(t, receipt.CheckChain(open(t, l, c[0], c[1])), receipt.Note, "that nothing came after number 2 does not follow")

	assert := func(count int, head uint64) *receipt.Assertion {
		t.Helper()
		i := l.Append(fmt.Sprintf(`{"chains":[{"cohort":"","compartment":"consent-evidence","count":%d,"head":"%s"},{"cohort":"2026","compartment":"marketing","count":5,"head":"%s"}],"subject":"c-2","type":"chain.asserted"}`,
			count, l.LeafHash(head), l.LeafHash(other[4])))
		a, err := receipt.ReadAssertion(verified(t, l, l.Receipt(i, nil))[0])
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	honest, lie := assert(4, c[3]), assert(2, c[1])
	withdrawn, last := open(t, l, c[2])[0], open(t, l, c[3])[0]

	// By the link alone: nobody says which chain it is.
	expect(t, honest.Compare([]*receipt.Report{withdrawn}), receipt.OK, "does not contradict the assertion")
	expect(t, lie.Compare([]*receipt.Report{withdrawn}), receipt.Failed, "entry 2 is number 3 of chain consent-evidence, behind what entry 10 asserts to be the last one, number 2: the assertion is false")
	expect(t, lie.Compare([]*receipt.Report{last, withdrawn}), receipt.Failed, "entry 3 is number 4 of chain consent-evidence")
	for _, f := range lie.Compare([]*receipt.Report{last, withdrawn}) {
		if f.Mark != receipt.Failed {
			t.Errorf("an event behind a dropped one is not recognised: %v", f)
		}
	}
	expect(t, lie.Compare(open(t, l, c[0], c[1])), receipt.OK, "does not contradict")

	// With the chain named, numbers are enough.
	one := func(f receipt.Finding) []receipt.Finding { return []receipt.Finding{f} }
	expect(t, one(lie.Against(last, "consent-evidence", "")), receipt.Failed, "entry 3 is number 4 of chain consent-evidence, and entry 10 asserts that it has 2")
	expect(t, one(lie.Against(withdrawn, "consent-evidence", "")), receipt.Failed, "asserts that it has 2")
	expect(t, one(honest.Against(last, "consent-evidence", "")), receipt.OK, "does not contradict")
	expect(t, one(honest.Against(open(t, l, other[4])[0], "marketing", "2026")), receipt.OK, "does not contradict")
	expect(t, one(honest.Against(last, "tax", "2024")), receipt.Note, "is not about chain tax 2024")
	otherHead := assert(4, other[3])
	expect(t, one(otherHead.Against(last, "consent-evidence", "")), receipt.Failed, "asserts that another entry is")
	expect(t, assert(3, c[3]).Compare([]*receipt.Report{last}), receipt.Failed, "asserts to have 3, and it is number 4")

	// What says nothing is not held against anybody.
	hidden := verified(t, l, l.Receipt(c[2], nil))
	expect(t, lie.Compare(hidden), receipt.Note, "does not show _seq and _prev")
	later := open(t, l, l.Append(fmt.Sprintf(`{"_prev":"%s","_seq":3,"subject":"c-2","type":"x"}`, l.LeafHash(c[1]))))
	expect(t, lie.Compare(later), receipt.Note, "was recorded after the assertion")
	somebody := open(t, l, l.Chain(`{"subject":"c-9","type":"x"}`)[0])
	expect(t, assert(2, c[1]).Compare(somebody), receipt.Note, "about somebody else")
	gone := open(t, l, l.Chain(`{"subject":"c-2","n":1}`, `{"subject":"c-2","n":2}`, `{"subject":"c-2","n":3}`, `{"subject":"c-2","n":4}`, `{"subject":"c-2","n":5}`, `{"subject":"c-2","n":6}`)[5])
	expect(t, assert(2, c[1]).Compare(gone), receipt.Note, "its key was destroyed before; ask for the certificate")
}

// TestAssertedChainOfSeveral: an assertion about one of a person's chains says nothing
// about the others, and does not accuse anybody.
func TestAssertedChainOfSeveral(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	c := l.Chain(`{"type":"a"}`, `{"type":"b"}`)
	other := l.Chain(`{"type":"c"}`, `{"type":"d"}`, `{"type":"e"}`)
	for of, want := range map[string]string{"2": "it is about 1 of 2, so ask for one about that chain", "1": "it was left out, or its key was destroyed before"} {
		i := l.Append(fmt.Sprintf(`{"chains":[{"cohort":"","compartment":"chat","count":2,"head":"%s"}],"of":%s,"type":"chain.asserted"}`, l.LeafHash(c[1]), of))
		a, err := receipt.ReadAssertion(verified(t, l, l.Receipt(i, nil))[0])
		if err != nil {
			t.Fatal(err)
		}
		expect(t, a.Compare(open(t, l, c...)), receipt.OK, "does not contradict")
		expect(t, a.Compare(open(t, l, other[2])), receipt.Note, "a chain with 3 events, where entry 4 stands: "+want)
		expect(t, []receipt.Finding{a.Against(open(t, l, other[2])[0], "tax", "2024")}, receipt.Note, "chain tax 2024, where entry 4 stands: "+want)
	}
}

// TestAssertionStands: an assertion is the next event of the chain that it is about, so
// one that counts otherwise refutes itself.
func TestAssertionStands(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	c := l.Chain(`{"type":"a"}`, `{"type":"b"}`)
	assert := func(count, seq int, head, prev uint64) *receipt.Verification {
		t.Helper()
		i := l.Append(fmt.Sprintf(`{"_prev":"%s","_seq":%d,"chains":[{"cohort":"","compartment":"chat","count":%d,"head":"%s"}],"of":2,"type":"chain.asserted"}`,
			l.LeafHash(prev), seq, count, l.LeafHash(head)))
		return receipt.Conclude(open(t, l, i), false)
	}
	if v := assert(2, 3, c[1], c[1]); !v.Verified {
		t.Errorf("an honest one: %v", v.Findings)
	} else {
		expect(t, v.Findings, receipt.OK, "follows the very event that it asserts to be the last of its chain")
	}
	for _, v := range []*receipt.Verification{assert(1, 3, c[1], c[1]), assert(2, 3, c[0], c[1]), assert(2, 4, c[1], c[1])} {
		if v.Verified {
			t.Error("an assertion that counts otherwise than its own place verifies")
		}
		expect(t, v.Findings, receipt.Failed, "asserts that chain chat has")
	}
	hidden := l.Append(fmt.Sprintf(`{"chains":[{"cohort":"","compartment":"chat","count":1,"head":"%s"}],"of":2,"type":"chain.asserted"}`, l.LeafHash(c[0])))
	if v := receipt.Conclude(verified(t, l, l.Receipt(hidden, nil)), false); !v.Verified || len(v.Findings) != 0 {
		t.Errorf("one that does not show its place: %v", v.Findings)
	}
}

// TestDroppedLastEventConclude [8]: the same, as somebody checks a folder of
// receipts in one go.
func TestDroppedLastEventConclude(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	c := l.Chain(`{"type":"consent.given"}`, `{"type":"consent.withdrawn"}`)
	a := l.Append(fmt.Sprintf(`{"chains":[{"cohort":"","compartment":"consent-evidence","count":1,"head":"%s"}],"type":"chain.asserted"}`, l.LeafHash(c[0])))
	v := receipt.Conclude(open(t, l, c[0], c[1], a), false)
	if v.Verified {
		t.Error("concluded that everything is in order")
	}
	expect(t, v.Findings, receipt.Failed, "the assertion is false, and both are signed by the operator; keep both files")
	if v := receipt.Conclude(open(t, l, c[0], a), false); !v.Verified {
		t.Error("the receipts that agree do not verify")
	}
	if v := receipt.Conclude(open(t, l, c...), true); !v.Verified {
		t.Error("the chain does not verify")
	}
}

func TestReadAssertion(t *testing.T) {
	l := receipttest.NewLog("demo.lacuna.test")
	for _, event := range []string{
		`{"type":"consent.given"}`, `{"chains":[]}`, `{"type":"chain.asserted"}`, `{"chains":{},"type":"chain.asserted"}`,
		`{"chains":[],"of":-1,"type":"chain.asserted"}`, `{"chains":[{"head":"x"}],"type":"chain.asserted"}`, `{"chains":[{"count":-1}],"type":"chain.asserted"}`,
	} {
		if _, err := receipt.ReadAssertion(open(t, l, l.Append(event))[0]); err == nil {
			t.Errorf("%s: read as an assertion", event)
		}
	}
	bad, _ := receipt.Verify(nil, l.VKey)
	if _, err := receipt.ReadAssertion(bad); err == nil {
		t.Error("an unverified report: read as an assertion")
	}
}
