package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
)

// TestConfigurationPage: docs/reference/configuration.md has every member of lacuna.json,
// and none that is not there.
func TestConfigurationPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), "\n## ")
	for part, v := range map[string]any{"": ledger.Config{}, "erasing": ledger.ErasePolicy{}, "dependents": ledger.DependentCommand{}, "custodians": ledger.Custodian{}} {
		var want, have []string
		for f := range reflect.TypeOf(v).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			want = append(want, name)
		}
		page := parts[0]
		if part != "" {
			i := slices.IndexFunc(parts, func(p string) bool { return strings.HasPrefix(p, part+"\n") })
			if i < 0 {
				t.Fatalf("the page has no part %q", part)
			}
			page = parts[i]
		}
		for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(page, -1) {
			have = append(have, row[1])
		}
		slices.Sort(want)
		slices.Sort(have)
		if !slices.Equal(want, have) {
			t.Errorf("part %q has the members %v, lacuna.json has %v", part, have, want)
		}
	}
}
