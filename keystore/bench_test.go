package keystore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/keytest"
)

// A bench is a tree with many people, on rows that sync a file for every batch
// they make durable, and with the root in a file.
type bench struct {
	rows  *keytest.Rows
	tree  *keystore.Tree
	order []keystore.Ref
}

func subject(i int) keystore.Subject { return keystore.Subject(fmt.Sprintf("subject-%08d", i)) }

func newBench(b *testing.B, people int, o keystore.Options) *bench {
	b.Helper()
	dir := b.TempDir()
	h, err := holder.CreateFile(filepath.Join(dir, "root"))
	if err != nil {
		b.Fatal(err)
	}
	wal, err := os.Create(filepath.Join(dir, "wal"))
	if err != nil {
		b.Fatal(err)
	}
	rows := keytest.NewRows()
	rows.Forget = true
	tree, err := keystore.Create(ctx, rows, []keystore.Holder{h}, o)
	if err != nil {
		b.Fatal(err)
	}
	w := &bench{rows: rows, tree: tree}
	for i := range people {
		w.order = append(w.order, w.make(b, i))
		if i%1000 == 0 {
			rows.Commit()
		}
	}
	rows.Commit()
	rows.Sync = func(bytes int) error {
		if _, err := wal.Write(make([]byte, bytes)); err != nil {
			return err
		}
		return wal.Sync()
	}
	b.Cleanup(func() {
		tree.Close()
		wal.Close()
	})
	return w
}

func (w *bench) make(b *testing.B, i int) keystore.Ref {
	l, err := w.tree.Use(ctx, subject(i), "marketing", 0)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Done()
	if _, err := w.rows.Enqueue(l.TakePending(), nil); err != nil {
		b.Fatal(err)
	}
	return l.Ref()
}

func (w *bench) find(b *testing.B, i int) {
	l, err := w.tree.Find(ctx, subject(i), "marketing", 0)
	if err != nil {
		b.Fatal(err)
	}
	l.Done()
}

func BenchmarkEventSecret(b *testing.B) {
	w := newBench(b, 1, keystore.Options{})
	l, err := w.tree.Find(ctx, subject(0), "marketing", 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var e [16]byte
	for b.Loop() {
		s := l.EventSecret(1, e)
		e[0] ^= s[0]
	}
}

func BenchmarkRowName(b *testing.B) {
	w := newBench(b, 1, keystore.Options{})
	l, err := w.tree.Find(ctx, subject(0), "marketing", 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		l.RowName(1, i)
	}
}

// BenchmarkDerive is what one event of a person asks of a tree beside its secret: the name
// of its list row, what that row says, the tag of its request, the MAC of what it says,
// and the masks of tag and envelope.
func BenchmarkDerive(b *testing.B) {
	w := newBench(b, 1, keystore.Options{})
	l, err := w.tree.Find(ctx, subject(0), "marketing", 0)
	if err != nil {
		b.Fatal(err)
	}
	m := w.tree.Mask(w.tree.Generation())
	var id [22]byte
	var content [250]byte
	var leaf [34]byte
	var tag [32]byte
	var text [keystore.ListedSize]byte
	env := make([]byte, 49+256+16)
	for _, c := range []struct {
		name string
		do   func(i uint64)
	}{
		{"name", func(i uint64) { l.RowName(1, i) }},
		{"listed", func(i uint64) { l.SealListed(1, i, &text) }},
		{"request", func(uint64) { w.tree.RequestTag(id[:]) }},
		{"content", func(uint64) { w.tree.ContentMAC(content[:]) }},
		{"tag", func(uint64) { m.Tag(leaf[:], &tag) }},
		{"envelope", func(uint64) { m.Envelope(leaf[:], env) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i++ {
				c.do(i)
			}
		})
	}
}

func BenchmarkFindCached(b *testing.B) {
	w := newBench(b, 1000, keystore.Options{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.find(b, i%1000)
	}
}

// BenchmarkFindPage has the page in the cache, and not the key.
func BenchmarkFindPage(b *testing.B) {
	w := newBench(b, 20000, keystore.Options{CacheKeys: 32})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.find(b, i*7919%20000)
	}
}

// BenchmarkFindCold reads and opens a page for every lookup, with its deltas.
func BenchmarkFindCold(b *testing.B) {
	w := newBench(b, 100000, keystore.Options{CacheKeys: 32, CachePages: 70})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.find(b, i*7919%100000)
	}
}

func BenchmarkCreate(b *testing.B) {
	w := newBench(b, 10000, keystore.Options{})
	w.rows.Sync = nil
	b.ReportAllocs()
	for i := 10000; b.Loop(); i++ {
		w.make(b, i)
		if i%1000 == 0 {
			w.rows.Commit()
		}
	}
}

func (w *bench) erase(b *testing.B, refs []keystore.Ref) {
	if err := w.tree.Fence(ctx, refs); err != nil {
		b.Fatal(err)
	}
	e, err := w.tree.Prepare(ctx, refs)
	if err != nil {
		b.Fatal(err)
	}
	if err := e.Root(ctx); err != nil {
		b.Fatal(err)
	}
	if _, err := e.Destroy(ctx); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkErase erases one of 100,000, from the fence to the death of the old
// root, with every sync.
func BenchmarkErase(b *testing.B) {
	for _, target := range []bool{false, true} {
		b.Run(fmt.Sprintf("target=%v", target), func(b *testing.B) {
			o := keystore.Options{}
			if target {
				o.PageTarget = holder.PageDir(b.TempDir())
			}
			w := newBench(b, 100000, o)
			for b.Loop() {
				if len(w.order) == 0 {
					b.Skip("nobody is left")
				}
				w.erase(b, w.order[len(w.order)-1:])
				w.order = w.order[:len(w.order)-1]
			}
		})
	}
}

// BenchmarkEraseMany erases 10,000 of 100,000 in one epoch.
func BenchmarkEraseMany(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		w := newBench(b, 100000, keystore.Options{})
		b.StartTimer()
		w.erase(b, w.order[:10000])
		b.StopTimer()
		w.tree.Close()
		b.StartTimer()
	}
}

func BenchmarkSweep(b *testing.B) {
	w := newBench(b, 100000, keystore.Options{})
	for b.Loop() {
		e, err := w.tree.PrepareSweep(ctx, nil, 0)
		if err != nil {
			b.Fatal(err)
		}
		if err := e.Root(ctx); err != nil {
			b.Fatal(err)
		}
		if _, err := e.Destroy(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
