package block

import (
	"errors"
	"math/rand/v2"
	"sync"
)

// Memory is a device in memory that can be interrupted in the middle of a write.
// It survives Close.
type Memory struct {
	mu     sync.Mutex
	blocks [Count][Size]byte
	writes int
	tear   int // at which write to be interrupted, -1 never
	sector func() bool
	down   bool
}

// ErrCrashed is what a device returns from the write that was interrupted on.
var ErrCrashed = errors.New("crashed")

const sectorSize = 512

// NewMemory returns a device of zeroes.
func NewMemory() *Memory { return &Memory{tear: -1} }

// TearAt interrupts the n-th write from now, 0 being the next. Of that write,
// each sector arrives or not as rng says.
func (m *Memory) TearAt(n int, rng *rand.Rand) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tear = m.writes + n
	m.sector = func() bool { return rng.IntN(2) == 0 }
}

// Crash fails every call until Restart.
func (m *Memory) Crash() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = true
}

// Restart ends what TearAt and Crash began.
func (m *Memory) Restart() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down, m.tear = false, -1
}

// Blocks copies what is on the medium now.
func (m *Memory) Blocks() [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all [][]byte
	for i := range m.blocks {
		all = append(all, append([]byte(nil), m.blocks[i][:]...))
	}
	return all
}

// Set puts b on the medium, as a restored copy or a broken one would.
func (m *Memory) Set(block int, b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	copy(m.blocks[block][:], b)
}

// Read implements [Device].
func (m *Memory) Read(block int, b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return ErrCrashed
	}
	for ; len(b) > 0; block++ {
		b = b[copy(b, m.blocks[block][:]):]
	}
	return nil
}

// Write implements [Device].
func (m *Memory) Write(block int, b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return ErrCrashed
	}
	m.writes++
	if m.writes-1 == m.tear {
		for at := 0; at < Size; at += sectorSize {
			if m.sector() {
				copy(m.blocks[block][at:at+sectorSize], b[at:])
			}
		}
		m.down = true
		return ErrCrashed
	}
	copy(m.blocks[block][:], b)
	return nil
}

// Probe implements [Device].
func (m *Memory) Probe() Probe {
	return Probe{Warning: "the root is kept in memory only: when the process ends, everybody is erased"}
}

// Close implements [Device].
func (m *Memory) Close() error { return nil }
