package receipt

// VerificationVersion is the value of the member "lacuna" of a verification
// in JSON.
const VerificationVersion = "verification/v1"

// A Verification is the outcome for all the receipts of one call.
type Verification struct {
	Version  string    `json:"lacuna"`
	Verified bool      `json:"verified"` // every report, and no finding failed
	Reports  []*Report `json:"reports"`
	Findings []Finding `json:"findings"`
}

// Conclude looks at reports together: contradictions always; if chain is true,
// whether they are one chain without a hole; and if there are assertions about
// chains among them, whether the other receipts refute one.
func Conclude(reports []*Report, chain bool) *Verification {
	v := &Verification{Version: VerificationVersion, Verified: true, Reports: reports, Findings: []Finding{}}
	if chain {
		v.Findings = append(v.Findings, CheckChain(reports)...)
	} else {
		v.Findings = append(v.Findings, CheckTogether(reports)...)
	}
	if len(reports) > 1 {
		for _, r := range reports {
			if a, err := ReadAssertion(r); err == nil {
				v.Findings = append(v.Findings, a.Compare(reports)...)
			}
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
