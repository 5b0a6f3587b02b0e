package merkle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// MaxEntry is the length of the longest entry that fits into a bundle.
const MaxEntry = 1<<16 - 1

// errBundle is wrapped by every refusal of a bundle's bytes.
var errBundle = errors.New("malformed entry bundle")

// AppendBundleEntry appends one entry to the bytes of a bundle: its length as
// two bytes, big-endian, then the entry (https://c2sp.org/tlog-tiles).
func AppendBundleEntry(b, entry []byte) ([]byte, error) {
	if len(entry) > MaxEntry {
		return b, fmt.Errorf("entry of %d bytes does not fit into a bundle: at most %d", len(entry), MaxEntry)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(entry)))
	return append(b, entry...), nil
}

// BundleEntries yields the entries of a bundle that must hold exactly width of
// them. If it is cut short, or bytes are left over, the last pair is an error;
// an entry that came before it is then not to be relied upon, as nothing is
// until its leaf hash has been compared. Entries alias b.
func BundleEntries(b []byte, width int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if width < 1 || width > TileWidth {
			yield(nil, fmt.Errorf("%w: width %d, want 1 to %d", errBundle, width, TileWidth))
			return
		}
		for i := range width {
			if len(b) < 2 {
				yield(nil, fmt.Errorf("%w: ends before entry %d of %d", errBundle, i, width))
				return
			}
			n := 2 + int(binary.BigEndian.Uint16(b))
			if len(b) < n {
				yield(nil, fmt.Errorf("%w: ends inside entry %d of %d", errBundle, i, width))
				return
			}
			if !yield(b[2:n:n], nil) {
				return
			}
			b = b[n:]
		}
		if len(b) > 0 {
			yield(nil, fmt.Errorf("%w: %d bytes after %d entries", errBundle, len(b), width))
		}
	}
}

// BundleHashes returns the leaf hashes of a bundle that must hold exactly width
// entries, with no byte left over.
func BundleHashes(b []byte, width int) ([]Hash, error) {
	entries, err := SplitBundle(b, width)
	if err != nil {
		return nil, err
	}
	hashes := make([]Hash, len(entries))
	leafHashes(hashes, entries)
	return hashes, nil
}

// SplitBundle returns the entries of a bundle that must hold exactly width of
// them, with no byte left over. The entries alias b.
func SplitBundle(b []byte, width int) ([][]byte, error) {
	entries := make([][]byte, 0, min(max(width, 0), TileWidth))
	for e, err := range BundleEntries(b, width) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}
