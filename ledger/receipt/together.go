package receipt

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/lacunalog/lacuna/merkle"
)

// A Finding is what several reports say together. Reports are numbers of the
// reports it is about, in the order they were given.
type Finding struct {
	Line
	Reports []int
}

func found(mark Mark, standing Standing, reports []int, format string, args ...any) Finding {
	return Finding{Line{mark, standing, fmt.Sprintf(format, args...)}, reports}
}

// place is where an event stands in its chain, as it says itself.
type place struct {
	seq   uint64      // counts from 1
	prev  merkle.Hash // leaf hash of the event before, unless first
	first bool        // _prev is null
}

// place returns the place of a report's event; shown is false if the receipt
// does not show both _seq and _prev, and err says that what it shows cannot be.
func (r *Report) place() (p place, shown bool, err error) {
	seq, prev := r.Get("_seq"), r.Get("_prev")
	if seq == nil || prev == nil {
		return p, false, nil
	}
	if p.seq, err = strconv.ParseUint(string(seq), 10, 63); err != nil || p.seq == 0 {
		return p, false, fmt.Errorf("entry %d: _seq is no number of an event", r.Index)
	}
	if p.first = string(prev) == "null"; !p.first {
		var s string
		if json.Unmarshal(prev, &s) == nil {
			p.prev, err = merkle.ParseHash(s)
		}
		if s == "" || err != nil {
			return p, false, fmt.Errorf("entry %d: _prev is neither null nor a leaf hash", r.Index)
		}
	}
	if p.first != (p.seq == 1) {
		return p, false, fmt.Errorf("entry %d: it is number %d of its chain, and _prev says otherwise", r.Index, p.seq)
	}
	return p, true, nil
}

// CheckTogether looks for contradictions between receipts, whatever they are
// about. A log that behaves gives none, so each finding is evidence that the
// operator lied to somebody, and every receipt it names is part of it: keep the
// files. Reports that did not verify are passed over.
func CheckTogether(reports []*Report) []Finding {
	type at struct {
		origin string
		n      uint64
	}
	type hashed struct {
		origin string
		h      merkle.Hash
	}
	var findings []Finding
	failed := func(i, j int, format string, args ...any) {
		findings = append(findings, found(Failed, Proven, []int{i, j}, format+"; keep both files", args...))
	}
	heads, entries := map[at]int{}, map[at]int{}
	leaves, successors := map[hashed]int{}, map[hashed]int{}
	for j, r := range reports {
		if !r.Verified {
			continue
		}
		if i, ok := heads[at{r.Origin, r.Size}]; !ok {
			heads[at{r.Origin, r.Size}] = j
		} else if reports[i].Root != r.Root {
			failed(i, j, "two signed heads of size %d have different roots: the log shows different histories to different people", r.Size)
		}
		if r.LeafHash == (merkle.Hash{}) {
			continue // a head, or a sample of a log without a sweep: about no entry
		}
		if i, ok := entries[at{r.Origin, r.Index}]; !ok {
			entries[at{r.Origin, r.Index}] = j
		} else if reports[i].LeafHash != r.LeafHash {
			failed(i, j, "entry %d is not the same under two signed heads: the log was rewritten", r.Index)
		}
		if i, ok := leaves[hashed{r.Origin, r.LeafHash}]; !ok {
			leaves[hashed{r.Origin, r.LeafHash}] = j
		} else if reports[i].Index != r.Index && r.Kind != "public" {
			failed(i, j, "entries %d and %d are the same sealed event: one was copied", reports[i].Index, r.Index)
		}
		p, shown, err := r.place()
		if err != nil {
			findings = append(findings, found(Failed, Proven, []int{j}, "%v; keep the file", err))
		}
		if !shown || p.first {
			continue
		}
		if i, ok := successors[hashed{r.Origin, p.prev}]; !ok {
			successors[hashed{r.Origin, p.prev}] = j
		} else if reports[i].LeafHash != r.LeafHash {
			failed(i, j, "entries %d and %d both say that they follow the same entry as number %d of its chain: one chain has two histories, "+
				"which is evidence that the operator lied", reports[i].Index, r.Index, p.seq)
		}
	}
	for j, r := range reports {
		p, shown, _ := r.place()
		if !r.Verified || !shown || p.first {
			continue
		}
		i, ok := leaves[hashed{r.Origin, p.prev}]
		if !ok {
			continue
		}
		if reports[i].Index >= r.Index {
			failed(i, j, "entry %d says that it follows entry %d, which was recorded later", r.Index, reports[i].Index)
		}
		if q, shown, _ := reports[i].place(); shown && q.seq+1 != p.seq {
			failed(i, j, "entry %d says that it is number %d of its chain and follows entry %d, which is number %d", r.Index, p.seq, reports[i].Index, q.seq)
		}
	}
	return findings
}
