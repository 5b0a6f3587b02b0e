package ledger_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/ledger"
)

// TestAddRootInterrupted stops the adding of a place after each of its steps. A place
// that the configuration does not name has no share; one that it names gets it.
func TestAddRootInterrupted(t *testing.T) {
	dir := t.TempDir()
	crm, first, second := filepath.Join(dir, "crm"), filepath.Join(dir, "first"), filepath.Join(dir, "second")
	if err := ledger.Init(t.Context(), ledger.InitOptions{Dir: crm, Origin: "places.lacuna.test", Root: []string{first}}); err != nil {
		t.Fatal(err)
	}
	// Stopped when the place was made, or when there was not yet a configuration.
	f, err := holder.CreateFile(second)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if n := sharesAt(t, second); n != 0 {
		t.Fatalf("%d shares in a place that nobody knows", n)
	}
	// Stopped when the configuration was written.
	name := filepath.Join(crm, "lacuna.json")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var c ledger.Config
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	c.Root = append(c.Root, second)
	changed, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, changed, 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), ledger.Options{Dir: crm})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if n := sharesAt(t, second); n != 1 {
		t.Fatalf("%d shares in the new place after the ledger was opened", n)
	}
	// Begun again from where only the file was there.
	third := filepath.Join(dir, "third")
	if f, err = holder.CreateFile(third); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := ledger.AddRoot(t.Context(), ledger.Options{Dir: crm}, third); err != nil {
		t.Fatal(err)
	}
	if sharesAt(t, third) != 1 {
		t.Error("the third place has no share")
	}
	// A place that is wiped and still named is filled again, so giving one up can be
	// stopped after the wipe.
	if err := holder.Wipe(second); err != nil {
		t.Fatal(err)
	}
	if wiped, err := ledger.RemoveRoot(t.Context(), ledger.Options{Dir: crm}, second, false); err != nil || !wiped {
		t.Fatalf("wiped %v: %v", wiped, err)
	}
	if _, err := os.Stat(second); err == nil {
		t.Error("the place that was given up is still there")
	}
	if l, err = ledger.Open(t.Context(), ledger.Options{Dir: crm}); err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func sharesAt(t *testing.T, root string) int {
	t.Helper()
	f, err := holder.OpenFile(root)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	shares, err := f.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(shares)
}

// TestRootOnPartition makes a ledger whose root lies on a partition, erases, and adds
// and gives up another one.
func TestRootOnPartition(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("attaching a device needs root")
	}
	dir := t.TempDir()
	attach := func(name string) string {
		image := filepath.Join(dir, name)
		if err := os.WriteFile(image, make([]byte, 2<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("losetup", "--find", "--show", image).CombinedOutput()
		if err != nil {
			t.Skipf("this machine has no loop devices: %v: %s", err, out)
		}
		device := strings.TrimSpace(string(out))
		t.Cleanup(func() { exec.Command("losetup", "-d", device).Run() })
		return device
	}
	one, two := attach("one"), attach("two")
	o := ledger.Options{Dir: filepath.Join(dir, "crm")}
	if err := ledger.Init(t.Context(), ledger.InitOptions{Dir: o.Dir, Origin: "places.lacuna.test", Root: []string{one}}); err != nil {
		t.Fatal(err)
	}
	if err := ledger.AddRoot(t.Context(), o, two); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	declare(t, l)
	must(t, l, `{"type":"processing.performed","subject":"s-1","purpose":"invoices","operation":"store"}`)
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "s-1", Everything: true}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if wiped, err := ledger.RemoveRoot(t.Context(), o, one, false); err != nil || !wiped {
		t.Fatalf("wiped %v: %v", wiped, err)
	}
	if _, err := os.Stat(one); err != nil {
		t.Errorf("the device itself was removed: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "one")); err != nil || strings.Contains(string(b), "LCNH") {
		t.Errorf("a share is left on the partition that was given up: %v", err)
	}
	if l, err = ledger.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	checkFsck(t, l)
	l.Close()
	if _, err := os.Stat(two + ".head"); err == nil {
		t.Error("a file was made in the folder of devices")
	}
}
