package log

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/lacunalog/lacuna/merkle"
)

// Keys of the log's own rows; the package comment has the table.

const (
	spaceChunk  = 'c'
	spaceBundle = 'b'
	spaceTile   = 't'
	spaceHead   = 'h'
)

var (
	headKey = []byte{spaceHead}
	metaKey = []byte{spaceHead, 'l', 'o', 'g'}
)

func appendIndexKey(b []byte, space byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, space), n)
}

func chunkKey(first uint64) []byte { return appendIndexKey(make([]byte, 0, 9), spaceChunk, first) }
func bundleKey(n uint64) []byte    { return appendIndexKey(make([]byte, 0, 9), spaceBundle, n) }

// parseIndexKey reads the key of a chunk or bundle.
func parseIndexKey(key []byte, space byte) (uint64, error) {
	if len(key) != 9 || key[0] != space {
		return 0, fmt.Errorf("key %x: want %q and eight bytes", key, space)
	}
	return binary.BigEndian.Uint64(key[1:]), nil
}

func tileKey(level int, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceTile, byte(level)}, n)
}

func parseTileKey(key []byte) (level int, n uint64, err error) {
	if len(key) != 10 || key[0] != spaceTile {
		return 0, 0, fmt.Errorf("key %x: want %q, a level and eight bytes", key, byte(spaceTile))
	}
	if l := int(key[1]); l < 1 || l >= maxLevels {
		return 0, 0, fmt.Errorf("key %x: no such level", key)
	}
	return int(key[1]), binary.BigEndian.Uint64(key[2:]), nil
}

// chunkEntries returns how many leaves a chunk holds. A chunk is a bundle that
// does not begin at a multiple of 256 and may hold more than 256 leaves.
func chunkEntries(b []byte) (int, error) {
	n := 0
	for len(b) > 0 {
		if len(b) < 2 {
			return 0, errors.New("chunk ends inside a length")
		}
		l := 2 + int(binary.BigEndian.Uint16(b))
		if l == 2 {
			return 0, fmt.Errorf("chunk has an empty leaf at %d", n)
		}
		if len(b) < l {
			return 0, fmt.Errorf("chunk ends inside leaf %d", n)
		}
		b = b[l:]
		n++
	}
	if n == 0 {
		return 0, errors.New("chunk is empty")
	}
	return n, nil
}

// prefixOfBundle returns the bytes of the first width entries of bundle bytes.
func prefixOfBundle(b []byte, width int) ([]byte, error) {
	at := 0
	for i := range width {
		if len(b)-at < 2 {
			return nil, fmt.Errorf("bundle ends before entry %d", i)
		}
		at += 2 + int(binary.BigEndian.Uint16(b[at:]))
		if at > len(b) {
			return nil, fmt.Errorf("bundle ends inside entry %d", i)
		}
	}
	return b[:at:at], nil
}

const metaVersion = "lacuna log v1"

// meta is the identity of a log, written once.
type meta struct {
	origin string
	vkey   string
}

func (m meta) bytes() []byte {
	return []byte(metaVersion + "\n" + m.origin + "\n" + m.vkey + "\n")
}

func parseMeta(b []byte) (meta, error) {
	version, rest, _ := strings.Cut(string(b), "\n")
	if version != metaVersion {
		return meta{}, fmt.Errorf("unknown version %.40q of the log's rows", version)
	}
	origin, rest, ok := strings.Cut(rest, "\n")
	if !ok || origin == "" {
		return meta{}, errors.New("row without an origin")
	}
	vkey, rest, ok := strings.Cut(rest, "\n")
	if !ok || rest != "" {
		return meta{}, errors.New("row without a public key")
	}
	if _, err := merkle.NewVerifier(vkey); err != nil {
		return meta{}, err
	}
	return meta{origin: origin, vkey: vkey}, nil
}
