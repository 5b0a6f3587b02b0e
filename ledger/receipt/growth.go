package receipt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lacunalog/lacuna/merkle"
)

// ErrNoProof says that two heads of different sizes cannot be compared by themselves.
var ErrNoProof = errors.New("the heads have different sizes, and no consistency proof is given")

// A Growth is what two signed heads of one log say together: that the older tree is
// the beginning of the newer one, or that it is not.
type Growth struct {
	Verified bool
	Old, New *Head // nil until their signatures are checked
	Checks   []Check
	Lines    []Line
	Failure  *Failure

	// Proof is the consistency proof that was used, given or computed.
	Proof []merkle.Hash
}

// A GrowthProof shows that one tree is the beginning of another: by a file of hashes,
// or by tiles of the log from which they can be computed. The zero value shows nothing,
// which suffices for heads of one size and for an empty log.
type GrowthProof struct {
	File  []byte // as [AppendProof] writes it; not nil where one is given
	Tiles merkle.TileReader
}

// Compare compares two signed heads. Two heads of one size with different roots, and a
// newer head under which the older tree is another one, are a fork: the log has shown
// different histories, and the two files prove it to anybody who has its key.
//
// If the heads are not to be believed together, the report says so. The error is
// [ErrNoProof], or that of reading the tiles: then nothing was compared.
func (t *Trust) Compare(ctx context.Context, older, newer []byte, proof GrowthProof) (*Growth, error) {
	g := new(Growth)
	f, err := g.compare(ctx, t, older, newer, proof)
	if err != nil {
		return nil, err
	}
	if f != nil {
		g.Failure = f
		g.Lines = []Line{{Failed, "", f.Text}}
		failed(&g.Checks, f)
		return g, nil
	}
	g.Verified = true
	return g, nil
}

func (g *Growth) compare(ctx context.Context, t *Trust, older, newer []byte, proof GrowthProof) (*Failure, error) {
	var f *Failure
	if g.Old, f = t.openFile("old", older, &g.Checks); f != nil {
		return f, nil
	}
	if g.New, f = t.openFile("new", newer, &g.Checks); f != nil {
		return f, nil
	}
	a, b := g.Old, g.New
	switch {
	case a.Origin != b.Origin:
		return fail(StageLog, nil, "the heads are of two logs, %q and %q", a.Origin, b.Origin), nil
	case a.Size > b.Size:
		return fail(StageRollback, nil, "rollback: the old head has %s and the new one %d: the log went back, or the heads were given in the wrong order",
			count(a.Size, "entry", "entries"), b.Size), nil
	case a.Size == b.Size && a.Root != b.Root:
		return differ(StageFork, nil, "fork: two signed heads of size "+fmt.Sprint(a.Size)+" have different roots, %s and %s: "+
			"the log shows different histories to different people; keep both files", a.Root, b.Root), nil
	}
	var err error
	switch {
	case proof.Tiles != nil:
		if g.Proof, err = merkle.ConsistencyProof(ctx, a.Size, b.Size, proof.Tiles); err != nil {
			return nil, err
		}
	case proof.File != nil:
		if g.Proof, err = ParseProof(proof.File); err != nil {
			return fail(StageFile, err, "file: %v", err), nil
		}
		passed(&g.Checks, StageFile, "the proof has the one form of a consistency proof: %s", count(uint64(len(g.Proof)), "hash", "hashes"))
	case a.Size > 0 && a.Size < b.Size:
		return nil, ErrNoProof
	}
	if f := g.follow(); f != nil {
		if now, ok := g.rewritten(ctx, f, proof.Tiles); ok {
			f = differ(StageFork, f.cause, "fork: the old head signed root %s for the first "+count(a.Size, "entry", "entries")+
				", and under the new head they have root %s: history was rewritten; keep both files and the proof", a.Root, now)
		}
		return f, nil
	}
	for _, f := range CheckTimes([]*Head{a, b}) {
		return fail(StageWitnesses, nil, "%s", f.Text), nil
	}
	g.describe()
	return nil, nil
}

// openFile opens a signed checkpoint that stands alone in a file, or that of a receipt,
// of which nothing else is looked at.
func (t *Trust) openFile(which string, signed []byte, checks *[]Check) (*Head, *Failure) {
	if p, err := merkle.ParseProof(signed); err == nil {
		signed = p.Checkpoint
	}
	if _, _, err := merkle.Cosignatures(signed); err != nil {
		return nil, fail(StageFile, err, "%s head: not a signed checkpoint: %s", which, reason(err))
	}
	var own []Check
	h, f := t.open(signed, &own)
	for _, c := range own {
		passed(checks, c.Stage, "%s head: %s", which, c.Text)
	}
	if f != nil {
		f.Text = which + " head: " + strings.Replace(f.Text, "a proof for another log", "it is of another log", 1)
	}
	return h, f
}

// follow checks that the proof leads from the old root to the new one.
func (g *Growth) follow() *Failure {
	a, b := g.Old, g.New
	err := merkle.VerifyConsistency(a.Size, b.Size, g.Proof, a.Root, b.Root)
	if mismatch, ok := errors.AsType[*merkle.RootMismatchError](err); ok {
		return differ(StageConsistency, err, "consistency: the proof or the tiles are not of these heads: for the "+mismatch.What+" %s they lead to %s",
			mismatch.Expected, mismatch.Calculated)
	}
	if err != nil {
		return fail(StageConsistency, err, "consistency: %v", err)
	}
	if a.Size == b.Size {
		passed(&g.Checks, StageConsistency, "both heads have the same size and the same root")
		return nil
	}
	if a.Size == 0 {
		passed(&g.Checks, StageConsistency, "the old head is of an empty log, which is the beginning of every log")
		return nil
	}
	passed(&g.Checks, StageConsistency, "from %s follow both roots: the old tree is the beginning of the new one", count(uint64(len(g.Proof)), "hash", "hashes"))
	// A second opinion by code that is not ours, over the same hashes.
	second := make(tlog.TreeProof, len(g.Proof))
	for i, h := range g.Proof {
		second[i] = tlog.Hash(h)
	}
	if err := tlog.CheckTree(second, int64(b.Size), tlog.Hash(b.Root), int64(a.Size), tlog.Hash(a.Root)); err != nil {
		return fail(StageOpinion, err, "consistency: golang.org/x/mod/sumdb/tlog disagrees with our own check: %v", err)
	}
	passed(&g.Checks, StageOpinion, "golang.org/x/mod/sumdb/tlog, which is not our code, follows them to the same roots")
	return nil
}

// rewritten looks for the root that the first entries have under the new head, if it is
// another one than the old head signed. A proof that leads from that root to the one
// that the new head signed is no mistake of whoever made it: it would take two trees
// with one root. The root comes from the proof itself or, where the old size is a power
// of two and the proof leaves it out, from the tiles.
func (g *Growth) rewritten(ctx context.Context, f *Failure, tiles merkle.TileReader) (now merkle.Hash, ok bool) {
	mismatch, ok := errors.AsType[*merkle.RootMismatchError](f.cause)
	if !ok {
		return now, false
	}
	now = mismatch.Calculated
	if tiles != nil {
		var err error
		if now, err = merkle.RootFromTiles(ctx, g.Old.Size, merkle.AtSize(g.New.Size, tiles)); err != nil {
			return now, false
		}
	}
	return now, now != g.Old.Root && merkle.VerifyConsistency(g.Old.Size, g.New.Size, g.Proof, now, g.New.Root) == nil
}

func (g *Growth) say(mark Mark, standing Standing, format string, args ...any) {
	g.Lines = append(g.Lines, Line{mark, standing, fmt.Sprintf(format, args...)})
}

func (g *Growth) describe() {
	a, b := g.Old, g.New
	if a.Size == b.Size {
		g.say(OK, Proven, "both are the head of %s with %s, and have the same root", printable(a.Origin), count(a.Size, "entry", "entries"))
	} else {
		added := "1 was added"
		if n := b.Size - a.Size; n > 1 {
			added = fmt.Sprintf("%d were added", n)
		}
		g.say(OK, Proven, "%s: the first %d of %s are those of the old head, and %s", printable(a.Origin), a.Size, count(b.Size, "entry", "entries"), added)
		if a.Size > 0 {
			g.say(OK, Proven, "golang.org/x/mod/sumdb/tlog agrees (not our code)")
		}
	}
	a.attest(g.say, "the old head", "its entries were in the log")
	b.attest(g.say, "the new head", "its entries were in the log")
	g.say(Note, Asserted, "that the log showed everybody these heads does not follow: compare yours with those of others")
}

// maxProof is the length of the longest consistency proof there can be.
const maxProof = 63

// ParseProof reads a consistency proof: hashes in base64, one to a line, every line
// ended by a newline, and nothing else. A file without lines is the empty proof.
func ParseProof(file []byte) ([]merkle.Hash, error) {
	hashes := []merkle.Hash{}
	for line := range bytes.Lines(file) {
		text, ok := bytes.CutSuffix(line, []byte{'\n'})
		if !ok {
			return nil, fmt.Errorf("consistency proof: line %d does not end in a newline", len(hashes)+1)
		}
		if len(hashes) == maxProof {
			return nil, fmt.Errorf("consistency proof: more than %d hashes", maxProof)
		}
		h, err := merkle.ParseHash(string(text))
		if err != nil {
			return nil, fmt.Errorf("consistency proof: line %d: %w", len(hashes)+1, err)
		}
		hashes = append(hashes, h)
	}
	return hashes, nil
}

// AppendProof appends the text of a consistency proof, as [ParseProof] reads it.
func AppendProof(b []byte, hashes []merkle.Hash) []byte {
	for _, h := range hashes {
		b = append(b, h.String()...)
		b = append(b, '\n')
	}
	return b
}
