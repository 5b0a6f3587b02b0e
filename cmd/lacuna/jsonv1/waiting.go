package jsonv1

// WaitingVersion and CarriedOutVersion are what the member "lacuna" of [Waiting] and
// [CarriedOut] says.
const (
	WaitingVersion    = "waiting/v1"
	CarriedOutVersion = "carried-out/v1"
)

// Waiting is what `lacuna erase list --json` prints: erasures that are written down and
// have not begun.
type Waiting struct {
	Version  string           `json:"lacuna"` // waiting/v1
	Requests []WaitingErasure `json:"requests"`
}

// WaitingErasure is one of them. It names nobody. `lacuna erase --json` prints it of a
// request that has to wait, `lacuna approve --json` of the one that was approved, and
// `lacuna erase cancel --json` of the one that was taken back.
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

// CarriedOut is what `lacuna erase run --json` prints.
type CarriedOut struct {
	Version  string       `json:"lacuna"` // carried-out/v1
	Requests []CarriedOne `json:"requests"`
	Waiting  int          `json:"waiting"`         // that still wait
	Sweep    *uint64      `json:"sweep,omitempty"` // record of the sweep that followed
}

// CarriedOne is one erasure that was carried out.
type CarriedOne struct {
	ID          string `json:"id"`
	Epoch       uint64 `json:"epoch"`
	Entries     uint64 `json:"entries"`
	Record      uint64 `json:"record"`      // entry of the log
	Certificate string `json:"certificate"` // file of the subject's copy
}
