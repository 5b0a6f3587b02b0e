package merkle

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
)

// proofHeader is the first line of a proof file.
const proofHeader = "c2sp.org/tlog-proof@v1"

// maxProofHashes is the length of the longest inclusion proof there can be.
const maxProofHashes = 63

// errProof is wrapped by every refusal of a proof file.
var errProof = errors.New("malformed tlog-proof")

// A Proof is what a .tlog-proof file holds (https://c2sp.org/tlog-proof): all
// that is needed to check, offline and for ever, that an entry is in a log.
type Proof struct {
	// Extra is data for the application, and is not authenticated by the proof.
	// In this project it is the opening, from which the entry is recomputed.
	Extra []byte
	// Index is the number of the entry.
	Index uint64
	// Hashes is the inclusion proof, the sibling of the leaf first.
	Hashes []Hash
	// Checkpoint is the signed checkpoint, byte for byte.
	Checkpoint []byte
}

// Marshal returns the bytes of the file. It fails if [ParseProof] would refuse
// them.
func (p *Proof) Marshal() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("writing proof: %w", err)
	}
	var b bytes.Buffer
	b.WriteString(proofHeader + "\n")
	if len(p.Extra) > 0 {
		b.WriteString("extra ")
		b.Write(base64.StdEncoding.AppendEncode(b.AvailableBuffer(), p.Extra))
		b.WriteByte('\n')
	}
	b.WriteString("index ")
	b.WriteString(strconv.FormatUint(p.Index, 10))
	b.WriteByte('\n')
	for _, h := range p.Hashes {
		b.WriteString(h.String())
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.Write(p.Checkpoint)
	return b.Bytes(), nil
}

// ParseProof reads a proof file. It accepts exactly what Marshal writes, and
// checks the form of the checkpoint but none of its signatures: see
// [Proof.Verify].
func ParseProof(b []byte) (*Proof, error) {
	p, err := parseProof(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errProof, err)
	}
	return p, nil
}

func parseProof(b []byte) (*Proof, error) {
	next := func() ([]byte, bool) {
		line, rest, ok := bytes.Cut(b, []byte{'\n'})
		if ok {
			b = rest
		}
		return line, ok
	}
	if line, ok := next(); !ok || string(line) != proofHeader {
		return nil, fmt.Errorf("first line is not %q", proofHeader)
	}
	p := &Proof{}
	line, _ := next()
	if extra, ok := bytes.CutPrefix(line, []byte("extra ")); ok {
		var err error
		if p.Extra, err = decodeBase64(string(extra)); err != nil {
			return nil, fmt.Errorf("extra: %w", err)
		}
		if len(p.Extra) == 0 {
			return nil, errors.New("extra: empty, the line must be left out")
		}
		line, _ = next()
	}
	index, ok := bytes.CutPrefix(line, []byte("index "))
	if !ok {
		return nil, errors.New("no index line")
	}
	if p.Index, ok = parseDecimal(string(index)); !ok {
		return nil, fmt.Errorf("index %q is not a decimal number without leading zeros", index)
	}
	p.Hashes = make([]Hash, 0, 24) // enough for 16 million leaves
	for {
		line, ok := next()
		if !ok {
			return nil, errors.New("no empty line before the checkpoint")
		}
		if len(line) == 0 {
			break
		}
		if len(p.Hashes) == maxProofHashes {
			return nil, fmt.Errorf("more than %d hashes", maxProofHashes)
		}
		h, err := parseHash(line)
		if err != nil {
			return nil, err
		}
		p.Hashes = append(p.Hashes, h)
	}
	p.Checkpoint = bytes.Clone(b)
	if err := p.check(); err != nil {
		return nil, err
	}
	return p, nil
}

// check refuses what does not depend on how the file is written.
func (p *Proof) check() error {
	if len(p.Hashes) > maxProofHashes {
		return fmt.Errorf("more than %d hashes", maxProofHashes)
	}
	text, _, err := cutNote(p.Checkpoint)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	c, err := ParseCheckpoint(string(text))
	if err != nil {
		return err
	}
	if p.Index >= c.Size {
		return fmt.Errorf("index %d is not in a tree of size %d", p.Index, c.Size)
	}
	return nil
}

// Verify checks that entry (the bytes that were logged, not their hash) stands
// at p.Index in the log that v speaks for: the checkpoint must be of the log
// whose origin is the name of v and signed by v, and the inclusion proof must
// lead from the entry to its root. It returns the checkpoint.
//
// The error tells what differed: *[OriginError], *[SignatureError] or
// *[RootMismatchError].
func (p *Proof) Verify(entry []byte, v Verifier) (Checkpoint, error) {
	c, err := OpenCheckpoint(p.Checkpoint, v.Name(), v)
	if err != nil {
		return Checkpoint{}, err
	}
	if err := VerifyInclusion(p.Index, c.Size, LeafHash(entry), p.Hashes, c.Root); err != nil {
		return Checkpoint{}, err
	}
	return c, nil
}
