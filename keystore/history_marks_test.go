package keystore_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/internal/block"
)

// What else happens in a history: holds and restrictions, jobs, other holders.

// jobsKept is a mistake of whoever sweeps: the keys of jobs live on.
const jobsKept = "job rows outlive the sweep"

const jobRow = "j an erasure"

// A job is the row of an erasure: under a key of its own it has the names of the rows
// of those who were erased, so that a sweep can find them. The sweep's epoch erases
// that key, or all rows of an erased person could be put together for ever.
type job struct {
	p      person
	key    *known
	sealed []byte
	of     []*known
	ended  bool // the erasure is done
	swept  bool // and a sweep came after it
}

func isJob(p person) bool { return strings.HasPrefix(string(p.name), "job ") }

// job writes the row of an erasure that is about to begin; nil where there is nobody.
func (w *world) job(who []*known) *job {
	if len(who) == 0 {
		return nil
	}
	w.count["jobs"]++
	j := &job{p: person{keystore.Subject(fmt.Sprint("job ", w.count["jobs"])), "erasure-job", 0}, of: slices.Clone(who)}
	l, err := w.tree.Use(ctx, j.p.name, j.p.compartment, j.p.cohort)
	w.ok(err)
	defer l.Done()
	j.key = &known{ref: l.Ref(), secret: l.EventSecret(1, [16]byte{})}
	j.key.dek, _ = w.tree.DEK(l.Ref())
	var text []byte
	for _, k := range who {
		names := keystore.RowsKeyOf(k.dek)
		text = append(text, names[:]...)
	}
	j.sealed = l.SealRow([]byte(jobRow), text)
	w.people[j.p] = j.key
	w.note(j.key, "made")
	wait, err := w.rows.Enqueue(l.TakePending(), nil)
	w.ok(err)
	w.ok(wait(ctx))
	j.key.status = living
	w.jobs = append(w.jobs, j)
	return j
}

// sweepJobs are the keys of jobs that a sweep erases.
func (w *world) sweepJobs() (refs []keystore.Ref, who []*known) {
	for _, j := range w.jobs {
		if j.ended = j.ended || w.gone(j); j.ended && j.key.status == living && w.people[j.p] == j.key && w.bug != jobsKept {
			refs, who = append(refs, j.key.ref), append(who, j.key)
		}
	}
	return refs, who
}

// gone reports whether everybody whom a job was to erase is erased.
func (w *world) gone(j *job) bool {
	return !slices.ContainsFunc(j.of, func(k *known) bool { return k.status != erased })
}

// afterSweep marks the jobs whose traces a sweep had to remove.
func (w *world) afterSweep() {
	for _, j := range w.jobs {
		j.swept = j.swept || j.ended
	}
}

// checkJobs asks what the rows of jobs give to somebody with these keys: everything
// before the sweep, and nothing after it.
func (w *world) checkJobs(loot keystore.Loot) {
	w.t.Helper()
	for _, j := range w.jobs {
		if w.people[j.p] != j.key {
			continue // lost with rows that were not in a backup
		}
		opened := false
		if loot.DEKs[j.key.dek] {
			text, err := keystore.OpenRowOf(j.key.dek, []byte(jobRow), j.sealed)
			w.ok(err)
			for i, k := range j.of {
				names := keystore.RowsKeyOf(k.dek)
				opened = opened || bytes.Equal(text[32*i:32*i+32], names[:])
			}
		}
		switch {
		case j.swept && opened:
			leak(w, "the rows of an erased person can be put together after the sweep, by the row of job %s", j.p.name)
		case j.key.status == living && !opened:
			w.t.Fatalf("a job that was not swept cannot be read: a sweep would not find the rows")
		}
	}
}

// mark holds or restricts somebody, or ends it.
func (w *world) mark() {
	refs, who := w.pick(1)
	for _, p := range w.sorted() { // and somebody who is held already
		if k := w.people[p]; len(refs) < 2 && k.held && k.status == living {
			refs, who = append(refs, k.ref), append(who, k)
		}
	}
	for i, k := range who {
		held, restricted := w.rng.IntN(2) == 0, w.rng.IntN(2) == 0
		w.ok(w.tree.Update(ctx, keystore.Change{Ref: refs[i], Held: &held, Restricted: &restricted}))
		k.held, k.restricted = held, restricted
		w.note(k, fmt.Sprintf("held %t, restricted %t", held, restricted))
		w.count["marked"]++
		if held {
			if err := w.tree.Fence(ctx, refs[i:i+1]); err == nil {
				w.t.Fatalf("a held key was fenced")
			}
		}
	}
}

// checkMarks compares the marks of everybody living with what was set.
func (w *world) checkMarks() {
	w.t.Helper()
	for _, p := range w.sorted() {
		k := w.people[p]
		if k.status != living {
			continue
		}
		l, err := w.tree.LeaseOf(ctx, k.ref)
		if errors.Is(err, keystore.ErrErasing) {
			continue
		}
		w.ok(err)
		info := l.Info()
		l.Done()
		if info.Held != k.held || info.Restricted != k.restricted {
			leak(w, "a key is held %t and restricted %t, it was set to %t and %t: %s", info.Held, info.Restricted, k.held, k.restricted, strings.Join(k.trace, ", "))
		}
	}
}

// changeHolders gives the root to some of three devices.
func (w *world) changeHolders() {
	if w.bug != "" { // they are mistakes of other epochs
		return
	}
	for len(w.dev) < 3 {
		w.dev = append(w.dev, block.NewMemory())
	}
	var to []int
	for n := range w.dev {
		if w.rng.IntN(2) == 0 {
			to = append(to, n)
		}
	}
	if len(to) == 0 {
		to = []int{w.rng.IntN(len(w.dev))}
	}
	w.settle()
	now := w.tree.Holders()
	var next []keystore.Holder
	for _, n := range to {
		if i := slices.Index(w.at, n); i >= 0 {
			next = append(next, now[i])
			continue
		}
		h, err := holder.OnDevice(w.dev[n])
		w.ok(err)
		next = append(next, h)
	}
	e, err := w.tree.PrepareHolders(ctx, next)
	w.ok(err)
	w.attempts = append(w.attempts, e.Record().Attempt)
	w.during()
	w.ok(e.Root(ctx))
	w.during()
	_, err = e.Destroy(ctx)
	w.ok(err)
	w.at = to
	w.count["holders changed"]++
}
