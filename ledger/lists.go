package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"sync/atomic"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/merkle/log"
)

// namer gives the names of a key's list rows: a lease, or what an erasure keeps of
// one.
type namer interface {
	RowName(g uint32, seq uint64) [32]byte
}

// A listValue is the value of a list row with the mask taken off the index.
type listValue struct {
	index  uint64
	sealed [keystore.SealedListedSize]byte
	damage error // why neither is known
}

// readListed returns the list row of event seq (from 1) of a key, and false where
// the key has no such event. A row that is damaged is there.
func readListed(ctx context.Context, v *view, n namer, seq uint64) (l listValue, ok bool, _ error) {
	var key listKey
	var mask listMask
	key.put(&mask, n, v.generation(), seq)
	row, err := v.Get(ctx, key[:])
	if errors.Is(err, log.ErrNotFound) {
		return l, false, nil
	}
	if err != nil {
		return l, false, fmt.Errorf("reading a list row: %w", err)
	}
	if len(row) != len(listBody{}) {
		l.index, l.damage = unknownIndex, badListRow(len(row))
		return l, true, nil
	}
	l.index = binary.BigEndian.Uint64(row) ^ binary.BigEndian.Uint64(mask[:])
	copy(l.sealed[:], row[8:])
	return l, true, nil
}

// listIndex is readListed for who wants to know the log index alone.
func listIndex(ctx context.Context, v *view, n namer, seq uint64) (uint64, bool, error) {
	l, ok, err := readListed(ctx, v, n, seq)
	if err == nil {
		err = l.damage
	}
	return l.index, ok, err
}

// errListRow says that a list row is damaged.
var errListRow = errors.New("a list row is damaged")

func badListRow(n int) error {
	return fmt.Errorf("%w: it has %d bytes, want %d", errListRow, n, len(listBody{}))
}

// listEnd returns how many events a key has, and the row of the last of them, by doubling
// the steps from a guess and then halving: there is no row that counts them, because a row
// at a fixed key would tie the batches of one person together in the write-ahead log for ever.
func listEnd(ctx context.Context, v *view, n namer, guess uint64) (lo uint64, last listValue, _ error) {
	hi := uint64(0) // not there, 0: not known; lo is there, or 0
	at, step := guess, uint64(1)
	for ; hi == 0 || hi-lo > 1; at = lo + step {
		if hi > 0 {
			at = lo + (hi-lo)/2
		} else if lo > 0 {
			step *= 2
		}
		row, ok, err := readListed(ctx, v, n, at)
		if err != nil {
			return 0, last, err
		}
		if ok {
			lo, last = at, row
		} else {
			hi = at
		}
	}
	return lo, last, nil
}

// listLen returns how many events a key has.
func listLen(ctx context.Context, v *view, n namer) (uint64, error) {
	seq, _, err := listEnd(ctx, v, n, 1)
	return seq, err
}

// lengths remember how many events keys list whose people have left the cache. To find the
// end of a list from there takes two reads, from its beginning about two for each bit of
// its length. They are guesses: several keys share a place, and who comes last has it.
type lengths struct {
	seed   maphash.Seed
	places [lengthPlaces / 4]atomic.Uint32 // a byte each, 255 for all that is more
}

const lengthPlaces = 2 << 20

func newLengths() *lengths { return &lengths{seed: maphash.MakeSeed()} }

func (g *lengths) place(key keystore.Ref) (word *atomic.Uint32, shift uint64) {
	h := maphash.Comparable(g.seed, key) % lengthPlaces
	return &g.places[h/4], h % 4 * 8
}

// of returns a guess, at least 1.
func (g *lengths) of(key keystore.Ref) uint64 {
	word, shift := g.place(key)
	return max(1, uint64(word.Load()>>shift&0xff))
}

// note remembers a length. One is what is guessed without.
func (g *lengths) note(key keystore.Ref, n uint64) {
	if n < 2 {
		return
	}
	word, shift := g.place(key)
	for {
		old := word.Load()
		next := old&^(0xff<<shift) | uint32(min(n, 255))<<shift
		if old == next || word.CompareAndSwap(old, next) {
			return
		}
	}
}

// eachListed calls f with what a key lists, in order, damaged rows as well. It reads a row
// for each, and finds it somewhere else each time: this is for a few keys, see walkLists.
func eachListed(ctx context.Context, v *view, n namer, f func(seq uint64, l *listValue) error) error {
	for seq := uint64(1); ; seq++ {
		l, ok, err := readListed(ctx, v, n, seq)
		if err != nil || !ok {
			return err
		}
		if err := f(seq, &l); err != nil {
			return err
		}
	}
}

// walkLists calls f with what many keys list, damaged rows as well, and which number it has there, in no
// order that means anything. keys yields them, about as many as is said, and is called once for each lot.
// f does not keep the row that it is given.
func walkLists(ctx context.Context, v *view, about uint64, keys func(yield func(namer) error) error, f func(n namer, seq uint64, l *listValue) error) error {
	// To read all rows in their order takes about as long as to look for one in 256.
	if about < v.Head().Size/256 {
		return keys(func(n namer) error {
			return eachListed(ctx, v, n, func(seq uint64, l *listValue) error { return f(n, seq, l) })
		})
	}
	var row listValue
	for _, lot := range lotsOf(v.Head().Size, listRowsMost) {
		t, err := readLot(ctx, v, lot, nil)
		if err != nil {
			return err
		}
		err = keys(func(n namer) error {
			return t.each(n, func(at int, seq, index uint64) error {
				row.index, row.sealed, row.damage = index, [keystore.SealedListedSize]byte(t.rows[at].value[8:]), t.damaged[at]
				return f(n, seq, &row)
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// walkLiving is walkLists for every key that lives. each is called with each of them
// before, once or more often, and may be nil.
func (l *Ledger) walkLiving(ctx context.Context, v *view, each func(k *keystore.Lease), f func(k *keystore.Lease, seq uint64, l *listValue) error) error {
	keys := func(yield func(namer) error) error {
		return l.tree.Walk(ctx, func(k keystore.KeyInfo) error {
			lease, err := l.leaseLiving(ctx, k.Ref)
			if lease == nil {
				return err
			}
			defer lease.Done()
			if each != nil {
				each(lease)
			}
			return yield(lease)
		})
	}
	return walkLists(ctx, v, math.MaxUint64, keys, func(n namer, seq uint64, l *listValue) error { return f(n.(*keystore.Lease), seq, l) })
}

// listed is a list row.
type listed struct {
	name  [16]byte
	value listBody
}

const listRowSize = len(listKey{}) + len(listBody{})

// listRowsMost is how many list rows are in memory at once, about 60 bytes each.
const listRowsMost = 2 << 20

// A lot is the list rows whose names begin with certain bits. Names are random, so
// lots of as many bits are of about the same size, and what is in one says nothing of
// whose it is.
type lot struct {
	bits   uint
	prefix uint64
	about  uint64 // rows in it
}

// lotsOf divides the list rows of a log of some entries, so that no lot has more than
// about so many.
func lotsOf(entries, most uint64) []lot {
	b := uint(0)
	for entries>>b > most {
		b++
	}
	lots := make([]lot, 1<<b)
	for i := range lots {
		lots[i] = lot{bits: b, prefix: uint64(i), about: entries >> b}
	}
	return lots
}

func (l lot) has(first uint64) bool { return first>>1>>(63-l.bits) == l.prefix }

// A listTable is the list rows of a lot in memory, sorted. To find them there costs a
// few hundred nanoseconds, and in the store as many reads as there are rows.
type listTable struct {
	lot
	g      uint32
	rows   []listed
	starts []uint32 // where the rows begin whose next bits are these; and the end
	bits   uint     // so many

	damaged map[int]error // rows of another length: they are there, and what they said is not known
}

// readLot reads a lot of a view's generation. progress may be nil; it is told of every
// few thousand rows.
func readLot(ctx context.Context, v *view, l lot, progress func(n int) error) (*listTable, error) {
	t := &listTable{lot: l, g: v.generation()}
	t.bits = uint(max(bits.Len64(l.about), 3) - 2) // about four rows have the same
	t.rows = make([]listed, 0, l.about+l.about/256+64)
	t.starts = make([]uint32, 1, 1<<t.bits+1)
	from := binary.BigEndian.AppendUint32([]byte{spaceList}, t.g)
	to := binary.BigEndian.AppendUint32([]byte{spaceList}, t.g+1)
	if l.prefix > 0 {
		from = binary.BigEndian.AppendUint64(from, l.prefix<<(64-l.bits))
	}
	if l.prefix+1 < 1<<l.bits {
		to = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32([]byte{spaceList}, t.g), (l.prefix+1)<<(64-l.bits))
	}
	err := v.Scan(ctx, from, to, func(k, row []byte) error {
		if len(k) != len(listKey{}) {
			return nil // no key ever asks for it
		}
		r := listed{name: [16]byte(k[5:])}
		if copy(r.value[:], row); len(row) != len(listBody{}) {
			if t.damaged == nil {
				t.damaged = make(map[int]error)
			}
			t.damaged[len(t.rows)] = badListRow(len(row))
		}
		for at := t.bucket(r.first()); uint64(len(t.starts)) <= at; {
			t.starts = append(t.starts, uint32(len(t.rows)))
		}
		t.rows = append(t.rows, r)
		if progress != nil && len(t.rows)%4096 == 0 {
			return progress(4096)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading list rows: %w", err)
	}
	for len(t.starts) < 1<<t.bits+1 {
		t.starts = append(t.starts, uint32(len(t.rows)))
	}
	return t, nil
}

func (r *listed) first() uint64 { return binary.BigEndian.Uint64(r.name[:]) }

func (t *listTable) bucket(first uint64) uint64 { return first << t.lot.bits >> (64 - t.bits) }

// find returns where a row is.
func (t *listTable) find(first uint64, name []byte) (int, bool) {
	b := t.bucket(first)
	for i := t.starts[b]; i < t.starts[b+1]; i++ {
		if r := &t.rows[i]; r.first() == first && string(r.name[8:]) == string(name[8:]) {
			return int(i), true
		}
	}
	return 0, false
}

// each calls f with what a key lists and this lot has: where the row is, which number
// it has in the list, and what it says, unknownIndex where it is damaged. A list has no
// gaps, so it ends before the first number whose row would be in this lot and is not.
func (t *listTable) each(n namer, f func(at int, seq, index uint64) error) error {
	for seq := uint64(1); ; seq++ {
		name := n.RowName(t.g, seq)
		first := binary.BigEndian.Uint64(name[:])
		if !t.has(first) {
			continue
		}
		at, ok := t.find(first, name[:16])
		if !ok {
			return nil
		}
		index := binary.BigEndian.Uint64(t.rows[at].value[:]) ^ binary.BigEndian.Uint64(name[16:])
		if t.damaged[at] != nil {
			index = unknownIndex
		}
		if err := f(at, seq, index); err != nil {
			return err
		}
	}
}
