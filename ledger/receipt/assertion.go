package receipt

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/merkle"
)

// An Assertion is the operator's signed and dated statement that a chain of a
// person ends where it says: the event chain.asserted. That nothing else exists
// cannot be proven; said so, it can be refuted, by a receipt that somebody kept.
type Assertion struct {
	report  *Report
	subject string
	// Chains are those that it is about: one, and in older assertions, which do not
	// say how many there are, all of the person's.
	Chains []AssertedChain
	of     uint64 // how many chains the person has, 0 where it does not say
}

// An AssertedChain is one chain in an assertion.
type AssertedChain struct {
	Compartment string      `json:"compartment"`
	Cohort      string      `json:"cohort"`
	Count       uint64      `json:"count"` // number of its last event
	Head        merkle.Hash `json:"head"`  // leaf hash of its last event
}

func (c AssertedChain) name() string {
	if c.Cohort == "" {
		return printable(c.Compartment)
	}
	return printable(c.Compartment + " " + c.Cohort)
}

// ErrNoAssertion is wrapped by errors about a receipt that is no assertion, or
// does not show its chains.
var ErrNoAssertion = errors.New("no assertion about chains")

// ReadAssertion reads an assertion from the report of a receipt of
// chain.asserted that shows type and chains.
func ReadAssertion(r *Report) (*Assertion, error) {
	if !r.Verified {
		return nil, fmt.Errorf("%w: the receipt does not verify", ErrNoAssertion)
	}
	if t := r.text("type"); t != "chain.asserted" {
		return nil, fmt.Errorf("%w: entry %d is of another type, or does not show it", ErrNoAssertion, r.Index)
	}
	a := &Assertion{report: r, subject: r.text("subject")}
	chains := r.Get("chains")
	if chains == nil {
		return nil, fmt.Errorf("%w: entry %d does not show its chains", ErrNoAssertion, r.Index)
	}
	if err := json.Unmarshal(chains, &a.Chains); err != nil {
		return nil, fmt.Errorf("%w: entry %d: its chains are malformed", ErrNoAssertion, r.Index)
	}
	if of := r.Get("of"); of != nil && json.Unmarshal(of, &a.of) != nil {
		return nil, fmt.Errorf("%w: entry %d: how many chains there are is malformed", ErrNoAssertion, r.Index)
	}
	return a, nil
}

// Stands checks that an assertion stands where it says that its chain ended: it is the
// next event of that chain. Not ok where its receipt does not show its place, or the
// assertion is of the older kind, which stood in a chain of its own.
func (a *Assertion) Stands() (f Finding, ok bool) {
	p, shown, err := a.report.place()
	if err != nil || !shown || a.of == 0 || len(a.Chains) != 1 {
		return f, false
	}
	if c := a.Chains[0]; p.seq != c.Count+1 || p.prev != c.Head {
		return found(Failed, Proven, nil, "entry %d asserts that chain %s has %d events, and as number %d of it does not follow the last of these: "+
			"it contradicts itself, and the operator has signed it; keep the file", a.report.Index, c.name(), c.Count, p.seq), true
	}
	return found(OK, Proven, nil, "entry %d follows the very event that it asserts to be the last of its chain", a.report.Index), true
}

// Against holds one receipt against the assertion about the chain that the
// caller knows the event to be in. The finding's Reports is empty.
func (a *Assertion) Against(r *Report, compartment, cohort string) Finding {
	if f, ok := a.comparable(r); !ok {
		return f
	}
	p, shown, err := r.place()
	if err != nil || !shown {
		return a.hidden(r)
	}
	i := slices.IndexFunc(a.Chains, func(c AssertedChain) bool { return c.Compartment == compartment && c.Cohort == cohort })
	if i < 0 {
		return a.lacks(r, "chain "+AssertedChain{Compartment: compartment, Cohort: cohort}.name())
	}
	c := a.Chains[i]
	switch {
	case p.seq > c.Count:
		return a.refuted("entry %d is number %d of chain %s, and entry %d asserts that it has %d", r.Index, p.seq, c.name(), a.report.Index, c.Count)
	case p.seq == c.Count && r.LeafHash != c.Head:
		return a.refuted("entry %d is number %d of chain %s, and entry %d asserts that another entry is", r.Index, p.seq, c.name(), a.report.Index)
	}
	return a.agrees(r)
}

// Compare holds receipts against the assertion without being told which chains
// they are of. It recognises an event that follows what the assertion calls the
// last one, directly or by way of other receipts, and a last event with another
// number. The numbers in Reports count within receipts.
//
// An event of a chain that the assertion does not have is noted, not held
// against anybody: its key may have been destroyed before.
func (a *Assertion) Compare(receipts []*Report) []Finding {
	// In the order of the log a chain is read from its beginning, so what
	// follows the asserted end is known before its own successor is looked at.
	order := make([]int, len(receipts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch x, y := receipts[i].Index, receipts[j].Index; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	beyond := map[merkle.Hash]AssertedChain{} // leaf hashes at and behind the asserted ends
	for _, c := range a.Chains {
		beyond[c.Head] = c
	}
	var findings []Finding
	for _, i := range order {
		if receipts[i].LeafHash == a.report.LeafHash {
			continue
		}
		f := a.compare(receipts[i], beyond)
		f.Reports = []int{i}
		findings = append(findings, f)
	}
	return findings
}

func (a *Assertion) compare(r *Report, beyond map[merkle.Hash]AssertedChain) Finding {
	if f, ok := a.comparable(r); !ok {
		return f
	}
	p, shown, err := r.place()
	if err != nil || !shown {
		return a.hidden(r)
	}
	if c, ok := beyond[p.prev]; ok && !p.first {
		beyond[r.LeafHash] = c
		return a.refuted("entry %d is number %d of chain %s, behind what entry %d asserts to be the last one, number %d",
			r.Index, p.seq, c.name(), a.report.Index, c.Count)
	}
	if c, ok := beyond[r.LeafHash]; ok && p.seq != c.Count {
		return a.refuted("entry %d is the last one of chain %s that entry %d asserts to have %d, and it is number %d",
			r.Index, c.name(), a.report.Index, c.Count, p.seq)
	}
	possible := slices.ContainsFunc(a.Chains, func(c AssertedChain) bool {
		return p.seq < c.Count || p.seq == c.Count && r.LeafHash == c.Head
	})
	if !possible {
		return a.lacks(r, fmt.Sprintf("a chain with %d events", p.seq))
	}
	return a.agrees(r)
}

// comparable says why a receipt cannot be held against the assertion at all.
func (a *Assertion) comparable(r *Report) (Finding, bool) {
	switch {
	case !r.Verified:
		return found(Note, "", nil, "a receipt that does not verify is not held against the assertion"), false
	case r.Origin != a.report.Origin:
		return found(Note, Proven, nil, "entry %d is in another log than the assertion", r.Index), false
	case r.Index > a.report.Index:
		return found(Note, Proven, nil, "entry %d was recorded after the assertion, entry %d", r.Index, a.report.Index), false
	}
	if s := r.text("subject"); s != "" && a.subject != "" && s != a.subject {
		return found(Note, Proven, nil, "entry %d is about somebody else than the assertion", r.Index), false
	}
	return Finding{}, true
}

// lacks says that the assertion is about no such chain as a receipt is of.
func (a *Assertion) lacks(r *Report, chain string) Finding {
	why := "it was left out, or its key was destroyed before; ask for the certificate of the erasure"
	if a.of > uint64(len(a.Chains)) {
		why = fmt.Sprintf("it is about %d of %d, so ask for one about that chain", len(a.Chains), a.of)
	}
	return found(Note, Proven, nil, "the assertion, entry %d, is not about %s, where entry %d stands: %s", a.report.Index, chain, r.Index, why)
}

func (a *Assertion) hidden(r *Report) Finding {
	return found(Note, Proven, nil, "entry %d does not show _seq and _prev, so it cannot be held against the assertion", r.Index)
}

func (a *Assertion) agrees(r *Report) Finding {
	return found(OK, Proven, nil, "entry %d does not contradict the assertion, entry %d", r.Index, a.report.Index)
}

func (a *Assertion) refuted(format string, args ...any) Finding {
	return found(Failed, Proven, nil, format+": the assertion is false, and both are signed by the operator; keep both files", args...)
}
