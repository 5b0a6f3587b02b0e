package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger"
)

// TestBackUpBehind: behind a sweep the newest backup is followed by one that the sweep
// has not passed, in the folder that lacuna.json names. As long as that fails, the
// older one can still be restored, however many sweeps come.
func TestBackUpBehind(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	o.record(l, "p-0", "p-1", "p-2", "p-3")
	behind := func(want bool) string {
		t.Helper()
		out, err := l.BackUpBehind(t.Context())
		if err != nil || (out != "") != want {
			t.Fatalf("%q, %v", out, err)
		}
		return strings.TrimPrefix(out, o.path("")+"/")
	}
	says := func(s ledger.Severity, text string) {
		t.Helper()
		if !found(l.Examine(), s, text) {
			t.Errorf("the doctor does not say %q: %+v", text, l.Examine())
		}
	}
	sweep := func(person string) {
		t.Helper()
		o.erase(l, person)
		if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	behind(false) // no folder is named
	says(ledger.Remark, "no backup was made")
	o.close(l)
	text, err := os.ReadFile(o.path("crm/lacuna.json"))
	if err != nil {
		t.Fatal(err)
	}
	configured := strings.Replace(string(text), `"suite": 1,`, `"suite": 1, "backups": "../kept",`, 1)
	for link, to := range map[string]string{"ledger": "crm", "later": "crm/not-made-yet"} {
		if err := os.Symlink(to, o.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"kept", "../crm", "../crm/kept", o.path("crm/kept"), "../ledger/kept", "../later", "../later/kept"} {
		writeTo(t, o.path("crm/lacuna.json"), strings.Replace(configured, "../kept", bad, 1))
		if _, err := ledger.Open(t.Context(), ledger.Options{Dir: o.path("crm")}); !errors.As(err, new(*ledger.ConfigError)) || !strings.Contains(err.Error(), "inside the ledger") {
			t.Errorf("%q is a folder for backups inside the ledger: %v", bad, err)
		}
	}
	writeTo(t, o.path("crm/lacuna.json"), configured)
	l = o.open("crm")

	for _, bad := range []string{"crm/kept", "later"} {
		if _, err := l.Backup(t.Context(), o.path(bad)); !errors.As(err, new(*ledger.ConfigError)) {
			t.Errorf("a backup in %s, inside the ledger: %v", bad, err)
		}
	}
	says(ledger.Warning, "the folder for backups is not there")
	if out, err := l.BackUpBehind(t.Context()); err == nil || out != "" {
		t.Errorf("a folder that is not mounted: %q, %v", out, err)
	}
	if err := os.Mkdir(o.path("kept"), 0o700); err != nil {
		t.Fatal(err)
	}
	type answer struct {
		out string
		err error
	}
	answers := make(chan answer)
	for range 3 {
		go func() {
			out, err := l.BackUpBehind(t.Context())
			answers <- answer{out, err}
		}()
	}
	first := ""
	for range 3 {
		a := <-answers
		if a.err != nil || first != "" && a.out != "" {
			t.Fatalf("of three that ask at once one got %q and another %q, %v", first, a.out, a.err)
		}
		first += strings.TrimPrefix(a.out, o.path("")+"/")
	}
	behind(false)
	says(ledger.Fine, "as new as the last sweep")

	// A power cut between writing down that there is a backup and giving it its name.
	if err := os.Rename(o.path(first), o.path(first+".partial")); err != nil {
		t.Fatal(err)
	}
	says(ledger.Warning, "was interrupted")
	if again := behind(true); again != first {
		t.Errorf("the interrupted backup %s is not finished, but %s made", first, again)
	}
	behind(false)

	sweep("p-1")
	says(ledger.Warning, "the only one that can still be restored")
	if err := os.Rename(o.path("kept"), o.path("away")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.BackUpBehind(t.Context()); err == nil {
		t.Error("the folder is away, and nobody was told")
	}
	sweep("p-2")
	if err := os.Rename(o.path("away"), o.path("kept")); err != nil {
		t.Fatal(err)
	}
	if d, err := o.drill(l, first, nil, nil); err != nil {
		t.Errorf("two sweeps after the newest backup: %+v, %v", d, err)
	}

	second := behind(true)
	if d, err := o.drill(l, first, nil, nil); err != nil {
		t.Errorf("its mask is there until the next sweep: %+v, %v", d, err)
	}
	sweep("p-3")
	d, err := o.drill(l, first, nil, nil)
	o.fails("there was a newer one", d, err, "swept since")
	if d, err := o.drill(l, second, nil, nil); err != nil || d.Opened == 0 {
		t.Errorf("%+v, %v", d, err)
	}
	third := behind(true)
	says(ledger.Fine, "as new as the last sweep")
	o.close(l)
	o.burn()
	if _, err := o.restore(second, nil); err != nil {
		t.Fatal(err)
	}
	l = o.open("restored")
	if fs := l.Examine(); found(fs, ledger.Warning, "nobody can restore it") || found(fs, ledger.Warning, "older than the last sweep") {
		t.Errorf("a copy from before the sweep speaks of backups: %+v", fs)
	}
	o.close(l)
	if err := os.RemoveAll(o.path("restored")); err != nil {
		t.Fatal(err)
	}
	if _, err := o.restore(third, nil); err != nil {
		t.Fatal(err)
	}
	l = o.open("restored")
	checkFsck(t, l)
	if l.BackupsDir() != "" {
		t.Error("the restored ledger backs up into a folder that lay beside another")
	}
}

// TestBackUpAged: a backup that is older than lacuna.json allows is followed by another
// without a sweep, unless it has all there is.
func TestBackUpAged(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	l := o.open("crm")
	declare(t, l)
	o.close(l)
	text, err := os.ReadFile(o.path("crm/lacuna.json"))
	if err != nil {
		t.Fatal(err)
	}
	config := func(more string) string {
		return strings.Replace(string(text), `"suite": 1,`, `"suite": 1, `+more+`,`, 1)
	}
	for _, bad := range []string{`"backup_hours": 24`, `"backup_hours": -1, "backups": "../kept"`, `"backup_hours": 9000, "backups": "../kept"`} {
		writeTo(t, o.path("crm/lacuna.json"), config(bad))
		if _, err := ledger.Open(t.Context(), ledger.Options{Dir: o.path("crm")}); !errors.As(err, new(*ledger.ConfigError)) || !strings.Contains(err.Error(), "backup_hours") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	writeTo(t, o.path("crm/lacuna.json"), config(`"backup_hours": 24, "backups": "../kept"`))
	if err := os.Mkdir(o.path("kept"), 0o700); err != nil {
		t.Fatal(err)
	}
	l = o.open("crm")
	back := func(when string, want bool) string {
		t.Helper()
		out, err := l.BackUpBehind(t.Context())
		if err != nil || (out != "") != want {
			t.Fatalf("%s: %q, %v", when, out, err)
		}
		return out
	}
	age := func(backup string) {
		t.Helper()
		name := filepath.Join(backup, "manifest.json")
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		old := regexp.MustCompile(`"made": "[^"]*"`).ReplaceAll(text, fmt.Appendf(nil, `"made": %q`, time.Now().Add(-25*time.Hour).UTC().Format(time.RFC3339Nano)))
		if bytes.Equal(old, text) {
			t.Fatal("the manifest does not say when it was made")
		}
		writeTo(t, name, string(old))
	}
	first := back("none was made", true)
	o.record(l, "p-0")
	back("one was made a moment ago", false)
	age(first)
	if second := back("the newest is a day old", true); second == first {
		t.Error("the same backup again")
	} else {
		age(second)
	}
	back("the newest is a day old and has everything", false)
	o.record(l, "p-1")
	back("the newest is a day old and lacks something", true)
}
