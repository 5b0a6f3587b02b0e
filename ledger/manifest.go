package ledger

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// Manifest is the file manifest.json of a backup. It is written last: a folder
// without one is no backup.
type Manifest struct {
	Format     string       `json:"format"` // "lacuna/backup/v2"
	Made       time.Time    `json:"made"`
	Origin     string       `json:"origin"`
	Size       uint64       `json:"size"`
	Root       string       `json:"root"`       // base64 root hash at that size
	Epoch      uint64       `json:"epoch"`      // of the key tree
	Generation uint32       `json:"generation"` // under which the rows are; a sweep ends it
	Head       string       `json:"head"`       // the signed checkpoint
	Files      []BackupFile `json:"files"`      // by name
}

// BackupFile is one file of a backup.
type BackupFile struct {
	Name   string `json:"name"` // relative to the backup, with slashes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hex
}

const (
	backupFormat = "lacuna/backup/v2"
	manifestFile = "manifest.json"
	partial      = ".partial"
)

// file returns what the manifest says of a file.
func (m *Manifest) file(name string) (BackupFile, bool) {
	for _, f := range m.Files {
		if f.Name == name {
			return f, true
		}
	}
	return BackupFile{}, false
}

// bytes is how much the backup holds.
func (m *Manifest) bytes() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

func readManifest(dir string) (Manifest, error) {
	var m Manifest
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, &NotFoundError{What: "no backup in " + dir}
	}
	if err != nil {
		return m, err
	}
	if m, err = parseManifest(text); err != nil {
		return m, fmt.Errorf("%s: %w", filepath.Join(dir, manifestFile), err)
	}
	return m, nil
}

// parseManifest reads a manifest in the one form in which it is written, so that two
// readers cannot read two things in it.
func parseManifest(text []byte) (m Manifest, err error) {
	if err := parseFile(text, &m); err != nil {
		return m, err
	}
	if m.Format != backupFormat {
		return m, fmt.Errorf("format %q, this program reads %q", m.Format, backupFormat)
	}
	if again, err := m.text(); err != nil || !bytes.Equal(again, text) {
		return m, errors.New("not in the form in which backups are written")
	}
	head, _, err := merkle.Cosignatures([]byte(m.Head))
	if err != nil {
		return m, fmt.Errorf("head: %w", err)
	}
	if head.Origin != m.Origin || head.Size != m.Size || head.Root.String() != m.Root {
		return m, errors.New("the head is not that of the log that the backup names")
	}
	before := ""
	for _, f := range m.Files {
		switch {
		case f.Name <= before:
			return m, fmt.Errorf("file %q is out of order", f.Name)
		case !filepath.IsLocal(filepath.FromSlash(f.Name)), f.Name != filepath.ToSlash(filepath.Clean(f.Name)), f.Name == manifestFile, f.Name == ".":
			return m, fmt.Errorf("file %q: not a name in the backup", f.Name)
		case f.Size < 0:
			return m, fmt.Errorf("file %q has a size of %d", f.Name, f.Size)
		}
		if sum, err := hex.DecodeString(f.SHA256); err != nil || len(sum) != 32 || hex.EncodeToString(sum) != f.SHA256 {
			return m, fmt.Errorf("file %q: %q is no SHA-256", f.Name, f.SHA256)
		}
		before = f.Name
	}
	return m, nil
}

// text is the manifest as it is written.
func (m *Manifest) text() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(m)
	return b.Bytes(), err
}

func writeManifest(dir string, m Manifest) error {
	text, err := m.text()
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, manifestFile), text, 0o644)
}

// NewestBackup returns the folder of a backup: dir itself, or the backup in it that
// was made last.
func NewestBackup(dir string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, manifestFile)); err == nil {
		return dir, nil
	}
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", &NotFoundError{What: "no backup in " + dir}
	}
	if err != nil {
		return "", err
	}
	newest, made := "", time.Time{}
	for _, n := range names {
		if !n.IsDir() || strings.HasSuffix(n.Name(), partial) {
			continue
		}
		m, err := readManifest(filepath.Join(dir, n.Name()))
		switch {
		case errors.As(err, new(*NotFoundError)):
		case err != nil:
			return "", err // it may be the newest
		case newest == "" || m.Made.After(made):
			newest, made = filepath.Join(dir, n.Name()), m.Made
		}
	}
	if newest == "" {
		return "", &NotFoundError{What: "no backup in " + dir}
	}
	return newest, nil
}
