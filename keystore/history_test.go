package keystore_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"

	"pgregory.net/rapid"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/internal/block"
	"github.com/lacunalog/lacuna/keystore/keytest"
)

var ctx = context.Background()

func TestMain(m *testing.M) {
	flag.Parse()
	n := os.Getenv("LACUNA_TEST_HISTORIES")
	if n == "" {
		n = "100"
	}
	flag.Set("rapid.checks", n)
	flag.Set("rapid.nofailfile", "true")
	os.Exit(m.Run())
}

// A world is a tree, everything it is stored in, and what a test knows of it.
type world struct {
	t             fataler
	rng           *rand.Rand
	bug           string
	capacity      int
	count         map[string]int // of what happened
	rows          *keytest.Rows
	dev           []*block.Memory // all that ever kept a share
	at            []int           // those that keep the root now
	ship          *shipment
	tree          *keystore.Tree
	crash         int // at which step from now to stop, 0 never
	steps         []string
	quiet         bool // nothing else happens while an epoch runs, and none is given up
	crashRecovery int  // at which step of the recovery to stop as well
	keepQueue     *int // how many of the queued batches survive a crash

	ever     []keystore.KV // rows of stores that were given up
	attempts []keystore.Attempt
	people   map[person]*known
	jobs     []*job
	refused  map[[16]byte]bool
	masks    masks
	backup   *backup
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
	Logf(string, ...any)
}

type person struct {
	name        keystore.Subject
	compartment string
	cohort      keystore.Cohort
}

type status int

const (
	limbo  status = iota // made, but not known to be durable
	living               // durable
	erased               // its keys are destroyed
)

type known struct {
	status status
	fenced bool
	// What it was marked with.
	held, restricted bool
	trace            []string
	ref              keystore.Ref
	dek              keystore.Secret
	secret           [32]byte
}

// A backup is a copy of the rows, and who was alive in it.
type backup struct {
	rows   *keytest.Rows
	epoch  uint64
	people map[person]keystore.Secret
	gen    uint32 // under which its envelopes are
	stream []byte // what masks them
}

// A shipment is a page target in memory.
type shipment struct {
	epochs map[uint64][]keystore.KV
	ever   []keystore.KV
}

func (s *shipment) Ship(_ context.Context, epoch uint64, pages []keystore.KV) error {
	var own []keystore.KV
	for _, kv := range pages {
		own = append(own, keystore.KV{Key: bytes.Clone(kv.Key), Value: bytes.Clone(kv.Value)})
	}
	s.epochs[epoch] = own
	s.ever = append(s.ever, own...)
	return nil
}

var errStep = errors.New("stopped at a step")

func (w *world) options() keystore.Options {
	o := keystore.Options{PageTarget: w.ship, CachePages: 4, CacheKeys: 32, Decoys: 1}
	bug := w.bug
	if bug == jobsKept {
		bug = "" // it is not the tree's
	}
	return o.Capacity(w.capacity).Bug(bug).Step(func(name string) error {
		w.steps = append(w.steps, name)
		if w.crash > 0 {
			if w.crash--; w.crash == 0 {
				return errStep
			}
		}
		return nil
	})
}

func newWorld(t fataler, seed uint64, holders, capacity int, bug string) *world {
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), bug: bug, capacity: capacity, count: make(map[string]int),
		rows: keytest.NewRows(), ship: &shipment{epochs: make(map[uint64][]keystore.KV)},
		people: make(map[person]*known), refused: make(map[[16]byte]bool),
	}
	for n := range holders {
		w.dev, w.at = append(w.dev, block.NewMemory()), append(w.at, n)
	}
	tree, err := keystore.Create(ctx, w.rows, w.holders(), w.options())
	w.ok(err)
	w.tree = tree
	w.attempts = append(w.attempts, tree.Info().Attempt)
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v", err)
	}
}

func (w *world) holders() []keystore.Holder {
	var hs []keystore.Holder
	for _, n := range w.at {
		h, err := holder.OnDevice(w.dev[n])
		w.ok(err)
		hs = append(hs, h)
	}
	return hs
}

var compartments = []string{"marketing", "contract", "tax"}

func (w *world) someone() person {
	return person{
		keystore.Subject(fmt.Sprint("subject ", w.rng.IntN(60))),
		compartments[w.rng.IntN(len(compartments))],
		keystore.Cohort(2020 + w.rng.IntN(2)),
	}
}

// use makes or finds a key, and queues it.
func (w *world) use(p person) {
	l, err := w.tree.Use(ctx, p.name, p.compartment, p.cohort)
	k := w.people[p]
	if k != nil && k.fenced && k.status == living {
		if !errors.Is(err, keystore.ErrErasing) {
			w.t.Fatalf("a fenced key was lent: %v", err)
		}
		return
	}
	w.ok(err)
	defer l.Done()
	if k == nil || k.status == erased {
		if w.rng.IntN(8) == 0 {
			w.refused[l.Ref().Tag()] = true
			return // an event that is refused; while an epoch runs its key may stay
		}
		n := &known{ref: l.Ref(), secret: l.EventSecret(1, [16]byte{})}
		n.dek, _ = w.tree.DEK(l.Ref())
		if k != nil {
			if n.dek == k.dek {
				w.t.Fatalf("a key came back")
			}
			w.people[person{p.name + keystore.Subject(fmt.Sprint(" of ", w.rng.Uint64())), p.compartment, p.cohort}] = k
		}
		w.people[p] = n
		w.note(n, "made")
		pending := l.Pending()
		if kvs := l.TakePending(); w.rng.IntN(6) == 0 {
			l.UntakePending()
			if l.Pending() != pending {
				w.t.Fatalf("a taking that was taken back is not pending")
			}
			kvs = l.TakePending()
			w.queue(n, kvs)
		} else {
			w.queue(n, kvs)
		}
		return
	}
	if l.EventSecret(1, [16]byte{}) != k.secret {
		w.t.Fatalf("a living subject has another key")
	}
}

func (w *world) queue(n *known, kvs []keystore.KV) {
	wait, err := w.rows.Enqueue(kvs, nil)
	w.ok(err)
	if w.rng.IntN(3) > 0 {
		w.ok(wait(ctx))
		n.status = living
	}
}

// settle makes what is queued durable.
func (w *world) settle() {
	w.rows.Commit()
	for _, k := range w.people {
		if k.status == limbo {
			k.status = living
		}
	}
}

func missing(err error) bool { return errors.Is(err, keystore.ErrPageMissing) }

// pick returns up to n living keys that are not fenced.
func (w *world) pick(n int) (refs []keystore.Ref, who []*known) {
	w.settle()
	var all []person
	for _, p := range w.sorted() {
		if k := w.people[p]; k.status == living && !k.fenced && !k.held && !isJob(p) {
			all = append(all, p)
		}
	}
	w.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, p := range all[:min(n, len(all))] {
		refs = append(refs, w.people[p].ref)
		who = append(who, w.people[p])
	}
	return refs, who
}

// erase runs an epoch, and stops in it where crash says so.
func (w *world) erase(n int, sweep bool) {
	refs, who := w.pick(n)
	for _, p := range w.sorted() {
		k := w.people[p]
		if k.status == living && k.fenced { // left over from a crash
			refs, who = append(refs, k.ref), append(who, k)
		}
	}
	before, keep := w.tree.Generation(), uint32(0)
	j := w.job(who)
	if sweep {
		keep = w.keep()
		jobs, keys := w.sweepJobs()
		refs, who = append(refs, jobs...), append(who, keys...)
	}
	for _, k := range who {
		k.fenced = true
		w.note(k, "fenced")
	}
	err := w.tree.Fence(ctx, refs)
	var e *keystore.Epoch
	if err == nil {
		w.during()
		if sweep {
			e, err = w.tree.PrepareSweep(ctx, refs, keep)
		} else {
			e, err = w.tree.Prepare(ctx, refs)
		}
	}
	if e != nil {
		w.attempts = append(w.attempts, e.Record().Attempt)
		w.during()
		if w.crash == 0 && !w.quiet && w.rng.IntN(8) == 0 {
			w.ok(e.Abort(ctx))
			w.count["given up"]++
			w.ok(w.tree.Unfence(ctx, refs))
			for _, k := range who {
				k.fenced = false
			}
			return
		}
		err = e.Root(ctx)
	}
	if err == nil {
		w.during()
		_, err = e.Destroy(ctx)
	}
	if err != nil {
		if w.crash != 0 || !errors.Is(err, errStep) && !errors.Is(err, block.ErrCrashed) {
			w.t.Fatalf("an epoch failed: %v", err)
		}
		w.recover()
		if w.tree.Generation() > before {
			w.masksSwept(keep)
			w.afterSweep()
		}
		return
	}
	for _, k := range who {
		k.status = erased
		w.note(k, "erased")
	}
	if sweep {
		w.masksSwept(keep)
		w.count["swept"]++
		w.afterSweep()
	}
	if j != nil {
		j.ended = true
	}
	w.count["erased"] += len(who)
	w.tree.DropCaches()
}

// during is what goes on while an epoch runs.
func (w *world) during() {
	if w.quiet {
		return
	}
	for range w.rng.IntN(6) {
		w.use(w.someone())
	}
}

// down is a crash of the whole machine, and its restart.
func (w *world) down() {
	keep := w.rng.IntN(w.rows.Queued() + 1)
	if w.keepQueue != nil {
		keep = *w.keepQueue
	}
	w.rows.Crash(keep)
	w.rows.Restart()
	for _, d := range w.dev {
		d.Restart()
	}
}

// recover opens the tree again after a crash, and finds out what survived.
func (w *world) recover() {
	w.down()
	if w.crashRecovery > 0 {
		w.crash = w.crashRecovery
		w.ok(w.tree.Close())
		tree, err := keystore.Open(ctx, w.rows, w.holders(), w.options())
		if err == nil {
			tree.Close() // recovery has fewer steps
		} else if err != errStep {
			w.t.Fatalf("%v", err)
		}
		w.crash = 0
		w.down()
	}
	w.reopen()
	// Twice gives the same: recovery is idempotent.
	info := w.tree.Info()
	w.count["recovered"]++
	w.reopen()
	if again := w.tree.Info(); again.Epoch != info.Epoch || again.Attempt != info.Attempt {
		w.t.Fatalf("recovery found epoch %d, then %d", info.Epoch, again.Epoch)
	}
	for _, p := range w.sorted() {
		k := w.people[p]
		if k.status == erased {
			continue
		}
		l, err := w.tree.LeaseOf(ctx, k.ref)
		switch {
		case err == nil:
			if l.EventSecret(1, [16]byte{}) != k.secret {
				w.t.Fatalf("a key came back as another")
			}
			k.status, k.fenced = living, l.Info().State == keystore.Erasing
			l.Done()
		case !errors.Is(err, keystore.ErrNoKey):
			w.t.Fatalf("%v", err)
		case k.fenced && k.status == living:
			k.status, k.fenced = erased, false
			w.note(k, "found erased")
			w.count["erased"]++
		case k.status == limbo:
			w.forget(p) // was not durable
		default:
			w.t.Fatalf("a living key is lost")
		}
	}
}

func (w *world) reopen() {
	w.ok(w.tree.Close())
	tree, err := keystore.Open(ctx, w.rows, w.holders(), w.options())
	w.ok(err)
	w.tree = tree
}

// restore puts an older backup, and what was shipped since, in the place of the
// rows.
func (w *world) restore() {
	b := w.backup
	w.backup = nil
	w.ever = append(w.ever, w.rows.Ever()...)
	w.rows = b.rows
	info := w.tree.Info()
	for e := b.epoch + 1; e <= info.Epoch; e++ {
		w.ok(keystore.ImportPages(ctx, w.rows, w.ship.epochs[e]))
	}
	w.reopen()
	if now := w.tree.Info(); now.Epoch != info.Epoch {
		w.t.Fatalf("restored to epoch %d, the holders have %d", now.Epoch, info.Epoch)
	}
	lost, err := w.tree.MissingPages(ctx)
	w.ok(err)
	w.count["restored"]++
	if len(lost) > 0 {
		w.t.Fatalf("after restoring a backup and what was shipped since, these pages are missing: %v", lost)
	}
	w.backupReads(b)
	for _, p := range w.sorted() {
		k := w.people[p]
		if k.status == erased {
			continue
		}
		l, err := w.tree.LeaseOf(ctx, k.ref)
		switch {
		case err == nil:
			k.status, k.fenced = living, l.Info().State == keystore.Erasing
			k.held, k.restricted = l.Info().Held, l.Info().Restricted // those of the backup
			w.note(k, "restored")
			if l.EventSecret(1, [16]byte{}) != k.secret {
				w.t.Fatalf("a key came back as another")
			}
			l.Done()
		case errors.Is(err, keystore.ErrNoKey) && b.people[p] != k.dek:
			w.forget(p) // made since the backup
		default:
			w.t.Fatalf("somebody who was in the backup does not open: %v", err)
		}
	}
}

// note keeps what happened, for the message of a failure.
func (w *world) note(k *known, what string) {
	k.trace = append(k.trace, fmt.Sprintf("%s in epoch %d after step %d", what, w.tree.Info().Epoch, len(w.steps)))
}

// forget drops somebody whose key was lost, and not erased: what was written of it
// may still open.
func (w *world) forget(p person) {
	w.refused[w.people[p].ref.Tag()] = true
	delete(w.people, p)
}

// check asks the adversary.
func (w *world) check() {
	w.t.Helper()
	w.settle()
	a := keystore.Adversary{
		Tree: w.tree.Info().Tree, Epochs: w.tree.Info().Epoch + 1,
		Attempts: w.attempts, Shares: make(map[keystore.HolderID][]keystore.Secret),
	}
	for _, d := range w.dev {
		h, err := holder.OnDevice(d)
		w.ok(err)
		for _, b := range d.Blocks()[:2] {
			// Whatever stands where a share would, checked or not.
			a.Shares[h.Caps().ID] = append(a.Shares[h.Caps().ID], keystore.Secret(b[64:96]))
		}
	}
	rows := append(append(w.ever, w.rows.Ever()...), w.ship.ever...)
	loot := a.Search(rows)
	tags := maps.Clone(w.refused)
	for _, k := range w.people {
		if k.status != erased {
			tags[k.ref.Tag()] = true
		}
	}
	for _, p := range w.sorted() {
		k := w.people[p]
		switch {
		case k.status == living && !loot.DEKs[k.dek]:
			w.t.Fatalf("a living key cannot be derived: %s (steps: %s)", strings.Join(k.trace, ", "), strings.Join(w.steps, ", "))
		case k.status != erased:
		case loot.DEKs[k.dek], loot.DEKs[keystore.RowsKeyOf(k.dek)]:
			leak(w, "an erased key of compartment %s can be derived from %s: %s", p.compartment, loot.From[k.dek], strings.Join(k.trace, ", "))
		case loot.Tags[k.ref.Tag()] && !tags[k.ref.Tag()]:
			leak(w, "the tag of an erased subject can be derived")
		}
	}
	w.checkJobs(loot)
	w.checkMarks()
	w.checkMasks(loot)
}

type leaked struct{ what string }

func leak(w *world, format string, a ...any) {
	if w.bug != "" {
		panic(leaked{fmt.Sprintf(format, a...)})
	}
	w.t.Fatalf("%s (steps: %s)", fmt.Sprintf(format, a...), strings.Join(w.steps, ", "))
}

// live runs a random history.
func (w *world) live(ops int) {
	for range ops {
		switch w.rng.IntN(15) {
		case 0, 1, 2:
			for range w.rng.IntN(60) {
				w.use(w.someone())
			}
		case 3, 4:
			for range w.rng.IntN(10) {
				w.use(w.someone())
			}
		case 5:
			if refs, _ := w.pick(1 + w.rng.IntN(3)); len(refs) > 0 {
				w.ok(w.tree.SetExpiry(ctx, refs[0], uint16(w.rng.IntN(30000))))
			}
		case 6:
			w.settle()
			w.reopen()
		case 7:
			w.settle()
			w.backup = &backup{w.rows.Backup(), w.tree.Info().Epoch, make(map[person]keystore.Secret), w.tree.Generation(), w.stream(w.tree.Generation())}
			for _, p := range w.sorted() {
				k := w.people[p]
				if k.status == living {
					w.backup.people[p] = k.dek
				}
			}
		case 8:
			if w.backup != nil && w.rng.IntN(2) == 0 {
				w.settle()
				w.restore()
			}
		case 9, 10:
			if w.rng.IntN(2) == 0 {
				w.crash = 1 + w.rng.IntN(10)
				if w.rng.IntN(3) == 0 { // in the middle of a holder's write
					w.crash = 0
					w.dev[w.rng.IntN(len(w.dev))].TearAt(w.rng.IntN(3), w.rng)
				}
			}
			w.erase(1+w.rng.IntN(5), false)
			w.crash = 0
			w.calm()
			w.check()
		case 11:
			if w.rng.IntN(2) == 0 {
				w.crash = 1 + w.rng.IntN(10)
			}
			w.erase(w.rng.IntN(4), true)
			w.crash = 0
			w.calm()
			w.check()
		case 12:
			w.mark()
		case 13:
			if w.rng.IntN(4) == 0 {
				w.changeHolders()
				w.check()
			}
		case 14:
			w.openGeneration()
		}
	}
	w.check()
	leaves, interiors, levels, err := w.tree.Shape()
	if !missing(err) {
		w.ok(err)
	}
	w.count["leaf pages"] += leaves
	w.count["interior pages"] += interiors
	w.count[fmt.Sprintf("trees of %d levels", levels)]++
}

func (w *world) calm() {
	for _, d := range w.dev {
		d.Restart()
	}
}

func TestHistories(t *testing.T) {
	count := make(map[string]int)
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		cryptotest.SetGlobalRandom(t, seed)
		w := newWorld(rt, seed, rapid.IntRange(1, 2).Draw(rt, "holders"), rapid.SampledFrom([]int{1, 4, 96}).Draw(rt, "capacity"), "")
		w.live(rapid.IntRange(1, 30).Draw(rt, "operations"))
		for k, n := range w.count {
			count[k] += n
		}
	})
	for _, k := range slices.Sorted(maps.Keys(count)) {
		t.Logf("%8d %s", count[k], k)
	}
}

// TestBugs shows that the oracle catches the mistakes it is there for.
func TestBugs(t *testing.T) {
	for _, bug := range append([]string{jobsKept}, keystore.Bugs...) {
		t.Run(bug, func(t *testing.T) {
			defer keystore.NoBug()
			for seed := range uint64(200) {
				cryptotest.SetGlobalRandom(t, seed)
				caught := ""
				func() {
					defer func() {
						switch r := recover().(type) {
						case nil:
						case leaked:
							caught = r.what
						default:
							panic(r)
						}
					}()
					newWorld(t, seed, 1, 4, bug).live(25)
				}()
				if caught != "" {
					t.Logf("history %d: %s", seed, caught)
					return
				}
			}
			t.Fatal("no history shows it")
		})
	}
}

func (w *world) sorted() []person {
	return slices.SortedFunc(maps.Keys(w.people), func(a, b person) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.compartment, b.compartment), cmp.Compare(a.cohort, b.cohort))
	})
}
