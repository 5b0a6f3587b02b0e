package keystore

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// TreeID names a key tree, HolderID a place that keeps a share of its root,
// Attempt one try at one epoch. All are random and none is secret.
type (
	TreeID   [16]byte
	HolderID [16]byte
	Attempt  [16]byte
)

func (t TreeID) String() string   { return hex.EncodeToString(t[:]) }
func (h HolderID) String() string { return hex.EncodeToString(h[:]) }
func (a Attempt) String() string  { return hex.EncodeToString(a[:]) }

// MarshalText makes the ids readable in JSON.
func (t TreeID) MarshalText() ([]byte, error)   { return []byte(t.String()), nil }
func (h HolderID) MarshalText() ([]byte, error) { return []byte(h.String()), nil }
func (a Attempt) MarshalText() ([]byte, error)  { return []byte(a.String()), nil }

// A Share is what a holder keeps: 32 bytes of the root of one attempt at one
// epoch of one tree.
type Share struct {
	Tree    TreeID
	Epoch   uint64
	Attempt Attempt
	Secret  Secret
}

// A Level says how thoroughly an old root is destroyed.
type Level uint8

const (
	L0 Level = iota // logical: the medium may keep old copies
	L1              // a file overwritten in place, on a file system where that was tested
	L2              // a second, independent custodian also destroyed its share
	L3              // hardware with a counter
)

func (l Level) String() string { return [...]string{"L0", "L1", "L2", "L3"}[l&3] }

// MarshalText writes the level as "L1".
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Caps says what a holder is.
type Caps struct {
	ID          HolderID
	Kind        string // "file", "mirrored", "pkcs11", "mem", "remote"
	Level       Level  // what it reaches on its own
	Independent bool   // a custodian elsewhere, not under the same hands as the rows
	Copies      int    // places that keep the share and must all confirm its destruction
	Sealed      bool   // the share lies there sealed by a passphrase
	Warning     string // one line for the operator, empty where there is nothing to say
}

// A Statement is what a holder says it destroyed. Everything that was not the
// kept share was overwritten, whether or not it could be read as a share, and
// read back.
type Statement struct {
	Holder      HolderID `json:"holder"`
	Kind        string   `json:"kind"`
	Level       Level    `json:"level"`
	Tree        TreeID   `json:"tree"`
	Epoch       uint64   `json:"epoch"`       // kept
	Attempt     Attempt  `json:"attempt"`     // kept
	Destroyed   []uint64 `json:"destroyed"`   // epochs of the shares that could be read before
	Overwritten int      `json:"overwritten"` // slots; 1 for a token, which has none
	Copies      int      `json:"copies"`
	Signature   []byte   `json:"signature,omitempty"` // by the custodian, where it has a key
}

// A Holder is a small store that keeps one share of the root and can really
// destroy it. It keeps at most two at a time: the live one and the one that
// comes after it.
//
//   - Current returns every share it can read, in no order, none for a new one.
//   - Prepare returns when the share is durable beside the live one. It never
//     takes the place of a share that can be read, be it another attempt at the
//     same epoch: that is refused with [ErrHolderBusy], and Destroy makes room. So
//     is a share of the live epoch or before. Preparing the same share again does
//     nothing. A share of another tree is refused with [ErrWrongTree].
//   - Destroy returns when everything but the named share is overwritten and
//     read back. It refuses, with [ErrNotHeld], a share that it does not hold: two
//     attempts of one epoch mixed over two holders would erase everybody. It may
//     be repeated.
//   - Close may be called twice.
//
// All are called by one goroutine at a time.
type Holder interface {
	Current(ctx context.Context) ([]Share, error)
	Prepare(ctx context.Context, s Share) error
	Destroy(ctx context.Context, tree TreeID, keepEpoch uint64, keepAttempt Attempt) (Statement, error)
	Caps() Caps
	Close() error
}

// A PageTarget keeps key pages in a second place. Ship returns when the pages of
// an epoch are durable there; the old root dies only afterwards. Shipping an
// epoch again replaces what was shipped for it before, because that was an
// attempt that came to nothing.
type PageTarget interface {
	Ship(ctx context.Context, epoch uint64, pages []KV) error
}

// deriveRoot computes R_n from one share of every holder, see
// docs/spec/key-tree.md. One share that nobody knows is enough to hide it.
func deriveRoot(tree TreeID, epoch uint64, attempt Attempt, shares map[HolderID]Secret) Secret {
	ids := make([]HolderID, 0, len(shares))
	for id := range shares {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b HolderID) int { return bytes.Compare(a[:], b[:]) })
	ikm := make([]byte, 0, 32*len(ids))
	for _, id := range ids {
		s := shares[id]
		ikm = append(ikm, s[:]...)
	}
	salt := append([]byte(nil), tree[:]...)
	salt = binary.BigEndian.AppendUint64(salt, epoch)
	salt = append(salt, attempt[:]...)
	r, err := hkdf.Key(sha256.New, ikm, salt, "lacuna/v1/root", 32)
	if err != nil {
		panic("keystore: " + err.Error()) // only for lengths that HKDF cannot give
	}
	clear(ikm)
	return Secret(r)
}

func capsOf(hs []Holder) []Caps {
	caps := make([]Caps, len(hs))
	for i, h := range hs {
		caps[i] = h.Caps()
	}
	return caps
}

// levelOf is the level that several holders reach together: one honest
// destruction suffices, so the best of them, and more where two are independent
// of each other.
func levelOf(caps []Caps) Level {
	var best Level
	independent, inPlace := false, 0
	for _, c := range caps {
		best = max(best, c.Level)
		independent = independent || c.Independent
		if c.Level >= L1 {
			inPlace++
		}
	}
	if independent && inPlace >= 2 {
		best = max(best, L2)
	}
	return best
}
