package keystore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/keytest"
)

type plain struct {
	t    testing.TB
	rows *keytest.Rows
	h    *holder.File
	tree *keystore.Tree
}

func newPlain(t testing.TB, o keystore.Options) *plain {
	t.Helper()
	p := &plain{t: t, rows: keytest.NewRows(), h: holder.NewMem()}
	tree, err := keystore.Create(ctx, p.rows, []keystore.Holder{p.h}, o)
	p.ok(err)
	p.tree = tree
	t.Cleanup(func() { p.tree.Close() })
	return p
}

func (p *plain) ok(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *plain) is(err, want error) {
	p.t.Helper()
	if !errors.Is(err, want) {
		p.t.Fatalf("got %v, want %v", err, want)
	}
}

func (p *plain) add(name string, compartment string, cohort keystore.Cohort) keystore.Ref {
	p.t.Helper()
	l, err := p.tree.Use(ctx, keystore.Subject(name), compartment, cohort)
	p.ok(err)
	defer l.Done()
	commit(p.t, p.rows, l)
	return l.Ref()
}

func (p *plain) erase(refs ...keystore.Ref) {
	p.t.Helper()
	p.ok(p.tree.Fence(ctx, refs))
	e, err := p.tree.Prepare(ctx, refs)
	p.ok(err)
	p.ok(e.Root(ctx))
	_, err = e.Destroy(ctx)
	p.ok(err)
}

func (p *plain) reopen() {
	p.t.Helper()
	p.ok(p.tree.Close())
	tree, err := keystore.Open(ctx, p.rows, []keystore.Holder{p.h}, keystore.Options{})
	p.ok(err)
	p.tree = tree
}

func (p *plain) info(r keystore.Ref) keystore.KeyInfo {
	p.t.Helper()
	l, err := p.tree.LeaseOf(ctx, r)
	p.ok(err)
	defer l.Done()
	return l.Info()
}

// TestChangeTakenAlong: who writes something else of a page takes what changed on it
// along. Whoever made the change still returns only when it is durable.
func TestChangeTakenAlong(t *testing.T) {
	var order sync.Mutex
	p := newPlain(t, keystore.Options{Order: &order})
	r := p.add("somebody", "contract", 0)
	l, err := p.tree.LeaseOf(ctx, r)
	p.ok(err)
	defer l.Done()
	order.Lock()
	done := make(chan error)
	go func() { done <- p.tree.SetExpiry(ctx, r, 22000) }()
	for {
		if kvs := l.TakePending(); len(kvs) > 0 {
			_, err = p.rows.Enqueue(kvs, nil)
			break
		}
		runtime.Gosched() // not changed in memory yet
	}
	order.Unlock()
	p.ok(err)
	p.ok(<-done)
	if n := p.rows.Queued(); n > 0 {
		t.Errorf("returned while %d writes were not durable", n)
	}
}

func TestChanges(t *testing.T) {
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	p := newPlain(t, keystore.Options{Now: func() time.Time { return day }})
	r := p.add("somebody", "marketing", 2024)
	yes, no, review := true, false, uint16(21000)
	p.ok(p.tree.SetExpiry(ctx, r, 22000))
	p.ok(p.tree.Update(ctx, keystore.Change{Ref: r, Held: &yes, Review: &review}))
	want := keystore.KeyInfo{
		Ref: r, Compartment: "marketing", Cohort: 2024, State: keystore.Active,
		Created: uint16(day.Unix() / 86400), Expiry: 22000, Review: 21000, Held: true,
	}
	for range 2 {
		if got := p.info(r); got != want {
			t.Errorf("got %#v, want %#v", got.Expiry, want.Expiry)
		}
		p.reopen()
	}
	if err := p.tree.Fence(ctx, []keystore.Ref{r}); err == nil {
		t.Error("a held key was fenced")
	}
	p.ok(p.tree.Update(ctx, keystore.Change{Ref: r, Held: &no}))
	p.ok(p.tree.Fence(ctx, []keystore.Ref{r}))
	p.is(p.tree.SetExpiry(ctx, r, 1), keystore.ErrErasing)
	_, err := p.tree.Use(ctx, "somebody", "marketing", 2024)
	p.is(err, keystore.ErrErasing)
	_, err = p.tree.Find(ctx, "somebody", "marketing", 2024)
	p.is(err, keystore.ErrErasing)
	p.reopen()
	_, err = p.tree.Use(ctx, "somebody", "marketing", 2024)
	p.is(err, keystore.ErrErasing)
	p.ok(p.tree.Unfence(ctx, []keystore.Ref{r}))
	if p.info(r).State != keystore.Active {
		t.Error("still fenced")
	}
	// A change of several keys is made for all or for none.
	other := p.add("another", "marketing", 2024)
	gone := p.add("third", "marketing", 2024)
	p.erase(gone)
	p.is(p.tree.Fence(ctx, []keystore.Ref{other, gone}), keystore.ErrNoKey)
	if p.info(other).State != keystore.Active {
		t.Error("one of two keys was fenced")
	}

}

// TestAgain: who had a lease gets another, whether the key is still loaded or not, but
// none of a key that is fenced, erased, or of a tree that is closed.
func TestAgain(t *testing.T) {
	p := newPlain(t, keystore.Options{})
	r := p.add("somebody", "marketing", 2024)
	first, err := p.tree.LeaseOf(ctx, r)
	p.ok(err)
	had, want := first.Key(), first.RowName(1, 1)
	first.Done()
	for _, forget := range []func(){func() {}, p.tree.DropCaches} {
		forget()
		for range 2 {
			l, err := had.Lease(ctx)
			p.ok(err)
			if l.Ref() != r || l.RowName(1, 1) != want {
				t.Error("another key")
			}
			waits, cancel := context.WithTimeout(ctx, time.Millisecond)
			p.is(p.tree.Fence(waits, []keystore.Ref{r}), context.DeadlineExceeded)
			cancel()
			p.ok(p.tree.Unfence(ctx, []keystore.Ref{r}))
			l.Done()
		}
	}
	p.ok(p.tree.Fence(ctx, []keystore.Ref{r}))
	_, err = had.Lease(ctx)
	p.is(err, keystore.ErrErasing)
	p.ok(p.tree.Unfence(ctx, []keystore.Ref{r}))
	p.erase(r)
	_, err = had.Lease(ctx)
	p.is(err, keystore.ErrNoKey)
	p.add("somebody", "marketing", 2024)
	l, err := had.Lease(ctx)
	p.ok(err)
	if l.RowName(1, 1) == want {
		t.Error("a key that was erased")
	}
	l.Done()
	p.ok(p.tree.Close())
	_, err = had.Lease(ctx)
	p.is(err, keystore.ErrClosed)
}

// TestFenceWaits: a fence returns when the last lease ends.
func TestFenceWaits(t *testing.T) {
	p := newPlain(t, keystore.Options{})
	r := p.add("somebody", "marketing", 0)
	l, err := p.tree.LeaseOf(ctx, r)
	p.ok(err)
	short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	defer cancel()
	p.is(p.tree.Fence(short, []keystore.Ref{r}), context.DeadlineExceeded)
	done := make(chan error)
	go func() { done <- p.tree.Fence(ctx, []keystore.Ref{r}) }()
	select {
	case <-done:
		t.Fatal("the fence did not wait")
	case <-time.After(5 * time.Millisecond):
	}
	l.Done()
	p.ok(<-done)
	_, err = l.Key().Lease(ctx)
	p.is(err, keystore.ErrErasing)
	// The erasure reads on, until its epoch is prepared, which waits in its turn.
	l, err = p.tree.LeaseOf(ctx, r)
	p.ok(err)
	go func() {
		e, err := p.tree.Prepare(ctx, []keystore.Ref{r})
		if err == nil {
			err = e.Abort(ctx)
		}
		done <- err
	}()
	select {
	case <-done:
		t.Fatal("the epoch did not wait")
	case <-time.After(5 * time.Millisecond):
	}
	l.Done()
	p.ok(<-done)
}

func TestPrepareRefuses(t *testing.T) {
	p := newPlain(t, keystore.Options{})
	r, s := p.add("somebody", "marketing", 0), p.add("another", "marketing", 0)
	_, err := p.tree.Prepare(ctx, []keystore.Ref{r})
	p.is(err, keystore.ErrNotFenced)
	_, err = p.tree.PrepareSweep(ctx, []keystore.Ref{r}, 0)
	p.is(err, keystore.ErrNotFenced)
	p.ok(p.tree.Fence(ctx, []keystore.Ref{r}))
	e, err := p.tree.Prepare(ctx, []keystore.Ref{r})
	p.ok(err)
	_, err = p.tree.Prepare(ctx, nil)
	p.is(err, keystore.ErrEpochRunning)
	_, err = p.tree.LeaseOf(ctx, r)
	p.is(err, keystore.ErrErasing)
	p.is(p.tree.Unfence(ctx, []keystore.Ref{r}), keystore.ErrErasing)
	if _, err := e.Destroy(ctx); err == nil {
		t.Error("destroyed the old root before the new one was held")
	}
	p.ok(e.Root(ctx))
	p.is(e.Abort(ctx), keystore.ErrTooLate)
	first, err := e.Destroy(ctx)
	p.ok(err)
	again, err := e.Destroy(ctx)
	p.ok(err)
	if len(first) != 1 || len(again) != 1 || e.Record().Keys != 1 || e.Record().Epoch != 2 || e.Record().Pages < 3 {
		t.Errorf("%+v %+v", first, again)
	}
	p.is(p.tree.Fence(ctx, []keystore.Ref{r}), keystore.ErrNoKey)
	p.ok(p.tree.Fence(ctx, []keystore.Ref{s}))
}

// TestRefusedEvent: a key that was made for an event that is then refused is not
// kept, and one whose rows could not be queued is pending still.
func TestRefusedEvent(t *testing.T) {
	p := newPlain(t, keystore.Options{})
	l, err := p.tree.Use(ctx, "somebody", "marketing", 0)
	p.ok(err)
	s := l.EventSecret(1, [16]byte{})
	if len(l.TakePending()) == 0 || l.Pending() {
		t.Error("nothing was taken")
	}
	l.UntakePending()
	if !l.Pending() {
		t.Error("not pending after it was taken back")
	}
	second, err := p.tree.Use(ctx, "somebody", "marketing", 0)
	p.ok(err)
	if !second.Pending() || second.EventSecret(1, [16]byte{}) != s {
		t.Error("a second lease of a key that was not taken is not pending")
	}
	l.Done()
	if _, err := p.tree.Find(ctx, "somebody", "marketing", 0); err != nil {
		t.Errorf("the second lease was lost: %v", err)
	}
	second.Done()
	second.Done() // once more does nothing
	third, err := p.tree.Find(ctx, "somebody", "marketing", 0)
	p.ok(err)
	third.Done() // the lease that the Find above took is still there
	p.tree.DropCaches()
}

func TestForgetsRefused(t *testing.T) {
	p := newPlain(t, keystore.Options{})
	l, err := p.tree.Use(ctx, "somebody", "marketing", 0)
	p.ok(err)
	l.Done()
	_, err = p.tree.Find(ctx, "somebody", "marketing", 0)
	p.is(err, keystore.ErrNoKey)
	keys, err := p.tree.Keys(ctx, "somebody")
	p.ok(err)
	if len(keys) != 0 {
		t.Error("a key without an event was kept")
	}
	defer func() {
		if recover() == nil {
			t.Error("a key was used after its lease")
		}
	}()
	l.EventSecret(1, [16]byte{})
}

// TestManyKeysOfOne: all keys of one person are on one page, however many.
func TestManyKeysOfOne(t *testing.T) {
	p := newPlain(t, keystore.Options{})
	var refs []keystore.Ref
	for i := range 250 {
		refs = append(refs, p.add("somebody", "contract", keystore.Cohort(1000+i)))
		p.add(fmt.Sprint("other ", i), "contract", 0)
	}
	for range 2 {
		keys, err := p.tree.Keys(ctx, "somebody")
		p.ok(err)
		if len(keys) != 250 {
			t.Fatalf("%d keys", len(keys))
		}
		for _, r := range refs {
			if p.tree.PathOf(r) != p.tree.PathOf(refs[0]) {
				t.Fatal("they are on several pages")
			}
		}
		p.reopen()
	}
	p.erase(refs[:200]...)
	keys, err := p.tree.Keys(ctx, "somebody")
	p.ok(err)
	if len(keys) != 50 {
		t.Errorf("%d keys are left", len(keys))
	}
	for range 300 { // fold over and over
		p.ok(p.tree.SetExpiry(ctx, refs[220], uint16(len(keys))))
		p.ok(p.tree.SetExpiry(ctx, refs[220], 1))
	}
	p.reopen()
	if p.info(refs[220]).Expiry != 1 {
		t.Error("a change was lost")
	}
}

func TestAlias(t *testing.T) {
	p := newPlain(t, keystore.Options{})
	one, two := p.add("one", "contract", 0), p.add("two", "contract", 0)
	for range 3 {
		_, err := p.tree.AddAlias(ctx, "mail@example.org", "one", "marketing", 0)
		p.ok(err)
	}
	second, err := p.tree.AddAlias(ctx, "mail@example.org", "two", "tax", 0)
	p.ok(err)
	_, err = p.tree.AddAlias(ctx, "mail@example.org", "nobody", "tax", 0)
	p.is(err, keystore.ErrNoKey)
	behind := func(want ...keystore.Ref) {
		t.Helper()
		for range 2 {
			keys, err := p.tree.Behind(ctx, "mail@example.org")
			p.ok(err)
			found := make(map[keystore.Ref]bool)
			for _, k := range keys {
				found[k.Ref] = true
			}
			for _, w := range want {
				if !found[w] {
					t.Error("somebody is missing behind the address")
				}
			}
			if len(found) != len(want) {
				t.Errorf("%d keys behind the address, want %d", len(found), len(want))
			}
			p.reopen()
		}
	}
	behind(one, two)
	_, err = p.tree.LeaseOf(ctx, second)
	p.is(err, keystore.ErrNoKey)
	p.erase(second)
	behind(one)
	p.erase(one)
	behind()
	b := second.Bytes()
	if r, err := keystore.ParseRef(b); err != nil || r != second || r.SameSubject(one) {
		t.Error("a reference does not survive its bytes")
	}
}

// TestMissingPages: who lies on a page that is lost is named by it; others work.
func TestMissingPages(t *testing.T) {
	p := newPlain(t, keystore.Options{})
	for i := range 600 {
		p.add(fmt.Sprint("subject ", i), "contract", 0)
	}
	whole, err := p.tree.MissingPages(ctx)
	p.ok(err)
	if len(whole) != 0 {
		t.Fatalf("missing: %v", whole)
	}
	p.ok(p.tree.Close())
	// Lose one page, and break another.
	var first, second []byte
	p.ok(p.rows.Scan(ctx, []byte{'k'}, nil, func(k, v []byte) error {
		switch {
		case k[5] != 1 || k[6] == 0x03: // only leaf pages
		case first == nil:
			first = bytes.Clone(k)
		case second == nil && !bytes.Equal(k[:14], first[:14]):
			second = bytes.Clone(k)
			v[len(v)-1] ^= 1
			_, err := p.rows.Enqueue([]keystore.KV{{Key: second, Value: v}}, nil)
			return err
		}
		return nil
	}))
	_, err = p.rows.Enqueue(nil, [][2][]byte{{first[:14], append(bytes.Clone(first[:14]), bytes.Repeat([]byte{0xff}, 16)...)}})
	p.ok(err)
	p.rows.Commit()
	tree, err := keystore.Open(ctx, p.rows, []keystore.Holder{p.h}, keystore.Options{})
	p.ok(err)
	p.tree = tree
	lost, err := p.tree.MissingPages(ctx)
	p.ok(err)
	if len(lost) != 2 || lost[0] == lost[1] || strings.Contains(strings.Join(lost, ""), "subject") {
		t.Errorf("missing: %v", lost)
	}
	r, err := p.tree.Fsck(ctx, func(uint64, uint64) {})
	p.ok(err)
	if len(r.Missing) != 2 || r.Keys == 0 || r.Keys >= 600 {
		t.Errorf("%+v", r)
	}
	open, gone := 0, 0
	for i := range 600 {
		l, err := p.tree.Find(ctx, keystore.Subject(fmt.Sprint("subject ", i)), "contract", 0)
		if err != nil {
			p.is(err, keystore.ErrPageMissing)
			if strings.Contains(err.Error(), "subject") {
				t.Fatalf("the error names a subject: %v", err)
			}
			gone++
			continue
		}
		l.Done()
		open++
	}
	if open != r.Keys || gone != 600-open {
		t.Errorf("%d open, %d do not; fsck counted %d", open, gone, r.Keys)
	}
	if _, err := p.tree.PrepareSweep(ctx, nil, 0); !errors.Is(err, keystore.ErrPageMissing) {
		t.Errorf("a sweep that would lose people: %v", err)
	}
	// What is not lost can still be erased.
	for i := range 600 {
		if keys, err := p.tree.Keys(ctx, keystore.Subject(fmt.Sprint("subject ", i))); err == nil && len(keys) > 0 {
			p.erase(keys[0].Ref)
			break
		}
	}
	// A sweep leaves out the pages that it is told of, and no others. Then there are none that are missing.
	if _, err := p.tree.PrepareSweep(ctx, nil, 0, r.Missing[1:]...); !errors.Is(err, keystore.ErrPageMissing) {
		t.Errorf("a sweep that would lose people nobody has given up: %v", err)
	}
	e, err := p.tree.PrepareSweep(ctx, nil, 0, r.Missing...)
	p.ok(err)
	p.ok(e.Root(ctx))
	_, err = e.Destroy(ctx)
	p.ok(err)
	p.reopen()
	after, err := p.tree.Fsck(ctx, nil)
	p.ok(err)
	if after.Keys != open-1 || len(after.Missing)+len(after.Problems) > 0 {
		t.Errorf("behind a sweep %d keys, want %d; %v %v", after.Keys, open-1, after.Missing, after.Problems)
	}
	for i := range 600 { // those who were lost may come back
		p.add(fmt.Sprint("subject ", i), "contract", 0)
	}
}

// TestPageReadOnce: many who look at a page that is not in the cache get one copy
// of it. With two, what is made on one of them would be lost.
func TestPageReadOnce(t *testing.T) {
	p := newPlain(t, keystore.Options{})
	for i := range 60 {
		p.add(fmt.Sprint("subject ", i), "contract", 0)
	}
	for range 200 {
		p.tree.DropCaches()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				l, err := p.tree.Find(ctx, keystore.Subject(fmt.Sprint("subject ", i)), "contract", 0)
				if err != nil {
					t.Error(err)
					return
				}
				l.Done()
			})
		}
		wg.Wait()
		if all, _ := p.tree.Resident(); all != 3 { // top, system and the one leaf page
			t.Fatalf("%d pages in the cache", all)
		}
	}
}

func TestCaches(t *testing.T) {
	p := newPlain(t, keystore.Options{CachePages: 8, CacheKeys: 64})
	for i := range 3000 {
		p.add(fmt.Sprint("subject ", i), "contract", 0)
	}
	for i := range 3000 {
		l, err := p.tree.Find(ctx, keystore.Subject(fmt.Sprint("subject ", i)), "contract", 0)
		p.ok(err)
		l.Done()
	}
	all, _ := p.tree.Resident()
	if shells := p.tree.Shells(); shells > 56 || all-shells > 16 {
		t.Errorf("%d pages and %d shells in a cache of 8", all-shells, shells)
	}
	if n := p.tree.LoadedKeys(); n > 96 {
		t.Errorf("%d keys in a cache of 64", n)
	}
	p.tree.DropCaches()
	if all, pinned := p.tree.Resident(); all != pinned || p.tree.LoadedKeys() != 0 {
		t.Errorf("after a scrub there are %d pages and %d keys", all, p.tree.LoadedKeys())
	}
}

func TestSystemSecrets(t *testing.T) {
	p := newPlain(t, keystore.Options{})
	leaf := bytes.Repeat([]byte{7}, 34)
	env := []byte("an envelope of some length")
	masked := bytes.Clone(env)
	p.tree.Mask(1).Envelope(leaf, masked)
	if bytes.Equal(masked, env) {
		t.Error("nothing was masked")
	}
	tag, mac := p.tree.RequestTag([]byte("id")), p.tree.ContentMAC([]byte("id"))
	if tag == mac {
		t.Error("a tag is a content MAC")
	}
	blind, err := p.tree.Blind(1, 5)
	p.ok(err)
	e, err := p.tree.PrepareSweep(ctx, nil, 0)
	p.ok(err)
	if e.Generation() != 2 || p.tree.Generation() != 1 {
		t.Errorf("generations %d, %d", e.Generation(), p.tree.Generation())
	}
	// Both masks work while the sweep copies.
	both := bytes.Clone(masked)
	p.tree.Mask(1).Envelope(leaf, both)
	if !bytes.Equal(both, env) {
		t.Error("the old mask does not come off")
	}
	p.tree.Mask(2).Envelope(leaf, both)
	if bytes.Equal(both, masked) {
		t.Error("the new mask is the old one")
	}
	p.ok(e.Root(ctx))
	_, err = e.Destroy(ctx)
	p.ok(err)
	p.reopen()
	p.tree.Mask(2).Envelope(leaf, both)
	if !bytes.Equal(both, env) || p.tree.Generation() != 2 {
		t.Error("the new mask does not come off after the sweep")
	}
	if p.tree.RequestTag([]byte("id")) != tag {
		t.Error("request tags changed: a repeated request would be taken for a new one")
	}
	if b, err := p.tree.Blind(2, 5); err != nil || b == blind {
		t.Error("the blinding key did not change")
	}
	if _, err := p.tree.Blind(1, 5); err == nil {
		t.Error("the old blinding key is still there")
	}
	defer func() {
		if recover() == nil {
			t.Error("masked with a generation that is gone")
		}
	}()
	p.tree.Mask(1).Envelope(leaf, both)
}

func TestRowSealing(t *testing.T) {
	p := newPlain(t, keystore.Options{})
	l, err := p.tree.Use(ctx, "somebody", "marketing", 0)
	p.ok(err)
	defer l.Done()
	name := l.RowName(1, 16)
	sealed := l.SealRow(name[:], []byte("a row"))
	got, err := l.OpenRow(name[:], sealed)
	if err != nil || string(got) != "a row" {
		t.Errorf("%q %v", got, err)
	}
	for i := range sealed {
		sealed[i] ^= 1
		if _, err := l.OpenRow(name[:], sealed); err == nil {
			t.Fatalf("byte %d was changed and nobody noticed", i)
		}
		sealed[i] ^= 1
	}
	name[0] ^= 1
	if _, err := l.OpenRow(name[:], sealed); err == nil {
		t.Error("opened under another name")
	}
	rk, err := keystore.ParseRowsKey(l.RowsKey().Bytes())
	if err != nil || rk.RowName(1, 9) != l.RowName(1, 9) {
		t.Error("a rows key gives other names than its lease")
	}
	defer func() {
		if recover() == nil {
			t.Error(`sealed under the name "s", whose key is K_rows`)
		}
	}()
	l.SealRow([]byte("s"), nil)
}

func TestCohort(t *testing.T) {
	for s, want := range map[string]keystore.Cohort{"": 0, "2021": 2021, "0001": 1, "9999": 9999, "1970-01": 10000, "2021-03": 10000 + 51*12 + 2} {
		c, err := keystore.ParseCohort(s)
		if err != nil || c != want || c.String() != s {
			t.Errorf("%q: %d %v %q", s, c, err, c.String())
		}
	}
	for _, s := range []string{"0", "0000", "21", "2021-", "2021-00", "2021-13", "2021-3", "1969-12", "20211", "2021-03-01", "abcd", "+021", "9999-12"} {
		if c, err := keystore.ParseCohort(s); err == nil {
			t.Errorf("%q was read as %d", s, c)
		}
	}
}
