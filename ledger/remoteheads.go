package ledger

import (
	"context"
	"fmt"
	"time"
)

// remoteHeads keeps a copy of the newest signed head at each custodian, too: somebody
// who puts back the folder and everything beside it cannot put back that.
type remoteHeads struct {
	ledger *Ledger
	warn   func(string)
	away   map[string]bool // of whom the operator was told
}

func (l *Ledger) remoteHeads(warn func(string)) remoteHeads {
	return remoteHeads{l, warn, make(map[string]bool)}
}

func (r remoteHeads) each(f func(m member, ctx context.Context) error) error {
	r.ledger.custodyMu.Lock()
	members := append([]member(nil), r.ledger.custody.members...)
	r.ledger.custodyMu.Unlock()
	for _, m := range members {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := f(m, ctx)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// Load returns the longest. A custodian that keeps a share must answer: without it the
// key tree does not open either.
func (r remoteHeads) Load() (newest []byte, err error) {
	err = r.each(func(m member, ctx context.Context) error {
		b, err := m.remote.Load(ctx)
		switch {
		case err != nil && m.Change == "":
			return err
		case err == nil && headSize(b) > headSize(newest):
			newest = b
		}
		return nil
	})
	return newest, err
}

// Store does its best: the copy beside the local root is there in any case, and an
// append need not fail because a custodian is away.
func (r remoteHeads) Store(checkpoint []byte) {
	_ = r.each(func(m member, ctx context.Context) error { // it goes on after each
		if m.Change != "" {
			return nil
		}
		err := m.remote.Store(ctx, checkpoint)
		if err != nil && !r.away[m.Name] {
			r.warn(fmt.Sprintf("the newest head is not kept by %v", err))
		}
		r.away[m.Name] = err != nil
		return nil
	})
}
