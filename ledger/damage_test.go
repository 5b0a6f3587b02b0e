package ledger_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/event"
)

// TestEraseDamaged damages one event of somebody. What needs all of their events says so, and an erasure takes
// everything all the same, and names what could not be read.
func TestEraseDamaged(t *testing.T) {
	const (
		given     = `{"type":"consent.given","subject":"p","form":"web-partner","contact":"mailto:p@shop.example"}`
		mailed    = `{"type":"communication.sent","subject":"p","purpose":"partner-mail","channel":"email"}`
		disclosed = `{"type":"data.disclosed","subject":"p","purpose":"partner-mail","recipient":"mailer","attributes":["Name"],"recipient_ref":"m-1"}`
	)
	flip := func(t *testing.T, l *ledger.Ledger, _, envelope string) {
		v := rowsOf(t, l, 'e')[envelope]
		v[len(v)-1] ^= 1
		overwrite(t, l, envelope, v)
	}
	missing := func(t *testing.T, l *ledger.Ledger, _, envelope string) { remove(t, l, envelope) }
	beyond := func(t *testing.T, l *ledger.Ledger, list, _ string) {
		v := rowsOf(t, l, 's')[list]
		v[0] ^= 0x80
		overwrite(t, l, list, v)
	}
	short := func(t *testing.T, l *ledger.Ledger, list, _ string) {
		overwrite(t, l, list, rowsOf(t, l, 's')[list][1:])
	}
	for _, test := range []struct {
		name    string
		victim  string // that is damaged
		damage  func(t *testing.T, l *ledger.Ledger, list, envelope string)
		waits   bool
		told    bool // the recipient is known all the same
		answers bool // afterwards an answer can be had: no
		unknown bool // where the damaged entry is
		counted bool // the damaged event is only counted, and the list says so: nobody needs it
	}{
		{"one bit of what is erased", mailed, flip, false, true, true, false, true},
		{"what is erased is missing", mailed, missing, false, true, true, false, true},
		{"and was asked for before", disclosed, missing, true, false, true, false, false},
		{"who received something", disclosed, flip, false, false, true, false, false},
		{"the list of what is erased leads nowhere", disclosed, beyond, false, false, true, true, false},
		{"the list of what is erased is of another length", mailed, short, false, true, true, true, false},
		{"the end of the list of what is erased is of another length", disclosed, short, true, false, true, true, false},
		{"the list of what is kept is of another length", given, short, false, true, false, true, false},
		{"what is kept", given, flip, false, true, false, false, false},
		{"the list of what is kept leads nowhere", given, beyond, false, true, false, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			l := w.open()
			declare(t, l)
			var list, envelope string
			var index uint64
			for _, text := range []string{given, mailed, disclosed} {
				envelopes := madeBy(t, l, 'e', func() {
					lists := madeBy(t, l, 's', func() {
						if at := must(t, l, text)[0].Index; text == test.victim {
							index = at
						}
					})
					if text == test.victim {
						list = lists[0]
					}
				})
				if text == test.victim {
					envelope = envelopes[0]
				}
			}
			if test.waits {
				l = w.policy(l, ledger.ErasePolicy{CoolingOff: "P3D"})
			}
			test.damage(t, l, list, envelope)
			w.close(l)
			l = w.open()
			if _, err := l.Timeline(t.Context(), "p"); err == nil {
				t.Fatal("nothing is damaged")
			}
			if a, err := l.May(t.Context(), "p", question("partner-mail", "email")); (err == nil) != test.counted {
				t.Fatalf("where a damaged event is counted %v, %+v, %v", test.counted, a, err)
			}
			p, cert, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"})
			if test.waits {
				w.clock.move(4 * 24 * time.Hour)
				cert, err = l.StartErasure(t.Context(), waitingID(t, err), nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			if test.counted && len(p.Unread) == 0 {
				// It was not read, and goes all the same.
			} else if len(p.Unread) != 1 || p.Unread[0].Why == nil || !test.unknown && p.Unread[0].Index != index {
				t.Errorf("of entry %d the plan says %+v", index, p.Unread)
			}
			if told := slices.Contains(cert.Terms.Recipients, "mailer"); told != test.told {
				t.Errorf("to be told: %v", cert.Terms.Recipients)
			}
			if p.Erases() != 2 || len(cert.Terms.Erased) != 1 || cert.Terms.Erased[0].Compartment != "partner" {
				t.Errorf("%d events, %+v", p.Erases(), cert.Terms.Erased)
			}
			a, err := l.May(t.Context(), "p", question("partner-mail", "email"))
			if (err == nil) != test.answers || a.Decision == consent.Allow {
				t.Errorf("afterwards: %+v, %v", a, err)
			}
			// Everything goes, too, where nothing of it can be read.
			if test.waits {
				return
			}
			if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p", Everything: true}); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Timeline(t.Context(), "p"); !isNotFound(err) {
				t.Errorf("after everything was erased: %v", err)
			}
		})
	}
}

// TestEraseDamagedBack: a consent that could not be read when its person was erased is withdrawn with the others. When
// it can be read again, it allows nothing.
func TestEraseDamagedBack(t *testing.T) {
	for _, known := range []bool{true, false} {
		w := newWorld(t)
		l := w.open()
		declare(t, l)
		gone := madeBy(t, l, 'e', func() {
			must(t, l, `{"type":"consent.given","subject":"p","form":"web-partner","contact":"mailto:p@shop.example"}`)
		})
		consented := rowsOf(t, l, 'e')[gone[0]]
		other := madeBy(t, l, 'e', func() {
			must(t, l, `{"type":"data.disclosed","subject":"p","purpose":"partner-mail","recipient":"mailer","attributes":["Name"]}`)
		})
		if !known {
			gone = append(gone, other...)
		}
		for _, envelope := range gone {
			v := rowsOf(t, l, 'e')[envelope]
			v[len(v)-1] ^= 1
			overwrite(t, l, envelope, v)
		}
		w.close(l)
		l = w.open()
		if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil {
			t.Fatal(err)
		}
		overwrite(t, l, gone[0], consented)
		w.close(l)
		l = w.open()
		a, err := l.May(t.Context(), "p", question("partner-mail", "email"))
		if err != nil || a.Decision == consent.Allow {
			t.Errorf("of somebody who is known %v and was erased: %+v, %v", known, a, err)
		}
		if es, err := l.Timeline(t.Context(), "p"); err != nil || len(es) != 2 {
			t.Errorf("%d events, want the consent and its end, %v", len(es), err)
		}
		checkFsck(t, l)
	}
}

// TestEraseDamagedHeld: a hold stands although its event is damaged, because the keys say so. One whose release is
// damaged does not: nobody could release it again.
func TestEraseDamagedHeld(t *testing.T) {
	for _, released := range []bool{false, true} {
		w := newWorld(t)
		l := w.open()
		declare(t, l)
		must(t, l, chatted)
		damaged := madeBy(t, l, 'e', func() { must(t, l, held, "h-1", "*") })
		if released {
			damaged = madeBy(t, l, 'e', func() { must(t, l, release, "h-1") })
		}
		remove(t, l, damaged[0])
		w.close(l)
		l = w.open()
		_, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"})
		if held := errors.Is(err, erasure.ErrHeld); held == released || released && err != nil {
			t.Errorf("released %v: %v", released, err)
		}
	}
}

// TestEraseDamagedUnmarked takes the flag of a hold away, and damages something that cannot be its release: the
// hold stands, because its event is still there.
func TestEraseDamagedUnmarked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	damaged := madeBy(t, l, 'e', func() {
		must(t, l, `{"type":"consent.given","subject":"p","form":"web-partner","contact":"mailto:p@shop.example"}`)
	})
	must(t, l, chatted)
	must(t, l, held, "h-1", "chat")
	keys, err := ledger.Tree(l).Keys(t.Context(), ledger.Person("p"))
	if err != nil {
		t.Fatal(err)
	}
	off, unmarked := false, 0
	for _, k := range keys {
		if k.Compartment == "chat" && k.Held {
			if err := ledger.Tree(l).Update(t.Context(), keystore.Change{Ref: k.Ref, Held: &off}); err != nil {
				t.Fatal(err)
			}
			unmarked++
		}
	}
	if len(damaged) != 1 || unmarked != 1 {
		t.Fatalf("%d rows and %d flags, want one of each", len(damaged), unmarked)
	}
	remove(t, l, damaged[0])
	w.close(l)
	l = w.open()
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); heldBy(err) == nil {
		t.Errorf("what is held was erased: %v", err)
	}
}

// TestRetentionDamaged: what is damaged of one person does not keep the keys of others, nor theirs.
func TestRetentionDamaged(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	var damaged []string
	for _, who := range []string{"p", "q"} {
		damaged = madeBy(t, l, 'e', func() {
			must(t, l, `{"type":"consent.given","subject":%q,"form":"web-partner","contact":"mailto:p@shop.example"}`, who)
		})
		must(t, l, `{"type":"communication.sent","subject":%q,"purpose":"partner-mail","channel":"email"}`, who)
		must(t, l, `{"type":"consent.withdrawn","subject":%q,"purpose":"*"}`, who)
	}
	remove(t, l, damaged[0])
	w.close(l)
	l = w.open()
	lines, _, err := l.RunRetention(t.Context(), time.Date(2035, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	keys := 0
	for _, line := range lines {
		keys += line.Keys
	}
	if keys != 4 {
		t.Errorf("of four keys whose last day has passed %d were destroyed: %+v", keys, lines)
	}
}

// TestReleaseDamaged: a hold is released although something of the person is damaged, be it
// the hold itself, and frees the keys. Another that may be among what cannot be read stays.
func TestReleaseDamaged(t *testing.T) {
	const given = `{"type":"consent.given","subject":"p","form":"web-partner","contact":"mailto:p@shop.example"}`
	for _, test := range []struct {
		name     string
		place    []string // holds
		damage   []string
		release  []string
		released bool
	}{
		{"something else", []string{"h-1"}, []string{given}, []string{"h-1"}, true},
		{"the hold", []string{"h-1"}, []string{"h-1"}, []string{"h-1"}, true},
		{"the hold, released twice", []string{"h-1"}, []string{"h-1"}, []string{"h-1", "h-1"}, true},
		{"another hold", []string{"h-1", "h-2"}, []string{"h-1"}, []string{"h-2"}, false},
		{"one of two", []string{"h-1", "h-2"}, []string{"h-1"}, []string{"h-1"}, false},
		{"one after the other", []string{"h-1", "h-2"}, []string{"h-1"}, []string{"h-1", "h-2"}, true},
		{"two", []string{"h-1", "h-2"}, []string{"h-1", "h-2"}, []string{"h-1"}, false},
		{"two, one twice", []string{"h-1", "h-2"}, []string{"h-1", "h-2"}, []string{"h-1", "h-1"}, false},
		{"two, both released", []string{"h-1", "h-2"}, []string{"h-1", "h-2"}, []string{"h-1", "h-2"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			l := w.open()
			declare(t, l)
			rows := map[string]string{given: madeBy(t, l, 'e', func() { must(t, l, given) })[0]}
			must(t, l, chatted)
			for _, id := range test.place {
				rows[id] = madeBy(t, l, 'e', func() { must(t, l, held, id, "*") })[0]
			}
			for _, what := range test.damage {
				remove(t, l, rows[what])
			}
			w.close(l)
			l = w.open()
			if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); !errors.Is(err, erasure.ErrHeld) {
				t.Fatalf("held: %v", err)
			}
			for _, id := range test.release {
				must(t, l, release, id)
				w.close(l)
				l = w.open()
			}
			if got := marked(t, l, "p")["chat 2026-05"] == ""; got != test.released {
				t.Errorf("released %v", got)
			}
			if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); errors.Is(err, erasure.ErrHeld) == test.released || test.released && err != nil {
				t.Errorf("erasing: %v", err)
			}
		})
	}
}

// TestReleaseOfAnother: what can be read, on or over, is not taken for a hold that cannot be.
func TestReleaseOfAnother(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	row := madeBy(t, l, 'e', func() { must(t, l, held, "h-1", "*") })[0]
	must(t, l, held, "h-2", "*")
	must(t, l, release, "h-2")
	must(t, l, `{"type":"restriction.applied","id":"h-3","subject":"p","compartment":"*","ground":"accuracy"}`)
	remove(t, l, row)
	w.close(l)
	l = w.open()
	for _, id := range []string{"h-2", "h-3"} {
		if _, err := l.Record(t.Context(), parse(t, fmt.Sprintf(release, id))); !refusedWith(err, event.BadTransition) {
			t.Errorf("releasing %s: %v", id, err)
		}
	}
	if marked(t, l, "p")["chat 2026-05"] == "" {
		t.Error("what cannot be read was released")
	}
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); !errors.Is(err, erasure.ErrHeld) {
		t.Errorf("erasing: %v", err)
	}
}

// TestReadDamaged: an entry is erased where an erasure accounts for it, and nowhere else. What is damaged cannot be
// read, and whoever asks is not told that it was erased.
func TestReadDamaged(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	record := func(who string) (index uint64, envelope string) {
		made := madeBy(t, l, 'e', func() {
			index = must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, who)[0].Index
		})
		return index, made[0]
	}
	flipped, row := record("p")
	v := rowsOf(t, l, 'e')[row]
	for i := range v {
		v[i] ^= 1
	}
	overwrite(t, l, row, v)
	missing, row := record("p")
	remove(t, l, row)
	erased, _ := record("q")
	both, row := record("q")
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "q"}); err != nil {
		t.Fatal(err)
	}
	remove(t, l, row)
	for _, x := range []struct {
		what   string
		index  uint64
		erased bool
	}{{"damaged", flipped, false}, {"missing", missing, false}, {"erased", erased, true}, {"erased, and missing since", both, true}} {
		_, got := l.Get(t.Context(), x.index)
		_, proved := l.Prove(t.Context(), x.index, ledger.ProveOptions{NoAssertion: true})
		for _, err := range []error{got, proved} {
			if isErased(err) != x.erased || as[*ledger.UnreadableError](err) == x.erased {
				t.Errorf("%s: %v", x.what, err)
			}
		}
	}
	stateLoss(t, l)
	if _, err := l.Get(t.Context(), flipped); !as[*ledger.EntryLostError](err) {
		t.Errorf("stated as lost: %v", err)
	}
}

// TestListRowAstray damages list rows of the living: one is cut, one points at another's event, one at an erased one,
// one at none, one is missing, and one at the end of a list. Their keys still open the events, so nothing is lost, and a sweep writes the rows anew.
func TestListRowAstray(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	rows := map[string][]string{}
	at := map[string][]uint64{}
	for i := range 3 {
		for _, who := range []string{"p", "q", "r", "s", "t", "u", "erased"} {
			rows[who] = append(rows[who], madeBy(t, l, 's', func() {
				at[who] = append(at[who], must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer %d"}`, who, i)[0].Index)
			})...)
		}
	}
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "erased"}); err != nil {
		t.Fatal(err)
	}
	all := rowsOf(t, l, 's')
	lead := func(who string, to uint64) {
		row := all[rows[who][1]]
		binary.BigEndian.PutUint64(row, binary.BigEndian.Uint64(row)^at[who][1]^to)
		overwrite(t, l, rows[who][1], row)
	}
	overwrite(t, l, rows["p"][1], all[rows["p"][1]][:20])
	lead("q", at["p"][0])
	lead("r", at["erased"][2])
	lead("s", 1<<40)
	remove(t, l, rows["t"][1])
	remove(t, l, rows["u"][2])
	at["u"][1] = at["u"][2]
	w.close(l)
	l = w.open()
	f, err := l.Fsck(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"p", "q", "r", "s", "t", "u"} {
		if want := fmt.Sprintf("entry %d: its key opens it, and no list row leads to it: the next sweep writes one", at[who][1]); !slices.Contains(f.Problems, want) {
			t.Errorf("of %s fsck says %q", who, f.Problems)
		}
	}
	for _, p := range f.Problems {
		if strings.Contains(p, "_prev") || strings.Contains(p, "lost") || strings.Contains(p, "no erasure accounts") {
			t.Errorf("fsck says %q", p)
		}
	}
	if x := stateLoss(t, l); x.Entries != 0 {
		t.Errorf("what can be read is stated as lost: %+v", x)
	}
	if done := sweepOnce(t, l); done.Record.Erased != 3 {
		t.Errorf("the sweep counts %d erased entries", done.Record.Erased)
	}
	w.close(l)
	l = w.open()
	checkFsck(t, l)
	for _, who := range []string{"p", "q", "r", "s", "t", "u"} {
		if es, err := l.Timeline(t.Context(), who); err != nil || len(es) != 3 {
			t.Errorf("%s has %d events, %v", who, len(es), err)
		}
	}
}

// TestSweepBesideDamage: neither the sealed form of an erased event nor a row of request tags is needed by anybody, so
// a sweep does without them, and whoever is there is whole behind it.
func TestSweepBesideDamage(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	must(t, l, chatted)
	sealed := madeBy(t, l, 'e', func() {
		must(t, l, `{"type":"processing.performed","subject":"q","purpose":"chat-service","operation":"answer"}`)
	})
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "q"}); err != nil {
		t.Fatal(err)
	}
	remove(t, l, sealed[0])
	for k, row := range rowsOf(t, l, 'q') {
		overwrite(t, l, k, row[1:])
	}
	w.close(l)
	l = w.open()
	f, err := l.Fsck(t.Context(), nil)
	if err != nil || len(f.Problems) != 1 || !strings.Contains(f.Problems[0], "the next sweep puts random bytes there") {
		t.Errorf("%q, %v", f.Problems, err)
	}
	if done := sweepOnce(t, l); done.Record.Erased != 1 {
		t.Errorf("%d entries are erased", done.Record.Erased)
	}
	w.close(l)
	l = w.open()
	checkFsck(t, l)
	must(t, l, chatted)
}
