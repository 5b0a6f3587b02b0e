package receipttest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/lacunalog/lacuna/erasure/certificate"
)

// A Loss is a public statement that entries were lost, and the set that it commits to.
type Loss struct {
	Index uint64
	Set   *certificate.LostSet
}

// Lose appends the statement that those entries are lost, of all that there are. change, if not nil, words it
// otherwise.
func (l *Log) Lose(lost []uint64, change func(*certificate.LostRecord)) *Loss {
	key := digest("lost " + l.Origin)
	set, err := certificate.NewLostSet(uint64(len(l.leaves)), func(i uint64) bool { return slices.Contains(lost, i) }, func(i uint64) [32]byte {
		mac := hmac.New(sha256.New, key[:])
		mac.Write(binary.BigEndian.AppendUint64(nil, i))
		return [32]byte(mac.Sum(nil))
	})
	check(err)
	r := set.Record("2026-05-12T09:00:00Z")
	if change != nil {
		change(r)
	}
	statement, err := certificate.Canonical(r)
	check(err)
	return &Loss{Index: l.Publish(string(statement)), Set: set}
}

// LostOpening answers somebody who asks about an entry that was stated as lost.
func (l *Log) LostOpening(x *Loss, index uint64) *certificate.LostOpening {
	p, err := x.Set.Prove(index)
	check(err)
	return certificate.NewLostOpening(l.Origin, l.Receipt(x.Index, nil), p)
}

// MarshalLost returns the bytes of an opening.
func MarshalLost(o *certificate.LostOpening) []byte {
	b, err := certificate.Canonical(o)
	check(err)
	return b
}
