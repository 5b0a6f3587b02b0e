package cmd_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unsaid are words that would promise more than mathematics gives: no software complies for its user,
// this is an append-only Merkle log, and what is left of a person after an erasure is described by
// what it shows, never by one adjective. They are written in pieces so that this file passes.
var unsaid = regexp.MustCompile(`(?i)gdpr[- ]` + `compliant|block` + `chain|anony` + `mous`)

func TestWording(t *testing.T) {
	read := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (name == "testdata" || name == ".git" || name == "node_modules") {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(path); d.IsDir() || ext != ".go" && ext != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		read++
		for i, line := range strings.Split(string(text), "\n") {
			if word := unsaid.FindString(line); word != "" {
				t.Errorf("%s:%d: we do not write %q", path, i+1, word)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read == 0 {
		t.Error("no file was read")
	}
	for _, control := range []string{"GDPR" + "-compliant", "gdpr " + "compliant", "a Block" + "chain", "anony" + "mously"} {
		if !unsaid.MatchString(control) {
			t.Errorf("%q is let through", control)
		}
	}
}
