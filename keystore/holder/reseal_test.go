package holder_test

import (
	"bytes"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/internal/block"
)

// TestReseal changes a passphrase at the level of files: afterwards nothing in them opens
// by the old one, and the next epoch goes on with the new one.
func TestReseal(t *testing.T) {
	defer holder.CheapPassphrases()()
	old, next := phrase("nine quiet herons over the weir"), phrase("eleven loud geese under the bridge")
	for _, c := range []struct {
		name     string
		from, to holder.Passphrase
	}{{"another", old, next}, {"the first", nil, next}, {"none any more", old, nil}, {"the same", old, old}} {
		for _, n := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, %d files", c.name, n), func(t *testing.T) {
				var paths []string
				for range n {
					paths = append(paths, filepath.Join(t.TempDir(), "root"))
				}
				h := must(c.from.CreateFiles(paths...))(t)
				var tree keystore.TreeID
				one, two := share(tree, 1), share(tree, 2)
				if err := c.to.Reseal(h); !errors.Is(err, keystore.ErrNotHeld) {
					t.Errorf("a new holder: %v", err)
				}
				if err := errors.Join(h.Prepare(ctx, one), h.Prepare(ctx, two)); err != nil {
					t.Fatal(err)
				}
				if err := c.to.Reseal(h); !errors.Is(err, keystore.ErrHolderBusy) {
					t.Errorf("in the middle of an epoch: %v", err)
				}
				must(h.Destroy(ctx, tree, 2, two.Attempt))(t)
				before := must(os.ReadFile(paths[0]))(t)
				short := phrase("short")
				if err := short.Reseal(h); !errors.Is(err, holder.ErrShortPassphrase) || errors.Is(err, holder.ErrPassphrase) {
					t.Errorf("a short passphrase: %v", err)
				}
				if !bytes.Equal(must(os.ReadFile(paths[0]))(t), before) {
					t.Error("what was refused has changed the file")
				}
				if err := c.to.Reseal(h); err != nil {
					t.Fatal(err)
				}
				if h.Caps().Sealed != (c.to != nil) {
					t.Errorf("caps %+v", h.Caps())
				}
				three := share(tree, 3)
				if err := h.Prepare(ctx, three); err != nil {
					t.Fatal(err)
				}
				must(h.Destroy(ctx, tree, 2, two.Attempt))(t)
				h.Close()

				for _, path := range paths {
					b := must(os.ReadFile(path))(t)
					blocks := [][]byte{b[:block.Size], b[block.Size : 2*block.Size]}
					if n := c.to.Slots(blocks); n != 1 {
						t.Errorf("the new passphrase opens %d slots, want 1", n)
					}
					if n := c.from.Slots(blocks); n != 0 && c.name != "the same" {
						t.Errorf("the old passphrase still opens %d slots", n)
					}
					// Not even the bytes are there, as they would be behind a broken check sum.
					for at := 0; at+64 <= 169; at += 16 {
						for _, was := range [][]byte{before[:block.Size], before[block.Size : 2*block.Size]} {
							if at >= 64 && bytes.Contains(b, was[at:at+64]) {
								t.Errorf("bytes of the old slot are left at %d", at)
							}
						}
					}
				}
				if c.name != "the same" && c.to != nil { // what is not sealed is opened without asking
					if _, err := c.from.OpenFiles(paths...); !errors.Is(err, holder.ErrPassphrase) {
						t.Errorf("opened by the old passphrase: %v", err)
					}
				}
				h = must(c.to.OpenFiles(paths...))(t)
				defer h.Close()
				if got := must(h.Current(ctx))(t); len(got) != 1 || !got[0].Secret.Equal(&two.Secret) {
					t.Errorf("the share was lost: %d", len(got))
				}
			})
		}
	}
	if err := next.Reseal(nil); !errors.Is(err, holder.ErrNotFiles) {
		t.Errorf("a holder without files: %v", err)
	}
}

// A fused device takes all others with it when it is interrupted.
type fused struct {
	*block.Memory
	all []*block.Memory
}

func (f fused) Write(i int, b []byte) error {
	err := f.Memory.Write(i, b)
	if errors.Is(err, block.ErrCrashed) {
		for _, m := range f.all {
			m.Crash()
		}
	}
	return err
}

func clone(m *block.Memory) *block.Memory {
	c := block.NewMemory()
	for i, b := range m.Blocks() {
		c.Set(i, b)
	}
	return c
}

// TestResealInterrupted tears every write of a change of the passphrase. Afterwards the
// old one or the new one opens all files, with the same share, and once they were opened
// only that one does.
func TestResealInterrupted(t *testing.T) {
	defer holder.CheapPassphrases()()
	old, next := phrase("nine quiet herons over the weir"), phrase("eleven loud geese under the bridge")
	for name, from := range map[string]holder.Passphrase{"sealed": old, "plain": nil} {
		for n := 1; n <= 2; n++ {
			byOld, byNew, byBoth := 0, 0, 0
			for seed := range uint64(60 * n) {
				rng := mrand.New(mrand.NewPCG(seed, uint64(n)))
				var devs []block.Device
				var mem []*block.Memory
				for range n {
					mem = append(mem, block.NewMemory())
				}
				for _, m := range mem {
					devs = append(devs, fused{m, mem})
				}
				h := must(from.CreateDevices(devs...))(t)
				var tree keystore.TreeID
				one := share(tree, 1)
				if err := h.Prepare(ctx, one); err != nil {
					t.Fatal(err)
				}
				torn := int(seed) % n
				mem[torn].TearAt(int(seed)/n%2, rng)
				if err := next.Reseal(h); !errors.Is(err, block.ErrCrashed) {
					t.Fatalf("was not interrupted: %v", err)
				}
				for _, m := range mem {
					m.Restart()
				}
				// Both are tried on copies: whichever opens them settles it.
				opens := func(p holder.Passphrase) ([]block.Device, bool) {
					var copies []block.Device
					for _, m := range mem {
						copies = append(copies, clone(m))
					}
					h, err := p.OpenDevices(copies...)
					if err != nil {
						return copies, false
					}
					got := must(h.Current(ctx))(t)
					if len(got) != 1 || !got[0].Secret.Equal(&one.Secret) {
						t.Fatalf("seed %d: %d shares", seed, len(got))
					}
					must(h.Destroy(ctx, tree, 1, one.Attempt))(t)
					return copies, h.Caps().Sealed == (p != nil) // what is not sealed is opened without asking
				}
				now, a := opens(from)
				then, b := opens(next)
				switch {
				case a && b:
					byBoth++
				case a:
					byOld++
				case b:
					byNew++
				default:
					t.Fatalf("%s, %d files, seed %d: neither passphrase opens the root", name, n, seed)
				}
				for _, d := range now {
					if slots := next.Slots(d.(*block.Memory).Blocks()); a && slots != 0 {
						t.Fatalf("seed %d: after it was opened by the old passphrase the new one opens %d slots", seed, slots)
					}
				}
				for _, d := range then {
					if slots := from.Slots(d.(*block.Memory).Blocks()); b && slots != 0 {
						t.Fatalf("seed %d: after it was opened by the new passphrase the old one opens %d slots", seed, slots)
					}
				}
			}
			if byOld == 0 || byBoth == 0 || byNew == 0 && n > 1 {
				t.Errorf("%s, %d files: opened by the old one %d times, by the new one %d, by both %d: this test shows nothing", name, n, byOld, byNew, byBoth)
			}
		}
	}
}
