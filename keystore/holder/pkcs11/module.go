//go:build pkcs11 && cgo

package pkcs11

import (
	"fmt"
	"sync"

	p11 "github.com/miekg/pkcs11"

	"github.com/lacunalog/lacuna/keystore"
)

// A module is a loaded library. A library keeps one state for a process, so all
// holders that use it share it, and one operation runs at a time.
type module struct {
	mu     sync.Mutex
	ctx    *p11.Ctx
	users  int
	up     bool
	loaded uint64 // counts its beginnings: sessions and handles end with each
}

// modules are never unloaded: libraries are not made for being loaded twice.
var (
	modulesMu sync.Mutex
	modules   = make(map[string]*module)
)

// use returns the module of a library, begun.
func use(path string) (*module, error) {
	modulesMu.Lock()
	m := modules[path]
	if m == nil {
		m = new(module)
		modules[path] = m
	}
	modulesMu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx == nil {
		if m.ctx = p11.New(path); m.ctx == nil {
			return nil, keystore.Hinted("module-path is the library that came with the token", "%s cannot be loaded as a PKCS #11 module: %w", path, keystore.ErrHolderMissing)
		}
	}
	m.users++
	return m, nil
}

// begin starts a module that does not run.
func (m *module) begin() error {
	if m.up {
		return nil
	}
	if err := m.ctx.Initialize(); err != nil {
		return fmt.Errorf("starting the module: %w", err)
	}
	m.loaded++
	m.up = true
	return nil
}

// end stops it. When it begins again, what it knows comes from the token and not from
// memory.
func (m *module) end() error {
	if !m.up {
		return nil
	}
	if err := m.ctx.Finalize(); err != nil {
		return fmt.Errorf("stopping the module: %w", err)
	}
	m.up = false
	return nil
}

// release is for a holder that does not use the module any more.
func (m *module) release() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users--; m.users > 0 {
		return nil
	}
	return m.end()
}
