package ledger_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder/custodian"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle/log"
)

// A vault is a custodian that can be stopped and started. It says that it runs on
// another machine than the ledger.
type vault struct {
	t          *testing.T
	dir, at    string
	invitation string
	stop       func()
}

func newVault(t *testing.T) *vault {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{t: t, dir: filepath.Join(t.TempDir(), "vault"), at: l.Addr().String()}
	l.Close()
	i, err := custodian.Create(custodian.Options{Dir: v.dir, Host: v.at})
	if err != nil {
		t.Fatal(err)
	}
	v.invitation = i.String()
	v.start()
	t.Cleanup(func() { v.stop() })
	return v
}

func (v *vault) start() {
	v.t.Helper()
	c, err := custodian.Open(v.dir)
	if err != nil {
		v.t.Fatal(err)
	}
	c.Machine = [16]byte{1}
	l, err := net.Listen("tcp", v.at)
	if err != nil {
		v.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&custodian.Server{Custodian: c}).Serve(ctx, l) }()
	v.stop = func() {
		cancel()
		if err := errors.Join(<-done, c.Close()); err != nil {
			v.t.Error(err)
		}
		v.stop = func() {}
	}
}

func (v *vault) join(name string) ledger.NewCustodian {
	return ledger.NewCustodian{Invitation: v.invitation, Name: name, Independent: true, Pages: true}
}

// copyTo copies what lies on the disks of the ledger's machine to another folder.
func (o *office) copyTo(name string) {
	o.t.Helper()
	for _, part := range []string{"crm", "crm.root", "crm.root.head"} {
		if err := os.MkdirAll(o.path(name), 0o700); err != nil {
			o.t.Fatal(err)
		}
		if out, err := exec.Command("cp", "-r", o.path(part), o.path(name)).CombinedOutput(); err != nil {
			o.t.Fatalf("%v: %s", err, out)
		}
	}
}

func events(t *testing.T, l *ledger.Ledger, subject string) int {
	t.Helper()
	entries, err := l.Timeline(t.Context(), subject)
	if err != nil && !isNotFound(err) {
		t.Fatal(err)
	}
	return len(entries)
}

const aboutCustody = `{"type":"processing.performed","subject":"c-1","purpose":"newsletter","operation":"store"}`

// TestCustodianSnapshot takes a copy of all disks of the ledger's machine, root and all,
// then somebody is erased. Without a custodian the copy brings them back; with one it
// opens nothing.
func TestCustodianSnapshot(t *testing.T) {
	for _, kept := range []bool{false, true} {
		o := newOffice(t)
		l := o.open("crm")
		declare(t, l)
		if kept {
			if err := l.AddCustodian(t.Context(), newVault(t).join("vault")); err != nil {
				t.Fatal(err)
			}
		}
		must(t, l, strings.Replace(aboutCustody, "newsletter", "chat-service", 1))
		o.close(l)
		o.copyTo("snapshot")
		l = o.open("crm")
		_, cert, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "c-1"})
		if err != nil {
			t.Fatal(err)
		}
		if n := events(t, l, "c-1"); n != 0 {
			t.Fatalf("%d events survive", n)
		}
		statements := custodianStatements(t, l, cert)
		o.close(l)
		// The root is a file of the folder's own, wherever it was copied.
		l, err = ledger.Open(t.Context(), ledger.Options{Dir: o.path("snapshot/crm"), Root: []string{o.path("snapshot/crm.root")}, ReadOnly: true})
		if !kept {
			if err != nil {
				t.Fatal(err)
			}
			if n := events(t, l, "c-1"); n != 1 {
				t.Error("control: a copy from before the erasure does not open what was erased")
			}
			if cert.Terms.Level != "L1" && cert.Terms.Level != "L0" || statements != 0 {
				t.Errorf("level %s, %d signed statements", cert.Terms.Level, statements)
			}
			o.close(l)
			continue
		}
		if !errors.Is(err, keystore.ErrNoCompleteEpoch) {
			t.Errorf("a copy from before the erasure: %v", err)
		}
		if cert.Terms.Level != "L2" && rootLevel(t, o) == keystore.L1 || statements != 1 {
			t.Errorf("level %s, %d signed statements", cert.Terms.Level, statements)
		}
	}
}

// rootLevel is what the file system of the test reaches.
func rootLevel(t *testing.T, o *office) keystore.Level {
	t.Helper()
	l := o.open("crm")
	defer o.close(l)
	for _, h := range l.Custody().Holders {
		if h.Kind == "file" {
			return h.Level
		}
	}
	return keystore.L0
}

// custodianStatements counts the signed statements in the public record of an erasure.
func custodianStatements(t *testing.T, l *ledger.Ledger, cert *certificate.Certificate) (n int) {
	t.Helper()
	leaf, err := l.Log().Leaf(t.Context(), cert.Record.Index)
	if err != nil {
		t.Fatal(err)
	}
	r, err := certificate.ParseRecord(leaf[2:])
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range r.Holders {
		if h.Signature != "" {
			n++
		}
	}
	return n
}

// TestCustodianAway stops a custodian: the ledger that is open goes on but for
// erasures, one that is closed does not open, and says who is missing. Nothing is lost.
func TestCustodianAway(t *testing.T) {
	o, v := newOffice(t), newVault(t)
	l := o.open("crm")
	declare(t, l)
	if err := l.AddCustodian(t.Context(), v.join("berlin")); err != nil {
		t.Fatal(err)
	}
	must(t, l, strings.Replace(aboutCustody, "newsletter", "chat-service", 1))
	must(t, l, strings.NewReplacer("newsletter", "chat-service", "c-1", "c-2").Replace(aboutCustody))
	v.stop()
	must(t, l, strings.Replace(aboutCustody, "newsletter", "chat-service", 1))
	if err := l.RemoveCustodian(t.Context(), "berlin"); !errors.Is(err, keystore.ErrUnreachable) {
		t.Errorf("removing it while it is away: %v", err)
	}
	_, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "c-1"})
	if !errors.Is(err, keystore.ErrUnreachable) || !strings.Contains(err.Error(), "berlin") {
		t.Errorf("an erasure without the custodian: %v", err)
	}
	if !slices.ContainsFunc(l.Examine(), func(f ledger.Finding) bool {
		return f.Severity == ledger.Warning && strings.Contains(f.Text, "custodian berlin")
	}) {
		t.Error("doctor does not say that the custodian is away")
	}
	l.Close() // an error: the newest head is not everywhere
	if _, err := ledger.Open(t.Context(), ledger.Options{Dir: o.path("crm")}); !errors.Is(err, keystore.ErrUnreachable) || !strings.Contains(err.Error(), "berlin") {
		t.Errorf("opening without the custodian: %v", err)
	}
	states, err := ledger.Custodians(t.Context(), o.path("crm"))
	if err != nil || len(states) != 1 || !errors.Is(states[0].Err, keystore.ErrUnreachable) {
		t.Errorf("%+v, %v", states, err)
	}
	v.start()
	l = o.open("crm") // and the erasure that was asked for is done
	if n := events(t, l, "c-1"); n != 0 {
		t.Errorf("%d events of the erased survive", n)
	}
	if n := events(t, l, "c-2"); n != 1 {
		t.Errorf("%d of 1 events of another are there", n)
	}
	if states, err := ledger.Custodians(t.Context(), o.path("crm")); err != nil || states[0].Err != nil || states[0].Level == keystore.L0 != (rootKind(l) == keystore.L0) {
		t.Errorf("%+v, %v", states, err)
	}
	if err := l.RemoveCustodian(t.Context(), "hamburg"); !isNotFound(err) {
		t.Errorf("removing somebody else: %v", err)
	}
	if err := l.RemoveCustodian(t.Context(), "berlin"); err != nil {
		t.Fatal(err)
	}
	o.close(l)
	v.stop()
	l = o.open("crm")
	if n := events(t, l, "c-2"); n != 1 {
		t.Errorf("without the custodian %d of 1 events are there", n)
	}
	if c, err := ledger.ReadConfig(o.path("crm")); err != nil || len(c.Custodians) != 0 {
		t.Errorf("%+v, %v", c.Custodians, err)
	}
	// It may come back.
	v.start()
	i, err := custodian.Invite(v.dir)
	if err != nil {
		t.Fatal(err)
	}
	again := v.join("berlin")
	again.Invitation = i.String()
	if err := l.AddCustodian(t.Context(), again); err != nil {
		t.Error(err)
	}
	if err := l.AddCustodian(t.Context(), again); err == nil {
		t.Error("the same custodian twice")
	}
	checkFsck(t, l)
	o.close(l)
	// It no longer knows this ledger.
	other := newOffice(t)
	m := other.open("crm")
	if i, err = custodian.Invite(v.dir); err != nil {
		t.Fatal(err)
	}
	stranger := v.join("berlin")
	stranger.Invitation = i.String()
	if err := m.AddCustodian(t.Context(), stranger); !errors.Is(err, keystore.ErrWrongTree) {
		t.Errorf("another ledger takes the custodian: %v", err)
	}
	if c, err := ledger.ReadConfig(other.path("crm")); err != nil || len(c.Custodians) != 0 {
		t.Errorf("%+v, %v", c.Custodians, err)
	}
	if _, err := ledger.Open(t.Context(), ledger.Options{Dir: o.path("crm")}); !errors.Is(err, custodian.ErrNotEnrolled) {
		t.Errorf("after another ledger has enrolled: %v", err)
	}
	if i, err = custodian.Invite(v.dir); err != nil {
		t.Fatal(err)
	}
	if known, err := ledger.Reenrol(t.Context(), other.path("crm"), i.String()); known != "" || err != nil {
		t.Errorf("known %v, %v", known, err)
	}
	if known, err := ledger.Reenrol(t.Context(), o.path("crm"), i.String()); known == "" || err != nil {
		t.Errorf("known %v, %v", known, err)
	}
	o.open("crm")
}

// rootKind is the level of the local file.
func rootKind(l *ledger.Ledger) keystore.Level {
	for _, h := range l.Custody().Holders {
		if h.Kind == "file" {
			return h.Level
		}
	}
	return keystore.L0
}

// TestCustodianHead puts folder, root and head back as they were, on the ledger's
// machine: the custodian knows of a longer log.
func TestCustodianHead(t *testing.T) {
	for _, kept := range []bool{false, true} {
		o := newOffice(t)
		l := o.open("crm")
		declare(t, l)
		if kept {
			if err := l.AddCustodian(t.Context(), newVault(t).join("vault")); err != nil {
				t.Fatal(err)
			}
		}
		o.close(l)
		o.copyTo("old")
		l = o.open("crm")
		must(t, l, strings.Replace(aboutCustody, "newsletter", "chat-service", 1))
		o.close(l)
		l, err := ledger.Open(t.Context(), ledger.Options{Dir: o.path("old/crm"), Root: []string{o.path("old/crm.root")}})
		if err != nil {
			t.Fatal(err)
		}
		rolled := log.ErrRolledBack{}
		if errors.As(l.RolledBack(), &rolled) != kept {
			t.Errorf("with a custodian %v: %v", kept, l.RolledBack())
		}
		o.close(l)
	}
}

// TestCustodianPages loses the machine after an erasure, and restores backups from
// before and after the custodian joined with the key pages that it has.
func TestCustodianPages(t *testing.T) {
	o, v := newOffice(t), newVault(t)
	l := o.open("crm")
	declare(t, l)
	about := func(who string) string {
		return strings.NewReplacer("newsletter", "chat-service", "c-1", who).Replace(aboutCustody)
	}
	must(t, l, about("c-1"))
	must(t, l, about("c-2"))
	if _, err := l.Backup(t.Context(), o.path("before")); err != nil {
		t.Fatal(err)
	}
	if err := l.AddCustodian(t.Context(), v.join("vault")); err != nil {
		t.Fatal(err)
	}
	o.close(l)
	l = o.open("crm") // from now on pages go there
	if err := l.ShipPages(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, l, about("c-3"))
	if _, err := l.Backup(t.Context(), o.path("after")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "c-2"}); err != nil {
		t.Fatal(err)
	}
	o.close(l)
	for _, x := range []struct {
		backup, pages string
		invited       bool
		want          map[string]int // nil: not all pages are there
	}{
		{"after", "", false, nil},
		{"after", filepath.Join(v.dir, "pages"), false, map[string]int{"c-1": 1, "c-2": 0, "c-3": 1}},
		{"before", filepath.Join(v.dir, "pages"), true, map[string]int{"c-1": 1, "c-2": 0, "c-3": 0}},
	} {
		to := x.backup + x.pages[:min(1, len(x.pages))] + "restored"
		to = strings.ReplaceAll(to, "/", "-")
		ro := ledger.RestoreOptions{From: o.path(x.backup), Dir: o.path(to), Root: []string{o.path("crm.root")}, SigningKey: o.path("crm/log.skey"), Pages: x.pages}
		if x.invited {
			if _, err := ledger.Restore(t.Context(), ro); !errors.Is(err, keystore.ErrNoCompleteEpoch) {
				t.Errorf("a backup that does not know the custodian: %v", err)
			}
			i, err := custodian.Invite(v.dir)
			if err != nil {
				t.Fatal(err)
			}
			ro.Custodians = []string{i.String()}
		}
		r, err := ledger.Restore(t.Context(), ro)
		if x.want == nil {
			if err == nil && len(r.Missing) == 0 {
				t.Error("control: the pages of the custodian are not needed")
			}
			continue
		}
		if err != nil || len(r.Missing) != 0 {
			t.Fatalf("%s: %+v, %v", x.backup, r, err)
		}
		l = o.open(to)
		for who, want := range x.want {
			if n := events(t, l, who); n != want {
				t.Errorf("%s: %s has %d events, want %d", x.backup, who, n, want)
			}
		}
		o.close(l)
	}
}

// TestCustodianConfig refuses what is not a custodian.
func TestCustodianConfig(t *testing.T) {
	o, v := newOffice(t), newVault(t)
	l := o.open("crm")
	bad := v.join("a b")
	if err := l.AddCustodian(t.Context(), bad); err == nil {
		t.Error("a name with a space")
	}
	bad = v.join("vault")
	bad.Invitation += "x"
	if err := l.AddCustodian(t.Context(), bad); err == nil {
		t.Error("an invitation that is none")
	}
	v.stop()
	if err := l.AddCustodian(t.Context(), v.join("vault")); !errors.Is(err, keystore.ErrUnreachable) {
		t.Errorf("a custodian that is away: %v", err)
	}
	o.close(l)
	name := o.path("crm/lacuna.json")
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const key = "P3cI1fXMK8YztZ0rOi7ZLnR5IgxvCK3iCL682FgKuTs"
	for what, list := range map[string]string{
		"another change": `{"name":"a","address":"h:1","key":"` + key + `","change":"thinking"}`,
		"no key":         `{"name":"a","address":"h:1","key":""}`,
		"no port":        `{"name":"a","address":"h","key":"` + key + `"}`,
		"no name":        `{"name":"","address":"h:1","key":"` + key + `"}`,
		"twice":          `{"name":"a","address":"h:1","key":"` + key + `"},{"name":"b","address":"h:1","key":"` + key + `"}`,
		"unknown":        `{"name":"a","address":"h:1","key":"` + key + `","port":1}`,
	} {
		text := strings.Replace(string(good), `"suite": 1,`, `"suite": 1, "custodians": [`+list+`],`, 1)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var c *ledger.ConfigError
		if _, err := ledger.Open(t.Context(), ledger.Options{Dir: o.path("crm")}); !errors.As(err, &c) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
