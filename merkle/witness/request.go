package witness

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/lacunalog/lacuna/merkle"
)

const (
	// maxProof is how many lines a proof may have.
	maxProof = 63
	// maxSubtreeSignatures is how many signatures a sign-subtree request may
	// carry of the subtree, and how many of the checkpoint.
	maxSubtreeSignatures = 8

	sizeType = "text/x.tlog.size"

	signaturePrefix = "— "
)

// An addRequest is the body of add-checkpoint. The checkpoint is a signed note,
// about which nothing has been verified.
type addRequest struct {
	old        uint64
	proof      []merkle.Hash
	checkpoint []byte
}

func (r *addRequest) marshal() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "old %d\n", r.old)
	return finish(&b, r.proof, r.checkpoint)
}

// finish writes what every request ends with: a proof, an empty line, a checkpoint.
func finish(b *bytes.Buffer, proof []merkle.Hash, checkpoint []byte) []byte {
	for _, h := range proof {
		b.WriteString(h.String())
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.Write(checkpoint)
	return b.Bytes()
}

func parseAdd(body []byte) (*addRequest, error) {
	head, checkpoint, err := cut(body)
	if err != nil {
		return nil, err
	}
	size, ok := strings.CutPrefix(head[0], "old ")
	if !ok {
		return nil, errors.New("line 1 does not begin with \"old \"")
	}
	r := &addRequest{checkpoint: checkpoint}
	if r.old, ok = parseSize(size); !ok {
		return nil, errors.New("line 1: the old size is not a decimal number without leading zeros")
	}
	if r.proof, err = parseProof(head[1:], 2); err != nil {
		return nil, err
	}
	return r, nil
}

// A subtreeRequest is the body of sign-subtree.
type subtreeRequest struct {
	start, end uint64
	root       merkle.Hash
	// Signatures of the subtree by others, which keep strangers from asking for
	// any subtree they like, are read and not looked at: what a signature costs
	// here is bounded by how many requests are answered at once.
	signatures []string
	proof      []merkle.Hash
	checkpoint []byte
}

func (r *subtreeRequest) marshal() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "subtree %d %d\n%s\n", r.start, r.end, r.root)
	for _, s := range r.signatures {
		b.WriteString(s)
		b.WriteByte('\n')
	}
	return finish(&b, r.proof, r.checkpoint)
}

func parseSubtree(body []byte) (*subtreeRequest, error) {
	head, checkpoint, err := cut(body)
	if err != nil {
		return nil, err
	}
	numbers, ok := strings.CutPrefix(head[0], "subtree ")
	if !ok {
		return nil, errors.New("line 1 does not begin with \"subtree \"")
	}
	r := &subtreeRequest{checkpoint: checkpoint}
	start, end, _ := strings.Cut(numbers, " ")
	var ok2 bool
	if r.start, ok = parseSize(start); !ok {
		return nil, errors.New("line 1: the start is not a decimal number without leading zeros")
	}
	if r.end, ok2 = parseSize(end); !ok2 {
		return nil, errors.New("line 1: the end is not a decimal number without leading zeros")
	}
	if len(head) < 2 {
		return nil, errors.New("line 2, the hash of the subtree, is missing")
	}
	if r.root, err = merkle.ParseHash(head[1]); err != nil {
		return nil, fmt.Errorf("line 2: %w", err)
	}
	at := 2
	for at < len(head) && strings.HasPrefix(head[at], signaturePrefix) {
		if len(r.signatures) == maxSubtreeSignatures {
			return nil, fmt.Errorf("line %d: more than %d signatures", at+1, maxSubtreeSignatures)
		}
		r.signatures = append(r.signatures, head[at])
		at++
	}
	if r.proof, err = parseProof(head[at:], at+1); err != nil {
		return nil, err
	}
	if n := bytes.Count(checkpoint, []byte("\n"+signaturePrefix)); n > maxSubtreeSignatures {
		return nil, fmt.Errorf("the checkpoint has %d signatures, at most %d", n, maxSubtreeSignatures)
	}
	return r, nil
}

// cut separates the lines of a request from the checkpoint after the first empty
// line.
func cut(body []byte) (head []string, checkpoint []byte, err error) {
	lines, checkpoint, ok := bytes.Cut(body, []byte("\n\n"))
	if !ok {
		return nil, nil, errors.New("no empty line before the checkpoint")
	}
	if len(checkpoint) == 0 {
		return nil, nil, errors.New("no checkpoint")
	}
	return strings.Split(string(lines), "\n"), checkpoint, nil
}

// parseProof reads hashes, one to a line; first is the number of the first line.
func parseProof(lines []string, first int) ([]merkle.Hash, error) {
	if len(lines) > maxProof {
		return nil, fmt.Errorf("line %d: a proof of more than %d lines", first+maxProof, maxProof)
	}
	var proof []merkle.Hash
	for i, l := range lines {
		h, err := merkle.ParseHash(l)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", first+i, err)
		}
		proof = append(proof, h)
	}
	return proof, nil
}

// parseSize reads a decimal number in its one canonical form.
func parseSize(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n <= merkle.MaxSize && strconv.FormatUint(n, 10) == s
}

// splitNote returns the text of a note, and the note's checkpoint. It says
// nothing about signatures.
func splitNote(signed []byte) (text []byte, c merkle.Checkpoint, err error) {
	if _, err := merkle.SignatureLines(signed); err != nil {
		return nil, merkle.Checkpoint{}, err
	}
	text = signed[:bytes.LastIndex(signed, []byte("\n\n"))+1]
	c, err = merkle.ParseCheckpoint(string(text))
	return text, c, err
}
