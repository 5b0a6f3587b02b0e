package holder

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"

	"github.com/lacunalog/lacuna/keystore"
)

// Mem keeps its shares in memory, for tests and for ledgers that may be lost. It
// survives Close, so that a test can open a tree again.
type Mem struct {
	mu     sync.Mutex
	id     keystore.HolderID
	shares []keystore.Share
}

// NewMem returns a holder that keeps nothing yet.
func NewMem() *Mem {
	m := new(Mem)
	rand.Read(m.id[:])
	return m
}

// Current implements [keystore.Holder].
func (m *Mem) Current(context.Context) ([]keystore.Share, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.shares), nil
}

// Prepare implements [keystore.Holder].
func (m *Mem) Prepare(_ context.Context, s keystore.Share) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, h := range m.shares {
		switch {
		case h.Tree != s.Tree:
			return fmt.Errorf("preparing a share: %w", keystore.ErrWrongTree)
		case h.Epoch == s.Epoch && h.Attempt == s.Attempt && h.Secret.Equal(&s.Secret):
			return nil
		case h.Epoch == s.Epoch:
			m.shares[i] = s
			return nil
		}
	}
	if len(m.shares) == 2 {
		return fmt.Errorf("preparing a share: %w", keystore.ErrHolderBusy)
	}
	m.shares = append(m.shares, s)
	return nil
}

// Destroy implements [keystore.Holder].
func (m *Mem) Destroy(_ context.Context, tree keystore.TreeID, epoch uint64, attempt keystore.Attempt) (keystore.Statement, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.shares, func(s keystore.Share) bool {
		return s.Tree == tree && s.Epoch == epoch && s.Attempt == attempt
	})
	if i < 0 {
		return keystore.Statement{}, fmt.Errorf("destroying all but epoch %d: %w", epoch, keystore.ErrNotHeld)
	}
	st := statement(m.Caps(), tree, epoch, attempt)
	for j := range m.shares {
		if j != i {
			st.Destroyed = append(st.Destroyed, m.shares[j].Epoch)
		}
	}
	st.Overwritten = 1
	keep := m.shares[i]
	clear(m.shares)
	m.shares = append(m.shares[:0], keep)
	return st, nil
}

// Caps implements [keystore.Holder].
func (m *Mem) Caps() keystore.Caps {
	return keystore.Caps{ID: m.id, Kind: "mem", Level: keystore.L0, Copies: 1,
		Warning: "the root is kept in memory only: when the process ends, everybody is erased"}
}

// Close implements [keystore.Holder].
func (m *Mem) Close() error { return nil }

// statement fills in what every statement says.
func statement(c keystore.Caps, tree keystore.TreeID, epoch uint64, attempt keystore.Attempt) keystore.Statement {
	return keystore.Statement{
		Holder: c.ID, Kind: c.Kind, Level: c.Level, Tree: tree, Epoch: epoch, Attempt: attempt,
		Destroyed: []uint64{}, Copies: c.Copies,
	}
}
