package ledger_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
)

// drill drills a backup and checks that nothing is left behind, in the scratch folder
// or at the root.
func (o *office) drill(l *ledger.Ledger, from string, roots []keystore.Holder, pages *string) (*ledger.Drilled, error) {
	o.t.Helper()
	if err := os.MkdirAll(o.path("scratch"), 0o700); err != nil {
		o.t.Fatal(err)
	}
	root, err := os.ReadFile(o.path("crm.root"))
	if err != nil {
		o.t.Fatal(err)
	}
	head, err := os.ReadFile(o.path("crm.root.head"))
	if err != nil {
		o.t.Fatal(err)
	}
	d, err := ledger.DrillWith(o.t.Context(), l, ledger.DrillOptions{From: o.path(from), Scratch: o.path("scratch")}, roots, pages)
	if left, _ := filepath.Glob(o.path("scratch/*")); len(left) > 0 {
		o.t.Errorf("left behind: %v", left)
	}
	if again, err := os.ReadFile(o.path("crm.root")); err != nil || string(again) != string(root) {
		o.t.Errorf("the drill has changed the root (%v)", err)
	}
	// The ledger itself may have been about to write it.
	if again, err := os.ReadFile(o.path("crm.root.head")); err != nil || string(again) != string(head) && string(again) != string(l.Log().Head().Signed) {
		o.t.Errorf("the drill has changed the head beside the root (%v)", err)
	}
	if _, err := os.Stat(o.path("crm/log.skey")); err != nil {
		o.t.Error(err)
	}
	return d, err
}

// fails checks that a drill found what it is there to find.
func (o *office) fails(name string, d *ledger.Drilled, err error, want string) {
	o.t.Helper()
	if !as[*ledger.VerifyError](err) || d == nil || !strings.Contains(strings.Join(d.Problems, "\n"), want) {
		o.t.Errorf("%s: %v, want %q", name, err, want)
	}
}

// TestDrill drills a backup while the ledger goes on and people are erased. Then it
// takes away, one after the other, what a restore needs, and gives it what it must
// not have.
func TestDrill(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	for i := range 40 {
		o.record(l, fmt.Sprintf("p-%d", i%10))
	}
	o.erase(l, "p-0")
	m := o.backup(l, "monday")
	copyTo(t, o.path("crm.root"), o.path("stale.root"))
	o.erase(l, "p-1")
	o.erase(l, "p-2")
	o.record(l, "p-3", "p-4", "p-1")
	d, err := o.drill(l, "monday", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d.Opened < 7*4 || d.Erased < 3*4 || d.Tried == 0 || d.Imported == 0 || d.Manifest.Size != m.Size {
		t.Errorf("%+v", d)
	}
	again, err := o.drill(l, "monday", nil, nil)
	if err != nil || again.Opened != d.Opened || again.Erased != d.Erased {
		t.Errorf("%+v, %v", again, err)
	}
	checkFsck(t, l)

	// A root from before the erasures brings erased people back.
	stale, err := holder.OpenFile(o.path("stale.root"))
	if err != nil {
		t.Fatal(err)
	}
	defer stale.Close()
	d, err = o.drill(l, "monday", []keystore.Holder{stale}, nil)
	o.fails("an old root", d, err, "root is of epoch")
	none := ""
	d, err = o.drill(l, "monday", []keystore.Holder{stale}, &none)
	o.fails("an old root, and no page folder to show it", d, err, "events of erased people can be read")
	if err == nil || !strings.Contains(strings.Join(d.Problems, "\n"), "under a key that can be derived") {
		t.Errorf("the thief found nothing: %v", d.Problems)
	}

	d, err = o.drill(l, "monday", nil, &none)
	o.fails("no page folder", d, err, "does not restore")
	empty := o.path("scratch")
	d, err = o.drill(l, "monday", nil, &empty)
	o.fails("an empty page folder", d, err, "does not restore")

	file := o.path("monday/log.vkey")
	sound, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	writeTo(t, file, "damaged")
	d, err = o.drill(l, "monday", nil, nil)
	o.fails("a damaged backup", d, err, "not as it was written")
	writeTo(t, file, string(sound))
	if _, err := o.drill(l, "nowhere", nil, nil); !as[*ledger.NotFoundError](err) {
		t.Errorf("no backup: %v", err)
	}
	if _, err = o.drill(l, "monday", nil, nil); err != nil {
		t.Errorf("control: %v", err)
	}
}

// TestDrillFork drills a backup of a copy of the ledger that went on by itself.
func TestDrillFork(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	o.record(l, "p")
	o.close(l)
	if err := os.CopyFS(o.path("fork"), os.DirFS(o.path("crm"))); err != nil {
		t.Fatal(err)
	}
	copyTo(t, o.path("crm.root.head"), o.path("head"))
	l = o.open("crm")
	o.record(l, "q")
	o.backup(l, "monday")
	o.close(l)
	if err := os.Rename(o.path("crm"), o.path("true")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(o.path("fork"), o.path("crm")); err != nil {
		t.Fatal(err)
	}
	copyTo(t, o.path("head"), o.path("crm.root.head"))
	l = o.open("crm")
	o.record(l, "r")
	d, err := o.drill(l, "monday", nil, nil)
	o.fails("a fork", d, err, "not the same log")
}

// TestDrillSwept drills the newest backup from before a sweep, one from after it, and
// then the older one.
func TestDrillSwept(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	for i := range 20 {
		o.record(l, fmt.Sprintf("p-%d", i%5))
	}
	o.backup(l, "monday")
	o.erase(l, "p-1")
	if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); err != nil {
		t.Fatal(err)
	}
	d, err := o.drill(l, "monday", nil, nil)
	if err != nil || len(d.Problems) > 0 || d.Erased != 4 || d.Opened < 16 {
		t.Errorf("the newest one from before the sweep: %+v, %v", d, err)
	}
	o.backup(l, "tuesday")
	if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); err != nil {
		t.Fatal(err)
	}
	d, err = o.drill(l, "monday", nil, nil)
	o.fails("not the newest before a sweep", d, err, "swept since")
	o.erase(l, "p-2")
	o.record(l, "p-3")
	if d, err = o.drill(l, "tuesday", nil, nil); err != nil || d.Erased < 8 || d.Opened < 12 || d.Tried == 0 {
		t.Errorf("after the sweep: %+v, %v", d, err)
	}
	o.close(l)
	o.burn()
	if _, err := o.restore("tuesday", nil); err != nil {
		t.Fatal(err)
	}
	l = o.open("restored")
	checkFsck(t, l)
	if e, err := l.Timeline(t.Context(), "p-4"); err != nil || len(e) != 4 {
		t.Errorf("%d events of somebody living, %v", len(e), err)
	}
	for _, p := range []string{"p-1", "p-2"} {
		if _, err := l.Timeline(t.Context(), p); !isNotFound(err) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// TestDrillMany drills a ledger with more key pages than are tried one on another. The
// thief finds as much as in a small one: with the root of the day nothing that was
// erased, with an older one all of it.
func TestDrillMany(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	const people = 2000
	var all []*event.Event
	for i := range people {
		all = append(all, mustParse(`{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"question"}`, fmt.Sprintf("p-%d", i)))
	}
	for _, out := range l.RecordAll(t.Context(), all) {
		if out.Err != nil {
			t.Fatal(out.Err)
		}
	}
	o.backup(l, "monday")
	copyTo(t, o.path("crm.root"), o.path("stale.root"))
	o.erase(l, "p-1")
	o.erase(l, "p-2")
	d, err := o.drill(l, "monday", nil, nil)
	if err != nil || d.Tried < people-2 {
		t.Errorf("%+v, %v", d, err)
	}
	stale, err := holder.OpenFile(o.path("stale.root"))
	if err != nil {
		t.Fatal(err)
	}
	defer stale.Close()
	none := ""
	d, err = o.drill(l, "monday", []keystore.Holder{stale}, &none)
	o.fails("an old root, and no page folder to show it", d, err, "2 erased events open under a key that can be derived")
}
