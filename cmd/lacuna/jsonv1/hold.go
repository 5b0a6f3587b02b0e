package jsonv1

// HoldsVersion is the version of what `lacuna hold list --json` and `lacuna restrict
// list --json` print.
const HoldsVersion = 1

// Holds lists holds, or restrictions.
type Holds struct {
	Version int    `json:"version"`
	Holds   []Hold `json:"holds"`
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
