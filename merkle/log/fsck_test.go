package log_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// TestFsck damages the rows of a log, one kind at a time. The first fault must
// name the place.
func TestFsck(t *testing.T) {
	// 66,301 leaves: 258 bundles, one full tile of level 1, chunks behind them,
	// of which some are folded but not yet dropped.
	o := options(t)
	l := create(t, "log", o)
	var list [][]byte
	grow(t, l, &list, 66_000)
	for range 100 {
		grow(t, l, &list, 3)
	}
	if err := l.Fsck(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	rows, err := log.RawRows("log", o)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(key []byte, at int) map[string][]byte {
		b := bytes.Clone(rows[string(key)])
		if b == nil {
			t.Fatalf("no row %x", key)
		}
		b[at] ^= 1
		return map[string][]byte{string(key): b}
	}
	cut := func(key []byte) map[string][]byte {
		b := rows[string(key)]
		return map[string][]byte{string(key): b[:len(b)-1]}
	}
	remove := func(key []byte) map[string][]byte { return map[string][]byte{string(key): nil} }
	put := func(key, value []byte) map[string][]byte { return map[string][]byte{string(key): value} }
	signer := o.Signer
	signed := func(c merkle.Checkpoint) []byte {
		b, err := merkle.SignCheckpoint(c, signer)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var folded, open []byte // a folded chunk, and one behind the last bundle
	for k := range rows {
		if k[0] != 'c' {
			continue
		}
		n, err := log.ParseIndexKey([]byte(k), 'c')
		if err != nil {
			t.Fatal(err)
		}
		if n < 65536 {
			t.Errorf("chunk %d was folded long ago and is still there", n)
		}
		switch {
		case n < 258*256:
			folded = []byte(k)
		case n > 258*256+10 && n < 66_290:
			open = []byte(k)
		}
	}
	if folded == nil || open == nil {
		t.Fatalf("no folded chunk, or no open one")
	}
	const head = "stored checkpoint"
	for name, test := range map[string]struct {
		edit  map[string][]byte
		first string // the first fault begins with this
	}{
		"a leaf below a tile":                      {flip(log.BundleKey(3), 5), "tile/1/000: hash 3 is "},
		"a leaf, and no stored checkpoint to tell": {merge(flip(log.BundleKey(257), 5), remove(log.HeadKey)), head},
		"a leaf below no tile yet":                 {flip(log.BundleKey(257), 5), head},
		"a bundle's length":                        {flip(log.BundleKey(3), 1), "tile/entries/003:"},
		"a bundle cut short":                       {cut(log.BundleKey(257)), "tile/entries/257:"},
		"a bundle gone":                            {remove(log.BundleKey(100)), "tile/entries/100: missing"},
		"the last bundle gone":                     {remove(log.BundleKey(257)), "tile/entries/257: missing"},
		"an empty leaf":                            {put(log.BundleKey(5), make([]byte, 512)), "tile/entries/005: entry 0 is empty"},
		"a hash of a tile":                         {flip(log.TileKey(1, 0), 32*7), "tile/1/000: hash 7 "},
		"a tile cut short":                         {cut(log.TileKey(1, 0)), "tile/1/000:"},
		"a tile gone":                              {remove(log.TileKey(1, 0)), "tile/1/000: missing"},
		"a tile too many":                          {put(log.TileKey(1, 1), make([]byte, 8192)), "tile/1/001: tile beyond the head"},
		"a tile of no level":                       {put([]byte{'t', 77, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{}), "row 744d"},
		"a chunk":                                  {flip(open, 3), head},
		"a chunk's length":                         {flip(open, 1), "chunk 66048:"},
		"a chunk gone":                             {remove(open), "chunk 66048: the log is corrupt: leaves from"},
		"a chunk of a wrong name":                  {put([]byte("c1"), []byte{}), "chunk 66048: the log is corrupt: key 6331"},
		"a folded chunk":                           {flip(folded, 3), "chunk 6"},
		"a folded chunk cut":                       {cut(folded), "chunk 6"},
		"no stored checkpoint":                     {remove(log.HeadKey), head + ": missing"},
		"a checkpoint of nobody":                   {flip(log.HeadKey, 40), head},
		"a checkpoint of another":                  {put(log.HeadKey, signed(merkle.Checkpoint{Origin: "o", Root: merkle.EmptyRoot()})), head},
		"another root":                             {put(log.HeadKey, signed(merkle.Checkpoint{Origin: origin, Size: 9})), head + ": says root"},
		"a checkpoint ahead":                       {put(log.HeadKey, signed(merkle.Checkpoint{Origin: origin, Size: 99999})), head + ": is of 99999"},
		"an unknown row":                           {put([]byte("hello"), []byte{}), "row 68656c6c6f"},
	} {
		if slow && len(name)%4 != 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if err := log.EditRows("log", o, test.edit); err != nil {
				t.Fatal(err)
			}
			err := log.Fsck(context.Background(), "log", o, nil)
			undo := map[string][]byte{}
			for k := range test.edit {
				undo[k] = rows[k]
			}
			if err := log.EditRows("log", o, undo); err != nil {
				t.Fatal(err)
			}
			var faults *log.FsckError
			if !errors.As(err, &faults) || !errors.Is(err, log.ErrCorrupt) {
				t.Fatalf("got %v, want an FsckError", err)
			}
			oneLine(t, err)
			if first := faults.Faults[0].String(); !strings.HasPrefix(first, test.first) {
				t.Errorf("first of %d faults: %s\nwant one that begins with %s", len(faults.Faults), first, test.first)
			}
		})
	}
	// After all that it is well again.
	if err := log.Fsck(context.Background(), "log", o, nil); err != nil {
		t.Fatal(err)
	}
	// Several faults are all listed.
	if err := log.EditRows("log", o, merge(remove(log.BundleKey(100)), cut(log.BundleKey(7)), flip(log.TileKey(1, 0), 0), put([]byte("hi"), []byte{}))); err != nil {
		t.Fatal(err)
	}
	err = log.Fsck(context.Background(), "log", o, nil)
	var faults *log.FsckError
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	var places []string
	for _, f := range faults.Faults {
		places = append(places, f.Place)
	}
	if got := strings.Join(places, ", "); got != "tile/entries/007, tile/entries/100, tile/1/000, row 6869" {
		t.Errorf("places: %s", got)
	}
}

func merge(edits ...map[string][]byte) map[string][]byte {
	m := map[string][]byte{}
	for _, e := range edits {
		for k, v := range e {
			m[k] = v
		}
	}
	return m
}

// TestOpenDamaged: Open refuses what it notices, with a sentinel and one line.
func TestOpenDamaged(t *testing.T) {
	o := options(t)
	l := create(t, "log", o)
	var list [][]byte
	for range 5 {
		grow(t, l, &list, 100)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	rows, err := log.RawRows("log", o)
	if err != nil {
		t.Fatal(err)
	}
	change := func(key string, f func(b []byte) []byte) map[string][]byte {
		return map[string][]byte{key: f(bytes.Clone(rows[key]))}
	}
	flip := func(b []byte) []byte { b[5] ^= 1; return b }
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	gone := func([]byte) []byte { return nil }
	for name, edit := range map[string]map[string][]byte{
		"a leaf":              change(string(log.BundleKey(0)), flip),
		"a bundle cut":        change(string(log.BundleKey(0)), cut),
		"a bundle gone":       change(string(log.BundleKey(0)), gone),
		"a leaf of a chunk":   change(string(log.ChunkKey(400)), flip),
		"a chunk cut":         change(string(log.ChunkKey(300)), cut),
		"a chunk gone":        change(string(log.ChunkKey(300)), gone),
		"the last chunk gone": change(string(log.ChunkKey(400)), gone),
		"no checkpoint":       change(string(log.HeadKey), gone),
		"a broken checkpoint": change(string(log.HeadKey), cut),
		"a broken identity":   change(string(log.MetaKey), cut),
	} {
		if err := log.EditRows("log", o, edit); err != nil {
			t.Fatal(err)
		}
		_, err := log.Open(t.Context(), "log", o)
		if !errors.Is(err, log.ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
		oneLine(t, err)
		for k := range edit {
			if err := log.EditRows("log", o, map[string][]byte{k: rows[k]}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := log.EditRows("log", o, map[string][]byte{string(log.MetaKey): nil}); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Open(t.Context(), "log", o); !errors.Is(err, log.ErrNoLog) {
		t.Errorf("a database that is no log: got %v, want ErrNoLog", err)
	}
}
