package receipt

// A Verification is the outcome for all the receipts of one call.
type Verification struct {
	Verified bool // every report, and no finding failed
	Reports  []*Report
	Findings []Finding
}

// Conclude looks at reports together: contradictions always; if chain is true,
// whether they are one chain without a hole; and if there are assertions about
// chains among them, whether the other receipts refute one.
func Conclude(reports []*Report, chain bool) *Verification {
	v := &Verification{Verified: true, Reports: reports}
	if chain {
		v.Findings = append(v.Findings, CheckChain(reports)...)
	} else {
		v.Findings = append(v.Findings, CheckTogether(reports)...)
	}
	v.Findings = append(v.Findings, CheckErasures(reports)...)
	heads := make([]*Head, len(reports))
	for i, r := range reports {
		if r.Verified {
			heads[i] = r.Head
		}
	}
	v.Findings = append(v.Findings, CheckTimes(heads)...)
	v.Findings = append(v.Findings, NotBefore(reports)...)
	for i, r := range reports {
		a, err := ReadAssertion(r)
		if err != nil {
			continue
		}
		if f, ok := a.Stands(); ok {
			f.Reports = []int{i}
			v.Findings = append(v.Findings, f)
		}
		if len(reports) > 1 {
			v.Findings = append(v.Findings, a.Compare(reports)...)
		}
	}
	for _, r := range reports {
		v.Verified = v.Verified && r.Verified
	}
	for _, f := range v.Findings {
		v.Verified = v.Verified && f.Mark != Failed
	}
	return v
}
