package ledger

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
)

// fsckEntries accounts for every entry: it is public, or a living key lists and opens
// it, or it is erased.
//
// First every key says which entries are its own. Then they are read in the order of
// the log, as they lie in the store, and opened key by key, some ten thousand at a
// time: to read them key by key would be several reads somewhere in the store for each.
func (l *Ledger) fsckEntries(ctx context.Context, r *FsckReport, v *view, progress func(string, uint64, uint64)) error {
	c := &entryCheck{l: l, r: r, v: v, size: v.Head().Size, leaves: leafReader{v: v}, progress: progress}
	r.opened, r.closed = make([]bool, c.size), newBitmap(c.size)
	if err := c.lists(ctx); err != nil {
		return err
	}
	for from := uint64(0); from < c.size; from += checkChunk {
		to := min(from+checkChunk, c.size)
		if err := c.read(ctx, from, to); err != nil {
			return err
		}
		if err := c.open(ctx); err != nil {
			return err
		}
		progress("events", to, c.size)
	}
	return nil
}

// checkChunk is how many entries are in memory at once. Each is about a kilobyte.
const checkChunk = 1 << 15

type entryCheck struct {
	l        *Ledger
	r        *FsckReport
	v        *view
	size     uint64
	progress func(string, uint64, uint64)

	places []place      // by entry
	chains []chainCheck // by number

	leaves leafReader
	chunk  []checked // sealed entries that somebody lists
	room   []byte    // of their leaves and envelopes
}

// A place is where an entry stands: which key lists it, by a number from 1 on, and as
// which of its events; and the checksum of the run that it is the end of.
type place struct{ key, seq, run uint32 }

// A chainCheck is a key, and how far its chain is followed.
type chainCheck struct {
	ref  keystore.Ref
	prev merkle.Hash // leaf hash of the last event that opened
	seq  uint32      // which that was
	run  consent.Tally
	gap  bool // of which run the last event is the end is not known: it did not open, or its row no longer says
}

// checked is a sealed entry, and where room has it.
type checked struct {
	place
	index           uint64
	leaf, env, none int // where each ends; the leaf begins at none
}

// lists asks every key for its entries.
func (c *entryCheck) lists(ctx context.Context) error {
	c.places = make([]place, c.size)
	c.chains = make([]chainCheck, 1)
	numbers := make(map[keystore.Ref]uint32) // a large log asks several times
	var key uint32
	begin := func(k *keystore.Lease) {
		ref := k.Ref()
		if key = numbers[ref]; key == 0 {
			key = uint32(len(c.chains))
			numbers[ref] = key
			c.chains = append(c.chains, chainCheck{ref: ref})
		}
	}
	err := c.l.walkLiving(ctx, c.v, begin, func(k *keystore.Lease, seq uint64, row *listValue) error {
		index := row.index
		switch {
		case row.damage != nil:
			c.r.problem("row %d of a list of compartment %s: %v", seq, k.Info().Compartment, row.damage)
		case index >= c.size:
			c.r.problem("a list row of compartment %s points at entry %d, beyond the end of the log", k.Info().Compartment, index)
		}
		if index >= c.size {
			c.r.astray = append(c.r.astray, astray{k.Ref(), seq})
			return ctx.Err()
		}
		if other := c.places[index]; other.key != 0 {
			c.r.problem("entry %d is listed twice", index)
			if at, err := c.l.numberOf(ctx, c.v, k, index); err != nil || at != seq {
				c.r.astray = append(c.r.astray, astray{k.Ref(), seq})
				return ctx.Err()
			}
			c.r.astray = append(c.r.astray, astray{c.chains[other.key].ref, uint64(other.seq)})
		}
		text, err := k.OpenListed(c.v.generation(), seq, &row.sealed)
		if err != nil {
			c.r.problem("entry %d: what its list row says of its run: %v", index, err)
		}
		c.places[index] = place{key, uint32(seq), crc32.ChecksumIEEE(text[:])}
		if seq%1024 == 0 {
			return ctx.Err()
		}
		return nil
	})
	c.r.Keys = uint64(len(numbers))
	return err
}

// read reads entries, judges those that need no key, and keeps the others.
func (c *entryCheck) read(ctx context.Context, from, to uint64) error {
	c.chunk, c.room = c.chunk[:0], c.room[:0]
	next := from
	without := func(until uint64) {
		for ; next < until && ctx.Err() == nil; next++ {
			c.entry(ctx, next, nil)
		}
	}
	err := c.v.Scan(ctx, envelopeKey(c.v.generation(), from), envelopeKey(c.v.generation(), to), func(k, masked []byte) error {
		if len(k) != len(envelopePrefix{})+8 {
			c.r.problem("a sealed event under a key of %d bytes", len(k))
			return nil
		}
		at := binary.BigEndian.Uint64(k[len(envelopePrefix{}):])
		without(at)
		c.entry(ctx, at, masked)
		next++
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil { // those behind are read one by one, so that each is named
		c.r.problem("reading sealed events: %v", err)
	}
	without(to)
	return ctx.Err()
}

// entry takes one entry with its envelope, nil where it has none.
func (c *entryCheck) entry(ctx context.Context, index uint64, masked []byte) {
	leaf, err := c.leaves.at(ctx, index)
	p := c.places[index]
	switch {
	case err != nil:
		c.r.problem("entry %d: %v", index, err)
	case envelope.IsPublic(leaf):
		c.r.Public++
		c.r.opened[index] = p.key != 0
		if p.key == 0 {
			c.r.problem("entry %d: a public statement that is not in the organisation's list", index)
		}
		if _, err := publicEvent(leaf); err != nil {
			c.r.problem("entry %d: %v", index, err)
		}
	case p.key == 0:
		c.r.Erased++
		c.r.closed.set(index)
	default:
		n := checked{place: p, index: index, none: len(c.room)}
		c.room = append(c.room, leaf...)
		n.leaf = len(c.room)
		c.room = append(c.room, masked...)
		n.env = len(c.room)
		c.chunk = append(c.chunk, n)
	}
}

// open opens what read has kept, key by key, each in the order of its chain.
func (c *entryCheck) open(ctx context.Context) error {
	slices.SortFunc(c.chunk, func(a, b checked) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.seq, b.seq)) })
	for rest := c.chunk; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].key == rest[0].key {
			n++
		}
		if err := c.chain(ctx, &c.chains[rest[0].key], rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// chain opens events of one key.
func (c *entryCheck) chain(ctx context.Context, k *chainCheck, events []checked) error {
	lease, err := c.l.leaseLiving(ctx, k.ref)
	if err != nil {
		return err
	}
	if lease == nil { // erased meanwhile
		c.r.Erased += uint64(len(events))
		return nil
	}
	defer lease.Done()
	for i := range events {
		e := &events[i]
		leaf := c.room[e.none:e.leaf:e.leaf]
		env := c.room[e.leaf:e.env]
		if len(env) == 0 { // or it could not be read
			env, err = c.l.envelope(ctx, c.v, e.index, leaf)
		} else {
			c.v.mask.Envelope(leaf, env)
		}
		var ev *event.Event
		var gives [envelope.LeafSize]byte
		if err == nil {
			ev, gives, err = c.l.openLeafOf(lease, env)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if c.listedBy(ctx, lease, e) {
				c.r.astray = append(c.r.astray, astray{k.ref, uint64(e.seq)})
				if !isStated(c.r.lost, e.index) {
					c.r.problem("entry %d: %v", e.index, err)
				}
			}
			c.r.Erased++
			k.gap, err = true, nil // and whether it is the event before the next is not known
			continue
		}
		c.r.opened[e.index] = true
		c.r.Opened++
		if e.seq != k.seq+1 { // the one before it did not open
			_, k.prev = placeInChain(ev)
			k.gap = true
		}
		if err := checkPlace(ev, leaf, gives, e.seq, k.prev); err != nil {
			c.r.problem("entry %d: %v", e.index, err)
		}
		if !k.ends(ev, e.place.run) {
			c.r.problem("entry %d: its list row says another run than its events are", e.index)
		}
		k.prev, k.seq = merkle.LeafHash(leaf), e.seq
		if c.r.Opened%1024 == 0 {
			c.progress("events", min(c.r.Opened+c.r.Erased+c.r.Public, c.size), c.size)
		}
	}
	return nil
}

// listedBy reports whether a key lists an event. One that was made when its person came back
// since lists nothing of what the key before it did, which was erased.
func (c *entryCheck) listedBy(ctx context.Context, lease *keystore.Lease, e *checked) bool {
	index, ok, err := listIndex(ctx, c.v, lease, uint64(e.seq))
	return err != nil || ok && index == e.index
}

// fsckAstray looks for the events of list rows that went astray or are missing, among entries that no row leads to.
func (l *Ledger) fsckAstray(ctx context.Context, r *FsckReport, v *view, gone bitmap) error {
	var alone []uint64
	for i := range r.Size {
		if r.closed.get(i) && !gone.get(i) && !isStated(r.lost, i) {
			alone = append(alone, i)
		}
	}
	found, err := l.reunite(ctx, v, r.astray, alone)
	if err != nil {
		return err
	}
	for _, i := range slices.Sorted(maps.Keys(found)) {
		if listed, err := l.leadsTo(ctx, v, found[i], i); err != nil {
			return err
		} else if !listed { // or its key was fenced for a moment
			r.problem("entry %d: its key opens it, and no list row leads to it: the next sweep writes one", i)
		}
		r.opened[i] = true
		r.closed.unset(i)
		r.Opened++
		r.Erased--
	}
	return nil
}

// ends reports whether a list row says nothing of its run, or that its event goes on with
// the run before it or begins one. Where one ends is for who wrote it to say.
func (k *chainCheck) ends(ev *event.Event, says uint32) bool {
	one, _ := consent.TallyOf(ev)
	both, _ := k.run.With(one)
	gap := k.gap
	for _, run := range []consent.Tally{{}, one, both} {
		if text := putTally(run, printOf(run.Purpose)); crc32.ChecksumIEEE(text[:]) == says {
			// Rows behind one that a sweep could not open still go on with what it said.
			k.run, k.gap = run, run.Count == 0 && one.Count > 0
			return true
		}
	}
	k.run, k.gap = consent.Tally{}, true
	return gap
}

// openLeafOf opens an envelope and says which leaf it gives.
func (l *Ledger) openLeafOf(k envelope.Keys, env []byte) (*event.Event, [envelope.LeafSize]byte, error) {
	text, leaf, err := envelope.OpenLeaf(k, l.originHash, env)
	if err != nil {
		return nil, leaf, err
	}
	ev, err := event.Parse(text)
	if err != nil {
		return nil, leaf, fmt.Errorf("sealed event is malformed: %w", err)
	}
	return ev, leaf, nil
}

// checkPlace checks a sealed event against its leaf and its place in its chain.
func checkPlace(ev *event.Event, leaf []byte, gives [envelope.LeafSize]byte, seq uint32, prev merkle.Hash) error {
	if string(gives[:]) != string(leaf) {
		return errors.New("the sealed event does not give the leaf that the log holds")
	}
	gotSeq, gotPrev := placeInChain(ev)
	if gotSeq != uint64(seq) {
		return fmt.Errorf("_seq is %d, its place in the chain is %d", gotSeq, seq)
	}
	if gotPrev != prev {
		return errors.New("_prev is not the leaf hash of the event before it in the chain")
	}
	return nil
}
