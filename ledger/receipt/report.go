package receipt

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle"
)

// A Report says what one receipt shows, for people in Lines and for programs
// in the rest.
type Report struct {
	File     string // filled in by whoever read it
	Verified bool

	// Where the entry stands. Origin, Size and Root are those of the head;
	// they are set once its signatures are checked, the rest once all is.
	Origin   string
	Index    uint64
	Size     uint64
	Root     merkle.Hash
	LeafHash merkle.Hash
	Head     *Head // nil until its signatures are checked

	// What the entry says.
	Kind    envelope.Kind
	Members []Member
	// Statements are the public statements that the event refers to by their leaf
	// hashes and that came with the receipt.
	Statements []json.RawMessage
	// Epoch is what the entry says if it is the record of an epoch.
	Epoch *certificate.Record
	// Sweep is what the entry says if it is the record of a sweep; of a certificate, the sweep that
	// removed its traces, nil where none is known.
	Sweep *certificate.SweepRecord
	// Lost is what the entry says if it is a statement of loss.
	Lost *certificate.LostRecord
	// Leaves are the verdicts of an audit sample, or of the opening of a loss.
	Leaves []Leaf
	// Certificate is what was verified if it was no receipt but an erasure
	// certificate; the rest is then about the epoch record that it hangs on.
	Certificate *certificate.Certificate
	// ApprovedBy are, of a certificate, the approvers whose signatures were checked, name+id.
	ApprovedBy []string

	Checks  []Check
	Lines   []Line
	Failure *Failure

	statement []byte // the text of a public statement
	seed      string // of an audit sample
}

// A Member is one member of the event; either Value is set or HeldBack is.
type Member struct {
	Name     string
	Value    json.RawMessage
	HeldBack bool
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
	Seen   Mark = "seen" // by a witness
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
	Mark     Mark
	Standing Standing
	Text     string
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

// A Stage is a part of a verification, and where one failed.
type Stage string

const (
	StageFile        Stage = "file"        // no tlog-proof, or a damaged one
	StageLog         Stage = "log"         // a proof for another log
	StageSignature   Stage = "signature"   // the head is not signed by the key
	StageWitnesses   Stage = "witnesses"   // too few countersigned
	StageOpening     Stage = "opening"     // no opening, or one that is refused
	StageLeaf        Stage = "leaf"        // the opening opens another leaf
	StageRoot        Stage = "root"        // the leaf is not under the head
	StageOpinion     Stage = "2nd opinion" // other people's code disagrees
	StageRecord      Stage = "record"      // no record of an epoch, or another one
	StageCertificate Stage = "certificate" // none, or not what the record says
	StageApproval    Stage = "approval"    // not approved by whom the reader asks for
	StagePaired      Stage = "paired"      // no paired openings, or not those of the sweeps
	StageSample      Stage = "sample"      // no audit sample, or one that does not hold
	StageLost        Stage = "lost"        // no opening of a loss, or one that does not hold
	StageRollback    Stage = "rollback"    // the newer head is the smaller one
	StageFork        Stage = "fork"        // one log, two histories
	StageConsistency Stage = "consistency" // the proof belongs to other heads
)

// A Failure says where a verification failed and what differed. It is the
// error of [Verify] for a receipt that is not to be believed.
type Failure struct {
	Stage    Stage
	Text     string // one line
	Expected string // hex, as Got
	Got      string
	cause    error
}

func (f *Failure) Error() string { return f.Text }

// Is makes every failure match [ErrNotVerified].
func (f *Failure) Is(target error) bool { return target == ErrNotVerified }
func (f *Failure) Unwrap() error        { return f.cause }
