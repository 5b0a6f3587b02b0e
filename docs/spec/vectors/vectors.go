// Package vectors holds the files of test vectors beside it against the code that writes
// them. Other implementations read the files, so a change of one is a change of a format:
//
//	go test ./ledger/receipt -run Vectors -update
package vectors

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the files of docs/spec/vectors anew")

// Same compares a value, as JSON, with a file, which -update writes, and returns what the
// file has.
func Same(t testing.TB, name string, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder(t), name)
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("docs/spec/vectors/%s is not what this code writes; if the format was meant to change, run the test with -update", name)
	}
	return want
}

// folder finds this folder from that of the package under test, where tests run.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		found := filepath.Join(dir, "docs", "spec", "vectors")
		if _, err := os.Stat(found); err == nil {
			return found
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal("no folder docs/spec/vectors above this one: ", err)
	return ""
}
