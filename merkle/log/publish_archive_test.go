package log_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// TestPolicyChange: what is shown satisfies the policy of today, what is archived
// that of its time.
func TestPolicyChange(t *testing.T) {
	w1, w2 := newWitness(t, "one"), newWitness(t, "two")
	o := withWitnesses(options(t), 1, w1)
	l := create(t, "log", o)
	size := 0
	for i, under := range []log.Options{
		withWitnesses(o, 1, w1), withWitnesses(o, 2, w1, w2), withWitnesses(o, 1, w1), withWitnesses(o, 1, w1, w2),
	} {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, "log", under)
		if i == 1 {
			// No head satisfies the stricter policy yet, so none is shown.
			if _, ok := l.Published(); ok || status(l.Handler(), "checkpoint") != http.StatusNotFound {
				t.Fatal("a head is shown that does not satisfy the policy")
			}
			// The head is there, and what is missing is one signature.
			if h := publish(t, l); h.Size != uint64(size) {
				t.Fatalf("published %d, want %d", h.Size, size)
			}
			checkPublished(t, l, under, uint64(size))
		} else if i > 1 {
			checkPublished(t, l, under, uint64(size))
		}
		if _, err := appendSome(l, fmt.Sprint(i), 3); err != nil {
			t.Fatal(err)
		}
		size += 3
		publish(t, l)
		checkPublished(t, l, under, uint64(size))
		if err := l.Fsck(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		o = under
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := log.Fsck(t.Context(), "log", o, nil); err != nil {
		t.Fatal(err)
	}
	// An older head is shown if only that satisfies the policy.
	both := withWitnesses(o, 2, w1, w2)
	if err := log.EditRows("log", o, map[string][]byte{string(log.ArchiveKey(12)): stripped(t, o, 12, w2), string(log.PolicyKey(12)): policyOf(1, w1)}); err != nil {
		t.Fatal(err)
	}
	l = open(t, "log", both)
	defer l.Close()
	if h, ok := l.Published(); !ok || h.Size != 6 {
		t.Errorf("shown: %v %d, want 6, the newest that both have cosigned", ok, h.Size)
	}
}

// stripped is an archived head without the lines of one witness.
func stripped(t testing.TB, o log.Options, size uint64, w *memoryWitness) []byte {
	t.Helper()
	rows, err := log.RawRows("log", o)
	if err != nil {
		t.Fatal(err)
	}
	signed := rows[string(log.ArchiveKey(size))]
	lines, err := merkle.SignatureLines(signed, w.key.Verifier())
	if err != nil || len(lines) == 0 {
		t.Fatalf("no line to take away from\n%s", signed)
	}
	return bytes.Replace(signed, lines, nil, 1)
}

// TestFsckPublished damages archived heads, one way at a time.
func TestFsckPublished(t *testing.T) {
	w := newWitness(t, "one")
	o := withWitnesses(options(t), 1, w)
	l := create(t, "log", o)
	for i := range 3 {
		if _, err := appendSome(l, fmt.Sprint(i), 200); err != nil {
			t.Fatal(err)
		}
		publish(t, l)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	rows, err := log.RawRows("log", o)
	if err != nil {
		t.Fatal(err)
	}
	key, policy := string(log.ArchiveKey(200)), string(log.PolicyKey(200))
	good := rows[string(log.ArchiveKey(200))]
	signer := o.Signer
	other := merkle.Checkpoint{Origin: origin, Size: 200, Root: merkle.LeafHash(nil)}
	forged, err := merkle.SignCheckpoint(other, signer, w.key.At(1))
	if err != nil {
		t.Fatal(err)
	}
	beyond, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: origin, Size: 9999, Root: merkle.LeafHash(nil)}, signer, w.key.At(1))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		rows map[string][]byte
		want string
	}{
		"nothing":                   {nil, ""},
		"another root":              {map[string][]byte{key: forged}, "published head 200: says root"},
		"another size":              {map[string][]byte{key: rows[string(log.ArchiveKey(400))]}, "published head 200: is signed for size 400"},
		"beyond the log":            {map[string][]byte{string(log.ArchiveKey(9999)): beyond}, "published head 9999: the log has 600 leaves"},
		"garbage":                   {map[string][]byte{key: []byte("x")}, "published head 200: "},
		"a wrong cosignature":       {map[string][]byte{key: append(bytes.Clone(good[:len(good)-5]), "AAA=\n"...)}, "published head 200: "},
		"without its cosignature":   {map[string][]byte{key: stripped(t, o, 200, w)}, "the quorum is not met"},
		"without the log's":         {map[string][]byte{key: bytes.Replace(good, []byte("— "+origin), []byte("— x"), 1)}, "published head 200: "},
		"a policy that is none":     {map[string][]byte{policy: []byte("quorum\n")}, "published head 200: its policy"},
		"a policy that wants more":  {map[string][]byte{policy: policyOf(2, w, newWitness(t, "two"))}, `without "two"`},
		"a row of an unknown kind":  {map[string][]byte{"hx": {1}}, "unknown row"},
		"a witness that says what?": {map[string][]byte{string(log.AheadKey): []byte("x")}, "witness: "},
	} {
		if test.rows != nil {
			if err := log.EditRows("log", o, test.rows); err != nil {
				t.Fatal(err)
			}
		}
		err := log.Fsck(t.Context(), "log", o, nil)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
		oneLine(t, err)
		repair := map[string][]byte{}
		for _, k := range slices.Sorted(maps.Keys(test.rows)) {
			repair[k] = rows[k]
		}
		if err := log.EditRows("log", o, repair); err != nil {
			t.Fatal(err)
		}
	}
	// Opening looks at what it is going to show.
	for name, edit := range map[string]map[string][]byte{
		"another root":   {string(log.ArchiveKey(600)): sign(t, o, w, 600)},
		"beyond the log": {string(log.ArchiveKey(9999)): beyond},
		"garbage":        {string(log.ArchiveKey(600)): []byte("x")},
	} {
		if err := log.EditRows("log", o, edit); err != nil {
			t.Fatal(err)
		}
		if _, err := log.Open(t.Context(), "log", o); !errors.Is(err, log.ErrCorrupt) {
			t.Errorf("opening with a published head that has %s: %v, want ErrCorrupt", name, err)
		} else {
			oneLine(t, err)
		}
		repair := map[string][]byte{}
		for k := range edit {
			repair[k] = rows[k]
		}
		if err := log.EditRows("log", o, repair); err != nil {
			t.Fatal(err)
		}
	}
}

func sign(t testing.TB, o log.Options, w *memoryWitness, size uint64) []byte {
	t.Helper()
	signed, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: origin, Size: size, Root: merkle.LeafHash(nil)}, o.Signer, w.key.At(1))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// TestSecondKey: published heads have a signature of the second key behind that of
// the first, and no others have.
func TestSecondKey(t *testing.T) {
	skey, vkey2, err := merkle.GenerateCosigner(rand.Reader, origin, merkle.CosignatureMLDSA44)
	if err != nil {
		t.Fatal(err)
	}
	second, err := merkle.NewCosigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v2, err := merkle.NewVerifier(vkey2)
	if err != nil {
		t.Fatal(err)
	}
	w := newWitness(t, "one")
	for name, o := range map[string]log.Options{
		"with a policy":    withWitnesses(options(t), 1, w),
		"without a policy": options(t),
	} {
		log.NoPause(&o)
		o.Publishing.Cosigner = second
		l := create(t, "log", o)
		if _, err := appendSome(l, "a", 3); err != nil {
			t.Fatal(err)
		}
		if status(l.Handler(), "checkpoint") != http.StatusNotFound {
			t.Errorf("%s: a head is shown without the second signature", name)
		}
		h := publish(t, l)
		if got := fetch(t, l.Handler(), "checkpoint"); !bytes.Equal(got, h.Signed) {
			t.Errorf("%s: served\n%s", name, got)
		}
		parseHead(t, h.Signed)
		if c, err := merkle.OpenCheckpoint(h.Signed, origin, v2); err != nil || c.Size != 3 {
			t.Errorf("%s: by the second key: %v", name, err)
		}
		// Clients that know only one kind look at the first line.
		lines := strings.SplitAfter(string(h.Signed), "\n")
		if want := strings.SplitAfter(string(l.Head().Signed), "\n"); lines[4] != want[4] {
			t.Errorf("%s: the first signature is\n%s", name, lines[4])
		}
		if _, err := merkle.OpenCheckpoint(l.Head().Signed, origin, v2); err == nil {
			t.Errorf("%s: a head that is not published has the second signature", name)
		}
		if err := l.Fsck(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, "log", o)
		if after, ok := l.Published(); !ok || !bytes.Equal(after.Signed, h.Signed) {
			t.Errorf("%s: after reopening another head is shown", name)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestExportPublished: a static copy has the head that strangers may see, and the
// partial tiles of its size.
func TestExportPublished(t *testing.T) {
	w := newWitness(t, "one")
	o := withWitnesses(options(t), 1, w)
	l := create(t, "log", o)
	var list [][]byte
	grow(t, l, &list, 300)
	if err := l.Export(t.Context(), "x", nil); !errors.Is(err, log.ErrUnpublished) {
		t.Fatalf("exporting before anything is published: %v", err)
	}
	publish(t, l)
	grow(t, l, &list, 300)
	old := l.Snapshot()
	if err := l.Export(t.Context(), "x", nil); err != nil {
		t.Fatal(err)
	}
	checkFolder(t, folder{o.FS, "x"}, list[:300])
	publish(t, l)
	grow(t, l, &list, 100)
	// The snapshot knows what was published when it was taken.
	if err := old.Export(t.Context(), "old", nil); err != nil {
		t.Fatal(err)
	}
	checkFolder(t, folder{o.FS, "old"}, list[:600])
	publish(t, l)
	if err := old.Export(t.Context(), "older", nil); err != nil {
		t.Fatal(err)
	}
	checkFolder(t, folder{o.FS, "older"}, list[:300])
	old.Close()
	if err := l.Export(t.Context(), "x", nil); err != nil {
		t.Fatal(err)
	}
	checkFolder(t, folder{o.FS, "x"}, list)
	// A folder that shows more than is published is not set back.
	plain := o
	plain.Publishing = log.Publishing{}
	grow(t, l, &list, 50)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l2 := open(t, "log", plain)
	if err := l2.Export(t.Context(), "x", nil); err != nil {
		t.Fatal(err)
	}
	if err := l2.Close(); err != nil {
		t.Fatal(err)
	}
	l3 := open(t, "log", o)
	defer l3.Close()
	if err := l3.Export(t.Context(), "x", nil); !errors.Is(err, log.ErrUnpublished) {
		t.Errorf("setting a folder back: %v", err)
	}
}

// TestBackupPublished: a backup shows what the log showed.
func TestBackupPublished(t *testing.T) {
	w := newWitness(t, "one")
	o := withWitnesses(options(t), 1, w)
	l := create(t, "log", o)
	defer l.Close()
	if _, err := appendSome(l, "a", 300); err != nil {
		t.Fatal(err)
	}
	want := publish(t, l)
	if err := l.Backup(t.Context(), "backup"); err != nil {
		t.Fatal(err)
	}
	b := open(t, "backup", o)
	defer b.Close()
	if h := checkPublished(t, b, o, 300); !bytes.Equal(h.Signed, want.Signed) {
		t.Error("the backup shows another head")
	}
	if err := b.Fsck(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func FuzzParseAheadRow(f *testing.F) {
	signed, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: origin, Size: 15}, options(f).Signer)
	if err != nil {
		f.Fatal(err)
	}
	v, err := merkle.NewVerifier(vkey)
	if err != nil {
		f.Fatal(err)
	}
	good := "one\n" + string(signed)
	if _, size, err := log.ParseAheadRow([]byte(good), origin, v); err != nil || size != 15 {
		f.Fatalf("size %d, %v", size, err)
	}
	for _, s := range []string{good, "\n" + string(signed), "one\n15\n", strings.Replace(good, "15", "16", 1), strings.Replace(good, origin, "x", 2), "one\n", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		again, size, err := log.ParseAheadRow(b, origin, v)
		if err == nil && (!bytes.Equal(again, b) || size != 15) {
			t.Errorf("%q was read as %q with size %d", b, again, size)
		}
	})
}
