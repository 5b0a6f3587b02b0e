package ledger_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// TestNothingReadable runs a ledger on real files, with people whose identifiers,
// contacts and texts are long and distinctive, backs it up, erases, restores; and
// then looks for any of it, in any form, in every file that was written, every row,
// everything that is served, every line that was logged and every error. There is
// none, living or erased, at any time: identifiers and payloads exist only inside
// sealed bytes.
//
// The controls plant one and find it.
func TestNothingReadable(t *testing.T) {
	t.Parallel()
	x := newScanned(t)
	l := x.open()
	declare(t, l)
	x.check(l, "with a register")

	for _, text := range x.texts() {
		must(t, l, text)
	}
	x.refusals(l)
	x.check(l, "after recording")
	if _, err := l.Backup(t.Context(), x.path("backup-1")); err != nil {
		t.Fatal(err)
	}
	x.check(l, "after a backup")

	for i, person := range x.people {
		if i%2 == 0 {
			x.talk(l.Erase(t.Context(), ledger.EraseRequest{Subject: person, Everything: i == 0}))
			x.talk(l.Timeline(t.Context(), person))
			x.talk(l.PlanErase(t.Context(), ledger.EraseRequest{Subject: person}))
		}
	}
	x.check(l, "after erasures")
	for _, text := range x.texts()[:4] {
		x.record(l, strings.Replace(text, `{`, `{"id":"again",`, 1))
	}
	if _, err := l.Backup(t.Context(), x.path("backup-2")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	x.files("closed")

	l = x.open()
	checkFsck(t, l)
	x.check(l, "opened again")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	restored, err := ledger.Restore(t.Context(), ledger.RestoreOptions{
		From: x.path("backup-1"), Dir: x.path("restored"), Root: []string{x.path("crm.root")}, Pages: x.path("pages"), SigningKey: x.path("crm/log.skey"),
	})
	if err != nil {
		t.Fatal(err)
	}
	x.say("%+v", restored)
	l = x.openAt("restored")
	x.check(l, "restored")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	l = x.open()
	x.controls(l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// scanned is a ledger on real files with everything it says.
type scanned struct {
	t       *testing.T
	dir     string
	people  []string
	secrets []string
	scan    *scanner

	mu   sync.Mutex
	said bytes.Buffer
}

func newScanned(t *testing.T) *scanned {
	x := &scanned{t: t, dir: t.TempDir()}
	for i := range 8 {
		x.people = append(x.people, fmt.Sprintf("kunde:müller-lüdenscheidt/%04d/Ärztekammer", 7000+i))
	}
	x.secrets = append([]string{
		"leonore.koehler-42@surfeu.example", "+497112842222999", "m-88121-mailer-kennung", "wamid.HBgNNDk3MTEyODQyMjIyGEHEIM",
		"hat am Telefon „nein“ gesagt", "Grund: Umzug nach Köln-Ehrenfeld", "sachbearbeiterin-özdemir", "frage-zur-bestellung-nr-4711-privat",
	}, x.people...)
	x.scan = newScanner(x.secrets)
	err := ledger.Init(t.Context(), ledger.InitOptions{Dir: x.path("crm"), Origin: "scan.lacuna.test", Root: []string{x.path("crm.root")}, Pages: x.path("pages")})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *scanned) path(name string) string { return filepath.Join(x.dir, name) }

func (x *scanned) open() *ledger.Ledger { return x.openAt("crm") }

func (x *scanned) openAt(name string) *ledger.Ledger {
	x.t.Helper()
	l, err := ledger.OpenOn(x.t.Context(), ledger.Options{Dir: x.path(name), Warn: func(s string) { x.say("%s", s) }}, ledger.Seams{
		Log: func(o *log.Options) {
			o.Logger = slog.New(slog.NewTextHandler(x, &slog.HandlerOptions{Level: slog.LevelDebug}))
		},
	})
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { l.Close() })
	return l
}

// Write takes what is logged.
func (x *scanned) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.said.Write(b)
}

func (x *scanned) say(format string, args ...any) { fmt.Fprintf(x, format+"\n", args...) }

// talk notes what calls answer where the answer is something that gets logged.
func (x *scanned) talk(answers ...any) {
	for _, a := range answers {
		if p, ok := a.(*ledger.Plan); ok && p != nil {
			x.say("%+v", p.Lines) // the recipients of a plan are a worklist, with names
			continue
		}
		x.say("%v %+v %#v", a, a, a)
	}
}

// texts are events full of secrets.
func (x *scanned) texts() (texts []string) {
	q := quoted
	for i, p := range x.people {
		tok, hash := token(p)
		add := func(format string, args ...any) { texts = append(texts, fmt.Sprintf(format, args...)) }
		add(`{"type":"consent.requested","subject":%s,"form":"web-newsletter","contact":"mailto:leonore.koehler-42@surfeu.example","doi_token_sha256":%q}`, q(p), hash)
		add(`{"type":"consent.given","subject":%s,"form":"web-newsletter","token":%q,"message_id":"wamid.HBgNNDk3MTEyODQyMjIyGEHEIM"}`, q(p), tok)
		add(`{"type":"consent.given","subject":%s,"form":"chat-start","contact":"tel:+497112842222999","decisions":{"chat-service":"yes","newsletter":"no"}}`, q(p))
		add(`{"type":"data.disclosed","subject":%s,"purpose":"own-products","recipient":"mailer","attributes":["Name"],"recipient_ref":"m-88121-mailer-kennung"}`, q(p))
		add(`{"type":"processing.performed","subject":%s,"purpose":"chat-service","operation":"frage-zur-bestellung-nr-4711-privat"}`, q(p))
		add(`{"type":"processing.performed","subject":%s,"purpose":"invoices","operation":"store","actor":{"id":"sachbearbeiterin-özdemir"},"event_time":"2021-04-05T06:07:08Z","late_reason":%s}`, q(p), q("Grund: Umzug nach Köln-Ehrenfeld"))
		if i%3 == 0 {
			add(`{"type":"consent.withdrawn","subject":%s,"purpose":"*","channel":"phone","reason":%s}`, q(p), q("hat am Telefon „nein“ gesagt"))
		}
	}
	return texts
}

func (x *scanned) record(l *ledger.Ledger, text string) {
	x.t.Helper()
	rec, err := l.Record(x.t.Context(), parse(x.t, text))
	x.talk(rec, err)
}

// refusals asks for what is refused, so that the errors can be scanned.
func (x *scanned) refusals(l *ledger.Ledger) {
	ctx := x.t.Context()
	for _, p := range x.people {
		x.record(l, fmt.Sprintf(`{"type":"consent.given","subject":%s,"form":"web-newsletter","contact":"mailto:leonore.koehler-42@surfeu.example","token":"kq3vB0dXw1mYx8s2Jt6PzA"}`, quoted(p)))
		x.record(l, fmt.Sprintf(`{"type":"processing.performed","subject":%s,"purpose":%s,"operation":"x"}`, quoted(p), quoted(p)))
		x.record(l, fmt.Sprintf(`{"type":"data.disclosed","subject":%s,"purpose":"newsletter","recipient":"mailer","attributes":[%s]}`, quoted(p), quoted(p)))
		x.talk(l.Timeline(ctx, p+"?"))
		x.talk(l.May(ctx, p, question(p, p)))
		x.talk(l.PlanErase(ctx, ledger.EraseRequest{Subject: p + "?"}))
		entries, err := l.Timeline(ctx, p)
		x.talk(entries, err)
		if len(entries) > 0 {
			x.talk(l.Prove(ctx, entries[0].Index, ledger.ProveOptions{Reveal: []string{"nothing"}}))
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	x.talk(l.Timeline(cancelled, x.people[0]))
	x.talk(l.Get(ctx, 1<<40))
	x.talk(l.Examine())
	x.talk(l.Fsck(ctx, func(stage string, done, total uint64) { x.say("%s %d %d", stage, done, total) }))
}

// check scans everything.
func (x *scanned) check(l *ledger.Ledger, when string) {
	x.t.Helper()
	x.files(when)
	for _, f := range x.rows(l) {
		x.t.Errorf("%s: %s", when, f)
	}
	for _, f := range x.served(l) {
		x.t.Errorf("%s: %s", when, f)
	}
	for _, f := range x.heard() {
		x.t.Errorf("%s: said: %s", when, f)
	}
}

func (x *scanned) files(when string) {
	x.t.Helper()
	found, n := x.scan.files(x.t, x.dir)
	if n == 0 {
		x.t.Errorf("%s: no byte was scanned", when)
	}
	for _, f := range found {
		x.t.Errorf("%s: %s", when, f)
	}
}

// rows scans every row that the ledger may write.
func (x *scanned) rows(l *ledger.Ledger) (found []string) {
	x.t.Helper()
	for _, space := range ledger.Spaces {
		err := l.Log().Scan(x.t.Context(), []byte{space}, []byte{space + 1}, func(k, v []byte) error {
			for _, f := range slices.Concat(x.scan.in(k), x.scan.in(v)) {
				found = append(found, fmt.Sprintf("row of space %c: secret %d, %s", space, f.secret, f.name))
			}
			return nil
		})
		if err != nil {
			x.t.Fatal(err)
		}
	}
	return found
}

// served scans what mirrors and witnesses get.
func (x *scanned) served(l *ledger.Ledger) (found []string) {
	x.t.Helper()
	paths := []string{"/checkpoint"}
	for tile := range merkle.TilesOf(l.Log().Head().Size) {
		paths = append(paths, "/"+tile.Path())
		if tile.Level == 0 {
			paths = append(paths, "/"+merkle.EntriesPath(tile.Index, tile.Width))
		}
	}
	for _, p := range paths {
		w := httptest.NewRecorder()
		l.Log().Handler().ServeHTTP(w, httptest.NewRequest("GET", p, nil))
		if w.Code != 200 {
			x.t.Fatalf("GET %s: %d", p, w.Code)
		}
		for _, f := range x.scan.in(w.Body.Bytes()) {
			found = append(found, fmt.Sprintf("%s: secret %d, %s", p, f.secret, f.name))
		}
	}
	return found
}

func (x *scanned) heard() (found []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range x.scan.in(x.said.Bytes()) {
		found = append(found, fmt.Sprintf("secret %d, %s", f.secret, f.name))
	}
	return found
}

// controls plant secrets and find them: in a file, a row, a public statement, and
// a line of the log.
func (x *scanned) controls(l *ledger.Ledger) {
	t := x.t
	p := x.people[3]
	name := x.path("crm/log/notes.txt")
	if err := os.WriteFile(name, []byte("about "+p+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, _ := x.scan.files(t, x.dir); len(found) != 1 {
		t.Errorf("control: %d finds of a planted file: %v", len(found), found)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	x.say("recorded an event about %s", p)
	if len(x.heard()) != 1 {
		t.Error("control: a planted log line is not found")
	}
	must(t, l, `{"type":"notice.published","notice_id":"leak","lang":"de","url":"https://shop.example/leak","text":%s,"public":true}`, quoted("Liebe "+p))
	if len(x.served(l)) == 0 {
		t.Error("control: a planted public statement is not found")
	}
	if err := l.Log().Apply(t.Context(), log.Change{Set: []log.Row{{Key: []byte("jx"), Value: []byte(p)}}}); err != nil {
		t.Fatal(err)
	}
	if len(x.rows(l)) != 1 {
		t.Error("control: a planted row is not found")
	}
	if found, _ := x.scan.files(t, x.path("crm")); len(found) < 2 {
		t.Errorf("control: the planted row and statement are not found in the files: %v", found)
	}
}
