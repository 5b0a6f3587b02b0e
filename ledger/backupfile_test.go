package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger"
)

// fill records so much that the store has tables, and opens the ledger anew.
func (o *office) fill(l *ledger.Ledger, n int) *ledger.Ledger {
	o.t.Helper()
	for i := range n {
		o.record(l, fmt.Sprintf("p-%d", i%20))
	}
	o.close(l)
	return o.open("crm")
}

// ownCopies gives the files of a folder inodes of their own, as on another disk.
func ownCopies(t *testing.T, dir string) (tables int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "log", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		copyTo(t, name, name+".copy")
		if err := os.Rename(name+".copy", name); err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(name) == ".sst" {
			tables++
		}
	}
	return tables
}

func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	ia, err := os.Stat(a)
	ib, err2 := os.Stat(b)
	if err = errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return os.SameFile(ia, ib)
}

// TestBackupSince makes a backup after another: what was there is linked and not
// copied, a table that decayed is copied anew, each restores without the other.
func TestBackupSince(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	l = o.fill(l, 300)
	var full, more int64
	monday, err := l.Backup(t.Context(), o.path("all/monday"), ledger.Copied(&full))
	if err != nil {
		t.Fatal(err)
	}
	if n := ownCopies(t, o.path("all/monday")); n == 0 {
		t.Fatal("there are no tables")
	}
	l = o.fill(l, 10)
	tuesday, err := l.Backup(t.Context(), o.path("all/tuesday"), ledger.Since(o.path("all/monday")), ledger.Copied(&more))
	if err != nil {
		t.Fatal(err)
	}
	linked := 0
	for _, f := range tuesday.Files {
		for _, g := range monday.Files {
			if f != g || filepath.Ext(f.Name) != ".sst" {
				continue
			}
			linked++
			if !sameFile(t, o.path("all/monday/"+f.Name), o.path("all/tuesday/"+f.Name)) {
				t.Errorf("%s was copied", f.Name)
			}
		}
	}
	if linked == 0 {
		t.Error("no table was in both")
	}

	// A table of the older backup has decayed.
	bad := ""
	for _, f := range tuesday.Files {
		if filepath.Ext(f.Name) == ".sst" {
			bad = f.Name
		}
	}
	ownCopies(t, o.path("all/tuesday"))
	b, err := os.ReadFile(o.path("all/tuesday/" + bad))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	writeTo(t, o.path("all/tuesday/"+bad), string(b))
	if _, err := l.Backup(t.Context(), o.path("all/wednesday"), ledger.Since(o.path("all/tuesday"))); err != nil {
		t.Fatal(err)
	}
	if sameFile(t, o.path("all/tuesday/"+bad), o.path("all/wednesday/"+bad)) {
		t.Error("a table that had decayed was linked")
	}

	newest, err := ledger.NewestBackup(o.path("all"))
	if err != nil || newest != o.path("all/wednesday") {
		t.Errorf("%s, %v", newest, err)
	}
	o.close(l)
	o.burn()
	_, err = o.restore("all/tuesday", nil)
	o.refused("a table that decayed", err, as[*ledger.VerifyError])
	if err := os.RemoveAll(o.path("all/tuesday")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint64{"all/monday": monday.Size, "all": tuesday.Size} {
		if _, err := o.restore(name, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		l := o.open("restored")
		if got := l.Log().Head().Size; got != want {
			t.Errorf("%s: %d entries, want %d", name, got, want)
		}
		checkFsck(t, l)
		o.close(l)
		if err := os.RemoveAll(o.path("restored")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBackupResumed interrupts a backup after each of its reads. What is left is no
// backup, and the next one goes on with it; what is torn in it is not taken over.
func TestBackupResumed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	l = o.fill(l, 40)
	o.record(l, "someone")
	reads := 0
	var full int64
	whole, err := l.Backup(t.Context(), o.path("whole"), ledger.Copied(&full), ledger.BackupProgress(func(int64, int64) { reads++ }))
	if err != nil || reads < 5 {
		t.Fatal(reads, err)
	}
	for stop := range reads - 1 {
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		_, err := l.Backup(ctx, o.path("monday"), ledger.BackupProgress(func(done, total int64) {
			if done > total {
				t.Errorf("%d of %d bytes", done, total)
			}
			if calls++; calls > stop {
				cancel()
			}
		}))
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped after %d of its reads: %v", stop, err)
		}
		if _, err := os.Lstat(o.path("monday")); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal("an interrupted backup has its name")
		}
		if _, err := ledger.NewestBackup(o.path("monday.partial")); !as[*ledger.NotFoundError](err) {
			t.Fatalf("an interrupted backup: %v", err)
		}
	}
	wal := ""
	for _, f := range whole.Files {
		if filepath.Ext(f.Name) == ".log" && f.Size > 0 {
			wal = f.Name
		}
	}
	var resumed int64
	writeTo(t, o.path("monday.partial/"+wal), "torn")
	writeTo(t, o.path("monday.partial/log/999999.sst"), "of a table that is gone")
	if _, err := l.Backup(t.Context(), o.path("monday"), ledger.Copied(&resumed)); err != nil {
		t.Fatal(err)
	}
	if resumed == 0 || resumed >= full {
		t.Errorf("%d bytes were copied, %d without what the interrupted ones have left", resumed, full)
	}
	if _, err := os.Lstat(o.path("monday/log/999999.sst")); err == nil {
		t.Error("what was left over is part of the backup")
	}
	if _, err := os.Lstat(o.path("crm/backup.partial")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("beside the ledger: %v", err)
	}
	o.close(l)
	o.burn()
	o.restoresMonday(41)
}

// restoresMonday restores monday and looks for so many entries.
func (o *office) restoresMonday(atLeast uint64) {
	o.t.Helper()
	if _, err := o.restore("monday", nil); err != nil {
		o.t.Fatal(err)
	}
	if r := checkFsck(o.t, o.open("restored")); r.Opened < atLeast {
		o.t.Errorf("%d entries", r.Opened)
	}
}

// TestRestoreSwept restores a backup from before a sweep: it says why that cannot be.
func TestRestoreSwept(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	o.record(l, "p", "q")
	o.backup(l, "monday")
	e, err := ledger.Tree(l).PrepareSweep(t.Context(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Root(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.close(l)
	o.burn()
	_, err = o.restore("monday", nil)
	o.refused("before a sweep", err, as[*ledger.SweptError])
	if err != nil && !strings.Contains(err.Error(), "generation 2") {
		t.Errorf("%v", err)
	}
	_, err = o.restore("monday", func(r *ledger.RestoreOptions) { r.Pages = "" })
	o.refused("without pages", err, is(keystore.ErrNoCompleteEpoch))
}
