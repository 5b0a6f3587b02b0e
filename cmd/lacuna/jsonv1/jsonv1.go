// Package jsonv1 holds what `lacuna --json` prints, version 1. Members are only
// added; what is renamed or dropped becomes version 2.
package jsonv1

import "time"

// Recorded is one line of `lacuna append --json` for each event recorded.
type Recorded struct {
	Line     int      `json:"line,omitempty"`
	ID       string   `json:"id"`
	Type     string   `json:"type,omitempty"`
	Purpose  string   `json:"purpose,omitempty"`
	Index    *uint64  `json:"index,omitempty"`     // absent where nothing had to be recorded
	LeafHash string   `json:"leaf_hash,omitempty"` // base64
	Time     string   `json:"recorded_time"`       // as _recorded in the sealed event
	Replayed bool     `json:"replayed,omitempty"`
	Warnings []Reason `json:"warnings,omitempty"`
	// Unchanged: the register says this already, and nothing was recorded.
	Unchanged bool `json:"unchanged,omitempty"`
}

// Reason says what is wrong with an event, or worth a warning, and where.
type Reason struct {
	Reason string `json:"reason"`
	Path   string `json:"path"` // JSON pointer
	Hint   string `json:"hint,omitempty"`
}

// Refused is one line of `lacuna append --json` for an event that was refused.
type Refused struct {
	File      string   `json:"file,omitempty"`
	Line      int      `json:"line"`
	Column    int      `json:"column,omitempty"`
	Refused   []Reason `json:"refused"`
	Retryable bool     `json:"retryable"`
}

// Answer is what `lacuna may --json` prints.
type Answer struct {
	Decision   string     `json:"decision"` // allow, deny or gap
	Basis      string     `json:"basis,omitempty"`
	Reasons    []Reasoned `json:"reasons"` // the first decides
	RestsOn    []RestsOn  `json:"rests_on"`
	ValidUntil *time.Time `json:"valid_until,omitempty"`
}

// Reasoned is a reason code with its explanation.
type Reasoned struct {
	Reason string `json:"reason"`
	Text   string `json:"text"`
}

// RestsOn names an entry of the log that an answer rests on.
type RestsOn struct {
	Index uint64 `json:"index"`
	What  string `json:"what"`
}

// Published is what `lacuna publish --json` prints.
type Published struct {
	Origin       string        `json:"origin"`
	Size         uint64        `json:"size"`
	Root         string        `json:"root"` // base64
	Cosignatures []Cosignature `json:"cosignatures"`
}
