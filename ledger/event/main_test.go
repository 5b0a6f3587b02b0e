package event

import (
	"flag"
	"os"
	"testing"
)

// TestMain makes the random inputs the same in every run. With
// LACUNA_TEST_HISTORIES set to a number, that many others are tried (-count=1
// keeps go test from giving the answer of an earlier run).
func TestMain(m *testing.M) {
	flag.Parse()
	set := func(name, value string) {
		given := false
		flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
		if !given {
			flag.Set(name, value)
		}
	}
	set("rapid.nofailfile", "true")
	if n := os.Getenv("LACUNA_TEST_HISTORIES"); n != "" {
		set("rapid.checks", n)
	} else {
		set("rapid.seed", "1")
		set("rapid.checks", "500")
	}
	os.Exit(m.Run())
}
