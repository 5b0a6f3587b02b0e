package audit

import (
	"context"
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/merkle"
)

// A Log says whose heads are followed and which of them are accepted.
type Log struct {
	// Origin is the first line of the log's checkpoints.
	Origin string
	// VKey is the log's public key, as it is handed out.
	VKey string

	verifiers []merkle.Verifier // VKey's first
	policy    *merkle.Policy
}

// NewLog returns the log with these public keys, of which there usually is one.
// Each head must be signed by the first; a signature by one of the others, which
// a log may have of another kind, must not be wrong. The origin is the name of
// the first key if it is empty, as it is with every log that follows the
// recommendation of https://c2sp.org/tlog-checkpoint. If a policy is given, a
// head is accepted only with the cosignatures that it asks for.
func NewLog(vkeys []string, origin string, policy *merkle.Policy) (*Log, error) {
	if len(vkeys) == 0 {
		return nil, errors.New("no public key of the log")
	}
	l := &Log{Origin: origin, VKey: vkeys[0], policy: policy}
	for _, vkey := range vkeys {
		v, err := merkle.NewVerifier(vkey)
		if err != nil {
			return nil, err
		}
		l.verifiers = append(l.verifiers, v)
	}
	if origin == "" {
		l.Origin = l.verifiers[0].Name()
	}
	return l, nil
}

// open verifies a head that is remembered or stands in an evidence: the log must
// have signed it. Whether witnesses had is not asked, since a policy may change,
// and what a log has signed binds it without any of them.
func (l *Log) open(signed []byte) (merkle.Checkpoint, error) {
	c, err := merkle.OpenCheckpoint(signed, l.Origin, l.verifiers[0])
	if err == nil && len(l.verifiers) > 1 {
		c, err = merkle.OpenCheckpoint(signed, l.Origin, l.verifiers...)
	}
	return c, err
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
	if absent(err) {
		// No claim was made, so none was refuted.
		return head{}, &UnreachableError{Source: src.String(), Path: place, Err: errors.New("there is no checkpoint: not the address of a log")}
	}
	if err != nil {
		return head{}, err
	}
	c, err := l.open(signed)
	if err == nil && l.policy != nil {
		c, _, err = l.policy.Check(signed, l.Origin, l.verifiers...)
	}
	if err == nil && c.Size == 0 && c.Root != merkle.EmptyRoot() {
		err = fmt.Errorf("it says that an empty log has root %s", c.Root)
	}
	if err != nil {
		return head{}, &MismatchError{Place: place, What: err.Error()}
	}
	return head{c, signed}, nil
}
