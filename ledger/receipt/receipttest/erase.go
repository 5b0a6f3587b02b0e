package receipttest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/lacunalog/lacuna/erasure/certificate"
)

// Erase appends the record of an epoch that erased one person's marketing, and returns
// the entry of the record and the subject's copy of the certificate. previous is the
// record before, if there is one. change, if not nil, words the terms otherwise.
func (l *Log) Erase(subject string, previous *uint64, change func(*certificate.Terms)) (index uint64, cert *certificate.Certificate) {
	l.epoch++
	terms := certificate.Terms{
		Origin: l.Origin, Tree: id("tree"), Epoch: l.epoch, Level: "L1", Reason: certificate.ReasonRequest,
		Scope: "everything without a declared reason to stay", RequestedAt: "2026-05-04T12:31:39Z", KeysDestroyedAt: "2026-05-04T12:31:40Z",
		Erased: []certificate.Part{{Compartment: "marketing"}}, Kept: []certificate.Stay{}, Recipients: []string{"mailer"},
		NotCovered: certificate.NotCovered("L1", false),
	}
	if change != nil {
		change(&terms)
	}
	o, err := certificate.NewOpening(map[string]any{
		certificate.MemberErase: terms.Erased, certificate.MemberReason: terms.Reason, certificate.MemberAsked: terms.RequestedAt,
		certificate.MemberScope: terms.Scope, certificate.MemberSubject: subject,
	})
	check(err)
	approvers := []string{}
	for _, s := range l.Approvers {
		a, err := certificate.Approve(s, l.Origin, o.Commitment(l.Origin))
		check(err)
		terms.Approvals = append(terms.Approvals, a)
	}
	slices.SortFunc(terms.Approvals, func(a, b certificate.Approval) int { return strings.Compare(a.Key, b.Key) })
	for _, a := range terms.Approvals {
		approvers = append(approvers, a.Key)
	}
	t, err := terms.Digest()
	check(err)
	const place, entries = 17, 3
	leaves := make([]certificate.SumNode, certificate.MinRequests)
	for i := range leaves {
		leaves[i].Hash = digest(fmt.Sprint("no request ", i))
	}
	leaves[place] = certificate.RequestLeaf(o.Commitment(l.Origin), t, entries)
	levels, err := certificate.SumTree(leaves)
	check(err)
	r := &certificate.Record{
		Type: certificate.RecordType, Schema: certificate.RecordSchema, Tree: terms.Tree, Epoch: terms.Epoch, Attempt: id("attempt"),
		PagesRoot: digest("pages"), KeysDestroyedAt: terms.KeysDestroyedAt, Level: terms.Level,
		Holders:      []certificate.Statement{{Holder: id("holder"), Kind: "file", Level: "L1", Destroyed: []uint64{}, Overwritten: 1, Copies: 1}},
		Subjects:     certificate.Subjects{Closure: "0", Request: certificate.Bucket(1), Retention: "0"},
		RequestsRoot: levels[len(levels)-1][0].Hash, RequestsSize: len(leaves), Approvers: approvers, Sweep: certificate.SweepPending,
	}
	if previous != nil {
		leaf, _ := l.Leaf(*previous)
		before := certificate.LeafHash(leaf[2:])
		r.Previous = &before
	}
	statement, err := r.Statement()
	check(err)
	index = l.Publish(string(statement))
	return index, &certificate.Certificate{
		Type: certificate.Type, Schema: certificate.Schema, Copy: certificate.CopySubject, Terms: terms,
		Record:     certificate.RecordRef{Index: index, Leaf: certificate.LeafHash(statement)},
		Commitment: o.Commitment(l.Origin), Entries: entries, Place: place, Path: certificate.SumPath(levels, place), Opening: o,
	}
}

// Marshal returns the bytes of a certificate.
func Marshal(c *certificate.Certificate) []byte {
	b, err := c.Marshal()
	check(err)
	return b
}

func digest(label string) certificate.Digest { return sha256.Sum256([]byte(label)) }

func id(label string) certificate.ID {
	d := digest(label)
	return certificate.ID(d[:16])
}
