package erasure

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
)

// afterCrash boots the world and checks everything that has to hold, whatever was going on.
func (w *world) afterCrash(ctx string) {
	w.t.Helper()
	certs, err := w.boot()
	if err != nil {
		w.t.Fatalf("%s: %v", ctx, err)
	}
	w.settled(ctx, certs, "s:ada")
}

// settled checks that nothing is left open: whoever was asked to be erased is, with one record and one
// certificate, or was never asked for; everybody else reads on.
func (w *world) settled(ctx string, certs []*Certificate, subject string) {
	w.t.Helper()
	if left := w.e.Pending(); len(left) != 0 {
		w.t.Errorf("%s: %d jobs left", ctx, len(left))
	}
	rs, _ := w.records()
	_, err := w.read(subject, "marketing", "")
	switch erased := errors.Is(err, keystore.ErrNoKey); {
	case erased && len(rs) == 0:
		w.t.Errorf("%s: erased without a record", ctx)
	case !erased && err != nil:
		w.t.Errorf("%s: neither erased nor readable: %v", ctx, err)
	case !erased && len(rs) != 0:
		w.t.Errorf("%s: readable, and recorded as erased", ctx)
	}
	if len(rs) > 1 {
		w.t.Errorf("%s: %d records of one epoch", ctx, len(rs))
	}
	if len(certs) > len(rs) {
		w.t.Errorf("%s: %d certificates, %d records", ctx, len(certs), len(rs))
	}
	for _, c := range certs {
		w.verify(c)
		w.verify(c.Officer())
		if c.Entries != 3 || c.Opening == nil {
			w.t.Errorf("%s: certificate %+v", ctx, c)
		}
	}
	if len(rs) == 1 {
		th := w.thief()
		if texts, err := readFrom(th.tree, th.rows, subject, "marketing", ""); err == nil {
			w.t.Errorf("%s: a thief reads %d erased events", ctx, len(texts))
		}
		officers, err := w.e.Certificates(w.t.Context())
		if err != nil || len(officers) != 1 {
			w.t.Errorf("%s: %d officer's copies, %v", ctx, len(officers), err)
		}
		for _, c := range officers {
			w.verify(c)
		}
	}
	w.wantRead("s:bob", 3, 1)
	w.wantRead("s:cyn", 3, 1)
	if texts, err := w.read(subject, "tax", "2021"); err != nil || len(texts) != 1 {
		w.t.Errorf("%s: tax of the erased: %d, %v", ctx, len(texts), err)
	}
}

// TestCrashAtEveryState stops right behind every state that is durable.
func TestCrashAtEveryState(t *testing.T) {
	for s := Requested; s <= Recorded; s++ {
		t.Run(s.String(), func(t *testing.T) {
			w := newWorld(t)
			w.people()
			w.crashBehind(s, "s:ada", func() {})
			w.afterCrash("after " + s.String())
			if rs, _ := w.records(); len(rs) != 1 {
				t.Errorf("%d records: a request that was durable was not finished", len(rs))
			}
			// Recovery is idempotent.
			w.o.at = nil
			certs, err := w.boot()
			if err != nil || len(certs) != 0 {
				t.Errorf("a second restart: %d certificates, %v", len(certs), err)
			}
			w.settled("a second restart", nil, "s:ada")
			if _, err := w.e.Erase(t.Context(), w.erasing("s:bob")); err != nil {
				t.Error(err)
			}
			if rs, _ := w.records(); len(rs) != 2 {
				t.Errorf("%d records", len(rs))
			}
		})
	}
}

// TestCrashAtEveryWrite stops at every single write of an erasure: of rows, at the holder, in the log; once
// just before it takes effect and once just after.
func TestCrashAtEveryWrite(t *testing.T) {
	for _, effect := range []bool{false, true} {
		for n := 1; ; n++ {
			ctx := fmt.Sprintf("write %d, effect %v", n, effect)
			w := newWorld(t)
			w.people()
			r := w.erasing("s:ada")
			w.stopIn(n, effect)
			c, err := w.e.Erase(t.Context(), r)
			if err == nil {
				if n < 10 {
					t.Errorf("an erasure takes only %d writes", n-1)
				}
				w.verify(c)
				break
			}
			if !errors.Is(err, errStopped) {
				t.Fatalf("%s: %v", ctx, err)
			}
			w.afterCrash(ctx)
		}
	}
}

// TestCrashTwice stops at a write of an erasure, and then again and again during recovery.
func TestCrashTwice(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range histories(60) {
		w := newWorld(t)
		w.people()
		r := w.erasing("s:ada")
		w.stopIn(1+rnd.IntN(20), rnd.IntN(2) == 0)
		ctx := fmt.Sprintf("history %d", i)
		_, err := w.e.Erase(t.Context(), r)
		var certs []*Certificate
		waited := err == nil || w.recorded()
		for err != nil {
			if !errors.Is(err, errStopped) {
				t.Fatalf("%s: %v", ctx, err)
			}
			w.end()
			w.stopIn(1+rnd.IntN(15), rnd.IntN(2) == 0)
			certs, err = w.reopen()
		}
		w.stopIn(0, false)
		w.settled(ctx, certs, "s:ada")
		w.claims(ctx, waited)
	}
}

// recorded reports whether some epoch is RECORDED.
func (w *world) recorded() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k := range w.rows {
		if k[0] == space && k[1] == kindRecorded {
			return true
		}
	}
	return false
}

// claims checks that the certificate of an erasure that recovery ended was given away, with its opening, however
// often recovery was interrupted; and that no other was.
func (w *world) claims(ctx string, waited bool) {
	w.t.Helper()
	rs, _ := w.records()
	if given := len(w.unclaimed) > 0; given != (!waited && len(rs) == 1) {
		w.t.Errorf("%s: %d certificates that nobody waits for, of %d records; somebody waited: %v", ctx, len(w.unclaimed), len(rs), waited)
	}
	for _, c := range w.unclaimed {
		w.verify(c)
		if c.Opening == nil || c.Commitment != w.unclaimed[0].Commitment {
			w.t.Errorf("%s: certificate %+v", ctx, c)
		}
	}
}

// histories scales a number of random runs.
func histories(n int) int {
	if s := os.Getenv("LACUNA_TEST_HISTORIES"); s != "" {
		if m, err := strconv.Atoi(s); err == nil {
			return m
		}
	}
	return n
}

// TestRecordOnce stops right after the log took the record. The control looks for it with a ledger that
// never finds anything: then there are two.
func TestRecordOnce(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		w := newWorld(t)
		w.people()
		w.deaf = deaf
		w.e.o.at = func(s State) error {
			if s == Scrubbed {
				w.stopIn(len(w.queue)+1, true) // what is queued goes with the log's
			}
			return nil
		}
		if _, err := w.e.Erase(t.Context(), w.erasing("s:ada")); !errors.Is(err, errStopped) {
			t.Fatal(err)
		}
		if len(w.log) != 1 {
			t.Fatalf("%d records before the crash", len(w.log))
		}
		if _, err := w.boot(); err != nil {
			t.Fatal(err)
		}
		want := 1
		if deaf {
			want = 2
		}
		if len(w.log) != want {
			t.Errorf("%d records, want %d", len(w.log), want)
		}
	}
}
