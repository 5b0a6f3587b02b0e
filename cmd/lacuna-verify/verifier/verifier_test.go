package verifier

import (
	"strings"
	"testing"
)

// TestArguments: flags stand anywhere, and behind -- nothing is a flag.
func TestArguments(t *testing.T) {
	for _, c := range []struct{ args, key, files string }{
		{"--key k f", "k", "f"}, {"f --key k", "k", "f"}, {"f -key=k g", "k", "f g"}, {"--chain f --json --key k g", "k", "f g"},
		{"--key k -", "k", "-"}, {"- --key k", "k", "-"}, {"--key k -- --key", "k", "--key"}, {"--key k f -- -", "k", "f -"},
	} {
		o, err := parse(strings.Fields(c.args))
		if err != nil || o.key != c.key || strings.Join(o.files, " ") != c.files {
			t.Errorf("%s: %+v, %v", c.args, o, err)
		}
	}
	for _, args := range []string{"", "f", "--key k", "--key", "--key k --nope f", "--key k --chain=7 f"} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%q: accepted", args)
		}
	}
}
