package receipt

import (
	"fmt"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/merkle"
)

// VerifyPaired checks paired openings against the reports of the receipts of the two sweep records that
// they stand between; it looks for them among the reports. The error is a [*Failure].
func (t *Trust) VerifyPaired(file []byte, reports []*Report) (*Report, error) {
	r := &Report{Kind: KindPaired}
	if f := r.verifyPaired(file, t, reports); f != nil {
		return r.refuse(f), f
	}
	r.Verified = true
	return r, nil
}

func (r *Report) verifyPaired(file []byte, t *Trust, reports []*Report) *Failure {
	if len(file) > MaxFile {
		return fail(StageFile, nil, "file: longer than %d bytes, which no paired openings are", MaxFile)
	}
	p, err := certificate.ParsePaired(file)
	if err != nil {
		return fail(StageFile, err, "file: %v", err)
	}
	passed(&r.Checks, StageFile, "the file has the one form of paired openings, schema %d", p.Schema)
	head, f := t.open([]byte(p.Head), &r.Checks)
	if f != nil {
		return f
	}
	var before, after *Report
	for _, s := range reports {
		switch {
		case s == nil || !isSweep(s) || s.Origin != head.Origin || s.Origin != p.Origin:
		case s.Sweep.Generation == p.Before.Generation:
			before = s
		case s.Sweep.Generation == p.After.Generation:
			after = s
		}
	}
	if before == nil || after == nil {
		return fail(StageRecord, nil, "record: the receipts of the sweep records of generations %d and %d of the log %q are needed, and not both are there", p.Before.Generation, p.After.Generation, p.Origin)
	}
	previous := after.Sweep.PreviousSweep
	if previous == nil || merkle.Hash(*previous) != before.LeafHash {
		return fail(StageRecord, nil, "record: the sweep in entry %d does not follow that in entry %d", after.Index, before.Index)
	}
	if head.Size < after.Sweep.Size || head.Size > after.Index {
		return fail(StagePaired, nil, "paired: the head that chose the leaves is of size %d, neither between the cut of the sweep, %d, nor before its record, entry %d", head.Size, after.Sweep.Size, after.Index)
	}
	opened, erased, err := p.Verify(file, before.Sweep, after.Sweep)
	if err != nil {
		return fail(StagePaired, err, "%v", err)
	}
	passed(&r.Checks, StagePaired, "the sweep record has the SHA-256 of the file, and the leaves are those that SHA-256(new root || head) chooses")
	r.Head, r.Origin, r.Size, r.Root, r.Index, r.LeafHash = head, head.Origin, head.Size, head.Root, after.Index, after.LeafHash
	r.say(OK, Proven, "paired openings of the sweeps to generations %d and %d", p.Before.Generation, p.After.Generation)
	r.say(OK, Proven, "drawn: %s; %s before, and still erased", count(uint64(opened), "entry", "entries"), wereErased(erased))
	head.attest(r.say, "the head that drew them", "its entries were in the log")
	if len(head.Cosignatures) == 0 {
		r.say(Note, Asserted, "the operator alone made the head that drew the leaves: with patience one can be made that draws others")
	}
	return nil
}

func wereErased(n int) string {
	if n == 1 {
		return "1 was erased"
	}
	return fmt.Sprintf("%d were erased", n)
}
