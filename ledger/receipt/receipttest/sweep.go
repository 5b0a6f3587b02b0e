package receipttest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/lacunalog/lacuna/erasure/certificate"
)

// A Sweep is one sweep of a log: its record's entry, and the set that it committed to.
type Sweep struct {
	Index  uint64
	Record *certificate.SweepRecord
	Set    *certificate.ErasedSet
	Paired []byte // openings with the sweep before; nil for the first
}

// Sweep appends the record of a sweep after which those entries are erased, and no others. previous is the
// entry of the record before, if there is one; before the sweep before, if there was one. change, if not
// nil, words the record otherwise.
func (l *Log) Sweep(erased []uint64, previous *uint64, before *Sweep, change func(*certificate.SweepRecord)) *Sweep {
	bits := map[uint64]bool{}
	for _, i := range erased {
		bits[i] = true
	}
	g, from := uint32(2), uint64(1)
	if before != nil {
		g, from = before.Record.Generation+1, before.Record.EpochsTo+1
	}
	key := digest(string(rune(g)) + l.Origin)
	set, err := certificate.NewErasedSet(g, uint64(len(l.leaves)), func(i uint64) bool { return bits[i] }, func(i uint64) [32]byte {
		mac := hmac.New(sha256.New, key[:])
		mac.Write(binary.BigEndian.AppendUint64(nil, i))
		return [32]byte(mac.Sum(nil))
	})
	check(err)
	l.epoch++
	s := &Sweep{Set: set, Record: &certificate.SweepRecord{
		Type: certificate.SweepType, Schema: certificate.SweepSchema, Tree: id("tree"), Epoch: l.epoch, Attempt: id("attempt"),
		PagesRoot: digest("pages"), Generation: g, EpochsFrom: from, EpochsTo: l.epoch - 1,
		Size: set.Size(), Erased: set.Total(), ErasedRoot: set.Root(), TracesSweptAt: "2026-05-11T03:00:00Z", Level: "L1",
		Holders: []certificate.Statement{{Holder: id("holder"), Kind: "file", Level: "L1", Destroyed: []uint64{}, Overwritten: 1, Copies: 1}},
	}}
	if previous != nil {
		s.Record.Previous = l.statementHash(*previous)
	}
	if before != nil {
		s.Record.PreviousSweep = l.statementHash(before.Index)
		if p, err := certificate.Pair(l.Origin, before.Set, set, l.Checkpoint()); err == nil {
			s.Paired, err = p.Marshal()
			check(err)
			d := certificate.Digest(sha256.Sum256(s.Paired))
			s.Record.Paired = &d
		}
	}
	if change != nil {
		change(s.Record)
	}
	statement, err := s.Record.Statement()
	check(err)
	s.Index = l.Publish(string(statement))
	return s
}

func (l *Log) statementHash(index uint64) *certificate.Digest {
	leaf, _ := l.Leaf(index)
	h := certificate.LeafHash(leaf[2:])
	return &h
}

// Sample answers an auditor's seed as an honest operator does: every drawn entry that is not among the
// erased is opened. sweep may be nil. change, if not nil, makes it a liar's before it is written.
func (l *Log) Sample(seed string, leaves, blocks int, erased []uint64, sweep *Sweep, change func(*certificate.Sample)) []byte {
	head := l.Checkpoint()
	s := &certificate.Sample{
		Type: certificate.SampleType, Schema: certificate.SampleSchema, Origin: l.Origin, Seed: seed, Head: string(head),
		Leaves: []certificate.SampleLeaf{}, Blocks: []certificate.BlockProof{},
	}
	var swept uint64
	if sweep != nil {
		receipt := string(l.Receipt(sweep.Index, nil))
		s.Sweep, swept = &receipt, sweep.Set.Size()
	}
	dead := map[uint64]bool{}
	for _, i := range erased {
		dead[i] = true
	}
	size := uint64(len(l.leaves))
	drawn, whole, err := certificate.DrawSample(seed, l.head().Text(), size, swept, leaves, blocks)
	check(err)
	for _, i := range drawn {
		leaf := certificate.SampleLeaf{Index: i, Claim: certificate.ClaimErased}
		if !dead[i] {
			receipt := string(l.Receipt(i, nil))
			leaf.Claim, leaf.Receipt = certificate.ClaimOpened, &receipt
		}
		if i < swept {
			leaf.Bit, err = sweep.Set.Prove(i)
			check(err)
		}
		s.Leaves = append(s.Leaves, leaf)
	}
	for _, b := range whole {
		p, err := sweep.Set.ProveBlock(b)
		check(err)
		s.Blocks = append(s.Blocks, *p)
	}
	if change != nil {
		change(s)
	}
	text, err := certificate.Canonical(s)
	check(err)
	return text
}
