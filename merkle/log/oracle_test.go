package log_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// A reference is what a log must be, kept in the slowest and plainest way: a
// list of leaves, a map of rows, roots computed by the recursion of RFC 6962.
type reference struct {
	leaves [][]byte
	hashes []merkle.Hash // of the leaves
	rows   map[string][]byte
	// gathered holds, for each key of Gather rows, what each entry contributed.
	gathered map[string]map[uint64][]byte
	roots    map[uint64]merkle.Hash // memory of root
}

func newReference() *reference {
	return &reference{rows: map[string][]byte{}, gathered: map[string]map[uint64][]byte{}, roots: map[uint64]merkle.Hash{}}
}

// entry notes an acknowledged entry.
func (r *reference) entry(t testing.TB, e log.Entry, index uint64) {
	t.Helper()
	for uint64(len(r.leaves)) <= index {
		r.leaves = append(r.leaves, nil)
	}
	if r.leaves[index] != nil {
		t.Fatalf("index %d was given twice", index)
	}
	r.leaves[index] = e.Leaf
	i8 := binary.BigEndian.AppendUint64(nil, index)
	for _, row := range e.Rows {
		switch row.Place {
		case log.Plain:
			r.rows[string(row.Key)] = row.Value
		case log.KeyIndex:
			r.rows[string(row.Key)+string(i8)] = row.Value
		case log.ValueMask:
			r.rows[string(row.Key)] = xor(row.Value, i8)
		case log.Gather:
			k := string(row.Key)
			if r.gathered[k] == nil {
				r.gathered[k] = map[uint64][]byte{}
			}
			r.gathered[k][index] = append(r.gathered[k][index], row.Value...)
		}
	}
}

// change notes an acknowledged change.
func (r *reference) change(c log.Change) {
	for _, d := range c.DeleteRange {
		maps.DeleteFunc(r.rows, func(k string, _ []byte) bool { return k >= string(d[0]) && k < string(d[1]) })
	}
	for _, s := range c.Set {
		r.rows[string(s.Key)] = s.Value
	}
}

func xor(a, b []byte) []byte {
	c := slices.Clone(a)
	for i := range c {
		c[i] ^= b[i]
	}
	return c
}

// root is MTH of RFC 6962, section 2.1.
func (r *reference) root(size uint64) merkle.Hash {
	if h, ok := r.roots[size]; ok {
		return h
	}
	h := slowRoot(r.leafHashes()[:size])
	r.roots[size] = h
	return h
}

func (r *reference) leafHashes() []merkle.Hash {
	for i := len(r.hashes); i < len(r.leaves); i++ {
		r.hashes = append(r.hashes, merkle.LeafHash(r.leaves[i]))
	}
	return r.hashes
}

// slowRoot is the recursion, from the hashes of the leaves on.
func slowRoot(leaves []merkle.Hash) merkle.Hash {
	switch n := len(leaves); n {
	case 0:
		return merkle.EmptyRoot()
	case 1:
		return leaves[0]
	default:
		k := 1
		for 2*k < n {
			k *= 2
		}
		return merkle.NodeHash(slowRoot(leaves[:k]), slowRoot(leaves[k:]))
	}
}

// checkLog re-derives the log from the leaves of the reference and compares
// everything that the log says about itself.
func checkLog(t testing.TB, l *log.Log, ref *reference) {
	t.Helper()
	ctx := context.Background()
	s := l.Snapshot()
	defer s.Close()
	size := uint64(len(ref.leaves))
	h := s.Head()
	if h.Size != size {
		t.Fatalf("head has size %d, want %d", h.Size, size)
	}
	if want := ref.root(size); h.Root != want {
		t.Fatalf("head has root %s, want %s", h.Root, want)
	}
	checkSigned(t, h)
	for i, want := range ref.leaves {
		got, err := s.Leaf(ctx, uint64(i))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("leaf %d: got %q, %v, want %q", i, got, err, want)
		}
	}
	if _, err := s.Leaf(ctx, size); !errors.Is(err, log.ErrNotFound) {
		t.Fatalf("leaf beyond the head: got %v, want ErrNotFound", err)
	}
	for _, n := range someSizes(size) {
		root, err := s.RootAt(ctx, n)
		if err != nil || root != ref.root(n) {
			t.Fatalf("root at %d: got %s, %v, want %s", n, root, err, ref.root(n))
		}
		proof, err := s.ConsistencyProof(ctx, n, size)
		if err != nil {
			t.Fatal(err)
		}
		if err := merkle.VerifyConsistency(n, size, proof, ref.root(n), h.Root); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			continue
		}
		for _, index := range []uint64{0, n / 2, n - 1} {
			proof, err := s.InclusionProof(ctx, index, n)
			if err != nil {
				t.Fatal(err)
			}
			if err := merkle.VerifyInclusion(index, n, merkle.LeafHash(ref.leaves[index]), proof, ref.root(n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	checkServed(t, l.Handler(), ref)
	checkRows(t, s, ref)
	if err := l.Fsck(ctx, nil); err != nil {
		t.Fatal(err)
	}
}

// someSizes are sizes up to n around which things happen.
func someSizes(n uint64) []uint64 {
	var sizes []uint64
	for _, b := range []uint64{0, 1, 2, 255, 256, 257, 511, 512, 4096, 65535, 65536, 65537, n / 2, n - min(n, 1), n} {
		if b <= n {
			sizes = append(sizes, b)
		}
	}
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

func checkSigned(t testing.TB, h log.Head) {
	t.Helper()
	v, err := merkle.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := merkle.OpenCheckpoint(h.Signed, origin, v)
	if err != nil {
		t.Fatal(err)
	}
	if c.Size != h.Size || c.Root != h.Root {
		t.Fatalf("head of size %d and root %s is signed as\n%s", h.Size, h.Root, h.Signed)
	}
}

// checkServed compares every tile and bundle of the log, each in full width and
// one narrower, with what the leaves say.
func checkServed(t testing.TB, h http.Handler, ref *reference) {
	t.Helper()
	size := uint64(len(ref.leaves))
	for tile := range merkle.TilesOf(size) {
		for _, w := range []int{tile.Width, max(1, tile.Width-1)} {
			tile.Width = w
			span := uint64(1) << (8 * tile.Level)
			var want []byte
			for i := range uint64(w) {
				from := (tile.Index*256 + i) * span
				root := slowRoot(ref.leafHashes()[from : from+span])
				want = append(want, root[:]...)
			}
			if got := fetch(t, h, tile.Path()); !bytes.Equal(got, want) {
				t.Fatalf("%s differs from what the leaves say", tile.Path())
			}
			if tile.Level > 0 {
				continue
			}
			want = nil
			for i := range uint64(w) {
				leaf := ref.leaves[tile.Index*256+i]
				want = append(binary.BigEndian.AppendUint16(want, uint16(len(leaf))), leaf...)
			}
			path := merkle.EntriesPath(tile.Index, w)
			if got := fetch(t, h, path); !bytes.Equal(got, want) {
				t.Fatalf("%s differs from the leaves", path)
			}
		}
	}
	// One entry more than the head has must not be served.
	beyond := merkle.Tile{Index: size / 256, Width: int(size%256) + 1}
	if code := status(h, beyond.Path()); code != http.StatusNotFound {
		t.Fatalf("%s: got status %d, want 404", beyond.Path(), code)
	}
}

func fetch(t testing.TB, h http.Handler, path string) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/"+path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET /%s: status %d", path, w.Code)
	}
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func status(h http.Handler, path string) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/"+path, nil))
	return w.Code
}

// checkRows compares all rows of the caller's spaces.
func checkRows(t testing.TB, s *log.Snapshot, ref *reference) {
	t.Helper()
	ctx := context.Background()
	got := map[string][]byte{}
	gathered := map[string]map[uint64][]byte{}
	for _, space := range []byte(testSpaces) {
		last := ""
		to := []byte{space + 1}
		if space == 0xff {
			to = bytes.Repeat([]byte{0xff}, 99)
		}
		err := s.Scan(ctx, []byte{space}, to, func(k, v []byte) error {
			if string(k) <= last {
				return fmt.Errorf("key %x after %x", k, last)
			}
			last = string(k)
			if space == gatherSpace {
				key, first := string(k[:len(k)-8]), binary.BigEndian.Uint64(k[len(k)-8:])
				if gathered[key] == nil {
					gathered[key] = map[uint64][]byte{}
				}
				gathered[key][first] = bytes.Clone(v)
				return nil
			}
			got[string(k)] = bytes.Clone(v)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range ref.rows {
		if !bytes.Equal(got[k], v) {
			t.Fatalf("row %x: got %x, want %x", k, got[k], v)
		}
		one, err := s.Get(ctx, []byte(k))
		if err != nil || !bytes.Equal(one, v) {
			t.Fatalf("row %x: got %x, %v, want %x", k, one, err, v)
		}
	}
	if len(got) != len(ref.rows) {
		t.Fatalf("%d rows, want %d", len(got), len(ref.rows))
	}
	checkGathered(t, gathered, ref)
}

// checkGathered checks that the gathered rows of each key, one after another,
// are what the entries contributed, in the order of their indexes, and that each
// begins no later than its own first contribution and after the row before ended.
func checkGathered(t testing.TB, got map[string]map[uint64][]byte, ref *reference) {
	t.Helper()
	if len(got) != len(ref.gathered) {
		t.Fatalf("%d gathered keys, want %d", len(got), len(ref.gathered))
	}
	for key, want := range ref.gathered {
		firsts := slices.Sorted(maps.Keys(got[key]))
		indexes := slices.Sorted(maps.Keys(want))
		for i, first := range firsts {
			var joined []byte
			for len(indexes) > 0 && indexes[0] >= first && (i+1 == len(firsts) || indexes[0] < firsts[i+1]) {
				joined = append(joined, want[indexes[0]]...)
				indexes = indexes[1:]
			}
			if !bytes.Equal(got[key][first], joined) {
				t.Fatalf("gathered row %q from %d: got %d bytes, want %d others", key, first, len(got[key][first]), len(joined))
			}
		}
		if len(indexes) > 0 {
			t.Fatalf("gathered rows %q: contributions of %v are missing", key, indexes)
		}
	}
}
