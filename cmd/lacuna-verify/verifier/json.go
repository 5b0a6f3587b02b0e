package verifier

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger/receipt"
	"github.com/lacunalog/lacuna/merkle"
)

func count(v *receipt.Verification, unread int) jsonv1.Counts {
	n := jsonv1.Counts{Files: len(v.Reports) + unread, Unread: unread}
	for _, r := range v.Reports {
		if r.Verified {
			n.Verified++
		} else {
			n.Failed++
		}
	}
	return n
}

func verificationJSON(v *receipt.Verification, unread []string) ([]byte, error) {
	out := jsonv1.Verification{
		Version: jsonv1.VerificationVersion, Verified: v.Verified && len(unread) == 0, Counts: count(v, len(unread)),
		Reports: []jsonv1.Report{}, Findings: []jsonv1.Finding{}, Unread: unread,
	}
	for _, r := range v.Reports {
		j, err := reportJSON(r)
		if err != nil {
			return nil, err
		}
		out.Reports = append(out.Reports, j)
	}
	for _, f := range v.Findings {
		out.Findings = append(out.Findings, jsonv1.Finding{Line: lineJSON(f.Line), Reports: append([]int{}, f.Reports...)})
	}
	return jsonv1.Encode(out, "  ")
}

func reportJSON(r *receipt.Report) (jsonv1.Report, error) {
	j := jsonv1.Report{
		Version: jsonv1.ReportVersion, File: r.File, Verified: r.Verified,
		Origin: r.Origin, Index: r.Index, Size: r.Size, Kind: string(r.Kind), Statements: r.Statements,
		Checks: checksJSON(r.Checks), Lines: linesJSON(r.Lines), Failure: failureJSON(r.Failure),
	}
	if h := r.Head; h != nil {
		j.Root, j.Cosignatures, j.Unchecked = h.Root.String(), cosignaturesJSON(h), h.Unchecked
	}
	if r.LeafHash != (merkle.Hash{}) {
		j.LeafHash = r.LeafHash.String()
	}
	for _, m := range r.Members {
		j.Members = append(j.Members, jsonv1.Member{Name: m.Name, Value: m.Value, HeldBack: m.HeldBack})
	}
	if r.Certificate != nil {
		var err error
		if j.Terms, err = json.Marshal(r.Certificate.Terms); err != nil {
			return j, err
		}
		j.ApprovedBy = r.ApprovedBy
		if r.Sweep != nil {
			j.TracesSweptAt = r.Sweep.TracesSweptAt
		}
	}
	for _, l := range r.Leaves {
		j.Leaves = append(j.Leaves, jsonv1.Leaf{Index: l.Index, Verdict: string(l.Verdict), Text: l.Text})
	}
	return j, nil
}

func growthJSON(g *receipt.Growth) ([]byte, error) {
	j := jsonv1.Consistency{
		Version: jsonv1.ConsistencyVersion, Verified: g.Verified, Old: headJSON(g.Old), New: headJSON(g.New),
		Checks: checksJSON(g.Checks), Lines: linesJSON(g.Lines), Failure: failureJSON(g.Failure),
	}
	for _, h := range g.Proof {
		j.Proof = append(j.Proof, h.String())
	}
	return jsonv1.Encode(j, "  ")
}

func headJSON(h *receipt.Head) *jsonv1.Head {
	if h == nil {
		return nil
	}
	return &jsonv1.Head{Origin: h.Origin, Size: h.Size, Root: h.Root.String(), Cosignatures: cosignaturesJSON(h), Unchecked: h.Unchecked}
}

func cosignaturesJSON(h *receipt.Head) (out []jsonv1.Cosignature) {
	for _, c := range h.Cosignatures {
		j := jsonv1.Cosignature{Name: c.Name, Key: fmt.Sprintf("%s+%08x", c.Name, c.KeyHash), Kind: c.Algorithm.String()}
		if c.Time != 0 {
			j.Time = time.Unix(int64(min(c.Time, 1<<40)), 0).UTC().Format(time.RFC3339)
		}
		out = append(out, j)
	}
	return out
}

func checksJSON(checks []receipt.Check) (out []jsonv1.Check) {
	for _, c := range checks {
		out = append(out, jsonv1.Check{Stage: string(c.Stage), Passed: c.Passed, Text: c.Text})
	}
	return out
}

func lineJSON(l receipt.Line) jsonv1.Line {
	return jsonv1.Line{Mark: string(l.Mark), Standing: string(l.Standing), Text: l.Text}
}

func linesJSON(lines []receipt.Line) []jsonv1.Line {
	out := []jsonv1.Line{}
	for _, l := range lines {
		out = append(out, lineJSON(l))
	}
	return out
}

func failureJSON(f *receipt.Failure) *jsonv1.Failure {
	if f == nil {
		return nil
	}
	return &jsonv1.Failure{Stage: string(f.Stage), Text: f.Text, Expected: f.Expected, Got: f.Got}
}
