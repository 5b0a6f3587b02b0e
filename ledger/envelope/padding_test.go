package envelope_test

import (
	"testing"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

func TestPadding(t *testing.T) {
	for _, c := range []struct{ event, padded int }{
		{0, 256}, {255, 256}, {256, 512}, {511, 512}, {4094, 4096}, {4095, 4096},
		{4096, 4352}, {8190, 8192}, {8191, 8192}, {8192, 8704}, {65535, 65536}, {65536, 67584}, {1 << 20, 1<<20 + 1<<15},
	} {
		if got := envelope.PaddedSize(c.event); got != c.padded {
			t.Errorf("an event of %d bytes is padded to %d, want %d", c.event, got, c.padded)
		}
	}
	// Sizes never shrink, always hold the mark, and cost at most 12 % above
	// 4,096; the slow formula of the reference agrees.
	last := 0
	for n := 0; n <= 20000; n++ {
		p := envelope.PaddedSize(n)
		if p < last || p < n+1 || n+1 > 4096 && float64(p) > 1.12*float64(n+1) {
			t.Fatalf("an event of %d bytes is padded to %d", n, p)
		}
		if n%7 == 0 && len(refPad(make([]byte, n))) != p {
			t.Fatalf("an event of %d bytes: the reference pads to %d, not %d", n, len(refPad(make([]byte, n))), p)
		}
		last = p
	}
}
