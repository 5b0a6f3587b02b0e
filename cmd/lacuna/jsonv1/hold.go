package jsonv1

// HoldsVersion is what the member "lacuna" of [Holds] says.
const HoldsVersion = "holds/v1"

// Holds is what `lacuna hold list --json` prints, and `lacuna restrict list --json` of
// restrictions.
type Holds struct {
	Version string   `json:"lacuna"` // holds/v1
	Holds   []Hold   `json:"holds"`
	Unread  []Unread `json:"unread,omitempty"`
	Missing []string `json:"missing,omitempty"` // key pages
}

// Hold is one of them.
type Hold struct {
	ID          string `json:"id"`
	Subject     string `json:"subject,omitempty"` // empty for an order to preserve a whole ledger
	Compartment string `json:"compartment"`       // "*" for every one
	Ground      string `json:"ground"`
	Law         string `json:"law,omitempty"`
	Since       string `json:"since"`
	Review      string `json:"review,omitempty"` // YYYY-MM-DD
	Due         bool   `json:"due,omitempty"`
	Index       uint64 `json:"index,omitempty"`
}
