package log

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"
	"github.com/lacunalog/lacuna/merkle"
)

// The rows of published heads. One is written when its policy is satisfied, and
// again, with more signatures, when a witness answers late; none is ever removed.
// The policy is written down when it changes, so that it can be checked years
// later that each head satisfied the policy of its time.

const archivePolicySpace = 'p' // the second byte of the key of a policy

func archiveKey(size uint64) []byte { return appendIndexKey(nil, spaceHead, size) }

// policyKey is the row of the policy that holds for heads from a size on.
func policyKey(size uint64) []byte {
	return archiveSubkey(archivePolicySpace, size)
}

// archiveSubkey is the key of what is kept of a size beside the head itself.
func archiveSubkey(space byte, size uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceHead, space}, size)
}

func parseArchiveSubkey(key []byte, space byte) (size uint64, ok bool) {
	if len(key) != 10 || key[0] != spaceHead || key[1] != space {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[2:]), true
}

// archiveIfSatisfied makes a head durable with the signatures it has, if they satisfy
// the policy, and shows it, unless a newer one is shown.
func (p *publisher) archiveIfSatisfied(ctx context.Context, of *pending) error {
	h := of.head
	if p.satisfied(h.Signed) != nil {
		return nil // said when everybody has been asked
	}
	shown := p.shown.Load()
	if shown != nil && bytes.Equal(shown.Signed, h.Signed) {
		of.archived = true
		return nil
	}
	c := &Change{Set: []Row{{Key: archiveKey(h.Size), Value: h.Signed}}}
	if !bytes.Equal(p.written, p.o.Policy) {
		c.Set = append(c.Set, Row{Key: policyKey(h.Size), Value: p.o.Policy})
	}
	if p.opts.seams.showEarly {
		p.shown.Store(&h)
	}
	p.opts.seams.publishing("archiving")
	if err := p.writeOwn(ctx, c); err != nil {
		return fmt.Errorf("archiving the head of size %d: %w", h.Size, err)
	}
	p.written = p.o.Policy
	p.opts.seams.publishing("archived")
	// The row is durable. If we stop here, Open shows it.
	of.archived = true
	if shown == nil || shown.Size <= h.Size {
		p.shown.Store(&h)
	}
	p.opts.seams.publishing("shown")
	return nil
}

// writeOwn writes rows of the log's own spaces through the sequencer, as part of
// whatever group comes next: it costs the appends nothing but its bytes. It waits
// for no room in the queue, since it adds one row a second at most.
func (l *Log) writeOwn(ctx context.Context, c *Change) error {
	o := l.opts
	o.MaxQueueBytes = math.MaxInt
	g, _, err := l.queue.put(nil, c, changeBytes(c), &o)
	if err != nil {
		return err
	}
	return (&Ticket{q: l.queue, g: g}).Wait(ctx)
}

func changeBytes(c *Change) int {
	n := 0
	for i := range c.Set {
		n += len(c.Set[i].Key) + len(c.Set[i].Value) + rowOverhead
	}
	return n
}

// load finds the head that is shown, and whether a witness was ahead. r is what
// was recovered.
func (p *publisher) load(r *recovered) error {
	d := rowReader{p.engine.db}
	if err := p.loadAhead(d, r); err != nil {
		return err
	}
	policy, err := d.newestPolicy(math.MaxUint64)
	if err != nil {
		return err
	}
	p.written = policy
	if !p.o.on() {
		return nil
	}
	return p.loadShown(d, r)
}

// maxLook is how many archived heads are looked at for one that satisfies a
// policy that was changed. If none does, none is shown before the next is published.
const maxLook = 1000

func (p *publisher) loadShown(d rowReader, r *recovered) error {
	size, looked := uint64(math.MaxUint64), 0
	for ; looked < maxLook; looked++ {
		h, ok, err := p.archivedBelow(d, size)
		if err != nil || !ok {
			return err
		}
		size = h.Size
		if p.satisfied(h.Signed) != nil {
			continue
		}
		if h.Size > r.edge.size {
			return fmt.Errorf("%w: %d leaves, but a head of %d was published", ErrCorrupt, r.edge.size, h.Size)
		}
		root, err := merkle.RootFromTiles(context.Background(), h.Size, tileReader(&view{edge: r.edge}, d))
		if err != nil {
			return fmt.Errorf("computing the root at %d: %w", h.Size, err)
		}
		if root != h.Root {
			return fmt.Errorf("%w: the leaves have root %s at size %d, the published head says %s", ErrCorrupt, root, h.Size, h.Root)
		}
		p.shown.Store(&h)
		for i, w := range p.o.Witnesses {
			if signedBy(h.Signed, w.Verifiers) {
				p.known[i] = h.Size
			}
		}
		return nil
	}
	return nil
}

// archivedBelow returns the newest archived head below a size.
func (l *Log) archivedBelow(d rowReader, size uint64) (Head, bool, error) {
	it, err := d.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceHead, 0}, UpperBound: archiveKey(size)})
	if err != nil {
		return Head{}, false, readError(err)
	}
	defer it.Close()
	for ok := it.Last(); ok; ok = it.Prev() {
		if len(it.Key()) != 9 {
			continue // a row of another kind
		}
		h, err := l.archived(it)
		return h, err == nil, err
	}
	return Head{}, false, readError(it.Error())
}

// archivedFrom returns the oldest archived head of at least a size.
func (l *Log) archivedFrom(d rowReader, size uint64) (Head, bool, error) {
	it, err := d.NewIter(&pebble.IterOptions{LowerBound: archiveKey(size), UpperBound: []byte{spaceHead + 1}})
	if err != nil {
		return Head{}, false, readError(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		if len(it.Key()) != 9 {
			continue
		}
		h, err := l.archived(it)
		return h, err == nil, err
	}
	return Head{}, false, readError(it.Error())
}

// archived reads the row that an iterator stands on.
func (l *Log) archived(it *pebble.Iterator) (Head, error) {
	size, err := parseIndexKey(it.Key(), spaceHead)
	if err != nil {
		return Head{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	v, err := it.ValueAndErr()
	if err != nil {
		return Head{}, fmt.Errorf("archived head of size %d: %w", size, readError(err))
	}
	c, err := merkle.OpenCheckpoint(v, l.meta.origin, l.verifier)
	if err == nil && c.Size != size {
		err = fmt.Errorf("it says size %d", c.Size)
	}
	if err != nil {
		return Head{}, fmt.Errorf("archived head of size %d: %w: %w", size, ErrCorrupt, err)
	}
	return Head{Checkpoint: c, Signed: bytes.Clone(v)}, nil
}

// newestPolicy returns the policy that held for heads of a size, nil if none did.
func (d rowReader) newestPolicy(size uint64) ([]byte, error) {
	upper := append(policyKey(size), 0) // the first key behind
	it, err := d.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceHead, archivePolicySpace}, UpperBound: upper})
	if err != nil {
		return nil, readError(err)
	}
	defer it.Close()
	for ok := it.Last(); ok; ok = it.Prev() {
		if _, ok := parseArchiveSubkey(it.Key(), archivePolicySpace); !ok {
			continue
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return nil, fmt.Errorf("policy of published heads: %w", readError(err))
		}
		return bytes.Clone(v), nil
	}
	return nil, readError(it.Error())
}

// Covering returns the published heads that bound the time of an entry: the
// oldest that covers it, with its first cosignatures, and the newest that does not,
// with its last. Cosignatures of the first say when the entry was there already,
// those of the second when it was not yet in any tree that the cosigner had seen. A
// head that there is none of has no Signed.
func (l *Log) Covering(ctx context.Context, index uint64) (covering, before Head, err error) {
	s := l.Snapshot()
	defer s.Close()
	if err := s.bounded(ctx, index); err != nil {
		return Head{}, Head{}, fmt.Errorf("heads around entry %d: %w", index, err)
	}
	d := rowReader{s.v.snap}
	if covering, _, err = l.archivedFrom(d, index+1); err == nil {
		before, _, err = l.archivedBelow(d, index+1)
	}
	if err == nil {
		before, err = l.latest(d, before)
	}
	if err != nil {
		return Head{}, Head{}, fmt.Errorf("heads around entry %d: %w", index, err)
	}
	return covering, before, nil
}
