package ledger

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/merkle/log"
)

// The first bytes of the rows that belong to the ledger and to those it hands
// the store to. The log keeps 'b', 'c', 'h' and 't' for itself. The layout of
// each row is in docs/spec/rows.md.
const (
	spaceEnvelope = 'e' // 'e' g idx8 → masked envelope, one for each sealed event
	spaceList     = 's' // 's' g T[0:16] → index xor T[16:24], a key's list of events
	spaceTags     = 'q' // 'q' g first8 → masked request tags of one commit group
	// 'm', the marks of feeds, is in replay.go.
	spaceSweep = 'w' // what a sweep keeps about itself, see sweeprows.go
	spaceJobs  = 'j' // erasure jobs, each row sealed under the job's own key
	spaceKeys  = 'k' // pages of the key tree
)

var spaces = []byte{spaceEnvelope, spaceList, spaceTags, spaceJobs, spaceKeys, spaceSweep, spaceFeeds}

// envelopePrefix is 'e' || g; the log appends the index.
type envelopePrefix [1 + 4]byte

func (p *envelopePrefix) put(g uint32) {
	p[0] = spaceEnvelope
	binary.BigEndian.PutUint32(p[1:], g)
}

func envelopeKey(g uint32, index uint64) []byte {
	var p envelopePrefix
	p.put(g)
	return binary.BigEndian.AppendUint64(p[:], index)
}

// listKey is the key of the row that says where event seq of a key is, and
// listMask what covers the index in its value. Both come from T, a PRF value
// under the erasable key, so without that key the row links nothing. listBody is the
// value: the index under its mask, and what the row says of its run, sealed (tally.go).
type (
	listKey  [1 + 4 + 16]byte
	listMask [8]byte
	listBody [8 + keystore.SealedListedSize]byte
)

func (k *listKey) put(mask *listMask, n namer, g uint32, seq uint64) {
	t := n.RowName(g, seq)
	k[0] = spaceList
	binary.BigEndian.PutUint32(k[1:], g)
	copy(k[5:], t[:16])
	copy(mask[:], t[16:24])
}

// put makes the row of event seq of a key, for the log to add the index.
func (b *listBody) put(k *listKey, lease *keystore.Lease, g uint32, seq uint64, text *tallyText) {
	k.put((*listMask)(b[:8]), lease, g, seq)
	sealed := lease.SealListed(g, seq, text)
	copy(b[8:], sealed[:])
}

// fill makes the row of a key that has died and of which only the names of its rows are
// known. What the row says beside the index nobody opens; it is the same whenever this
// sweep writes it, as a row of a living key is.
func (b *listBody) fill(k *listKey, n namer, g uint32, seq uint64) {
	k.put((*listMask)(b[:8]), n, g, seq)
	for i := 8; i < len(b); i += 32 {
		more := n.RowName(g, seq|uint64(1+i/32)<<56) // numbers that no event has
		copy(b[i:], more[:])
	}
}

// treeRows gives the key tree and the erasure jobs their rows in the log's
// store. Writes go through the log's one queue, so a key page is never durable
// later than an event that was queued after it.
type treeRows struct{ log *log.Log }

func (r treeRows) Get(ctx context.Context, key []byte) ([]byte, error) {
	v, err := r.log.Get(ctx, key)
	if errors.Is(err, log.ErrNotFound) {
		return nil, keystore.ErrNoRow
	}
	return v, err
}

func (r treeRows) Scan(ctx context.Context, from, to []byte, f func(k, v []byte) error) error {
	return r.log.Scan(ctx, from, to, f)
}

func (r treeRows) Enqueue(set []keystore.KV, delRange [][2][]byte) (func(context.Context) error, error) {
	// Key pages and jobs write several things behind each other and wait for the last.
	c := log.Change{DeleteRange: delRange, Set: make([]log.Row, len(set)), CanWait: true}
	for i, kv := range set {
		c.Set[i] = log.Row{Key: kv.Key, Value: kv.Value}
	}
	t, err := enqueueChange(r.log, c)
	if err != nil {
		return nil, err
	}
	return t.Wait, nil
}
