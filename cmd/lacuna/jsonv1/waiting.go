package jsonv1

// WaitingVersion is the version of what `lacuna erase list --json` prints.
const WaitingVersion = 1

// Waiting lists erasures that are written down and have not begun.
type Waiting struct {
	Version  int              `json:"version"`
	Requests []WaitingErasure `json:"requests"`
}

// WaitingErasure is one of them. It names nobody.
type WaitingErasure struct {
	ID         string   `json:"id"`
	Asked      string   `json:"asked,omitempty"`
	Scope      string   `json:"scope,omitempty"`
	Erases     []string `json:"erases"`               // compartments, with their cohort
	NotBefore  string   `json:"not_before,omitempty"` // RFC 3339
	Approvals  int      `json:"approvals"`            // that it needs
	ApprovedBy []string `json:"approved_by"`          // ids of keys
	Status     string   `json:"status"`
}
