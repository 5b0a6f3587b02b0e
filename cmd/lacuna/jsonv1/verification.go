package jsonv1

import "encoding/json"

// What the member "lacuna" of the documents of `lacuna verify --json` says.
const (
	VerificationVersion = "verification/v1"
	ReportVersion       = "report/v1"
	ConsistencyVersion  = "consistency/v1"
)

// Verification is what `lacuna verify --json` and `lacuna-verify --json` print: the
// outcome for all files of one call.
type Verification struct {
	Version  string    `json:"lacuna"`   // verification/v1
	Verified bool      `json:"verified"` // every report, and no finding failed
	Reports  []Report  `json:"reports"`  // in the order of the files
	Findings []Finding `json:"findings"` // what they say together
	Counts   Counts    `json:"counts"`
	Unread   []string  `json:"unread,omitempty"` // files that could not be read
}

// Counts are the numbers of the summary.
type Counts struct {
	Files    int `json:"files"`
	Verified int `json:"verified"`
	Failed   int `json:"failed"`
	Unread   int `json:"unread"`
}

// Report is the outcome for one file: a receipt, an erasure certificate, paired openings, an audit sample,
// or a signed head.
type Report struct {
	Version  string `json:"lacuna"` // report/v1
	File     string `json:"file,omitempty"`
	Verified bool   `json:"verified"`

	// Where the entry stands: of a certificate, its epoch record. Origin, size, root
	// and cosignatures are those of the head, and there once its signatures are checked.
	Origin       string        `json:"origin,omitempty"`
	Index        uint64        `json:"index"`
	Size         uint64        `json:"size"`
	Root         string        `json:"root,omitempty"`      // base64
	LeafHash     string        `json:"leaf_hash,omitempty"` // base64
	Cosignatures []Cosignature `json:"cosignatures,omitempty"`
	Unchecked    int           `json:"unchecked_signatures,omitempty"`

	Kind       string            `json:"kind,omitempty"` // field, full, public, certificate, paired, sample or head
	Members    []Member          `json:"members,omitempty"`
	Statements []json.RawMessage `json:"statements,omitempty"`
	// Terms are what an erasure certificate says was done, as docs/spec/certificate.md
	// describes them.
	Terms json.RawMessage `json:"terms,omitempty"`
	// TracesSweptAt is of a certificate: what the sweep record that belongs to it says.
	TracesSweptAt string `json:"traces_swept_at,omitempty"`
	// ApprovedBy is of a certificate: the approvers whose signatures were checked, name+id.
	ApprovedBy []string `json:"approved_by,omitempty"`
	// Leaves are the verdicts on the entries of an audit sample.
	Leaves []Leaf `json:"leaves,omitempty"`

	Checks  []Check  `json:"checks,omitempty"`
	Lines   []Line   `json:"lines"`
	Failure *Failure `json:"failure,omitempty"`
}

// Leaf is the verdict on one entry of an audit sample: valid; valid, erased; not opened (operator says
// living); not opened (operator says erased); lost.
type Leaf struct {
	Index   uint64 `json:"index"`
	Verdict string `json:"verdict"`
	Text    string `json:"text"`
}

// Cosignature is the statement of one witness, verified: it saw the head at that time.
type Cosignature struct {
	Name string `json:"name"`
	Key  string `json:"key"`            // name+id
	Kind string `json:"kind"`           // of the signature
	Time string `json:"time,omitempty"` // RFC 3339; absent where it states none
}

// Member is one member of an event. Either the value is there, or it is held back.
type Member struct {
	Name     string          `json:"name"`
	Value    json.RawMessage `json:"value,omitempty"`
	HeldBack bool            `json:"held_back,omitempty"`
}

// Check is one thing that was looked at, in words, in the order of looking.
type Check struct {
	Stage  string `json:"stage"`
	Passed bool   `json:"passed"`
	Text   string `json:"text"`
}

// Line is a line as people see it.
type Line struct {
	Mark     string `json:"mark"`               // ok, seen, note, FAILED, or empty
	Standing string `json:"standing,omitempty"` // proven, attested or asserted
	Text     string `json:"text"`
}

// Finding is a line about several reports, which are counted from 0.
type Finding struct {
	Line
	Reports []int `json:"reports"`
}

// Failure says where a verification failed, and what differed.
type Failure struct {
	Stage    string `json:"stage"`
	Text     string `json:"text"`
	Expected string `json:"expected,omitempty"` // hex
	Got      string `json:"got,omitempty"`      // hex
}

// Consistency is what `lacuna verify consistency --json` prints.
type Consistency struct {
	Version  string   `json:"lacuna"` // consistency/v1
	Verified bool     `json:"verified"`
	Old      *Head    `json:"old,omitempty"`
	New      *Head    `json:"new,omitempty"`
	Proof    []string `json:"proof,omitempty"` // base64
	Checks   []Check  `json:"checks,omitempty"`
	Lines    []Line   `json:"lines"`
	Failure  *Failure `json:"failure,omitempty"`
}

// Head is a signed head whose signatures were checked.
type Head struct {
	Origin       string        `json:"origin"`
	Size         uint64        `json:"size"`
	Root         string        `json:"root"` // base64
	Cosignatures []Cosignature `json:"cosignatures,omitempty"`
	Unchecked    int           `json:"unchecked_signatures,omitempty"`
}
