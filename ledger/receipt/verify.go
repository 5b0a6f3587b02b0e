package receipt

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle"
)

// ErrNotVerified matches every [*Failure].
var ErrNotVerified = errors.New("receipt not verified")

// MaxFile is the longest file that can be a receipt: one of the largest event
// is half as long.
const MaxFile = 8 << 20

// Verify checks a receipt against the log's public key, in the form
// name+id+base64 of C2SP signed-note.
//
// If the receipt is not to be believed, the error is a [*Failure] and the
// report says the same. If the key is no key, the report is nil.
func Verify(file []byte, vkey string) (*Report, error) {
	t, err := NewTrust([]string{vkey}, nil)
	if err != nil {
		return nil, err
	}
	return t.Verify(file)
}

// Verify checks a receipt against the keys and the policy. If it is not to be
// believed, the error is a [*Failure] and the report says the same.
func (t *Trust) Verify(file []byte) (*Report, error) {
	r := new(Report)
	if f := r.verify(file, t); f != nil {
		return r.refuse(f), f
	}
	r.Verified = true
	return r, nil
}

// refuse makes a report say that all is refused, and why.
func (r *Report) refuse(f *Failure) *Report {
	r.Failure = f
	r.Lines = []Line{{Failed, "", f.Text}}
	failed(&r.Checks, f)
	return r
}

// verify goes from the outside to the inside: the file, the head and its
// signatures, the opening and its leaf, and last the way from leaf to root.
func (r *Report) verify(file []byte, t *Trust) *Failure {
	if len(file) > MaxFile {
		return fail(StageFile, nil, "file: longer than %d bytes, which no receipt is", MaxFile)
	}
	p, err := merkle.ParseProof(file)
	if err != nil {
		return fail(StageFile, err, "file: %v", err)
	}
	passed(&r.Checks, StageFile, "the file has the one form of a tlog-proof, version 1")
	head, failure := t.open(p.Checkpoint, &r.Checks)
	if failure != nil {
		return failure
	}
	r.Head, r.Origin, r.Size, r.Root = head, head.Origin, head.Size, head.Root

	if len(p.Extra) == 0 {
		return fail(StageOpening, nil, "opening: the file has none, so nothing says what the entry is")
	}
	opening, err := envelope.ParseOpening(p.Extra)
	if err != nil {
		return fail(StageOpening, err, "opening: %s", reason(err))
	}
	passed(&r.Checks, StageOpening, "it is an opening/v1 in its one form, of the kind %s", opening.Kind())
	leaf, shown, err := opening.Verify(envelope.Origin(head.Origin))
	if mismatch, ok := errors.AsType[*envelope.LeafError](err); ok {
		return differ(StageLeaf, err, "leaf: expected %s, got %s", mismatch.Expected, mismatch.Got)
	}
	if err != nil {
		return fail(StageOpening, err, "opening: %s", reason(err))
	}
	leafHash := merkle.LeafHash(leaf)
	passed(&r.Checks, StageLeaf, "from all that the opening shows follow the %d bytes of the entry, with the leaf hash %s", len(leaf), leafHash)
	err = merkle.VerifyInclusion(p.Index, head.Size, leafHash, p.Hashes, head.Root)
	if mismatch, ok := errors.AsType[*merkle.RootMismatchError](err); ok {
		return differ(StageRoot, err, "root: expected %s, the proof leads to %s", mismatch.Expected, mismatch.Calculated)
	}
	if err != nil {
		return fail(StageRoot, err, "root: %v", err)
	}
	passed(&r.Checks, StageRoot, "from that leaf at place %d and %s follows the root of the head", p.Index, count(uint64(len(p.Hashes)), "hash", "hashes"))
	// A second opinion by code that is not ours, over the same bytes.
	if err := checkRecord(p, head.Checkpoint, leaf); err != nil {
		return fail(StageOpinion, err, "root: golang.org/x/mod/sumdb/tlog disagrees with our own check: %v", err)
	}
	passed(&r.Checks, StageOpinion, "golang.org/x/mod/sumdb/tlog, which is not our code, follows them to the same root")

	r.Index, r.LeafHash, r.Kind = p.Index, leafHash, opening.Kind()
	for _, m := range shown.Members {
		r.Members = append(r.Members, Member{m.Name, m.Value, m.Value == nil})
	}
	for _, text := range opening.Statements {
		r.Statements = append(r.Statements, text)
	}
	r.statement = opening.Public
	if failure := r.readRecord(); failure != nil {
		return failure
	}
	r.describe()
	return nil
}

func checkRecord(p *merkle.Proof, head merkle.Checkpoint, leaf []byte) error {
	proof := make(tlog.RecordProof, len(p.Hashes))
	for i, h := range p.Hashes {
		proof[i] = tlog.Hash(h)
	}
	return tlog.CheckRecord(proof, int64(head.Size), tlog.Hash(head.Root), int64(p.Index), tlog.RecordHash(leaf))
}

// reason is the text of an error without the words that say what was being
// done: the stage says so already.
func reason(err error) string {
	text := err.Error()
	for _, doing := range []string{"opening checkpoint: ", "reading cosignatures: ", "checking the policy: ", "not an opening: ", "verifying a field opening: ", "verifying a full opening: "} {
		text = strings.TrimPrefix(text, doing)
	}
	return text
}

func fail(stage Stage, cause error, format string, args ...any) *Failure {
	return &Failure{Stage: stage, Text: printable(fmt.Sprintf(format, args...)), cause: cause}
}

// differ is fail for two hashes; people see the start of each, programs all.
func differ[H ~[32]byte](stage Stage, cause error, format string, expected, got H) *Failure {
	e, g := hex.EncodeToString(expected[:]), hex.EncodeToString(got[:])
	n := 4
	for n < len(e) && e[:n] == g[:n] {
		n++
	}
	f := fail(stage, cause, format, e[:n]+"…", g[:n]+"…")
	f.Expected, f.Got = e, g
	return f
}
