package receipt

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle"
)

// ReportVersion is the value of the member "lacuna" of a report in JSON.
const ReportVersion = "report/v1"

// A Report says what one receipt shows, for people in Lines and for programs
// in the rest.
type Report struct {
	Version  string `json:"lacuna"`
	File     string `json:"file,omitempty"` // filled in by whoever read it
	Verified bool   `json:"verified"`

	// Where the entry stands. Origin, Size and Root are those of the head;
	// they are set once its signature is checked, the rest once all is.
	Origin   string      `json:"origin,omitempty"`
	Index    uint64      `json:"index"`
	Size     uint64      `json:"size"`
	Root     merkle.Hash `json:"root,omitzero"`
	LeafHash merkle.Hash `json:"leaf_hash,omitzero"`

	// What the entry says.
	Kind    envelope.Kind `json:"kind,omitempty"`
	Members []Member      `json:"members,omitempty"`
	// Statements are the public statements that the event refers to by their leaf
	// hashes and that came with the receipt.
	Statements []json.RawMessage `json:"statements,omitempty"`

	Lines   []Line   `json:"lines"`
	Failure *Failure `json:"failure,omitempty"`
}

// A Member is one member of the event; either Value is set or HeldBack is.
type Member struct {
	Name     string          `json:"name"`
	Value    json.RawMessage `json:"value,omitempty"`
	HeldBack bool            `json:"held_back,omitempty"`
}

// Get returns the value of a member, or nil if it is held back or absent.
func (r *Report) Get(name string) json.RawMessage {
	for _, m := range r.Members {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

// text returns the value of a member that is a string, or "".
func (r *Report) text(name string) string {
	var s string
	if json.Unmarshal(r.Get(name), &s) != nil {
		return ""
	}
	return s
}

// Format keeps what a report shows out of logs; print its Lines or its JSON.
func (r *Report) Format(s fmt.State, _ rune) { io.WriteString(s, "[report]") }

// LogValue is as Format.
func (r *Report) LogValue() slog.Value { return slog.StringValue("[report]") }

// A Mark opens a line.
type Mark string

const (
	OK     Mark = "ok"
	Note   Mark = "note"
	Failed Mark = "FAILED"
	Detail Mark = "" // belongs to the line above
)

// A Standing says what a line rests on.
type Standing string

const (
	Proven   Standing = "proven"   // by mathematics and the log's signature
	Attested Standing = "attested" // by somebody besides the operator
	Asserted Standing = "asserted" // by the operator, who may be wrong or lie
)

// A Line is one line of a report.
type Line struct {
	Mark     Mark     `json:"mark"`
	Standing Standing `json:"standing,omitempty"`
	Text     string   `json:"text"`
}

func (l Line) String() string { return fmt.Sprintf("%-6s %s", l.Mark, l.Text) }

// Text returns the lines as they are printed.
func (r *Report) Text() string {
	var b strings.Builder
	for _, l := range r.Lines {
		b.WriteString(l.String())
		b.WriteByte('\n')
	}
	return b.String()
}

func (r *Report) say(mark Mark, standing Standing, format string, args ...any) {
	r.Lines = append(r.Lines, Line{mark, standing, fmt.Sprintf(format, args...)})
}

// A Stage is where a verification failed.
type Stage string

const (
	StageFile      Stage = "file"      // no tlog-proof, or a damaged one
	StageLog       Stage = "log"       // a proof for another log
	StageSignature Stage = "signature" // the head is not signed by the key
	StageOpening   Stage = "opening"   // no opening, or one that is refused
	StageLeaf      Stage = "leaf"      // the opening opens another leaf
	StageRoot      Stage = "root"      // the leaf is not under the head
)

// A Failure says where a verification failed and what differed. It is the
// error of [Verify] for a receipt that is not to be believed.
type Failure struct {
	Stage    Stage  `json:"stage"`
	Text     string `json:"text"`               // one line
	Expected string `json:"expected,omitempty"` // hex
	Got      string `json:"got,omitempty"`      // hex
	cause    error
}

func (f *Failure) Error() string { return f.Text }

// Is makes every failure match [ErrNotVerified].
func (f *Failure) Is(target error) bool { return target == ErrNotVerified }
func (f *Failure) Unwrap() error        { return f.cause }
