package jsonv1

// Invitation is what `lacuna custodian init --json` and `invite --json` print, and
// `lacuna custodian serve --json` without the invitation.
type Invitation struct {
	Address    string `json:"address"`
	Key        string `json:"key"`                  // of the custodian, base64url
	Invitation string `json:"invitation,omitempty"` // a secret until it is used
}

// Custodian is a line of `lacuna custodian status --json`.
type Custodian struct {
	Name        string   `json:"name"`
	Address     string   `json:"address"`
	Key         string   `json:"key"`
	Independent bool     `json:"independent"` // by the operator's word
	Pages       bool     `json:"pages"`       // it keeps key pages, too
	Change      string   `json:"change,omitempty"`
	Error       string   `json:"error,omitempty"` // it does not answer, or not this ledger
	Level       string   `json:"level,omitempty"` // what it reaches alone
	Copies      int      `json:"copies,omitempty"`
	Epochs      []uint64 `json:"epochs,omitempty"` // of the shares that it keeps
	Mark        uint64   `json:"mark,omitempty"`   // the newest epoch that it destroyed others for
	Head        uint64   `json:"head,omitempty"`   // size of the newest head of the log that it keeps
	Warning     string   `json:"warning,omitempty"`
}

// Custody is what `lacuna custodian add --json` and `remove --json` print.
type Custody struct {
	Epoch   uint64   `json:"epoch"`
	Level   string   `json:"level"` // what all holders reach together
	Holders []Holder `json:"holders"`
}

// Holder is a place that keeps a share of the root.
type Holder struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Level   string `json:"level"`
	Copies  int    `json:"copies"`
	Warning string `json:"warning,omitempty"`
}
