package erasure

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"testing"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
)

// telltales are the forms in which a subject identifier could lie in a row.
func telltales(subject string) [][]byte {
	return [][]byte{
		[]byte(subject), []byte(subject[2:]), []byte(hex.EncodeToString([]byte(subject))),
		[]byte(base64.RawURLEncoding.EncodeToString([]byte(subject))), // as identity keeps it
	}
}

func tells(text []byte, subject string) bool {
	for _, s := range telltales(subject) {
		if bytes.Contains(text, s) {
			return true
		}
	}
	return false
}

// TestAttack3JobRows is the attack on an earlier draft, whose job rows were sealed under a key that lives
// on: they stay in write-ahead logs and backups, and the root of any later day opens them. The thief has
// every row ever written and the root as it is after the erasure.
func TestAttack3JobRows(t *testing.T) {
	const subject = "s:ada.lovelace"
	w := newWorld(t)
	w.people()
	w.mustRecord(subject, "marketing", "", "newsletter", "to mailer as m-4711")

	// The draft: the same particulars in a row under a key of the system.
	lease, err := w.tree.Use(t.Context(), "o:system", "jobs", 0)
	if err != nil {
		t.Fatal(err)
	}
	key := rowKey(kindIdentity, newID(), 0)
	row, err := certificate.Canonical(&identity{Subject: []byte(subject), Refs: [][]byte{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.e.write(t.Context(), []keystore.KV{{Key: key, Value: lease.SealRow(key, row)}}, lease); err != nil {
		t.Fatal(err)
	}
	lease.Done()

	if _, err := w.e.Erase(t.Context(), w.erasing(subject)); err != nil {
		t.Fatal(err)
	}
	opened, sealed := w.thief().jobRows()
	draft, code := 0, 0
	for _, text := range opened {
		switch {
		case bytes.Equal(text, row):
			draft++
		case tells(text, subject):
			code++
		}
	}
	if draft != 1 {
		t.Error("control: the thief did not read the draft's row")
	}
	if code != 0 {
		t.Errorf("%d job rows name the erased person under the current root", code)
	}
	if len(opened) < 2 || len(opened) >= sealed {
		t.Errorf("the thief opened %d of %d job rows; some must still open before the sweep, and not those that name the person", len(opened), sealed)
	}

	// What is left dies with the epoch of the sweep, which erases the jobs' own keys.
	var jobs []keystore.KeyInfo
	err = w.tree.Walk(t.Context(), func(k keystore.KeyInfo) error {
		if k.Compartment == compartmentJob {
			jobs = append(jobs, k)
		}
		return nil
	})
	if err != nil || len(jobs) != 1 {
		t.Fatalf("%d keys of jobs, %v", len(jobs), err)
	}
	refs := []keystore.Ref{jobs[0].Ref}
	if err := w.tree.Fence(t.Context(), refs); err != nil {
		t.Fatal(err)
	}
	next, err := w.tree.Prepare(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Root(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := next.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	opened, _ = w.thief().jobRows()
	if len(opened) != 1 || !bytes.Equal(opened[0], row) {
		t.Errorf("after the sweep the thief opens %d job rows, want only the draft's", len(opened))
	}
}

// TestThief reads with every row ever written and the current root: everything before, nothing erased after.
func TestThief(t *testing.T) {
	w := newWorld(t)
	w.people()
	before := w.thief()
	texts, err := readFrom(before.tree, before.rows, "s:ada", "marketing", "")
	if err != nil || len(texts) != 3 {
		t.Fatalf("control: the thief reads %d events, %v", len(texts), err)
	}
	if _, err := w.e.Erase(t.Context(), w.erasing("s:ada")); err != nil {
		t.Fatal(err)
	}
	after := w.thief()
	if texts, err := readFrom(after.tree, after.rows, "s:ada", "marketing", ""); err == nil {
		t.Errorf("the thief reads %d erased events", len(texts))
	}
	for _, s := range []string{"s:bob", "s:cyn"} {
		if texts, err := readFrom(after.tree, after.rows, s, "marketing", ""); err != nil || len(texts) != 3 {
			t.Errorf("the living %s: %d events, %v", s, len(texts), err)
		}
	}
}

// TestRowsNameNobody scans everything that was ever written for the identifier and for how recipients know
// the person. The control writes a row that names the person.
func TestRowsNameNobody(t *testing.T) {
	const subject = "s:grace.hopper@navy.example"
	w := newWorld(t)
	w.mustRecord(subject, "marketing", "", "newsletter", "to mailer as m-0815-grace")
	if _, err := w.e.Erase(t.Context(), w.erasing(subject)); err != nil {
		t.Fatal(err)
	}
	found := func() (n int) {
		for _, kv := range w.history {
			if tells(kv.Key, subject) || tells(kv.Value, subject) || bytes.Contains(kv.Value, []byte("m-0815-grace")) {
				n++
			}
		}
		for _, leaf := range w.log {
			if tells(leaf, subject) || bytes.Contains(leaf, []byte("mailer")) {
				n++
			}
		}
		return n
	}
	if n := found(); n != 0 {
		t.Errorf("%d rows or leaves name the person", n)
	}
	if err := w.e.write(context.Background(), []keystore.KV{{Key: []byte("jcontrol"), Value: []byte("for " + subject)}}); err != nil {
		t.Fatal(err)
	}
	if n := found(); n != 1 {
		t.Errorf("control: found %d", n)
	}
}

// TestNamesAreUsedOnce checks that no two rows were ever sealed under one name, also over crashes: two
// texts under one name would share a key and a nonce.
func TestNamesAreUsedOnce(t *testing.T) {
	for s := Requested; s <= Recorded; s++ {
		w := newWorld(t)
		w.people()
		w.e.o.at = func(at State) error {
			if at == s {
				w.stop()
				return errStopped
			}
			return nil
		}
		w.e.Erase(t.Context(), w.erasing("s:ada"))
		if _, err := w.boot(); err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for _, kv := range w.history {
			if kv.Key[0] != space || kv.Key[1] == kindRecorded {
				continue
			}
			if seen[string(kv.Key)] {
				t.Errorf("crash after %s: a name was used twice", s)
			}
			seen[string(kv.Key)] = true
		}
	}
}

// TestRowLengths compares the rows of people with short and long identifiers.
func TestRowLengths(t *testing.T) {
	lengths := func(subject string) (n []int) {
		w := newWorld(t)
		w.mustRecord(subject, "marketing", "", "newsletter")
		if _, err := w.e.Erase(t.Context(), w.erasing(subject)); err != nil {
			t.Fatal(err)
		}
		for _, kv := range w.history {
			if kv.Key[0] == space {
				n = append(n, len(kv.Key), len(kv.Value))
			}
		}
		return n
	}
	short, long := lengths("s:1"), lengths("s:maria-magdalena.von-und-zu-hohenstein@example.org")
	if len(short) != len(long) {
		t.Fatalf("%d and %d rows", len(short), len(long))
	}
	for i := range short {
		if short[i] != long[i] {
			t.Errorf("row %d: %d and %d bytes", i/2, short[i], long[i])
		}
	}
}
