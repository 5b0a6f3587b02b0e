package jsonv1

// AuditVersion is what the member "lacuna" of Audited says.
const AuditVersion = "audit/v1"

// Audited is one line of `lacuna audit --json` and `lacuna mirror --json`: a round,
// in which everything that a head covers was verified, or something was not what the
// log signed.
type Audited struct {
	Version  string `json:"lacuna"` // audit/v1
	Verified bool   `json:"verified"`
	Source   string `json:"source"`
	Origin   string `json:"origin"`

	// The head that was verified; absent where something was wrong.
	Size *uint64 `json:"size,omitempty"`
	Root string  `json:"root,omitempty"` // base64
	// New is how many entries were verified in this round, Written how many files a
	// mirror has written.
	New     *uint64 `json:"new,omitempty"`
	Written *uint64 `json:"written,omitempty"`

	Failure *AuditFailure `json:"failure,omitempty"`
}

// AuditFailure says what is wrong.
type AuditFailure struct {
	// Kind is fork, older, unshown or mismatch.
	Kind string `json:"kind"`
	// Place is the path of the file that is wrong, of a mismatch.
	Place string `json:"place,omitempty"`
	What  string `json:"what"`
	// Evidence is the file with both signed heads, of all kinds but a mismatch.
	Evidence string `json:"evidence,omitempty"`
}

// Evidence is what `lacuna audit evidence --json` prints of a file that holds.
type Evidence struct {
	Kind string `json:"kind"` // fork, older or unshown
	// Proves is true where nobody needs to be believed: of a fork.
	Proves  bool   `json:"proves"`
	Origin  string `json:"origin"`
	Summary string `json:"summary"`
	Source  string `json:"source"`
	Found   string `json:"found"`
}
