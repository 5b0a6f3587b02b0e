package ledger_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle"
)

// backupVectors is the file that docs/spec/backup.md refers to.
type backupVectors struct {
	Comment string         `json:"comment"`
	Cases   []backupVector `json:"cases"`
}

type backupVector struct {
	Name     string `json:"name"`
	Valid    bool   `json:"valid"`
	Manifest string `json:"manifest"` // the bytes of manifest.json
}

func makeBackupVectors(t testing.TB) *backupVectors {
	const origin = "log.example/crm"
	seed := sha256.Sum256([]byte(origin))
	public := append([]byte{1}, ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)...)
	id := sha256.Sum256(append([]byte(origin+"\n"), public...))
	signer, err := merkle.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%x+%s", origin, id[:4], base64.StdEncoding.EncodeToString(append([]byte{1}, seed[:]...))))
	if err != nil {
		t.Fatal(err)
	}
	head := merkle.Checkpoint{Origin: origin, Size: 1071, Root: merkle.LeafHash([]byte("root"))}
	signed, err := merkle.SignCheckpoint(head, signer)
	if err != nil {
		t.Fatal(err)
	}
	sum := func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
	sound := func() *ledger.Manifest {
		return &ledger.Manifest{
			Format: "lacuna/backup/v2", Made: time.Date(2026, 5, 4, 12, 31, 40, 250_000_000, time.UTC), Origin: origin, Size: head.Size,
			Root: head.Root.String(), Epoch: 7, Generation: 3, Head: string(signed),
			Files: []ledger.BackupFile{
				{Name: "lacuna.json", Size: 212, SHA256: sum("lacuna.json")}, {Name: "log.vkey", Size: 94, SHA256: sum("log.vkey")},
				{Name: "log/000012.sst", Size: 1 << 31, SHA256: sum("table")}, {Name: "log/MANIFEST-000001", SHA256: sum("")},
			},
		}
	}
	v := &backupVectors{Comment: "Vectors for docs/spec/backup.md: manifest is the bytes of manifest.json."}
	text := func(m *ledger.Manifest) string {
		b, err := ledger.ManifestText(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	add := func(name string, valid bool, change func(m *ledger.Manifest)) {
		m := sound()
		if change != nil {
			change(m)
		}
		v.Cases = append(v.Cases, backupVector{name, valid, text(m)})
	}
	add("a backup", true, nil)
	add("whole seconds", true, func(m *ledger.Manifest) { m.Made = m.Made.Truncate(time.Second) })
	add("no files", true, func(m *ledger.Manifest) { m.Files = []ledger.BackupFile{} })
	add("a later version", false, func(m *ledger.Manifest) { m.Format = "lacuna/backup/v3" })
	add("another origin than the head's", false, func(m *ledger.Manifest) { m.Origin = "log.example/other" })
	add("another size than the head's", false, func(m *ledger.Manifest) { m.Size++ })
	add("another root than the head's", false, func(m *ledger.Manifest) { m.Root = merkle.LeafHash([]byte("other")).String() })
	add("a head that is none", false, func(m *ledger.Manifest) { m.Head = "log.example/crm\n1071\n" })
	add("files out of order", false, func(m *ledger.Manifest) { m.Files[0], m.Files[1] = m.Files[1], m.Files[0] })
	add("a file twice", false, func(m *ledger.Manifest) { m.Files[1] = m.Files[0] })
	for _, name := range []string{"", "/etc/passwd", "../crm.root", "log/../../crm.root", "./lacuna.json", "log//000012.sst", "log/", ".", "manifest.json"} {
		add(fmt.Sprintf("a file named %q", name), false, func(m *ledger.Manifest) { m.Files = []ledger.BackupFile{{Name: name, SHA256: sum("")}} })
	}
	add("a size below zero", false, func(m *ledger.Manifest) { m.Files[0].Size = -1 })
	add("a digest in capitals", false, func(m *ledger.Manifest) { m.Files[0].SHA256 = strings.ToUpper(m.Files[0].SHA256) })
	add("a digest that is too short", false, func(m *ledger.Manifest) { m.Files[0].SHA256 = m.Files[0].SHA256[:62] })
	whole := text(sound())
	for _, c := range []struct{ name, old, new string }{
		{"an unknown member", "  \"epoch\"", "  \"mood\": 1,\n  \"epoch\""},
		{"a member twice", "  \"epoch\": 7,\n", "  \"epoch\": 7,\n  \"epoch\": 7,\n"},
		{"a member in capitals", "\"epoch\"", "\"Epoch\""},
		{"a member left out", "  \"epoch\": 7,\n", ""},
		{"members in another order", "  \"epoch\": 7,\n  \"generation\": 3,\n", "  \"generation\": 3,\n  \"epoch\": 7,\n"},
		{"another indentation", "  \"epoch\"", "\t\"epoch\""},
		{"a number that is no integer", "\"epoch\": 7", "\"epoch\": 7.0"},
		{"something behind it", "}\n", "}\n{}\n"},
		{"no line feed at the end", "\n}\n", "\n}"},
	} {
		at := strings.LastIndex(whole, c.old)
		if at < 0 {
			t.Fatalf("%s: nothing to change", c.name)
		}
		v.Cases = append(v.Cases, backupVector{c.name, false, whole[:at] + c.new + whole[at+len(c.old):]})
	}
	return v
}

// TestBackupVectors holds docs/spec/vectors/backup.json against the code.
func TestBackupVectors(t *testing.T) {
	v := makeBackupVectors(t)
	vectors.Same(t, "backup.json", v)
	for _, x := range v.Cases {
		if _, err := ledger.ParseManifest([]byte(x.Manifest)); (err == nil) != x.Valid {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
}
