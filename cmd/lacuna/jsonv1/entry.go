package jsonv1

import "encoding/json"

// Entry is what `lacuna get --json` prints, and `lacuna subject timeline --json` on a
// line for each. The event is printed as it is sealed.
type Entry struct {
	Index       uint64          `json:"index"`
	Compartment string          `json:"compartment,omitempty"`
	Cohort      string          `json:"cohort,omitempty"`
	Public      bool            `json:"public,omitempty"`
	Event       json.RawMessage `json:"event"`
}

// Proved is what `lacuna prove --json` prints where the proof goes to a file.
type Proved struct {
	Index     uint64  `json:"index"`
	File      string  `json:"file"`
	Before    string  `json:"before,omitempty"`    // file of the head that does not cover the entry
	Assertion *uint64 `json:"assertion,omitempty"` // entry of the closing assertion
	// Unwitnessed says why the proof leads to a head that only the log has signed, of a
	// log whose policy asks for more.
	Unwitnessed string `json:"unwitnessed,omitempty"`
}
