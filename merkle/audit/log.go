package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/lacunalog/lacuna/merkle"
)

// A Log says whose heads are followed and which of them are accepted.
type Log struct {
	// Origin is the first line of the log's checkpoints.
	Origin string
	// VKey is the log's public key, as it is handed out.
	VKey string

	verifier merkle.Verifier
	policy   *merkle.Policy
}

// NewLog returns the log with that public key. The origin is the name of the key
// if it is empty, as it is with every log that follows the recommendation of
// https://c2sp.org/tlog-checkpoint. If a policy is given, a head is accepted
// only with the cosignatures that it asks for.
func NewLog(vkey, origin string, policy *merkle.Policy) (*Log, error) {
	v, err := merkle.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	if origin == "" {
		origin = v.Name()
	}
	return &Log{Origin: origin, VKey: vkey, verifier: v, policy: policy}, nil
}

// open verifies a head that is remembered or stands in an evidence: the log must
// have signed it. Whether witnesses had is not asked, since a policy may change,
// and what a log has signed binds it without any of them.
func (l *Log) open(signed []byte) (merkle.Checkpoint, error) {
	return merkle.OpenCheckpoint(signed, l.Origin, l.verifier)
}

// A head is a signed checkpoint that has been verified.
type head struct {
	merkle.Checkpoint
	signed []byte
}

// remembered opens a head that was accepted before; nothing where there is none.
func (l *Log) remembered(signed []byte) (head, error) {
	if len(signed) == 0 {
		return head{Checkpoint: merkle.Checkpoint{Origin: l.Origin, Root: merkle.EmptyRoot()}}, nil
	}
	c, err := l.open(signed)
	return head{c, signed}, err
}

// fetchHead returns the head that a source shows, if it can be accepted.
func (l *Log) fetchHead(ctx context.Context, src Source) (head, error) {
	const place = "checkpoint"
	signed, err := src.Fetch(ctx, place, maxCheckpoint)
	if errors.Is(err, fs.ErrNotExist) {
		// No claim was made, so none was refuted.
		return head{}, &UnreachableError{Source: src.String(), Path: place, Err: errors.New("there is no checkpoint: not the address of a log")}
	}
	if err != nil {
		return head{}, err
	}
	c, err := l.open(signed)
	if err == nil && l.policy != nil {
		c, _, err = l.policy.Check(signed, l.Origin, l.verifier)
	}
	if err == nil && c.Size == 0 && c.Root != merkle.EmptyRoot() {
		err = fmt.Errorf("it says that an empty log has root %s", c.Root)
	}
	if err != nil {
		return head{}, &MismatchError{Place: place, What: err.Error()}
	}
	return head{c, signed}, nil
}
