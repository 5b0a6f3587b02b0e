package receipt

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/merkle"
)

// Approvers say who may approve an erasure, and how many of them have to have approved
// one that a person asked for. Like the keys of the log this is what the reader has to
// know from elsewhere: a certificate names only the ids of keys. The zero value knows
// nobody and asks for nobody.
type Approvers struct {
	Keys []merkle.Verifier
	Need int
}

// ErrApprovals says that more approvals were asked for than there are approvers, or fewer
// than none.
var ErrApprovals = errors.New("so many cannot be had")

// NewApprovers reads the verifier keys of approvers, one to a line.
func NewApprovers(vkeys string, need int) (a Approvers, err error) {
	a.Need = need
	for line := range strings.Lines(vkeys) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		v, err := merkle.NewVerifier(line)
		if err != nil {
			return a, fmt.Errorf("key %d of the approvers: %w", len(a.Keys)+1, err)
		}
		if slices.ContainsFunc(a.Keys, func(k merkle.Verifier) bool { return k.KeyHash() == v.KeyHash() }) {
			return a, fmt.Errorf("key %d of the approvers is there already, or another with its id", len(a.Keys)+1)
		}
		a.Keys = append(a.Keys, v)
	}
	switch {
	case len(a.Keys) == 0:
		return a, errors.New("no key of an approver")
	case need < 0 || need > len(a.Keys):
		return a, fmt.Errorf("%d approvals of %d approvers: %w", need, len(a.Keys), ErrApprovals)
	}
	return a, nil
}

// checkApprovals checks the signatures of those approvers that the reader knows.
func (r *Report) checkApprovals(c *certificate.Certificate, approvers Approvers) *Failure {
	by, err := c.Approvers(approvers.Keys...)
	if err != nil {
		return fail(StageApproval, err, "%v", err)
	}
	for _, v := range by {
		r.ApprovedBy = append(r.ApprovedBy, keyName(v))
		passed(&r.Checks, StageApproval, "%s signed the commitment of this very request, in this log, and the record names the key", keyName(v))
	}
	// Nobody asked for what a period ended, so nobody was asked to approve.
	if c.Terms.Reason != certificate.ReasonRetention && len(by) < approvers.Need {
		return fail(StageApproval, nil, "approval: %d of the approvers signed this request, %d must have", len(by), approvers.Need)
	}
	return nil
}

// describeApprovals says who approved a request.
func (r *Report) describeApprovals() {
	for _, a := range r.Certificate.Terms.Approvals {
		i := slices.IndexFunc(r.ApprovedBy, func(name string) bool { return strings.HasSuffix(name, "+"+a.Key) })
		if i >= 0 {
			r.say(OK, Proven, "approved by %s, whose signature is of this very request", printable(r.ApprovedBy[i]))
		} else {
			r.say(Note, Asserted, "approved by key %s, which the reader does not know: its signature was not checked", printable(a.Key))
		}
	}
}
