package certificate

import (
	"os"
	"strings"
	"testing"
)

// TestSpecSentences holds the sentences of every certificate to those that docs/spec/certificate.md has.
func TestSpecSentences(t *testing.T) {
	text, err := os.ReadFile("../../docs/spec/certificate.md")
	if err != nil {
		t.Fatal(err)
	}
	sentences := NotCovered("L0", false)
	if len(sentences) != 6 || len(NotCovered("L1", true)) != 4 {
		t.Errorf("%d sentences at most", len(sentences))
	}
	for _, s := range sentences {
		if !strings.Contains(string(text), "> "+s+"\n") {
			t.Errorf("the specification does not have the sentence %q", s)
		}
	}
}
