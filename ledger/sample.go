package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// SampleOptions say what an auditor asks for.
type SampleOptions struct {
	// Seed is the auditor's own, 16 to 64 bytes in hex.
	Seed string
	// Head is a signed head of this log that the auditor has from before; nil for the newest.
	Head []byte
	// Leaves and Blocks are how many entries and blocks of 4,096 entries are drawn.
	Leaves, Blocks int
	// Open shows entries that a living key opens, as supervision allows it. Without it a bit shows that no
	// sweep has erased them, and nothing else.
	Open bool
	// Reveal names the members that an opened entry shows. Empty: its type alone.
	Reveal []string
	// Progress is told how far it is. Nil: not told.
	Progress func(stage string, done, total uint64)
}

// AuditSample answers an auditor who draws entries with a seed of their own: for each of them it has an
// opening, or the bit by which the last sweep committed to whether it is erased. The answer can be verified
// with the log's public key alone.
//
// Which key opens an entry is nowhere written down: it would link a person's records for whoever finds it. So
// every living key is walked, and what it lists is compared with what was drawn.
func (l *Ledger) AuditSample(ctx context.Context, o SampleOptions) (*certificate.Sample, error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	if o.Progress == nil {
		o.Progress = func(string, uint64, uint64) {}
	}
	head, err := l.sampleHead(ctx, o.Head)
	if err != nil {
		return nil, err
	}
	sweep, set, err := l.lastErasedSet(ctx)
	if err != nil {
		return nil, err
	}
	s := &certificate.Sample{
		Type: certificate.SampleType, Schema: certificate.SampleSchema, Origin: l.origin, Seed: o.Seed, Head: string(head.Signed),
		Leaves: []certificate.SampleLeaf{}, Blocks: []certificate.BlockProof{},
	}
	var swept uint64
	if set != nil {
		swept = set.Size()
		receipt, err := l.publicReceipt(ctx, sweep)
		if err != nil {
			return nil, err
		}
		text := string(receipt)
		s.Sweep = &text
	}
	leaves, blocks, err := certificate.DrawSample(o.Seed, head.Text(), head.Size, swept, o.Leaves, o.Blocks)
	if err != nil {
		return nil, &ConfigError{err}
	}
	v := l.view()
	defer v.Close()
	keys, err := l.keysOf(ctx, v, leaves, o.Progress)
	if err != nil {
		return nil, err
	}
	lost, err := l.losses(ctx)
	if err != nil {
		return nil, err
	}
	var closed []int // places of leaves that no key opens, as it seems
	for i, index := range leaves {
		o.Progress("entries", uint64(i), uint64(len(leaves)))
		leaf := certificate.SampleLeaf{Index: index}
		if index < swept {
			if leaf.Bit, err = set.Prove(index); err != nil {
				return nil, err
			}
		}
		if x := statedIn(lost, index); x != nil && (leaf.Bit == nil || !leaf.Bit.Erased) {
			leaf.Claim = certificate.ClaimLost
			if leaf.Lost, err = l.openLost(ctx, x, index); err != nil {
				return nil, fmt.Errorf("entry %d: %w", index, err)
			}
			s.Leaves = append(s.Leaves, leaf)
			continue
		}
		ref, lives := keys[index]
		if err := l.claim(ctx, v, &leaf, head, ref, lives, o); err != nil {
			return nil, fmt.Errorf("entry %d: %w", index, err)
		}
		if leaf.Claim == "" {
			closed = append(closed, i)
		}
		s.Leaves = append(s.Leaves, leaf)
	}
	if err := l.claimClosed(ctx, s.Leaves, closed); err != nil {
		return nil, err
	}
	for _, b := range blocks {
		p, err := set.ProveBlock(b)
		if err != nil {
			return nil, err
		}
		s.Blocks = append(s.Blocks, *p)
	}
	return s, nil
}

// claim says what there is to say of one entry, and shows what may be shown. Of one that does not open it says
// nothing: it may be damaged, or whose it was may have been erased meanwhile, and come back with another key.
func (l *Ledger) claim(ctx context.Context, v *view, leaf *certificate.SampleLeaf, head log.Head, ref keystore.Ref, lives bool, o SampleOptions) error {
	text, err := v.Leaf(ctx, leaf.Index)
	if err != nil {
		return err
	}
	var opening *envelope.Opening
	switch {
	case envelope.IsPublic(text):
		if opening, err = envelope.OpenPublic(text); err != nil {
			return err
		}
	case leaf.Bit != nil && leaf.Bit.Erased:
		leaf.Claim = certificate.ClaimErased
		return nil
	case !lives:
		return nil
	default:
		reveal := o.Reveal
		if len(reveal) == 0 {
			reveal = []string{"type"}
		}
		opening, err = l.openLeaf(ctx, v, leaf.Index, ref, named(reveal))
		switch {
		case errors.Is(err, keystore.ErrNoKey), errors.Is(err, keystore.ErrErasing), isDamage(err):
			return nil
		case err != nil:
			return err
		case !o.Open:
			leaf.Claim = certificate.ClaimLiving
			return nil
		}
	}
	file, err := l.proofUnder(ctx, leaf.Index, opening, head)
	if err != nil {
		return err
	}
	receipt := string(file)
	leaf.Claim, leaf.Receipt = certificate.ClaimOpened, &receipt
	return nil
}

// claimClosed says of the leaves at some places, which do not open, what they are: erased where an erasure
// accounts for that, and otherwise lost.
func (l *Ledger) claimClosed(ctx context.Context, leaves []certificate.SampleLeaf, at []int) error {
	if len(at) == 0 {
		return nil
	}
	take := func() error {
		gone, err := l.goneNow(ctx)
		if err != nil {
			return err
		}
		at = slices.DeleteFunc(at, func(i int) bool {
			if gone.get(leaves[i].Index) {
				leaves[i].Claim = certificate.ClaimErased
			}
			return leaves[i].Claim != ""
		})
		return nil
	}
	if err := take(); err != nil || len(at) == 0 {
		return err
	}
	if l.outdated() != nil {
		return fmt.Errorf("entry %d: %w", leaves[at[0]].Index, errNoKeyOutdated)
	}
	// A key may have been under an erasure that was given up, or that has ended since.
	rest := make([]uint64, len(at))
	for n, i := range at {
		rest[n] = leaves[i].Index
	}
	if err := l.erasure.Exclusive(func() error {
		v := l.view()
		defer v.Close()
		keys, err := l.keysOf(ctx, v, rest, func(string, uint64, uint64) {})
		if err != nil {
			return err
		}
		for _, i := range at {
			ref, listed := keys[leaves[i].Index]
			if !listed {
				continue
			}
			switch _, err := l.openLeaf(ctx, v, leaves[i].Index, ref, named(nil)); {
			case err == nil:
				return errErasing
			case !isDamage(err):
				return fmt.Errorf("entry %d: %w", leaves[i].Index, err)
			}
			leaves[i].Claim = certificate.ClaimLost
		}
		return nil
	}); err != nil {
		return err
	}
	at = slices.DeleteFunc(at, func(i int) bool { return leaves[i].Claim != "" })
	if len(at) == 0 {
		return nil
	}
	account, err := l.erasure.Account(ctx)
	if err != nil {
		return err
	}
	if account.Open > 0 {
		return errErasingMeanwhile
	}
	if err := take(); err != nil {
		return err
	}
	for _, i := range at {
		leaves[i].Claim = certificate.ClaimLost
	}
	return nil
}

// errDamaged says that a sealed event does not open under the key that lists it.
var errDamaged = errors.New("the sealed event does not open under its key")

// openLeaf opens chosen members of an entry by a key that is known to list it.
func (l *Ledger) openLeaf(ctx context.Context, v *view, index uint64, ref keystore.Ref, reveal func(string) bool) (*envelope.Opening, error) {
	lease, err := l.tree.LeaseOf(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer lease.Done()
	leaf, err := v.Leaf(ctx, index)
	if err != nil {
		return nil, err
	}
	env, err := l.envelope(ctx, v, index, leaf)
	if err != nil {
		return nil, err
	}
	if !envelope.Opens(lease, env) {
		return nil, errDamaged
	}
	f, err := envelope.OpenFields(lease, env, reveal)
	if err != nil {
		return nil, err
	}
	return f.Opening(leaf), nil
}

// named reveals members by their names. Members differ from type to type: what an entry does not have is not
// shown of it.
func named(names []string) func(string) bool {
	return func(name string) bool { return slices.Contains(names, name) }
}

// keysOf says which living key lists each of some entries, in order.
func (l *Ledger) keysOf(ctx context.Context, v *view, entries []uint64, progress func(string, uint64, uint64)) (map[uint64]keystore.Ref, error) {
	wanted := make(map[uint64]bool, len(entries))
	for _, i := range entries {
		wanted[i] = true
	}
	keys := make(map[uint64]keystore.Ref, len(entries))
	var seen uint64
	err := l.walkLiving(ctx, v, nil, func(k *keystore.Lease, seq uint64, row *listValue) error {
		if wanted[row.index] {
			if _, twice := keys[row.index]; twice {
				if at, err := l.numberOf(ctx, v, k, row.index); err != nil || at != seq {
					return ctx.Err() // a damaged row, and the other is right
				}
			}
			keys[row.index] = k.Ref()
		}
		seen++
		progress("keys", min(seen, v.Head().Size), v.Head().Size)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for the keys of the entries: %w", err)
	}
	return keys, nil
}

// sampleHead returns the head that chooses the entries: one that the auditor has, if it is this log's.
func (l *Ledger) sampleHead(ctx context.Context, signed []byte) (log.Head, error) {
	if signed == nil {
		newest := l.log.Head()
		if newest.Size == 0 {
			return newest, nil
		}
		h, _, err := l.headFor(ctx, newest.Size-1)
		return h, err
	}
	refuse := func(why any) (log.Head, error) { return log.Head{}, badConfig("the head is none of this log: %v", why) }
	key, err := merkle.NewVerifier(l.vkey)
	if err != nil {
		return log.Head{}, err
	}
	c, err := merkle.OpenCheckpoint(signed, l.origin, key)
	if err != nil {
		return refuse(err)
	}
	if now := l.log.Head(); c.Size > now.Size {
		return refuse(fmt.Sprintf("it has %d entries, and the log %d", c.Size, now.Size))
	}
	root, err := l.log.RootAt(ctx, c.Size)
	if err != nil {
		return log.Head{}, err
	}
	if root != c.Root {
		return refuse("it has another root than the log had at that size")
	}
	return log.Head{Checkpoint: c, Signed: signed}, nil
}
