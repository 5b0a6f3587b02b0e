package jsonv1

import "encoding/json"

// Erased is what `lacuna erase --json` prints.
type Erased struct {
	DryRun       bool            `json:"dry_run,omitempty"`
	Lines        []PlanLine      `json:"compartments"`
	Recipients   []Recipient     `json:"to_be_told"`
	Unread       []Unread        `json:"unread,omitempty"`
	Milliseconds float64         `json:"milliseconds,omitempty"`
	Certificate  json.RawMessage `json:"certificate,omitempty"` // the officer's copy
	Sweep        *uint64         `json:"sweep,omitempty"`       // record of the sweep that followed
}

// PlanLine is one line of what an erasure does.
type PlanLine struct {
	Compartment string `json:"compartment"`
	Cohort      string `json:"cohort,omitempty"`
	Events      int    `json:"events"`
	Kept        bool   `json:"kept"`
	Until       string `json:"until,omitempty"` // YYYY-MM-DD, the last day
	Why         string `json:"why,omitempty"`
	Held        bool   `json:"held,omitempty"`   // until a hold is released
	Review      string `json:"review,omitempty"` // YYYY-MM-DD, of the hold
}

// Unread is a damaged entry of somebody. Of somebody who is erased, who received something may stand in
// it alone; in a list of holds it may be one of them, or the end of one.
type Unread struct {
	Index       *uint64 `json:"index,omitempty"` // left out where it is not known
	Compartment string  `json:"compartment"`
	Cohort      string  `json:"cohort,omitempty"`
	Why         string  `json:"why"`
}

// Recipient must be told about an erasure.
type Recipient struct {
	Recipient string `json:"recipient"`
	Ref       string `json:"ref,omitempty"` // how the recipient knows the person
}

// Retained is what `lacuna retention run --json` prints.
type Retained struct {
	DryRun    bool         `json:"dry_run"`
	Destroyed []Expiration `json:"destroyed"`
	Kept      []Expiration `json:"kept"`    // by a hold or a restriction
	Entries   uint64       `json:"entries"` // of the log, none of which has changed
	Root      string       `json:"root"`    // base64
}

// Expiration is keys of one compartment and cohort whose last day has passed.
type Expiration struct {
	Compartment string `json:"compartment"`
	Cohort      string `json:"cohort,omitempty"`
	Expired     string `json:"expired"` // YYYY-MM-DD
	Keys        int    `json:"keys"`
}
