package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"

	"github.com/lacunalog/lacuna/merkle"
)

// stateFormat names the form of a state file, docs/spec/evidence.md.
const stateFormat = "lacuna/audit-state/v1"

// maxState is the longest state that is read.
const maxState = maxEvidence

// A State is what an auditor remembers of a log. It is a few kilobytes however
// long the log is, and is as good as its keeper: whoever can write it can make an
// auditor forget, but not make it believe a head that the log has not signed.
type State struct {
	Format string `json:"format"`
	Origin string `json:"origin"`
	VKey   string `json:"vkey"`
	// Head is the newest signed head whose every entry has been verified; empty
	// at first.
	Head string `json:"head"`
	// Seen is the newest signed head that was shown and follows Head, while its
	// entries are being verified. No older head is accepted any more.
	Seen string `json:"seen,omitempty"`
	// Bundles is how many full bundles have been verified, from the first on, and
	// Range the compact range of their entries, made from the entries alone.
	Bundles uint64        `json:"bundles"`
	Range   []merkle.Hash `json:"range"`
}

func newState(l *Log) State {
	return State{Format: stateFormat, Origin: l.Origin, VKey: l.VKey, Range: []merkle.Hash{}}
}

// ParseState reads the bytes of a state file of that log.
func ParseState(b []byte, l *Log) (State, error) {
	if len(b) > maxState {
		return State{}, fmt.Errorf("malformed state: %d bytes, at most %d", len(b), maxState)
	}
	var s State
	if err := unmarshal(b, &s, stateFormat); err != nil {
		return State{}, fmt.Errorf("malformed state: %w", err)
	}
	if s.Origin != l.Origin || s.VKey != l.VKey {
		return State{}, fmt.Errorf("it is of log %q with another key or name", s.Origin)
	}
	verified, seen, err := s.heads(l)
	if err != nil {
		return State{}, err
	}
	switch {
	case seen.Size < verified.Size:
		return State{}, errors.New("malformed state: the newest head that was seen is older than the one that was verified")
	case s.Bundles < verified.Size/merkle.TileWidth, s.Bundles > seen.Size/merkle.TileWidth:
		return State{}, fmt.Errorf("malformed state: %d bundles between the heads of size %d and %d", s.Bundles, verified.Size, seen.Size)
	case s.Range == nil || len(s.Range) != bits.OnesCount64(s.Bundles):
		return State{}, fmt.Errorf("malformed state: %d hashes for %d bundles", len(s.Range), s.Bundles)
	}
	return s, nil
}

// heads opens the two heads; where there is only one, both are that.
func (s *State) heads(l *Log) (verified, seen head, err error) {
	if verified, err = l.remembered([]byte(s.Head)); err != nil {
		return head{}, head{}, fmt.Errorf("remembered head: %w", err)
	}
	seen = verified
	if s.Seen != "" {
		if seen, err = l.remembered([]byte(s.Seen)); err != nil {
			return head{}, head{}, fmt.Errorf("newest head that was seen: %w", err)
		}
	}
	return verified, seen, nil
}

// A StateFile keeps a State durably. While it is open no other process opens it.
type StateFile struct {
	path  string
	lock  *os.File
	disk  disk
	state State
}

// OpenState opens the state of a log, or begins one. With an empty path, nothing
// is remembered longer than the StateFile lives.
func OpenState(path string, l *Log) (*StateFile, error) {
	f := &StateFile{path: path, disk: osDisk{}, state: newState(l)}
	if path == "" {
		return f, nil
	}
	var err error
	// A file of its own: the state itself is replaced again and again.
	if f.lock, err = os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, fmt.Errorf("opening state: %w", err)
	}
	if err := f.load(l); err != nil {
		f.lock.Close()
		return nil, err
	}
	return f, nil
}

func (f *StateFile) load(l *Log) error {
	if err := lock(f.lock); err != nil {
		return err
	}
	b, err := f.disk.read(f.path, maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading state: %w", err)
	}
	s, err := ParseState(b, l)
	if err != nil {
		return &StateError{File: f.path, Err: err}
	}
	f.state = s
	return nil
}

// State returns what is remembered.
func (f *StateFile) State() State { return f.state }

// save remembers a state, durably where there is a file. Stop before, and the
// old state is there; nothing was verified for nothing but what came since.
func (f *StateFile) save(s State) error {
	if f.path != "" {
		b, err := marshal(&s)
		if err != nil {
			return err
		}
		if err := writeFile(f.disk, f.path, b); err != nil {
			return fmt.Errorf("writing state: %w", err)
		}
	}
	f.state = s
	return nil
}

// Close lets others open the state.
func (f *StateFile) Close() error {
	if f.lock == nil {
		return nil
	}
	return f.lock.Close()
}
