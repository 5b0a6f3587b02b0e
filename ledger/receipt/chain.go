package receipt

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// CheckChain checks that receipts are of consecutive events of one chain (one
// person, one compartment, one period) without a hole between them. That they
// are of one chain is the caller's claim; which one is not needed. Every receipt
// must show _seq and _prev.
//
// Two different entries with one number are evidence of lying, and a finding
// says so. What CheckChain cannot find is an event that was dropped after the
// last one shown: every beginning of a chain is a chain without a hole. For that
// there is [Assertion].
func CheckChain(reports []*Report) []Finding {
	findings := CheckTogether(reports)
	failed := func(reports []int, format string, args ...any) {
		findings = append(findings, found(Failed, Proven, reports, format, args...))
	}
	type link struct {
		report int
		place
	}
	var chain []link
	for i, r := range reports {
		if slices.Contains([]envelope.Kind{KindHead, KindCertificate, KindPaired, KindSample, KindLost}, r.Kind) {
			continue // no event, so no part of any chain
		}
		if !r.Verified {
			failed([]int{i}, "a receipt that does not verify is no part of a chain")
			continue
		}
		p, shown, err := r.place()
		switch {
		case err != nil: // CheckTogether has said so
		case !shown:
			failed([]int{i}, "entry %d does not show _seq and _prev, so nobody can see where in a chain it stands", r.Index)
		case len(chain) > 0 && reports[chain[0].report].Origin != r.Origin:
			failed([]int{chain[0].report, i}, "entry %d is in another log: a chain is in one", r.Index)
		default:
			chain = append(chain, link{i, p})
		}
	}
	if len(chain) == 0 {
		return findings
	}
	slices.SortStableFunc(chain, func(a, b link) int { return cmp.Compare(a.seq, b.seq) })
	ok := len(findings) == 0
	for k := 1; k < len(chain); k++ {
		a, b := chain[k-1], chain[k]
		ra, rb := reports[a.report], reports[b.report]
		both := []int{a.report, b.report}
		switch {
		case a.seq == b.seq && ra.LeafHash == rb.LeafHash:
			continue // the same event, shown twice
		case a.seq == b.seq:
			failed(both, "entries %d and %d are both number %d of the chain: if they are of one chain, "+
				"this is evidence that the operator lied; keep both files", ra.Index, rb.Index, a.seq)
		case a.seq+1 < b.seq:
			failed(both, "a hole: %s between entry %d and entry %d", missing(a.seq+1, b.seq-1), ra.Index, rb.Index)
		case b.prev != ra.LeafHash:
			failed(both, "entry %d does not follow entry %d: number %d that it names is another entry", rb.Index, ra.Index, a.seq)
		default:
			continue
		}
		ok = false
	}
	first, last := chain[0], chain[len(chain)-1]
	all := make([]int, len(chain))
	for k, l := range chain {
		all[k] = l.report
	}
	if ok {
		if first.seq == last.seq {
			findings = append(findings, found(OK, Proven, all, "number %d of the chain", first.seq))
		} else {
			findings = append(findings, found(OK, Proven, all, "numbers %d to %d of the chain follow one another without a hole", first.seq, last.seq))
		}
	}
	if first.seq > 1 {
		findings = append(findings, found(Note, Proven, all, "what came before number %d is not shown", first.seq))
	}
	return append(findings, found(Note, Asserted, all, "that nothing came after number %d does not follow: "+
		"only a dated assertion of the operator (chain.asserted) says so", last.seq))
}

func missing(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("number %d of the chain is missing", from)
	}
	return fmt.Sprintf("numbers %d to %d of the chain are missing", from, to)
}
