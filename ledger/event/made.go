package event

import (
	"encoding/base64"
	"time"
)

// The events of this file are made by the ledger itself.

// Chain is one chain of a person as chain.asserted lists it.
type Chain struct {
	Compartment string
	Cohort      string
	Count       uint64
	Head        [32]byte // leaf hash of the last event
}

// ChainAsserted returns the event by which the ledger asserts that a person's
// chains end here. The caller lists them in any order.
func ChainAsserted(c Context, subject string, chains []Chain) (*Event, error) {
	list := []byte{'['}
	for i, x := range sortedChains(chains) {
		if i > 0 {
			list = append(list, ',')
		}
		b := newBuilder(4)
		b.setString("cohort", x.Cohort)
		b.setString("compartment", x.Compartment)
		b.set("count", appendInt(nil, int(x.Count)))
		b.setString("head", base64.StdEncoding.EncodeToString(x.Head[:]))
		list = append(list, b.event().text...)
	}
	list = append(list, ']')
	return made(c, Member{"type", quote("chain.asserted")}, Member{"subject", quote(subject)}, Member{"chains", list})
}

// ErasureWithdrawal returns the withdrawal of everything that an erasure records
// first, while consents are in force: the proof of consent that stays behind
// ends with it, and its retention has a day to count from.
func ErasureWithdrawal(c Context, subject string) (*Event, error) {
	return made(c, Member{"type", quote("consent.withdrawn")}, Member{"subject", quote(subject)},
		Member{"purpose", quote("*")}, Member{"reason", quote("erasure")})
}

// ProcessingDenied returns the record of an attempt that was not allowed.
func ProcessingDenied(c Context, subject, purpose, operation string, reasons []string) (*Event, error) {
	list := []byte{'['}
	for i, r := range reasons {
		if i > 0 {
			list = append(list, ',')
		}
		list = appendQuoted(list, r)
	}
	list = append(list, ']')
	return made(c, Member{"type", quote("processing.denied")}, Member{"subject", quote(subject)}, Member{"purpose", quote(purpose)},
		Member{"operation", quote(operation)}, Member{"reasons", list})
}

func made(c Context, ms ...Member) (*Event, error) {
	short, err := New(ms...)
	if err != nil {
		return nil, err
	}
	c.Internal = true
	full, _, err := Fill(c, short)
	if err != nil {
		return nil, err
	}
	return full[0], nil
}

func sortedChains(chains []Chain) []Chain {
	out := append([]Chain(nil), chains...)
	for i := 1; i < len(out); i++ {
		for j := i; j > 0 && (out[j].Compartment < out[j-1].Compartment ||
			out[j].Compartment == out[j-1].Compartment && out[j].Cohort < out[j-1].Cohort); j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

// WithChain returns a full event with what the ledger adds when it seals: its
// number in its chain, the leaf hash of the event before it (all zero for the
// first, which has none), and the time of recording.
func (e *Event) WithChain(seq uint64, prev [32]byte, recorded time.Time) *Event {
	head := []byte("null")
	if prev != ([32]byte{}) {
		head = quote(base64.StdEncoding.EncodeToString(prev[:]))
	}
	return e.WithMembers(
		Member{"_prev", head},
		Member{"_recorded", quote(FormatTime(recorded))},
		Member{"_seq", appendInt(nil, int(seq))})
}
