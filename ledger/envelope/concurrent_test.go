package envelope_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// TestConcurrent seals events of different sizes at once: they share scratch
// space, and nothing of one may be found in another.
func TestConcurrent(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				event := fmt.Sprintf(`{"a":"%0*d","z":%d}`, 1+(i*g*7)%900, i, g)
				sealed, err := envelope.Seal(alice, suites[i%2], testOrigin, []byte(event))
				if err != nil {
					t.Error(err)
					return
				}
				full, err := envelope.OpenFull(alice, sealed.Envelope)
				if err != nil {
					t.Error(err)
					return
				}
				_, shown, err := full.Opening(sealed.Leaf[:]).Verify(testOrigin)
				if err != nil || string(shown.Event()) != event {
					t.Errorf("event %d of %d: %v", i, g, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
