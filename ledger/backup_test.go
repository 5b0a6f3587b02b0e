package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// An office is a ledger on real files, with what lies beside it.
type office struct {
	t   *testing.T
	dir string
	n   int
}

func newOffice(t *testing.T) *office {
	o := &office{t: t, dir: t.TempDir()}
	err := ledger.Init(t.Context(), ledger.InitOptions{Dir: o.path("crm"), Origin: "office.lacuna.test", Root: []string{o.path("crm.root")}, Pages: o.path("pages")})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) path(name string) string { return filepath.Join(o.dir, name) }

func (o *office) open(name string) *ledger.Ledger {
	o.t.Helper()
	l, err := ledger.Open(o.t.Context(), ledger.Options{Dir: o.path(name)})
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { l.Close() })
	return l
}

func (o *office) close(l *ledger.Ledger) {
	o.t.Helper()
	if err := l.Close(); err != nil {
		o.t.Fatal(err)
	}
}

// record records an event under a purpose about people.
func (o *office) record(l *ledger.Ledger, people ...string) []ledger.Recorded {
	o.t.Helper()
	var rec []ledger.Recorded
	for _, p := range people {
		o.n++
		rec = append(rec, must(o.t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"question-%d"}`, p, o.n)...)
	}
	return rec
}

func (o *office) erase(l *ledger.Ledger, person string) {
	o.t.Helper()
	if _, _, err := l.Erase(o.t.Context(), ledger.EraseRequest{Subject: person}); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) backup(l *ledger.Ledger, name string) ledger.Manifest {
	o.t.Helper()
	m, err := l.Backup(o.t.Context(), o.path(name))
	if err != nil {
		o.t.Fatal(err)
	}
	return m
}

// burn destroys the primary, and puts its signing key into a safe before.
func (o *office) burn() {
	o.t.Helper()
	copyTo(o.t, o.path("crm/log.skey"), o.path("safe.skey"))
	if err := os.RemoveAll(o.path("crm")); err != nil {
		o.t.Fatal(err)
	}
}

func copyTo(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// restore restores a backup as "restored".
func (o *office) restore(from string, change func(*ledger.RestoreOptions)) (*ledger.Restored, error) {
	ro := ledger.RestoreOptions{
		From: o.path(from), Dir: o.path("restored"), Root: []string{o.path("crm.root")}, SigningKey: o.path("safe.skey"), Pages: o.path("pages"),
	}
	if change != nil {
		change(&ro)
	}
	return ledger.Restore(o.t.Context(), ro)
}

// refused checks that a restore failed in the way it should, in one line, and left
// nothing behind, least of all the signing key.
func (o *office) refused(name string, err error, is func(error) bool) {
	o.t.Helper()
	if err == nil || !is(err) {
		o.t.Errorf("%s: %v", name, err)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		o.t.Errorf("%s: more than one line: %v", name, err)
	}
	if err != nil && strings.Contains(err.Error(), "PRIVATE+KEY") {
		o.t.Errorf("%s: the error shows the signing key", name)
	}
	for _, left := range []string{"restored", "restored.partial"} {
		if _, err := os.Lstat(o.path(left)); !errors.Is(err, fs.ErrNotExist) {
			o.t.Errorf("%s: %s is left behind", name, left)
		}
	}
}

func as[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

// TestRestore loses the primary some time after a backup, in which the log went on
// and people were erased. Who lives is opened as of the backup, who was erased is
// not, by any way; and the copy only reads, because it must not contradict what the
// log signed since.
func TestRestore(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	o.record(l, "living", "erased-before", "erased-after")
	o.erase(l, "erased-before")
	erased := o.record(l, "erased-after")
	m := o.backup(l, "monday")
	o.record(l, "living", "came-later")
	o.erase(l, "erased-after")
	o.record(l, "living")
	size := l.Log().Head().Size
	key := l.VerifierKey()
	o.close(l)
	o.burn()

	r, err := o.restore("monday", nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Known != size || r.Manifest.Size != m.Size || len(r.Missing) != 0 || r.Imported == 0 {
		t.Errorf("%+v; the log had %d entries", r, size)
	}
	var warned []string
	l, err = ledger.Open(t.Context(), ledger.Options{Dir: o.path("restored"), Warn: func(s string) { warned = append(warned, s) }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if !slices.ContainsFunc(warned, func(s string) bool { return strings.Contains(s, "rolled back") }) {
		t.Errorf("not warned: %q", warned)
	}
	count := func(person string) int {
		entries, err := l.Timeline(t.Context(), person)
		if err != nil && !isNotFound(err) {
			t.Fatal(err)
		}
		return len(entries)
	}
	for person, want := range map[string]int{"living": 1, "erased-before": 0, "erased-after": 0, "came-later": 0} {
		if n := count(person); n != want {
			t.Errorf("%s: %d events, want %d", person, n, want)
		}
	}
	if _, err := l.Get(t.Context(), erased[0].Index); !as[*ledger.UnreadableError](err) || !strings.Contains(err.Error(), "older copy") {
		t.Errorf("an entry that was erased since: %v", err)
	}
	checkFsck(t, l)

	// Reading and proving what is there goes on.
	entries, err := l.Timeline(t.Context(), "living")
	if err != nil {
		t.Fatal(err)
	}
	p, err := l.Prove(t.Context(), entries[0].Index, ledger.ProveOptions{})
	if err != nil || p.Asserted {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := l.Verify(p.File); err != nil || l.VerifierKey() != key {
		t.Error(err)
	}
	readsOnly(t, l)
	if n := l.Log().Head().Size; n != m.Size {
		t.Errorf("%d entries, the backup had %d", n, m.Size)
	}
}

// readsOnly tries everything that would write.
func readsOnly(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	_, err := l.Record(t.Context(), parse(t, `{"type":"right.requested","subject":"p","right":"A15","channel":"email"}`))
	_, _, err2 := l.Erase(t.Context(), ledger.EraseRequest{Subject: "living"})
	_, _, err3 := l.RunRetention(t.Context(), time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC))
	_, err4 := l.Record(t.Context(), parse(t, `{"type":"controller.registered","controller_id":"x","name":"X","contact":"x@x.example","jurisdiction":"DE"}`))
	for i, err := range []error{err, err2, err3, err4} {
		if !as[*ledger.ReadOnlyError](err) {
			t.Errorf("writing, way %d: %v", i, err)
		}
	}
}

// TestRestoreUnchanged restores a backup after which nothing happened: the log goes
// on, with the same key, and nobody can tell.
func TestRestoreUnchanged(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	o.record(l, "living", "erased")
	o.erase(l, "erased")
	before := l.Log().Head()
	o.backup(l, "monday")
	o.close(l)
	o.burn()
	if _, err := o.restore("monday", func(r *ledger.RestoreOptions) { r.Pages = "" }); err != nil {
		t.Fatal(err)
	}
	l = o.open("restored")
	o.record(l, "living", "new")
	o.erase(l, "new")
	checkFsck(t, l)
	if root, err := l.Log().RootAt(t.Context(), before.Size); err != nil || root != before.Root {
		t.Errorf("%s, %v", root, err)
	}
	if _, err := l.Timeline(t.Context(), "erased"); !isNotFound(err) {
		t.Errorf("erased: %v", err)
	}
}

// TestRestoreOlderThanSweep restores a backup from before a sweep where nobody knows any
// more how far the log had gone on. Its own keys tell that it is old: it is read, and
// nothing else. The control is a backup from behind the sweep, which records.
func TestRestoreOlderThanSweep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		behind bool
		name   string
	}{{false, "before the sweep"}, {true, "behind it"}} {
		o := newOffice(t)
		l := o.open("crm")
		declare(t, l)
		o.record(l, "gone", "living")
		if !c.behind {
			o.backup(l, "monday")
		}
		o.erase(l, "gone")
		if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); err != nil {
			t.Fatal(err)
		}
		if c.behind {
			o.backup(l, "monday")
		}
		o.close(l)
		o.burn()
		if err := os.Remove(o.path("crm.root.head")); err != nil {
			t.Fatal(err)
		}
		r, err := o.restore("monday", nil)
		if err != nil || r.Known != 0 || r.Swept == c.behind {
			t.Fatalf("%s: %+v, %v", c.name, r, err)
		}
		var warned []string
		l, err = ledger.Open(t.Context(), ledger.Options{Dir: o.path("restored"), Warn: func(s string) { warned = append(warned, s) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		checkFsck(t, l)
		if entries, err := l.Timeline(t.Context(), "living"); err != nil || len(entries) != 1 {
			t.Errorf("%s: %d events, %v", c.name, len(entries), err)
		}
		if _, err := l.Timeline(t.Context(), "gone"); !isNotFound(err) {
			t.Errorf("%s: an erased person: %v", c.name, err)
		}
		_, err = l.May(t.Context(), "living", consent.Question{Purpose: "chat-service"})
		if c.behind {
			if err != nil || l.RolledBack() != nil {
				t.Errorf("%s: %v, %v", c.name, err, l.RolledBack())
			}
			o.record(l, "living")
			continue
		}
		if !as[*ledger.OutdatedError](err) || !as[*ledger.OutdatedError](l.RolledBack()) || !strings.Contains(strings.Join(warned, "\n"), "older than the last sweep; reading only") {
			t.Errorf("%s: %v, %v, %q", c.name, err, l.RolledBack(), warned)
		}
		readsOnly(t, l)
		if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); !as[*ledger.OutdatedError](err) {
			t.Errorf("%s: sweeping: %v", c.name, err)
		}
	}
}

// TestRestoreWithoutPages restores without the page folder, when people were erased
// since: the root opens none of the backup's pages, and the error says what to give.
func TestRestoreWithoutPages(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	o.record(l, "living", "erased")
	o.backup(l, "monday")
	o.erase(l, "erased")
	o.close(l)
	o.burn()
	_, err := o.restore("monday", func(r *ledger.RestoreOptions) { r.Pages = "" })
	o.refused("without pages", err, is(keystore.ErrNoCompleteEpoch))
	var hint *keystore.HintError
	if !errors.As(err, &hint) || !strings.Contains(hint.Hint, "page") {
		t.Errorf("no hint at the page folder: %v", err)
	}
	if _, err := o.restore("monday", nil); err != nil {
		t.Errorf("with pages, after the attempt without: %v", err)
	}
}

// TestRestoreMissingPages restores with a page folder that has lost a file. The
// pages that were in it are named, their people are not taken for strangers, and
// the others are there.
func TestRestoreMissingPages(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	const people = 3000
	var last *ledger.Submission
	for i := range people {
		var err error
		last, err = l.Submit(t.Context(), mustParse(`{"type":"processing.performed","subject":"p-%d","purpose":"chat-service","operation":"answer"}`, i))
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := last.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := o.backup(l, "monday")
	const erased = 2
	for i := range erased {
		o.erase(l, fmt.Sprintf("p-%d", i))
	}
	o.close(l)
	o.burn()
	// Each epoch but the last has pages that only its file has, unless they were
	// written again since.
	if err := os.Remove(o.path(fmt.Sprintf("pages/epoch-%020d.pages", m.Epoch+1))); err != nil {
		t.Fatal(err)
	}
	r, err := o.restore("monday", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Missing) == 0 {
		t.Fatal("no page is said to be missing")
	}
	l, err = ledger.Open(t.Context(), ledger.Options{Dir: o.path("restored")})
	if errors.Is(err, keystore.ErrPageMissing) {
		t.Log("the organisation's own page is the missing one") // one time in a dozen
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there, missing := 0, 0
	for i := range people {
		_, err := l.Timeline(t.Context(), fmt.Sprintf("p-%d", i))
		switch {
		case err == nil && i >= erased:
			there++
		case errors.Is(err, keystore.ErrPageMissing):
			missing++
		case i >= erased || !isNotFound(err):
			t.Errorf("person %d: %v", i, err)
		}
	}
	if there == 0 || missing == 0 {
		t.Errorf("%d are there, %d are on a missing page", there, missing)
	}
	f, err := l.Fsck(t.Context(), nil)
	if err != nil || !slices.Equal(f.Missing, r.Missing) || len(f.Problems) != 0 {
		t.Errorf("fsck: %v, %v, restore said %v: %v", f.Missing, f.Problems, r.Missing, err)
	}
}

// TestRestoreRefuses gives a restore what is not right for it.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	o.record(l, "living", "erased")
	for i := range 300 { // enough for a table
		o.record(l, fmt.Sprintf("p-%d", i%20))
	}
	o.backup(l, "monday")
	copyTo(t, o.path("crm.root"), o.path("stale.root"))
	o.erase(l, "erased")
	o.close(l)
	o.burn()
	other := newOffice(t)

	_, err := o.restore("monday", func(r *ledger.RestoreOptions) { r.Root = []string{o.path("stale.root")} })
	o.refused("a root from before the erasure", err, as[*ledger.VerifyError])
	_, err = o.restore("monday", func(r *ledger.RestoreOptions) { r.Root = []string{other.path("crm.root")} })
	o.refused("another ledger's root", err, is(keystore.ErrWrongTree))
	_, err = o.restore("monday", func(r *ledger.RestoreOptions) { r.Root = []string{o.path("nowhere.root")} })
	o.refused("no root", err, is(keystore.ErrHolderMissing))
	_, err = o.restore("monday", func(r *ledger.RestoreOptions) { r.SigningKey = other.path("crm/log.skey") })
	o.refused("another log's signing key", err, is(log.ErrWrongKey))
	text := fmt.Sprintf("%v", err)
	if !strings.Contains(text, "key") {
		t.Errorf("another log's signing key: %s", text)
	}
	writeTo(t, o.path("garbage.skey"), "PRIVATE+KEY+garbage")
	_, err = o.restore("monday", func(r *ledger.RestoreOptions) { r.SigningKey = o.path("garbage.skey") })
	o.refused("a signing key that is none", err, func(error) bool { return true })
	skey, vkey, err := merkle.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{1}, 64)), "office.lacuna.test")
	if err != nil {
		t.Fatal(err)
	}
	writeTo(t, o.path("same-name.skey"), skey+"\n")
	_, err = o.restore("monday", func(r *ledger.RestoreOptions) { r.SigningKey = o.path("same-name.skey") })
	o.refused("another key of the same name", err, is(log.ErrWrongKey))
	if strings.Contains(fmt.Sprint(err), skey) || vkey == "" {
		t.Error("the error shows the key")
	}
	_, err = o.restore("nothing-here", nil)
	o.refused("no backup", err, as[*ledger.NotFoundError])
	_, err = o.restore("monday", func(r *ledger.RestoreOptions) { r.Pages = o.path("no-pages") })
	o.refused("no page folder", err, is(fs.ErrNotExist))

	// A copy of the root in two places must be given in whole.
	if _, err := o.restore("monday", nil); err != nil {
		t.Fatalf("control: %v", err)
	}
	_, err = o.restore("monday", nil)
	if err == nil {
		t.Error("restored over a ledger")
	}
}

func writeTo(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRestoreDamaged damages a backup in many ways: none is restored as if nothing
// were wrong with it.
func TestRestoreDamaged(t *testing.T) {
	defer slog.SetDefault(slog.Default()) // the engine has much to say
	slog.SetDefault(slog.New(slog.DiscardHandler))
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	for i := range 600 {
		o.record(l, fmt.Sprintf("p-%d", i%20))
	}
	o.close(l) // so that there are tables
	l = o.open("crm")
	for i := range 30 {
		o.record(l, fmt.Sprintf("p-%d", i))
	}
	o.backup(l, "monday")
	o.close(l)
	o.burn()
	files, err := filepath.Glob(o.path("monday/log/*"))
	if err != nil {
		t.Fatal(err)
	}
	damages := map[string]func([]byte) []byte{
		"truncated": func(b []byte) []byte { return b[:len(b)/2] },
		"emptied":   func([]byte) []byte { return nil },
		"a byte changed in the middle": func(b []byte) []byte {
			b = append(bytes.Clone(b), 0)
			b[len(b)/2] ^= 0x40
			return b[:max(1, len(b)-1)]
		},
		"removed": nil,
	}
	tables, logs := 0, 0
	for _, name := range files {
		switch filepath.Ext(name) {
		case ".sst":
			tables++
		case ".log":
			logs++
		}
		sound, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for how, damage := range damages {
			what := fmt.Sprintf("%s %s", filepath.Base(name), how)
			if damage == nil {
				err = os.Remove(name)
			} else {
				err = os.WriteFile(name, damage(sound), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			o.damaged(what)
			if err := os.WriteFile(name, sound, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if tables == 0 || logs == 0 {
		t.Errorf("%d tables and %d write-ahead logs were damaged: %v", tables, logs, files)
	}
	for name, text := range map[string]string{
		"manifest.json": `{"format":"lacuna/backup/v2"}`, "lacuna.json": `{"format":"lacuna/v1","origin":"elsewhere.lacuna.test","suite":1,"root":[]}`, "log.vkey": "nonsense",
	} {
		sound, err := os.ReadFile(o.path("monday/" + name))
		if err != nil {
			t.Fatal(err)
		}
		writeTo(t, o.path("monday/"+name), text)
		o.damaged(name + " replaced")
		writeTo(t, o.path("monday/"+name), string(sound))
	}
	o.sound()
}

// damaged restores a damaged backup: it is refused, or what opens is checked to be
// no worse for it.
func (o *office) damaged(what string) {
	o.t.Helper()
	_, err := o.restore("monday", nil)
	if err != nil {
		o.refused(what, err, func(error) bool { return true })
		return
	}
	defer os.RemoveAll(o.path("restored"))
	l, err := ledger.Open(o.t.Context(), ledger.Options{Dir: o.path("restored")})
	if err != nil {
		return
	}
	defer l.Close()
	r, err := l.Fsck(o.t.Context(), nil)
	if err == nil && len(r.Problems)+len(r.Missing) == 0 && r.Erased == 0 && r.Opened < 630 {
		o.t.Errorf("%s: %d of 630 events are there, and nothing is said to be wrong", what, r.Opened)
	}
}

// sound restores the undamaged backup, the control.
func (o *office) sound() {
	o.t.Helper()
	if _, err := o.restore("monday", nil); err != nil {
		o.t.Fatal(err)
	}
	l := o.open("restored")
	if r := checkFsck(o.t, l); r.Opened < 630 {
		o.t.Errorf("%d events", r.Opened)
	}
}

// TestBackupInUse backs up while others record and erase. Each backup is whole: it
// restores under the root as it is in the end, and nothing is wrong with it.
func TestBackupInUse(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				person := fmt.Sprintf("p-%d-%d", i, n%4)
				_, err := l.Record(t.Context(), mustParse(`{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, person))
				if err == nil && n%3 == 2 {
					_, _, err = l.Erase(t.Context(), ledger.EraseRequest{Subject: person})
				}
				if unlessAnswer(err) != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	const backups = 6
	for i := range backups {
		o.backup(l, fmt.Sprintf("backup-%d", i))
	}
	stop()
	wg.Wait()
	o.close(l)
	o.burn()
	for i := range backups {
		r, err := o.restore(fmt.Sprintf("backup-%d", i), nil)
		if err != nil {
			t.Fatalf("backup %d: %v", i, err)
		}
		if len(r.Missing) != 0 {
			t.Errorf("backup %d: missing %v", i, r.Missing)
		}
		l := o.open("restored")
		if r.Known > l.Log().Head().Size {
			readsOnly(t, l)
		}
		f, err := l.Fsck(t.Context(), nil)
		if err != nil || len(f.Problems)+len(f.Missing) > 0 {
			t.Errorf("backup %d: %+v, %v", i, f, err)
		}
		o.close(l)
		if err := os.RemoveAll(o.path("restored")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBackupHasNoSecret looks for the share of the root and the signing key in a
// backup and in the ledger's own folder. The control finds them where they are.
func TestBackupHasNoSecret(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	o.record(l, "p", "q")
	o.erase(l, "q")
	o.backup(l, "monday")
	o.close(l)
	h, err := holder.OpenFile(o.path("crm.root"))
	if err != nil {
		t.Fatal(err)
	}
	shares, err := h.Current(t.Context())
	if err != nil || len(shares) != 1 {
		t.Fatal(shares, err)
	}
	h.Close()
	skey, err := os.ReadFile(o.path("crm/log.skey"))
	if err != nil {
		t.Fatal(err)
	}
	s := newScanner([]string{string(shares[0].Secret[:]), strings.TrimSpace(string(skey))})
	if found, n := s.files(t, o.path("monday"), o.path("pages")); len(found) != 0 || n == 0 {
		t.Errorf("of %d bytes: %v", n, found)
	}
	found, _ := s.files(t, o.path("crm"))
	if len(found) != 1 || !strings.Contains(found[0], "log.skey") {
		t.Errorf("in the ledger: %v", found)
	}
	if found, _ := s.files(t, o.path("crm.root")); len(found) == 0 {
		t.Error("control: the share is not found in the root file")
	}
}
