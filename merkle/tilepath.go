package merkle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// errPath is wrapped by every refusal of ParsePath.
var errPath = errors.New("not the path of a tile")

// Path returns the path of the tile below the URL or folder of its log, such as
// "tile/0/x001/067.p/112": level, index in groups of three digits, and the
// width if the tile is partial (https://c2sp.org/tlog-tiles).
func (t Tile) Path() string {
	return tilePath(strconv.Itoa(t.Level), t.Index, t.Width)
}

// EntriesPath returns the path of the bundle that holds the entries of the
// level-0 tile with that index and width.
func EntriesPath(index uint64, width int) string {
	return tilePath("entries", index, width)
}

func tilePath(level string, index uint64, width int) string {
	b := make([]byte, 0, 48)
	b = append(b, "tile/"...)
	b = append(b, level...)
	// Three digits an element, all but the last marked with an x, so that no
	// folder has more than two thousand members.
	digits := strconv.FormatUint(index, 10)
	if pad := (3 - len(digits)%3) % 3; pad > 0 {
		digits = "00"[:pad] + digits
	}
	for ; len(digits) > 3; digits = digits[3:] {
		b = append(b, "/x"...)
		b = append(b, digits[:3]...)
	}
	b = append(b, '/')
	b = append(b, digits...)
	if width != TileWidth {
		b = append(b, ".p/"...)
		b = strconv.AppendInt(b, int64(width), 10)
	}
	return string(b)
}

// ParsePath reads the path of a tile, or of an entry bundle: then entries is
// true and the tile is the one of level 0 whose entries these are. A path that
// [Tile.Path] or [EntriesPath] would have written differently is refused.
//
// A path can name a tile that no log has; see [TileWidthAt].
func ParsePath(p string) (t Tile, entries bool, err error) {
	t, entries, ok := parsePath(p)
	if !ok {
		return Tile{}, false, fmt.Errorf("%w: %q", errPath, p)
	}
	return t, entries, nil
}

func parsePath(p string) (t Tile, entries, ok bool) {
	rest, ok := strings.CutPrefix(p, "tile/")
	if !ok {
		return Tile{}, false, false
	}
	level, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return Tile{}, false, false
	}
	if level == "entries" {
		entries = true
	} else {
		l, ok := parseDecimal(level)
		if !ok || l > maxTileLevel {
			return Tile{}, false, false
		}
		t.Level = int(l)
	}
	t.Width = TileWidth
	rest, width, partial := strings.Cut(rest, ".p/")
	if partial {
		w, ok := parseDecimal(width)
		if !ok || w < 1 || w >= TileWidth {
			return Tile{}, false, false
		}
		t.Width = int(w)
	}
	digits := make([]byte, 0, 24)
	for {
		element, more, found := strings.Cut(rest, "/")
		if found {
			if element, ok = strings.CutPrefix(element, "x"); !ok {
				return Tile{}, false, false
			}
		}
		if len(element) != 3 || len(digits) > 18 {
			return Tile{}, false, false
		}
		digits = append(digits, element...)
		if rest = more; !found {
			break
		}
	}
	// Leading zeros only fill up the first element.
	if len(digits) > 3 && string(digits[:3]) == "000" {
		return Tile{}, false, false
	}
	index, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		return Tile{}, false, false
	}
	t.Index = index
	return t, entries, true
}

// parseDecimal reads a number in the one way it may be written: ASCII digits,
// no sign, no leading zero.
func parseDecimal(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && strconv.FormatUint(n, 10) == s
}
