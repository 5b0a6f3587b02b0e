package log_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// FuzzRows drives the decoders of stored rows. They must neither panic nor
// accept what they would have written differently.
func FuzzRows(f *testing.F) {
	f.Add([]byte("\x00\x03abc\x00\x01x"), []byte("c\x00\x00\x00\x00\x00\x00\x01\x00"), 1)
	f.Add([]byte("\x00\x00"), []byte("t\x01\x00\x00\x00\x00\x00\x00\x00\x00"), 0)
	f.Add([]byte("\x00\x05abc"), []byte("t\x08\x00\x00\x00\x00\x00\x00\x00\x00"), 2)
	f.Add([]byte("lacuna log v1\n"+origin+"\n"+vkey+"\n"), []byte("c"), 3)
	f.Add([]byte("lacuna log v1\n"+origin+"\n"+vkey), []byte("t"), -1)
	f.Add([]byte("lacuna log v2\n"+origin+"\n"+vkey+"\n"), []byte(""), 256)
	f.Fuzz(func(t *testing.T, value, key []byte, width int) {
		if n, err := log.ChunkEntries(value); err == nil {
			entries, err := merkle.SplitBundle(value, n)
			if err != nil && n <= merkle.TileWidth {
				t.Errorf("a chunk of %d leaves is no bundle of %d: %v", n, n, err)
			}
			for i, e := range entries {
				if len(e) == 0 {
					t.Errorf("leaf %d is empty", i)
				}
			}
		}
		if width >= 0 && width <= merkle.TileWidth {
			if b, err := log.PrefixOfBundle(value, width); err == nil && width > 0 {
				if entries, err := merkle.SplitBundle(b, width); err != nil || len(entries) != width {
					t.Errorf("the first %d entries are no bundle: %v", width, err)
				}
			}
		}
		if n, err := log.ParseIndexKey(key, 'c'); err == nil && !bytes.Equal(log.ChunkKey(n), key) {
			t.Errorf("key %x is read as chunk %d", key, n)
		}
		if level, n, err := log.ParseTileKey(key); err == nil && !bytes.Equal(log.TileKey(level, n), key) {
			t.Errorf("key %x is read as tile %d of level %d", key, n, level)
		}
		if origin, vkey, err := log.ParseMeta(value); err == nil {
			if want := strings.Join([]string{"lacuna log v1", origin, vkey, ""}, "\n"); want != string(value) {
				t.Errorf("row %q is read as %q", value, want)
			}
		}
	})
}
