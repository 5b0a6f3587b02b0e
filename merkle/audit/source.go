package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// A Source gives out the files of a log. Whoever writes one promises nothing but
// to keep the limit: what it returns is verified.
type Source interface {
	// Fetch returns the bytes of one resource, such as "checkpoint" or
	// "tile/0/000". The error wraps fs.ErrNotExist if the source says that there
	// is no such resource, and only then; it is a *[MismatchError] if there are
	// more than limit bytes, and an *[UnreachableError] if nobody could say. It
	// may be called by many goroutines; the bytes belong to the caller.
	Fetch(ctx context.Context, path string, limit int) ([]byte, error)
	// String names the source for people. It holds no password.
	String() string
}

// Options say how a source is asked. The zero value works. A folder needs none
// of them.
type Options struct {
	// Timeout bounds one request, from the connection to the last byte, so that
	// a server that sends a byte a second is given up. Default 30 s.
	Timeout time.Duration
	// Patience bounds how long a resource is asked for again and again while the
	// server does not answer, or answers that it is busy. Default 30 s; negative
	// to ask only once.
	Patience time.Duration
	// UserAgent is sent with each request. Default "lacuna-audit".
	UserAgent string
	// OnAnswer, if not nil, is told of each answer: its status and the number of
	// bytes that came over the wire. Status 0 is no answer.
	OnAnswer func(status int, bytes int64)
}

const (
	defaultTimeout   = 30 * time.Second
	defaultPatience  = 30 * time.Second
	defaultUserAgent = "lacuna-audit"
)

// Open returns the source at an http or https URL, at a file URL, or in a folder.
func Open(where string, o Options) (Source, error) {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	if o.UserAgent == "" {
		o.UserAgent = defaultUserAgent
	}
	scheme, _, found := strings.Cut(where, "://")
	if !found {
		return openFolder(where)
	}
	u, err := url.Parse(where)
	if err != nil {
		// The text of the error would repeat a password.
		return nil, errors.New("opening source: not a URL")
	}
	switch strings.ToLower(scheme) {
	case "file":
		if u.Host != "" && u.Host != "localhost" {
			return nil, fmt.Errorf("opening source: %s names another machine", u.Redacted())
		}
		return openFolder(filepath.FromSlash(u.Path))
	case "http", "https":
		if u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("opening source: %s is not the prefix of a log: want scheme, host and path", u.Redacted())
		}
		return newSite(u, o), nil
	}
	return nil, fmt.Errorf("opening source: scheme %q is none of http, https and file", scheme)
}

const (
	// maxCheckpoint is the longest checkpoint that is read. Sixteen post-quantum
	// signatures, which every reader has to take, are 52 kB.
	maxCheckpoint = 256 << 10
	maxTile       = merkle.TileWidth * merkle.HashSize
	maxBundle     = merkle.TileWidth * (2 + merkle.MaxEntry)
)

// fetchCovered returns a resource that the signed head calls for. A partial one
// may have been replaced by the full one since; full is then true. A source
// without either does not hold what its log signed.
func fetchCovered(ctx context.Context, src Source, partial, whole string, limit int) (b []byte, full bool, err error) {
	b, err = src.Fetch(ctx, partial, limit)
	// On this answer only: after any other, the partial tile may be there, and a
	// server could steer which of the two is looked at.
	if absent(err) && partial != whole {
		b, err = src.Fetch(ctx, whole, limit)
		full = true
	}
	if absent(err) {
		what := "it is missing, although the head covers it"
		if full {
			what = "it is missing, and so is " + whole + ", although the head covers it"
		}
		return nil, false, &MismatchError{Place: partial, What: what, Missing: true}
	}
	return b, full, err
}

// absent reports whether a source has said that there is no such resource. A
// source that could not be asked has not, whatever the system called the reason.
func absent(err error) bool {
	_, unreachable := errors.AsType[*UnreachableError](err)
	return errors.Is(err, fs.ErrNotExist) && !unreachable
}

// fetchTile returns the hashes of a tile, t.Width of them, not verified.
func fetchTile(ctx context.Context, src Source, t merkle.Tile) ([]merkle.Hash, error) {
	whole := merkle.Tile{Level: t.Level, Index: t.Index, Width: merkle.TileWidth}
	b, full, err := fetchCovered(ctx, src, t.Path(), whole.Path(), maxTile)
	if err != nil {
		return nil, err
	}
	return readTile(b, full, t)
}

// readTile reads the bytes of a tile, or of the full one in its place.
func readTile(b []byte, full bool, t merkle.Tile) ([]merkle.Hash, error) {
	width, place := t.Width, t
	if full {
		width, place.Width = merkle.TileWidth, merkle.TileWidth
	}
	hashes, err := merkle.ParseTile(b, width)
	if err != nil {
		return nil, &MismatchError{Place: place.Path(), What: err.Error()}
	}
	return hashes[:t.Width], nil
}

// fetchBundle returns the bundle of a level-0 tile, cut to the entries that the
// tile covers, and their leaf hashes. Nothing is verified but the form.
func fetchBundle(ctx context.Context, src Source, index uint64, width int) ([]byte, []merkle.Hash, error) {
	path := merkle.EntriesPath(index, width)
	whole := merkle.EntriesPath(index, merkle.TileWidth)
	b, full, err := fetchCovered(ctx, src, path, whole, maxBundle)
	if err != nil {
		return nil, nil, err
	}
	n := width
	if full {
		path, n = whole, merkle.TileWidth
	}
	leaves, err := merkle.BundleHashes(b, n)
	if err != nil {
		return nil, nil, &MismatchError{Place: path, What: err.Error()}
	}
	if full {
		size := 0
		for range width {
			size += 2 + int(binary.BigEndian.Uint16(b[size:]))
		}
		b, leaves = b[:size], leaves[:width]
	}
	return b, leaves, nil
}
