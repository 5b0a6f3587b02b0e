package erasure

import (
	"testing"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
)

// TestCohorts: a certificate names every cohort that a key can have, and no text that
// no key has. The package of certificates knows no keys, so it has its own words.
func TestCohorts(t *testing.T) {
	const months = 10000
	for c := keystore.Cohort(0); c < months+(2200-1970)*12; c++ {
		if err := certificate.CheckPart("tax", c.String()); err != nil {
			t.Fatalf("cohort %q: %v", c, err)
		}
	}
	for _, s := range []string{"0000", "1", "202", "02021", "2021-", "2021-3", "2021-00", "2021-13", "2021-03-01", "1969-12", " 2021", "2021 ", "+2021", "2021-0３"} {
		if _, err := keystore.ParseCohort(s); err == nil {
			t.Errorf("control: %q is a cohort", s)
		}
		if certificate.CheckPart("tax", s) == nil {
			t.Errorf("%q is accepted as a cohort", s)
		}
	}
}
