package ledger_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
)

// FuzzTags reads request tag rows: what is accepted is written back the same.
func FuzzTags(f *testing.F) {
	f.Add([]byte("q\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x07"), bytes.Repeat([]byte{1}, 36))
	f.Add([]byte("q\x00\x00\x00\x02\xff\xff\xff\xff\xff\xff\xff\xff"), bytes.Repeat([]byte{2}, 72))
	f.Add([]byte("q"), []byte{})
	f.Fuzz(func(t *testing.T, k, v []byte) {
		var again []byte
		n := uint64(0)
		err := ledger.EachTag(k, v, func(index uint64, masked []byte, minute uint32) error {
			if index != binary.BigEndian.Uint64(k[5:])+n {
				t.Fatalf("tag %d has index %d", n, index)
			}
			n++
			again = append(again, masked...)
			again = binary.BigEndian.AppendUint32(again, minute)
			return nil
		})
		switch {
		case err == nil && !bytes.Equal(again, v):
			t.Fatal("read as something else")
		case err != nil && n != 0:
			t.Fatal("refused after a part of it was taken")
		}
	})
}

// FuzzConfig reads lacuna.json: what is accepted reads the same after it is written.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"format":"lacuna/v1","origin":"log.example/crm","suite":1,"root":["../crm.root"],"pages":"../pages"}`))
	f.Add([]byte(`{"format":"lacuna/v1","origin":"","suite":2,"root":null} {}`))
	f.Add([]byte(`{"format":"lacuna/v1","format":"lacuna/v2","suite":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ledger.ParseConfig(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		d, err := ledger.ParseConfig(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if twice, err := json.Marshal(d); err != nil || !bytes.Equal(again, twice) {
			t.Fatalf("%s and %s, %v", again, twice, err)
		}
	})
}

// FuzzManifest reads manifest.json of a backup.
func FuzzManifest(f *testing.F) {
	for _, x := range makeBackupVectors(f).Cases {
		f.Add([]byte(x.Manifest))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ledger.ParseManifest(text)
		if err != nil {
			return
		}
		if again, err := ledger.ManifestText(&m); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%s was read, and is written as %s, %v", text, again, err)
		}
	})
}

// FuzzHeadSize reads the size in a copy of a head; it never panics, and what is no
// number is none.
func FuzzHeadSize(f *testing.F) {
	f.Add([]byte("log.example/crm\n12\nroot\n"))
	f.Add([]byte("log.example/crm\n99999999999999999999999\nroot\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := ledger.HeadSize(b)
		lines := bytes.Split(b, []byte("\n"))
		if n != 0 && (len(lines) < 3 || bytes.ContainsFunc(lines[1], func(r rune) bool { return r < '0' || r > '9' })) {
			t.Fatalf("%d from %q", n, b)
		}
	})
}
