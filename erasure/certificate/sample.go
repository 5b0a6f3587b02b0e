package certificate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
)

// The members of an audit sample that are fixed.
const (
	SampleType   = "erasure.sample"
	SampleSchema = 1
)

// What an operator claims about a leaf of a sample.
const (
	ClaimOpened = "opened" // the receipt is there
	ClaimLiving = "living" // a key opens it; it is not shown
	ClaimErased = "erased" // no key opens it
	ClaimLost   = "lost"   // no key opens it, and no erasure accounts for that
)

// Most that one sample has.
const (
	MaxSampleLeaves = 10_000
	MaxSampleBlocks = 64
)

// A Sample answers an auditor who draws leaves with a seed of their own: for each leaf it has an opening,
// or the bit by which the newest sweep committed to whether it is erased.
//
// The leaves are Draw(SHA-256(seed || text of the head), size of the head, …), the blocks the same with
// one byte 0x01 behind, below the number of blocks of the sweep. So neither side chooses: the head is fixed
// before the seed is known.
type Sample struct {
	Type   string `json:"type"`   // "erasure.sample"
	Schema int    `json:"schema"` // 1
	Origin string `json:"origin"`
	Seed   string `json:"seed"` // 16 to 64 bytes in lower-case hex
	Head   string `json:"head"` // signed head, as a note
	// Sweep is the receipt (.tlog-proof) of the newest sweep record, null where there was no sweep.
	Sweep  *string      `json:"sweep"`
	Leaves []SampleLeaf `json:"leaves"`
	Blocks []BlockProof `json:"blocks"`
}

// A SampleLeaf is one leaf of a sample.
type SampleLeaf struct {
	Index   uint64    `json:"index"`
	Claim   string    `json:"claim"`
	Receipt *string   `json:"receipt"` // .tlog-proof under the head of the sample, only with ClaimOpened
	Bit     *BitProof `json:"bit"`     // null for a leaf that is younger than the sweep
	// Lost is there if it was publicly stated that the leaf is lost, only with ClaimLost.
	Lost *LostOpening `json:"lost,omitzero"`
}

// ParseSample reads a sample, strictly.
func ParseSample(b []byte) (*Sample, error) {
	s := new(Sample)
	if err := ParseCanonical(b, s); err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	return s, nil
}

// Marshal returns the text of a sample.
func (s *Sample) Marshal() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	return Canonical(s)
}

// CheckSeed checks the form of an auditor's seed.
func CheckSeed(seed string) error {
	b, err := hex.DecodeString(seed)
	if err != nil || hex.EncodeToString(b) != seed || len(b) < 16 || len(b) > 64 {
		return errors.New("a seed is 16 to 64 bytes in lower-case hex")
	}
	return nil
}

// SeedOf makes a seed of what an auditor says: hex of 16 to 64 bytes is one, and any
// other text stands for its SHA-256.
func SeedOf(text string) (string, error) {
	switch {
	case text == "":
		return "", errors.New("a seed is not empty")
	case CheckSeed(text) == nil:
		return text, nil
	}
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:]), nil
}

func (s *Sample) check() error {
	switch {
	case s.Type != SampleType || s.Schema != SampleSchema:
		return fmt.Errorf("not type %s, schema %d", SampleType, SampleSchema)
	case len(s.Leaves) > MaxSampleLeaves || len(s.Blocks) > MaxSampleBlocks:
		return fmt.Errorf("more than %d leaves or %d blocks", MaxSampleLeaves, MaxSampleBlocks)
	case s.Sweep == nil && len(s.Blocks) > 0:
		return errors.New("blocks of a sweep, and no sweep")
	}
	for _, l := range s.Leaves {
		switch {
		case l.Claim != ClaimOpened && l.Claim != ClaimLiving && l.Claim != ClaimErased && l.Claim != ClaimLost:
			return errors.New("a leaf with a claim that is none")
		case (l.Claim == ClaimOpened) != (l.Receipt != nil):
			return errors.New("a leaf that is opened has a receipt, and no other has one")
		case l.Bit != nil && (s.Sweep == nil || l.Bit.Index != l.Index):
			return errors.New("the bit of another leaf, or of no sweep")
		case l.Lost != nil && (l.Claim != ClaimLost || l.Lost.Entry.Index != l.Index):
			return errors.New("the opening of a loss, of another leaf or beside another claim")
		}
		if l.Lost != nil {
			if err := l.Lost.check(); err != nil {
				return err
			}
		}
	}
	return CheckSeed(s.Seed)
}

// DrawSample returns the leaves and blocks that a seed draws under a head, given as its text without the
// signatures, from a log of size leaves and a sweep that covers swept of them.
func DrawSample(seed, head string, size, swept uint64, leaves, blocks int) (l, b []uint64, err error) {
	if err := CheckSeed(seed); err != nil {
		return nil, nil, err
	}
	raw, err := hex.DecodeString(seed)
	if err != nil {
		return nil, nil, err
	}
	if leaves > MaxSampleLeaves || blocks > MaxSampleBlocks || size > math.MaxInt64 || swept > math.MaxInt64 {
		return nil, nil, fmt.Errorf("a sample has at most %d leaves and %d blocks", MaxSampleLeaves, MaxSampleBlocks)
	}
	return Draw(seedOf(raw, []byte(head)), size, leaves), Draw(seedOf(raw, append([]byte(head), 1)), blocksOf(swept), blocks), nil
}
