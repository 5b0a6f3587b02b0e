package envelope_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// vectorsDir holds the vectors that other implementations run.
const vectorsDir = "../../docs/spec/vectors"

// TestVectorsInJavaScript runs docs/spec/vectors/check.mjs, a second
// implementation of all pages of docs/spec that have vectors, and then once
// more with one digit of a vector changed, which it must notice.
func TestVectorsInJavaScript(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("LACUNA_TEST_REQUIRE") == "all" {
			t.Fatal("node is not installed")
		}
		t.Skip("node is not installed: the vectors are not checked by a second implementation")
	}
	out, err := exec.Command(node, filepath.Join(vectorsDir, "check.mjs")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), " passed, 0 failed\n") {
		t.Fatalf("%v\n%s", err, out)
	}

	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(vectorsDir)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"envelope.json", "leaf.json", "opening.json"} {
		file := filepath.Join(dir, name)
		good, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(good, []byte(`"leaf": "0100`)) + len(`"leaf": "0100`)
		bad := bytes.Clone(good)
		bad[at] ^= 1 // a hexadecimal digit becomes another one, or none
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(node, filepath.Join(dir, "check.mjs"), name).CombinedOutput()
		if err == nil || !strings.Contains(string(out), " passed, 1 failed\n") {
			t.Errorf("%s with one digit changed: %v\n%.400s", name, err, out)
		}
		if err := os.WriteFile(file, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
