package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/receipt"
)

func stateLoss(t *testing.T, l *ledger.Ledger) *ledger.Loss {
	t.Helper()
	x, err := l.StateLoss(t.Context(), ledger.LossOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func verdictOf(r *receipt.Report, index uint64) receipt.Verdict {
	for _, x := range r.Leaves {
		if x.Index == index {
			return x.Verdict
		}
	}
	return ""
}

// trustIn trusts the key of a log.
func trustIn(t *testing.T, l *ledger.Ledger) *receipt.Trust {
	t.Helper()
	trust, err := receipt.NewTrust([]string{l.VerifierKey()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// loseOne records an event about p, and loses its sealed form, which it returns.
func loseOne(t *testing.T, l *ledger.Ledger) (index uint64, name string, row []byte) {
	t.Helper()
	envelopes := madeBy(t, l, 'e', func() {
		index = must(t, l, `{"type":"processing.performed","subject":"p","purpose":"chat-service","operation":"answer"}`)[0].Index
	})
	row = rowsOf(t, l, 'e')[envelopes[0]]
	remove(t, l, envelopes[0])
	return index, envelopes[0], row
}

// lostReport verifies the opening of a loss with the log's public key alone.
func lostReport(t *testing.T, l *ledger.Ledger, trust *receipt.Trust, index uint64) *receipt.Report {
	t.Helper()
	o, err := l.LostOpening(t.Context(), index)
	if err != nil {
		t.Fatal(err)
	}
	text, err := o.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r, err := trust.VerifyLost(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestStateLossWhileWaiting: a request that waits for its day has destroyed nothing. What is lost meanwhile is found,
// and can be stated.
func TestStateLossWhileWaiting(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, `{"type":"processing.performed","subject":"q","purpose":"chat-service","operation":"answer"}`)
	l = w.policy(l, ledger.ErasePolicy{CoolingOff: "P3D"})
	_, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "q"})
	id := waitingID(t, err)
	loseOne(t, l)
	if r, err := l.Fsck(t.Context(), nil); err != nil || len(r.Problems) == 0 {
		t.Errorf("fsck of what is lost: %v, %v", r.Problems, err)
	}
	if x := stateLoss(t, l); x.Entries != 1 {
		t.Errorf("%d entries are lost", x.Entries)
	}
	checkFsck(t, l)
	w.clock.move(4 * 24 * time.Hour)
	if _, err := l.StartErasure(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	checkFsck(t, l)
}

// TestStateLoss loses one person's list row and another's sealed event. Before they are stated as lost a sweep
// stops and a verifier says "not opened"; afterwards the verdict is LOST, across sweeps and restarts.
func TestStateLoss(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	trust := trustIn(t, l)
	record := func(who string) uint64 {
		return must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, who)[0].Index
	}
	var unlisted, empty, stays uint64
	record("erased")
	var lists []string
	sealed := madeBy(t, l, 'e', func() { lists = madeBy(t, l, 's', func() { unlisted = record("p") }) })
	envelopes := madeBy(t, l, 'e', func() { empty = record("q") })
	stays = record("q")
	before, err := l.Prove(t.Context(), unlisted, ledger.ProveOptions{NoAssertion: true})
	if err != nil {
		t.Fatal(err)
	}
	size := l.Log().Head().Size
	if x := stateLoss(t, l); x.Entries != 0 || x.Index != 0 || l.Log().Head().Size != size {
		t.Fatalf("nothing is lost: %+v", x)
	}
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "erased"}); err != nil {
		t.Fatal(err)
	}
	remove(t, l, lists[0])
	for _, row := range sealed {
		remove(t, l, row)
	}
	remove(t, l, envelopes[0])
	var loss *ledger.LossError
	if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); !errors.As(err, &loss) || loss.First != unlisted {
		t.Fatalf("a sweep of what is lost: %v", err)
	}
	all := ledger.SampleOptions{Leaves: 1000, Open: true}
	if r, _ := sampleOf(t, l, trust, all); verdictOf(r, empty) != receipt.Missing {
		t.Errorf("before it is stated the verdict is %q", verdictOf(r, empty))
	}
	var notFound *ledger.NotFoundError
	if _, err := l.LostOpening(t.Context(), unlisted); !errors.As(err, &notFound) {
		t.Errorf("an opening of what was not stated: %v", err)
	}
	// Whoever says no has stated nothing.
	no := errors.New("no")
	size = l.Log().Head().Size
	_, err = l.StateLoss(t.Context(), ledger.LossOptions{Confirm: func(x *ledger.Loss) error {
		if x.Entries != 2 || x.Size != size || x.Index != 0 {
			t.Errorf("asked about %+v", x)
		}
		return no
	}})
	if !errors.Is(err, no) || l.Log().Head().Size != size {
		t.Fatalf("it was stated although nobody wanted it: %v", err)
	}
	x := stateLoss(t, l)
	if x.Entries != 2 || x.Index != size {
		t.Fatalf("%+v", x)
	}
	if again := stateLoss(t, l); again.Entries != 0 {
		t.Errorf("what was stated is stated again: %+v", again)
	}
	check := func() {
		t.Helper()
		if f := checkFsck(t, l); f.Lost != 2 {
			t.Errorf("fsck counts %d lost", f.Lost)
		}
		r, _ := sampleOf(t, l, trust, all)
		for _, i := range []uint64{unlisted, empty} {
			o := lostReport(t, l, trust, i)
			if verdictOf(o, i) != receipt.Lost || verdictOf(r, i) != receipt.Lost || o.Index != x.Index {
				t.Errorf("entry %d: %q, in a sample %q", i, verdictOf(o, i), verdictOf(r, i))
			}
			if f := receipt.CheckErasures([]*receipt.Report{o, r}); len(f) > 0 {
				t.Errorf("entry %d: %+v", i, f)
			}
		}
		if n := verdicts(r); n[receipt.Lost] != 2 || verdictOf(r, stays) != receipt.Valid {
			t.Errorf("verdicts %v", n)
		}
		if _, err := l.LostOpening(t.Context(), stays); !errors.As(err, &notFound) {
			t.Errorf("an opening of what is not lost: %v", err)
		}
	}
	check()
	for range 2 {
		done := sweepOnce(t, l)
		if done.Record.Erased != 1 {
			t.Errorf("the sweep counts %d erased entries", done.Record.Erased)
		}
		w.close(l)
		l = w.open()
		check()
	}
	// The receipt that was handed out stays valid.
	old, err := trust.Verify(before.File)
	if err != nil {
		t.Fatal(err)
	}
	f := receipt.CheckErasures([]*receipt.Report{old, lostReport(t, l, trust, unlisted)})
	if len(f) != 1 || f[0].Mark != receipt.OK {
		t.Errorf("beside a receipt from before: %+v", f)
	}
	// Whose key is there can still be erased, with all that was theirs.
	if _, _, err := l.RunRetention(t.Context(), time.Date(2035, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if f := checkFsck(t, l); f.Lost != 1 {
		t.Errorf("fsck counts %d lost", f.Lost)
	}
	if done := sweepOnce(t, l); done.Record.Erased != 3 {
		t.Errorf("the sweep counts %d erased entries", done.Record.Erased)
	}
	r, _ := sampleOf(t, l, trust, all)
	if verdictOf(r, empty) != receipt.Erased || verdictOf(r, unlisted) != receipt.Lost {
		t.Errorf("erased since: %q, and lost: %q", verdictOf(r, empty), verdictOf(r, unlisted))
	}
	if _, err := l.Get(t.Context(), empty); !isErased(err) {
		t.Errorf("what was stated as lost, and erased since: %v", err)
	}
	if _, err := l.Prove(t.Context(), unlisted, ledger.ProveOptions{}); !as[*ledger.EntryLostError](err) {
		t.Errorf("what was stated as lost, and is: %v", err)
	}
	for _, f := range receipt.CheckErasures([]*receipt.Report{r, lostReport(t, l, trust, empty)}) {
		if f.Mark == receipt.Failed {
			t.Error(f)
		}
	}
}

// TestLostOpens: a row comes back after it was stated as lost. The check finds it, and so does a verifier. No sweep
// loses it again.
func TestLostOpens(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	trust := trustIn(t, l)
	index, listed, row := loseOne(t, l)
	if x := stateLoss(t, l); x.Entries != 1 {
		t.Fatalf("%+v", x)
	}
	lost := lostReport(t, l, trust, index)
	overwrite(t, l, listed, row)
	f, err := l.Fsck(t.Context(), nil)
	if err != nil || len(f.Problems) != 1 || !strings.Contains(f.Problems[0], "can be read, although stated as lost") {
		t.Errorf("%v, %v", f.Problems, err)
	}
	p, err := l.Prove(t.Context(), index, ledger.ProveOptions{NoAssertion: true})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := trust.Verify(p.File)
	if err != nil {
		t.Fatal(err)
	}
	if v := receipt.Conclude([]*receipt.Report{lost, opened}, false); v.Verified {
		t.Error("what is lost opens, and nobody minds")
	}
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := l.Sweep(ctx, ledger.SweepOptions{Progress: func(stage string, _, _ uint64) {
			if stage == "events" {
				cancel()
			}
		}})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("the sweep was not interrupted: %v", err)
		}
		w.close(l)
		l = w.open()
		if done := sweepOnce(t, l); done.Record.Erased != 0 {
			t.Errorf("the sweep counts %d erased entries", done.Record.Erased)
		}
		if _, err := l.Get(t.Context(), index); err != nil {
			t.Errorf("what has come back, behind a sweep: %v", err)
		}
	}
}

// losePages closes a ledger and calls f with copies of its world, each of which has lost another leaf page.
func (w *world) losePages(l *ledger.Ledger, f func(*world, *ledger.Ledger)) {
	w.t.Helper()
	pages := map[string][]string{} // rows of leaf pages, by level and start
	for k := range rowsOf(w.t, l, 'k') {
		if at := k[5:14]; at[0] == 1 {
			pages[at] = append(pages[at], k)
		}
	}
	w.close(l)
	tried := 0
	for _, rows := range pages {
		c := w.crashNow(100, rand.New(rand.NewPCG(1, 2)))
		l := c.open()
		for _, k := range rows {
			remove(w.t, l, k)
		}
		c.close(l)
		l, err := c.tryOpen(w.t.Context())
		if errors.Is(err, keystore.ErrPageMissing) {
			continue // what the ledger itself needs was on it
		}
		if err != nil {
			w.t.Fatal(err)
		}
		tried++
		f(c, l)
		c.close(l)
	}
	if tried == 0 {
		w.t.Error("no page was lost")
	}
}

// TestEraseBesideLostPage: where a key page is lost, everybody whose keys are on another one can be erased. The keys of
// the erasure itself lie wherever chance puts them, and not on the page that is lost.
func TestEraseBesideLostPage(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	const people = 200
	for i := range people {
		must(t, l, `{"type":"processing.performed","subject":"p-%d","purpose":"chat-service","operation":"answer"}`, i)
	}
	w.losePages(l, func(_ *world, l *ledger.Ledger) {
		erased := 0
		for i := 0; i < people && erased < 12; i++ {
			who := fmt.Sprintf("p-%d", i)
			if _, err := l.Timeline(t.Context(), who); errors.Is(err, keystore.ErrPageMissing) {
				continue
			}
			if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: who}); err != nil {
				t.Fatal(err)
			}
			erased++
		}
	})
}

// TestLostPage loses a key page with everybody on it. What was theirs is stated as lost, and nothing else. Then, and
// not before, a sweep leaves the page out: what is lost does not count as erased, and whoever it was may come back.
func TestLostPage(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	entries := map[string]uint64{}
	for i := range 200 {
		who := fmt.Sprintf("p-%d", i)
		entries[who] = must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, who)[0].Index
	}
	const erasures = 6
	var epochs []uint64
	for i := range erasures {
		who := fmt.Sprintf("e-%d", i)
		must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, who)
		_, cert, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: who})
		if err != nil {
			t.Fatal(err)
		}
		epochs = append(epochs, cert.Terms.Epoch)
	}
	unknown := 0
	w.losePages(l, func(_ *world, l *ledger.Ledger) {
		trust := trustIn(t, l)
		gone := map[uint64]bool{}
		for who, index := range entries {
			_, err := l.Timeline(t.Context(), who)
			if gone[index] = errors.Is(err, keystore.ErrPageMissing); err != nil && !gone[index] {
				t.Fatal(err)
			}
		}
		var loss *ledger.LossError
		if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); !errors.As(err, &loss) {
			t.Errorf("a sweep of what is lost: %v", err)
		}
		x := stateLoss(t, l)
		if len(x.Missing) != 1 || x.Entries == 0 || x.Entries == uint64(len(entries)) {
			t.Errorf("%+v", x)
		}
		// Where the job's key was on the page, what was erased cannot be told from what is lost.
		base := uint64(erasures - len(x.Epochs))
		unknown += len(x.Epochs)
		for _, n := range x.Epochs {
			if !slices.Contains(epochs, n) {
				t.Errorf("lost is what epoch %d erased, and nobody was", n)
			}
		}
		r, _ := sampleOf(t, l, trust, ledger.SampleOptions{Leaves: 1000, Open: true})
		n := uint64(0)
		for _, index := range entries {
			want := receipt.Valid
			if gone[index] {
				want = receipt.Lost
				n++
			}
			if v := verdictOf(r, index); v != want {
				t.Errorf("entry %d is %q, want %q", index, v, want)
			}
			if index%8 > 0 {
				continue // to look for the key of an entry takes a walk
			}
			_, err := l.Get(t.Context(), index)
			if lost, ok := errors.AsType[*ledger.EntryLostError](err); gone[index] != ok || ok && lost.Statement != x.Index {
				t.Errorf("entry %d: %v", index, err)
			}
		}
		if n+erasures-base != x.Entries {
			t.Errorf("%d entries are on the page, and %d stated as lost", n, x.Entries)
		}
		erased := map[string]bool{}
		for range 2 {
			done := sweepOnce(t, l)
			if done.Record.Erased != base+uint64(len(erased)) {
				t.Errorf("the sweep counts %d erased entries, not %d", done.Record.Erased, base+uint64(len(erased)))
			}
			if len(erased) > 0 {
				x.Epochs = nil
			}
			if !slices.Equal(done.Record.EpochsLost, x.Epochs) {
				t.Errorf("the sweep says that of epochs %d it is lost what they erased, not %d", done.Record.EpochsLost, x.Epochs)
			}
			if f := checkFsck(t, l); f.Lost != x.Entries {
				t.Errorf("fsck counts %d lost", f.Lost)
			}
			next := ""
			for who, index := range entries {
				_, err := l.Timeline(t.Context(), who)
				if isNotFound(err) != (gone[index] || erased[who]) {
					t.Errorf("entry %d: %v", index, err)
				}
				if erased[who] {
					continue
				}
				if !gone[index] {
					next = who
				} else if index%8 > 0 {
					continue
				} else if o := lostReport(t, l, trust, index); verdictOf(o, index) != receipt.Lost {
					t.Errorf("entry %d is %q behind a sweep", index, verdictOf(o, index))
				}
			}
			if len(erased) == 0 {
				if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: next}); err != nil {
					t.Fatal(err)
				}
				erased[next] = true
			}
		}
		for who, index := range entries {
			if gone[index] {
				must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, who)
			}
		}
		checkFsck(t, l)
	})
	if unknown == 0 {
		t.Error("no job's key was on a page that was lost: this shows nothing")
	}
}

// TestLostPageOfRequests loses a key page with the keys of requests that wait. They are lost with it, and stop neither a
// sweep nor whoever opens the ledger behind it; the others wait on.
func TestLostPageOfRequests(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	const people, requests = 200, 8
	for i := range people {
		must(t, l, `{"type":"processing.performed","subject":"p-%d","purpose":"chat-service","operation":"answer"}`, i)
	}
	for i := range requests {
		_, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: fmt.Sprintf("p-%d", i), NotBefore: w.clock.now().Add(time.Hour)})
		waitingID(t, err)
	}
	fewer := 0
	w.losePages(l, func(c *world, l *ledger.Ledger) {
		left := len(ledger.Erasures(l).Waiting())
		if left < requests {
			fewer++
		}
		stateLoss(t, l)
		sweepOnce(t, l)
		checkFsck(t, l)
		c.close(l)
		l = c.open()
		if n := len(ledger.Erasures(l).Waiting()); n != left {
			t.Errorf("%d requests wait behind the sweep, %d before", n, left)
		}
		rows := map[string]bool{}
		for k := range rowsOf(t, l, 'j') {
			if k[1] == 'r' {
				rows[k[2:18]] = true
			}
		}
		if len(rows) != left {
			t.Errorf("rows of %d requests, and %d wait", len(rows), left)
		}
		for i := requests; ; i++ {
			_, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: fmt.Sprintf("p-%d", i)})
			if isNotFound(err) {
				continue // on the page that was lost
			}
			if err != nil {
				t.Error(err)
			}
			break
		}
	})
	if fewer == 0 {
		t.Error("no request's key was on a page that was lost: this shows nothing")
	}
}

// TestLostBehindCut loses a key page while a sweep is interrupted behind its cut, in which everybody lives. The sweep
// does not end before what was on the page is stated as lost.
func TestLostBehindCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	for i := range 200 {
		must(t, l, `{"type":"processing.performed","subject":"p-%d","purpose":"chat-service","operation":"answer"}`, i)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := l.Sweep(ctx, ledger.SweepOptions{Progress: func(stage string, _, _ uint64) {
		if stage == "events" {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the sweep was not interrupted: %v", err)
	}
	ended := 0
	w.losePages(l, func(_ *world, l *ledger.Ledger) {
		var loss *ledger.LossError
		if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); errors.Is(err, keystore.ErrPageMissing) {
			return // the key of the cut was on it, too
		} else if !errors.As(err, &loss) {
			t.Fatalf("a sweep of what was lost behind its cut: %v", err)
		}
		x := stateLoss(t, l)
		if loss.Lost != x.Entries || loss.Alive > 0 {
			t.Errorf("%+v, and %d are stated as lost", loss, x.Entries)
		}
		for range 2 {
			if done := sweepOnce(t, l); done.Record.Erased != 0 {
				t.Errorf("the sweep counts %d erased entries", done.Record.Erased)
			}
			if f := checkFsck(t, l); f.Lost != x.Entries {
				t.Errorf("fsck counts %d lost, want %d", f.Lost, x.Entries)
			}
		}
		ended++
	})
	if ended == 0 {
		t.Error("no sweep has ended: this shows nothing")
	}
}

// TestLossKeyLost loses the key of a statement, too. Nobody can open the statement any more, so another is made.
func TestLossKeyLost(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	trust := trustIn(t, l)
	index, _, _ := loseOne(t, l)
	first := stateLoss(t, l)
	for k, v := range rowsOf(t, l, 'w') {
		if k[5] == 'l' { // as which it names a key that is not there
			v[0] ^= 1
			overwrite(t, l, k, v)
		}
	}
	if f, err := l.Fsck(t.Context(), nil); err != nil || f.Lost != 0 || len(f.Problems) == 0 {
		t.Errorf("the key is gone, and fsck says %v, %v", f.Problems, err)
	}
	again := stateLoss(t, l)
	if again.Entries != 1 || again.Index <= first.Index {
		t.Fatalf("%+v", again)
	}
	if r := lostReport(t, l, trust, index); r.Index != again.Index {
		t.Errorf("it opens by the statement in entry %d", r.Index)
	}
	if f := checkFsck(t, l); f.Lost != 1 {
		t.Errorf("fsck counts %d lost", f.Lost)
	}
}

// TestStateLossInterrupted stops a statement at every step of the disk. The next call finishes it: the log states
// once what is lost, and whoever asks gets an opening.
func TestStateLossInterrupted(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	index, _, _ := loseOne(t, l)
	rng := rand.New(rand.NewPCG(1, 2))
	var stopped []*world
	w.during("begin", func() { w.onStep = func(string, int) { stopped = append(stopped, w.crash(0, rng)) } })
	x := stateLoss(t, l)
	w.during("end", func() {
		stopped = append(stopped, w.crash(0, rng)) // behind the statement, whether or not another step was
		w.onStep = nil
	})
	kept, published := 0, 0
	for i, c := range stopped {
		l := c.open()
		before := l.Log().Head().Size
		if len(rowsOf(t, l, 'w')) > 0 {
			kept++
		}
		y := stateLoss(t, l)
		if done := before > x.Index; done {
			published++
			if y.Entries != 0 {
				t.Errorf("step %d: it is stated twice", i)
			}
		} else if y.Entries != 1 || y.Index != x.Index {
			t.Errorf("step %d: %+v", i, y)
		}
		trust := trustIn(t, l)
		if r := lostReport(t, l, trust, index); r.Index != x.Index {
			t.Errorf("step %d: stated in entry %d", i, r.Index)
		}
		checkFsck(t, l)
		c.close(l)
	}
	if kept == 0 || kept == published || published == 0 {
		t.Errorf("of %d steps %d are behind what is kept and %d behind the statement", len(stopped), kept, published)
	}
}

// TestLossFoundAgain: what comes back before an interrupted statement is finished is not stated as lost.
func TestLossFoundAgain(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	_, listed, row := loseOne(t, l)
	rng := rand.New(rand.NewPCG(1, 2))
	var stopped []*world
	w.during("begin", func() { w.onStep = func(string, int) { stopped = append(stopped, w.crash(0, rng)) } })
	x := stateLoss(t, l)
	w.during("end", func() { w.onStep = nil })
	interrupted := 0
	for i, c := range stopped {
		l := c.open()
		kept, size := false, l.Log().Head().Size
		for k := range rowsOf(t, l, 'w') {
			kept = kept || k[5] == 'l'
		}
		if kept && size <= x.Index {
			interrupted++
			overwrite(t, l, listed, row)
			if y := stateLoss(t, l); y.Entries != 0 || l.Log().Head().Size != size {
				t.Errorf("step %d: an entry that can be read again is stated as lost: %+v", i, y)
			}
			remove(t, l, listed)
			if y := stateLoss(t, l); y.Entries != 1 || y.Index != size {
				t.Errorf("step %d: it is lost again: %+v", i, y)
			}
			checkFsck(t, l)
		}
		c.close(l)
	}
	if interrupted == 0 {
		t.Error("no statement was interrupted")
	}
}
