package receipt

import (
	"fmt"

	"github.com/lacunalog/lacuna/erasure/certificate"
)

// describeSweep says in words what the record of a sweep states.
func (r *Report) describeSweep() {
	s := r.Sweep
	var epochs string
	switch {
	case s.EpochsFrom > s.EpochsTo:
		epochs = "no epoch waited for it"
	case s.EpochsFrom == s.EpochsTo:
		epochs = fmt.Sprintf("of epoch %d", s.EpochsTo)
	default:
		epochs = fmt.Sprintf("of epochs %d to %d", s.EpochsFrom, s.EpochsTo)
	}
	r.say(Note, Asserted, "traces swept %s, %s, generation %d, level %s", printable(s.TracesSweptAt), epochs, s.Generation, printable(s.Level))
	r.say(Note, Asserted, "of the %s that the log had then, %s", count(s.Size, "entry", "entries"), erasedOf(s.Erased))
	for _, n := range s.EpochsLost {
		r.say(Note, Asserted, "of epoch %d it is lost what it erased, all or a part: such entries count as lost", n)
	}
	r.say(Note, Asserted, "%s", holders(s.Holders))
}

func erasedOf(n uint64) string {
	if n == 1 {
		return "1 is erased"
	}
	return fmt.Sprintf("%d are erased", n)
}

// checkSweeps looks for contradictions between sweep records, and between them and certificates and
// samples.
func checkSweeps(reports []*Report) (findings []Finding) {
	bySet := map[certificate.Digest]int{} // leaf hash of a sweep record → report
	for j, r := range reports {
		if isSweep(r) {
			bySet[certificate.Digest(r.LeafHash)] = j
		}
	}
	for j, r := range reports {
		if !isSweep(r) {
			continue
		}
		i := -1
		if p := r.Sweep.PreviousSweep; p != nil {
			at, ok := bySet[*p]
			if !ok || reports[at].Origin != r.Origin {
				continue
			}
			i = at
			if text := notAfter(reports[i], r); text != "" {
				findings = append(findings, found(Failed, Proven, []int{i, j}, "%s; keep both files", text))
				continue
			}
		}
		findings = append(findings, checkTotals(reports, i, j)...)
	}
	return append(findings, checkSamples(reports)...)
}

func isSweep(r *Report) bool {
	_, ok := r.record()
	return ok && r.Sweep != nil
}

// notAfter says why one sweep cannot be the one after another.
func notAfter(before, after *Report) string {
	a, b := before.Sweep, after.Sweep
	what := fmt.Sprintf("the sweep in entry %d says that it is the next after that in entry %d", after.Index, before.Index)
	switch {
	case a.Tree != b.Tree || before.Index >= after.Index || a.Epoch >= b.Epoch:
		return what + ", and is not"
	case b.Generation <= a.Generation:
		return fmt.Sprintf("%s, and has generation %d after %d", what, b.Generation, a.Generation)
	case b.EpochsFrom != a.EpochsTo+1:
		return fmt.Sprintf("%s, and the epochs after %d and before %d are in neither", what, a.EpochsTo, b.EpochsFrom)
	case b.Size < a.Size:
		return what + ", and the log was longer before"
	case b.Erased < a.Erased || b.Erased-a.Erased > b.Size:
		return fmt.Sprintf("%s, and %d entries were erased before, %d after", what, a.Erased, b.Erased)
	}
	return ""
}

// checkTotals compares how many entries became unreadable between two sweeps, i and j (i is -1 before the
// first), with what the epochs between them bound. Every certificate of an epoch leads to the total of that
// epoch. One certificate of each epoch record suffices, and where the chain of records is there without a
// hole the totals must be equal.
func checkTotals(reports []*Report, i, j int) []Finding {
	s := reports[j].Sweep
	made := s.Erased
	if i >= 0 {
		made -= reports[i].Sweep.Erased
	}
	var (
		sum    uint64
		most   uint64 // of epochs of which something is lost
		from   = []int{j}
		totals = map[uint64]bool{} // epochs whose total is known
	)
	for n, r := range reports {
		if !r.Verified || r.Certificate == nil || r.Origin != reports[j].Origin || !s.Covers(r.Epoch.Tree, r.Epoch.Epoch) || totals[r.Epoch.Epoch] {
			continue
		}
		c := r.Certificate
		t, err := c.Terms.Digest()
		if err != nil {
			continue
		}
		root, err := certificate.SumRoot(certificate.RequestLeaf(c.Commitment, t, c.Entries), c.Place, r.Epoch.RequestsSize, c.Path)
		if err != nil {
			continue
		}
		totals[r.Epoch.Epoch] = true
		if s.Lost(r.Epoch.Epoch) {
			most += root.Count
		} else {
			sum += root.Count // of at most 2^53-1 each, and as many as there are files
		}
		from = append(from, n)
	}
	switch {
	case len(totals) == 0:
		return nil
	case sum > made:
		return []Finding{found(Failed, Proven, from, "the certificates of its epochs say that %s became unreadable, and the sweep in entry %d that it was %d; keep the files",
			count(sum, "entry", "entries"), reports[j].Index, made)}
	case !coversAll(reports, j, totals):
		return nil
	case sum+most < made:
		return []Finding{found(Failed, Proven, from, "the sweep in entry %d says that %s became unreadable, and the certificates of all its epochs that it was %d: the others were erased without a record, or lost; keep the files",
			reports[j].Index, count(made, "entry", "entries"), sum+most)}
	case len(s.EpochsLost) > 0:
		return []Finding{found(OK, Proven, from, "the sweep in entry %d and the certificates of all its epochs do not contradict each other: %d to %s became unreadable, and the sweep, of which something is lost, knows %d",
			reports[j].Index, sum, count(sum+most, "entry", "entries"), made)}
	}
	return []Finding{found(OK, Proven, from, "the sweep in entry %d and the certificates of all its epochs agree: %s became unreadable", reports[j].Index, count(made, "entry", "entries"))}
}

// coversAll reports whether the total of every epoch that a sweep covers and that has a record is known. The
// records are followed backwards, by what receipts and certificates show of them.
func coversAll(reports []*Report, j int, totals map[uint64]bool) bool {
	byLeaf := map[certificate.Digest]*Report{}
	for _, r := range reports {
		if r.Verified && r.Origin == reports[j].Origin && (r.Epoch != nil || isSweep(r)) {
			byLeaf[certificate.Digest(r.LeafHash)] = r
		}
	}
	s := reports[j].Sweep
	for previous, last := s.Previous, s.Epoch; previous != nil; {
		r, ok := byLeaf[*previous]
		if !ok {
			return false
		}
		epoch := uint64(0)
		if r.Epoch != nil {
			epoch, previous = r.Epoch.Epoch, r.Epoch.Previous
			if s.Covers(r.Epoch.Tree, epoch) && !totals[epoch] {
				return false
			}
		} else {
			epoch, previous = r.Sweep.Epoch, r.Sweep.Previous
		}
		if epoch <= s.EpochsFrom {
			return true // those before it are of earlier epochs
		}
		if epoch >= last {
			return false // a chain that leads nowhere; that is said elsewhere
		}
		last = epoch
	}
	return true
}
