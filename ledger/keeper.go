package ledger

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
)

// lastDay returns the day from which a key may be destroyed, 0 where none is set.
// Where the rule counts from a year or a month, the key's cohort says it once and
// for all. Proof of consent is kept as long as a consent is in force, and counts
// from the end of the last one; what is kept for a purpose, from the end of the
// consents for the purposes named. The answer follows from what is recorded and
// not from when it is asked for: a consent that ends by itself has its day from
// the beginning.
func lastDay(rule event.Retention, cohort string, state *consent.State, purposes []string) uint16 {
	if cohort != "" {
		day, _ := rule.Expiry(cohort, time.Time{}, nil)
		return day
	}
	if rule.From == event.ContractEnd || state.Active(endOfTime, purposes...) {
		return 0
	}
	end, ok := state.Ended(endOfTime, purposes...)
	if !ok {
		end = state.LastEvent() // nothing was ever agreed to
	}
	day, _ := rule.Expiry(cohort, end, &end)
	return day
}

// dayFor is lastDay by the rule that the register has for a key.
func (l *Ledger) dayFor(reg *event.Register, k chainKey, state *consent.State) uint16 {
	if k.cohort == 0 {
		return ruledDay(reg, k, state)
	}
	return l.days.of(reg, k)
}

// cohortDays remember the last days of keys with a cohort, which follow from the register
// alone: each new key asks, and there are as many answers as periods.
type cohortDays struct {
	mu    sync.Mutex
	reg   *event.Register
	known map[chainKey]uint16
}

func (d *cohortDays) of(reg *event.Register, k chainKey) uint16 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reg != reg {
		d.reg, d.known = reg, make(map[chainKey]uint16)
	}
	day, ok := d.known[k]
	if !ok {
		day = ruledDay(reg, k, nil)
		d.known[k] = day
	}
	return day
}

func ruledDay(reg *event.Register, k chainKey, state *consent.State) uint16 {
	rule, purposes, ok := ruleOf(reg, k.compartment, k.cohort)
	if !ok {
		return 0
	}
	return lastDay(rule, k.cohort.String(), state, purposes)
}

// endOfTime is after everything that ends by itself.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// keeper writes what changes in keys after they were made: a withdrawal starts a
// period and so sets the last day, a new consent stops it, and a key that was made
// while a hold was placed is held. Nobody waits for it. What a crash loses is found
// again when the person is next looked up, because it follows from the events.
type keeper struct {
	tree *keystore.Tree

	writing sync.Mutex // held while changes are on their way to the tree

	mu   sync.Mutex
	todo map[keystore.Ref]keystore.Change
	wake chan struct{}
	done chan struct{}
}

func newKeeper(tree *keystore.Tree) *keeper {
	k := &keeper{tree: tree, todo: make(map[keystore.Ref]keystore.Change), wake: make(chan struct{}, 1), done: make(chan struct{})}
	go k.run()
	return k
}

func (k *keeper) set(ref keystore.Ref, day uint16) {
	k.change(ref, func(c *keystore.Change) { c.Expiry = &day })
}

// mark writes holds and restrictions. It is used to set them and never to lift
// them: that is done where no epoch runs.
func (k *keeper) mark(ref keystore.Ref, m marks) {
	k.change(ref, func(c *keystore.Change) { c.Held, c.Restricted, c.Review = &m.held, &m.restricted, &m.review })
}

func (k *keeper) change(ref keystore.Ref, f func(*keystore.Change)) {
	k.mu.Lock()
	c := k.todo[ref]
	c.Ref = ref
	f(&c)
	k.todo[ref] = c
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) run() {
	defer close(k.done)
	for range k.wake {
		k.flush()
	}
	k.flush()
}

// flush writes what has gathered in one sync.
func (k *keeper) flush() {
	k.writing.Lock()
	defer k.writing.Unlock()
	k.mu.Lock()
	todo := k.todo
	k.todo = make(map[keystore.Ref]keystore.Change)
	k.mu.Unlock()
	changes := slices.Collect(maps.Values(todo))
	if len(changes) == 0 || k.tree.Update(context.Background(), changes...) == nil {
		return
	}
	// One of them is being erased, or the log is broken. Those that can be written
	// are written one by one.
	for _, c := range changes {
		_ = k.tree.Update(context.Background(), c)
	}
}

func (k *keeper) stop() {
	close(k.wake)
	<-k.done
}

// keepDays brings the last days of a person's keys in line with their state. Keys
// with a cohort were made with their last day; only where that could not be
// written with the key is it written here.
func (l *Ledger) keepDays(sub *subject, state *consent.State) {
	if l.readOnly != nil {
		return
	}
	reg := l.register.Load()
	for k, c := range sub.chains.all() {
		if k.cohort != 0 && c.day != 0 {
			continue
		}
		if day := l.dayFor(reg, k, state); day != c.day {
			c.day = day
			l.keeper.set(c.key.Ref(), day)
		}
	}
}
