package ledger

import (
	"context"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
)

// RetentionLine is one kind of key whose last day has passed.
type RetentionLine struct {
	Compartment string
	Cohort      string
	Expired     time.Time // the day from which the keys may be destroyed
	Keys        int
}

// RetentionPlan lists what a retention run at a time destroys, by compartment
// and cohort. It names nobody.
func (l *Ledger) RetentionPlan(ctx context.Context, at time.Time) ([]RetentionLine, []keystore.KeyInfo, error) {
	day := uint16(at.Unix() / 86400)
	var keys []keystore.KeyInfo
	var lines []RetentionLine
	where := make(map[chainKey]int)
	err := l.tree.Walk(ctx, func(k keystore.KeyInfo) error {
		if k.Expiry == 0 || k.Expiry > day {
			return nil
		}
		keys = append(keys, k)
		id := chainKey{k.Compartment, k.Cohort}
		i, ok := where[id]
		if !ok {
			i = len(lines)
			where[id] = i
			lines = append(lines, RetentionLine{Compartment: k.Compartment, Cohort: k.Cohort.String(), Expired: dayTime(k.Expiry)})
		}
		lines[i].Keys++
		return nil
	})
	return lines, keys, err
}

// RunRetention destroys every key whose last day has passed, in one epoch. The
// log keeps its entries; only an epoch record is added.
func (l *Ledger) RunRetention(ctx context.Context, at time.Time) ([]RetentionLine, *erasure.Certificate, error) {
	if l.readOnly != nil {
		return nil, nil, l.readOnly
	}
	lines, keys, err := l.RetentionPlan(ctx, at)
	if err != nil || len(keys) == 0 {
		return lines, nil, err
	}
	cert, err := l.erasure.Retire(ctx, keys)
	return lines, cert, err
}

// clear empties the cache, but for people with queued events.
func (s *subjects) clear() {
	for i := range s.stripes {
		st := &s.stripes[i]
		st.mu.Lock()
		for id, sub := range st.byID {
			if sub.settle(); len(sub.inflight) == 0 {
				delete(st.byID, id)
			}
		}
		st.mu.Unlock()
	}
}
