package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/merkle/log"
)

// What a sweep keeps about itself, under the generation that it leads to:
//
//	'w' g 'c'           → id16 || u64 size || u64 erased    the cut
//	'w' g 'p'           → u64                               so many entries are copied
//	'w' g 'b' id16 u32  → sealed bits of 2^19 entries       which entries of the cut are erased
//	'w' g 'f' id16 u32  → sealed bits of 2^19 entries       which were stated as lost and are not; none where none are
//
// The bits are sealed under a key that is made with each cut and dies in the next
// sweep: two of them together would tell what was erased in between.
const (
	sweepRowCut   = 'c'
	sweepRowDone  = 'p'
	sweepRowBits  = 'b'
	sweepRowFound = 'f'

	// Under no generation, so that no sweep drops it: 'w' ffffffff 'k' → u32, that of the
	// newest backup.
	backupGeneration = 1<<32 - 1
	sweepRowBackup   = 'k'

	sweepCompartment = "sweep"
)

func sweepRowKey(g uint32, kind byte, rest ...byte) []byte {
	k := binary.BigEndian.AppendUint32([]byte{spaceSweep}, g)
	if kind == 0 {
		return k
	}
	return append(append(k, kind), rest...)
}

func sweepSubject(id erasure.ID) keystore.Subject { return keystore.Subject("w:" + string(id[:])) }

// errSweepEnds is what meets a sweep in its last moments.
var errSweepEnds = &BusyError{What: "a sweep is about to end"}

// A bitmap has a bit for each entry of the log.
type bitmap []uint64

func newBitmap(size uint64) bitmap { return make(bitmap, (size+63)/64) }
func (b bitmap) get(i uint64) bool { return i/64 < uint64(len(b)) && b[i/64]>>(i%64)&1 == 1 }
func (b bitmap) set(i uint64)      { b[i/64] |= 1 << (i % 64) }
func (b bitmap) unset(i uint64)    { b[i/64] &^= 1 << (i % 64) }

// trim returns the bitmap up to the last bit that is set.
func (b bitmap) trim() bitmap {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}

func (b bitmap) count() (n uint64) {
	for _, w := range b {
		n += uint64(bits.OnesCount64(w))
	}
	return n
}

// bitsOfRow is how many entries one row of bits speaks of.
const bitsOfRow = 1 << 19

// rows seals the bits.
func (b bitmap) rows(lease *keystore.Lease, g uint32, kind byte, id erasure.ID) []log.Row {
	var rows []log.Row
	for n := 0; n*bitsOfRow < len(b)*64; n++ {
		some := b[n*bitsOfRow/64 : min((n+1)*bitsOfRow/64, len(b))]
		text := make([]byte, 0, len(some)*8)
		for _, w := range some {
			text = binary.BigEndian.AppendUint64(text, w)
		}
		key := sweepRowKey(g, kind, binary.BigEndian.AppendUint32(id[:len(id):len(id)], uint32(n))...)
		rows = append(rows, log.Row{Key: key, Value: lease.SealRow(key, text)})
	}
	return rows
}

// A keptCut is a cut as its rows tell of it.
type keptCut struct {
	id     erasure.ID
	g      uint32 // to which the sweep leads
	size   uint64
	total  uint64
	erased bitmap
	found  bitmap // stated as lost before, and alive
}

func (c *keptCut) row() log.Row {
	v := append([]byte(nil), c.id[:]...)
	v = binary.BigEndian.AppendUint64(v, c.size)
	return log.Row{Key: sweepRowKey(c.g, sweepRowCut), Value: binary.BigEndian.AppendUint64(v, c.total)}
}

// readCut reads the cut of the sweep that led, or leads, to a generation; nil if there
// is none.
func (l *Ledger) readCut(ctx context.Context, v *view, g uint32) (*keptCut, error) {
	head, err := v.Get(ctx, sweepRowKey(g, sweepRowCut))
	if errors.Is(err, log.ErrNotFound) {
		return nil, nil
	}
	if err == nil && len(head) != 32 {
		err = errors.New("it is malformed")
	}
	if err != nil {
		return nil, fmt.Errorf("reading a sweep's cut: %w", err)
	}
	c := &keptCut{id: erasure.ID(head[:16]), g: g, size: binary.BigEndian.Uint64(head[16:]), total: binary.BigEndian.Uint64(head[24:])}
	lease, err := l.leaseFenced(ctx, sweepSubject(c.id), sweepCompartment)
	if err != nil {
		return nil, fmt.Errorf("the key of a sweep's bits: %w", err)
	}
	defer lease.Done()
	c.erased, err = readBits(ctx, v, lease, sweepRowKey(g, sweepRowBits, c.id[:]...))
	if err == nil && (uint64(len(c.erased)) != (c.size+63)/64 || c.erased.count() != c.total) {
		err = errors.New("rows of it are missing")
	}
	if err == nil {
		c.found, err = readBits(ctx, v, lease, sweepRowKey(g, sweepRowFound, c.id[:]...))
	}
	if err == nil && len(c.found) > 0 && len(c.found) != len(c.erased) {
		err = errors.New("rows of it are missing")
	}
	if err != nil {
		return nil, fmt.Errorf("reading a sweep's bits: %w", err)
	}
	return c, nil
}

// readBits opens the bits in the rows under a prefix.
func readBits(ctx context.Context, rows interface {
	Scan(ctx context.Context, from, to []byte, f func(k, v []byte) error) error
}, lease *keystore.Lease, prefix []byte) (b bitmap, err error) {
	err = rows.Scan(ctx, prefix, append(prefix[:len(prefix):len(prefix)], 0xff, 0xff, 0xff, 0xff), func(k, sealed []byte) error {
		text, err := lease.OpenRow(k, sealed)
		if err != nil {
			return err
		}
		for ; len(text) >= 8; text = text[8:] {
			b = append(b, binary.BigEndian.Uint64(text))
		}
		return nil
	})
	return b, err
}

// leaseFenced is tree.Find for a key that may be fenced.
func (l *Ledger) leaseFenced(ctx context.Context, s keystore.Subject, compartment string) (*keystore.Lease, error) {
	keys, err := l.tree.Keys(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.Compartment == compartment {
			return l.tree.LeaseOf(ctx, k.Ref)
		}
	}
	return nil, keystore.ErrNoKey
}

// sweptBits returns the erased set as of the last sweep: which of the first size
// entries of the log it replaced by random bytes. What was erased since is not in it.
// It is read from rows that are sealed under a key which the next sweep destroys.
// Before the first sweep there is none, and size is 0.
func (l *Ledger) sweptBits(ctx context.Context) (g uint32, size uint64, erased bitmap, err error) {
	for {
		v := l.view()
		g = v.generation()
		c, err := l.readCut(ctx, v, g)
		v.Close()
		if l.writing.Load().mask.Generation() != g {
			continue // a sweep has ended meanwhile
		}
		if errors.Is(err, keystore.ErrErasing) { // or is about to
			err = errSweepEnds
		}
		if c == nil || err != nil {
			return g, 0, nil, err
		}
		return g, c.size, c.erased, nil
	}
}
