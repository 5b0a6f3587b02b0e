package certificate

import (
	"errors"
	"fmt"
	"slices"
)

// The members of a sweep record that are fixed.
const (
	SweepType   = "erasure.sweep"
	SweepSchema = 1
)

// A SweepRecord is the public statement about one sweep: that the rows which could tell which erased
// entries belonged together are gone, and with them the keys that masked them. A sweep is an epoch of
// its own, and its record stands in the same chain as the epoch records. docs/spec/sweep-record.md
// describes every member.
type SweepRecord struct {
	Type    string `json:"type"`   // "erasure.sweep"
	Schema  int    `json:"schema"` // 1
	Tree    ID     `json:"tree"`
	Epoch   uint64 `json:"epoch"` // the epoch that destroyed the old generation's keys
	Attempt ID     `json:"attempt"`
	// Previous is the leaf hash of the epoch or sweep record before, null in the first.
	Previous *Digest `json:"previous"`
	// PreviousSweep is the leaf hash of the sweep record before, null in the first.
	PreviousSweep *Digest `json:"previous_sweep"`
	PagesRoot     Digest  `json:"pages_root"`
	// Generation is that of the rows from now on. Those of every generation before it are gone.
	Generation uint32 `json:"generation"`
	// The traces of the epochs from EpochsFrom to EpochsTo are swept. An erasure that went on while the
	// sweep copied is in the next; where there is nothing to sweep, EpochsFrom is EpochsTo+1.
	EpochsFrom uint64 `json:"epochs_from"`
	EpochsTo   uint64 `json:"epochs_to"`
	// EpochsLost are those epochs of the range of which the operator has lost what they erased, all or a part. Such
	// entries are not in the set, and count as lost. Left out where there are none.
	EpochsLost []uint64 `json:"epochs_lost,omitzero"`
	Size       uint64   `json:"size"` // of the log at the cut
	// Erased is how many of the leaves below Size are erased, over all sweeps, and ErasedRoot the root of
	// the set that they are.
	Erased     uint64 `json:"erased"`
	ErasedRoot Digest `json:"erased_root"`
	// Paired is the SHA-256 of the paired openings of this set and the one before, null where there is none.
	Paired        *Digest     `json:"paired"`
	TracesSweptAt string      `json:"traces_swept_at"`
	Level         string      `json:"level"`
	Holders       []Statement `json:"holders"`
}

// ParseSweepRecord reads a sweep record from the text of the public statement, strictly.
func ParseSweepRecord(statement []byte) (*SweepRecord, error) {
	r := new(SweepRecord)
	if err := ParseCanonical(statement, r); err != nil {
		return nil, fmt.Errorf("sweep record: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("sweep record: %w", err)
	}
	return r, nil
}

// Statement returns the text that is published.
func (r *SweepRecord) Statement() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("sweep record: %w", err)
	}
	return Canonical(r)
}

// Covers reports whether the sweep removed the traces of an epoch of its tree.
func (r *SweepRecord) Covers(tree ID, epoch uint64) bool {
	return tree == r.Tree && r.EpochsFrom <= epoch && epoch <= r.EpochsTo
}

// Lost reports whether something of what an epoch erased is lost.
func (r *SweepRecord) Lost(epoch uint64) bool { return slices.Contains(r.EpochsLost, epoch) }

func (r *SweepRecord) check() error {
	for i, n := range r.EpochsLost {
		if n < r.EpochsFrom || n > r.EpochsTo || i > 0 && n <= r.EpochsLost[i-1] {
			return errors.New("the epochs of which something is lost are not some of the range, in order")
		}
	}
	switch {
	case r.EpochsLost != nil && len(r.EpochsLost) == 0:
		return errors.New("a member that says that nothing is lost")
	case r.Type != SweepType || r.Schema != SweepSchema:
		return fmt.Errorf("not type %s, schema %d", SweepType, SweepSchema)
	case r.Epoch > maxExact || r.Size > maxExact:
		return errors.New("a number is beyond 2^53-1")
	case r.Generation == 0:
		return errors.New("the generation is none")
	case r.EpochsTo >= r.Epoch || r.EpochsFrom == 0 || r.EpochsFrom > r.EpochsTo+1:
		return errors.New("the epochs that were swept are not a range of epochs before the sweep")
	case r.Erased > r.Size:
		return errors.New("more leaves are erased than there are")
	case r.PreviousSweep == nil && r.Paired != nil:
		return errors.New("paired openings with a sweep before the first")
	case r.PreviousSweep != nil && r.Previous == nil:
		return errors.New("a sweep before, and no record before")
	}
	if err := checkLevel(r.Level, r.Holders); err != nil {
		return err
	}
	if err := checkSignatures(r.Holders, r.Tree, r.Epoch, r.Attempt); err != nil {
		return err
	}
	return checkInstant(r.TracesSweptAt)
}
