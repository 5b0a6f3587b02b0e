package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
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
	if err := l.gate.enter(); err != nil {
		return nil, nil, err
	}
	defer l.gate.leave()
	due, _, err := l.due(ctx, at)
	return retentionLines(due), due, err
}

func retentionLines(due []keystore.KeyInfo) []RetentionLine {
	var lines []RetentionLine
	where := make(map[chainKey]int)
	for _, k := range due {
		id := chainKey{k.Compartment, k.Cohort}
		i, ok := where[id]
		if !ok {
			i = len(lines)
			where[id] = i
			lines = append(lines, RetentionLine{Compartment: k.Compartment, Cohort: k.Cohort.String(), Expired: dayTime(k.Expiry)})
		}
		lines[i].Keys++
	}
	return lines
}

// retireMost is how many keys one epoch of a retention run destroys.
const retireMost = 10_000

// RunRetention destroys every key whose last day has passed. The log keeps its
// entries; only epoch records are added, one for every ten thousand keys. If it
// fails on the way, what was destroyed is certified, and the next run destroys
// the rest.
func (l *Ledger) RunRetention(ctx context.Context, at time.Time) ([]RetentionLine, []*erasure.Certificate, error) {
	if err := l.gate.enter(); err != nil {
		return nil, nil, err
	}
	defer l.gate.leave()
	if l.readOnly != nil {
		return nil, nil, l.readOnly
	}
	var all []RetentionLine
	var certs []*erasure.Certificate
	for try := 0; ; try++ {
		lines, some, err := l.retire(ctx, at)
		all, certs = addLines(all, lines), append(certs, some...)
		switch {
		case err == nil:
			return all, certs, nil
		case !overtaken(err) || try == 2:
			return all, certs, fmt.Errorf("destroying keys whose last day has passed: %w", err)
		}
		// Somebody's request was faster with one of the keys: what is due now?
	}
}

// retire destroys what is due and says what it destroyed.
func (l *Ledger) retire(ctx context.Context, at time.Time) ([]RetentionLine, []*erasure.Certificate, error) {
	keys, wrong, err := l.due(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	for _, k := range wrong {
		l.keeper.set(k.Ref, k.Expiry)
	}
	var lines []RetentionLine
	var certs []*erasure.Certificate
	for _, part := range l.epochsOf(keys) {
		cert, err := l.erasure.Retire(ctx, part)
		if err != nil {
			return lines, certs, err
		}
		certs = append(certs, cert)
		lines = addLines(lines, retentionLines(part))
	}
	return lines, certs, nil
}

// epochsOf divides keys so that no epoch destroys more than it may.
func (l *Ledger) epochsOf(keys []keystore.KeyInfo) (parts [][]keystore.KeyInfo) {
	people, from := make(map[string]bool), 0
	for i, k := range keys {
		people[personTag(k)] = true
		if i-from == l.retireMost || l.retirePeople > 0 && len(people) > l.retirePeople {
			parts = append(parts, keys[from:i])
			people, from = map[string]bool{personTag(k): true}, i
		}
	}
	if from < len(keys) {
		parts = append(parts, keys[from:])
	}
	return parts
}

// addLines counts what is in both together.
func addLines(a, b []RetentionLine) []RetentionLine {
	for _, line := range b {
		i := slices.IndexFunc(a, func(have RetentionLine) bool {
			return have.Compartment == line.Compartment && have.Cohort == line.Cohort
		})
		if i < 0 {
			a = append(a, line)
		} else {
			a[i].Keys += line.Keys
		}
	}
	return a
}

// due returns the keys whose last day has passed, with that day in Expiry. The
// second list is keys that seemed to be due, with the day that follows from the
// events under them. What is written lags behind: a crash
// may have lost the last change, and then a proof of consent could go while the
// consent is in force.
func (l *Ledger) due(ctx context.Context, at time.Time) (due, wrong []keystore.KeyInfo, err error) {
	today, ok := dayOf(at)
	if !ok {
		return nil, nil, errors.New("the day of a retention run lies before 1970 or after 2149")
	}
	reg := l.register.Load()
	moving := make(map[string]bool) // subjects of keys whose day follows from their events
	err = l.tree.Walk(ctx, func(k keystore.KeyInfo) error {
		if k.State == keystore.Erasing || l.stays(k) {
			return nil // on its way already, or not to be touched
		}
		if k.Cohort != 0 && (k.Expiry == 0 || k.Expiry <= today) {
			// The day could not be written, or a purpose that keeps longer has come to
			// share the compartment since.
			k.Expiry = max(k.Expiry, l.dayFor(reg, chainKey{k.Compartment, k.Cohort}, nil))
		}
		switch {
		case k.Expiry == 0 || k.Expiry > today:
		case k.Cohort != 0:
			due = append(due, k)
		default:
			moving[personTag(k)] = true
		}
		return nil
	})
	if errors.Is(err, keystore.ErrSwept) {
		return l.due(ctx, at) // every key lies elsewhere now
	}
	if err != nil || len(moving) == 0 {
		return due, nil, err
	}
	people := make(map[string][]keystore.KeyInfo, len(moving))
	err = l.tree.Walk(ctx, func(k keystore.KeyInfo) error {
		if tag := personTag(k); moving[tag] {
			people[tag] = append(people[tag], k)
		}
		return nil
	})
	if errors.Is(err, keystore.ErrSwept) {
		return l.due(ctx, at)
	}
	if err != nil {
		return nil, nil, err
	}
	for _, keys := range people {
		state, whole, err := l.stateUnder(ctx, keys)
		if err != nil {
			return nil, nil, err
		}
		for _, k := range keys {
			if k.Cohort != 0 || k.Expiry == 0 || k.Expiry > today || l.stays(k) || k.State == keystore.Erasing {
				continue
			}
			written := k.Expiry
			if whole { // otherwise what is written may know more
				k.Expiry = l.dayFor(reg, chainKey{k.Compartment, 0}, state)
			}
			switch {
			case k.Expiry != 0 && k.Expiry <= today:
				due = append(due, k)
			case k.Expiry != written:
				wrong = append(wrong, k)
			}
		}
	}
	return due, wrong, nil
}

// RetentionStays lists the keys whose last day has passed at a time and that a run
// leaves alone all the same: because of a hold, a restriction or an order to preserve.
func (l *Ledger) RetentionStays(ctx context.Context, at time.Time) ([]RetentionLine, error) {
	if err := l.gate.enter(); err != nil {
		return nil, err
	}
	defer l.gate.leave()
	today, ok := dayOf(at)
	if !ok {
		return nil, errors.New("the day of a retention run lies before 1970 or after 2149")
	}
	var kept []keystore.KeyInfo
	err := l.tree.Walk(ctx, func(k keystore.KeyInfo) error {
		if k.Expiry != 0 && k.Expiry <= today && k.State != keystore.Erasing && l.stays(k) {
			kept = append(kept, k)
		}
		return nil
	})
	return retentionLines(kept), err
}

// stays says whether a key outlives its last day: because of a hold, a restriction
// (Art. 18(1)(b) and (c) keep data for the person), or an order to preserve.
func (l *Ledger) stays(k keystore.KeyInfo) bool {
	_, preserved := l.preserved(k.Compartment)
	return k.Held || k.Restricted || preserved
}

// personTag tells people apart without knowing who they are.
func personTag(k keystore.KeyInfo) string { return string(k.Ref.Bytes()[:16]) }

// stateUnder folds the events under the keys of one person. It is not whole where one
// of them is damaged.
func (l *Ledger) stateUnder(ctx context.Context, keys []keystore.KeyInfo) (state *consent.State, whole bool, _ error) {
	var s subject
	if err := l.fold(ctx, &s, keys); err != nil {
		return nil, false, err
	}
	return s.committed, len(s.unread) == 0, nil
}

// ruleOf returns the rule by which the keys of a compartment with a cohort of
// that kind end, and the purposes whose consent it looks at, none for all. Where
// several purposes share the compartment, the longest rule counts.
func ruleOf(reg *event.Register, compartment string, cohort keystore.Cohort) (rule event.Retention, purposes []string, ok bool) {
	switch compartment {
	case event.ConsentEvidence, event.RightsRecords, event.Suppression:
		rule, ok = reg.RetentionOf(compartment)
		return rule, nil, ok
	}
	sample := time.Unix(0, 0)
	kind := len(cohort.String())
	for _, p := range reg.Purposes() {
		if p.Compartment != compartment || len(p.Retention.Cohort(sample)) != kind {
			continue
		}
		purposes = append(purposes, p.ID)
		if !ok || longer(p.Retention, rule) {
			rule, ok = p.Retention, true
		}
	}
	return rule, purposes, ok
}

// longer compares rules for keys of the same kind of cohort. That a contract has
// ended is not an event, so a rule that waits for it has no end.
func longer(a, b event.Retention) bool {
	if (a.From == event.ContractEnd) != (b.From == event.ContractEnd) {
		return a.From == event.ContractEnd
	}
	epoch := time.Unix(0, 0)
	return a.For.After(epoch).After(b.For.After(epoch))
}

// dayOf counts days from 1970-01-01.
func dayOf(t time.Time) (uint16, bool) {
	n := t.Unix() / 86400
	return uint16(n), t.Unix() >= 0 && n <= 1<<16-1
}

// clear empties the cache.
func (s *subjects) clear() {
	for i := range s.stripes {
		st := &s.stripes[i]
		st.mu.Lock()
		for id := range st.byID {
			st.forget(id)
		}
		st.mu.Unlock()
	}
}
