package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// TestServed lets other people's programs read one growing log in every way in
// which it is served, at every size where something begins or ends. Where the log
// is large each of them goes two of the ways, and together they go all; where it
// has a million entries each goes one, and with LACUNA_TEST_LARGE two.
func TestServed(t *testing.T) {
	sizes := []int{0, 1, 255, 256, 257, 65_535, 65_536, 70_000, 1_000_000}
	s := newServer(t)
	client := &follower{}
	for _, size := range sizes {
		s.grow(t, size)
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			for _, w := range ways {
				t.Run(w.name, func(t *testing.T) {
					at := s.site(t, w.way)
					for _, c := range checkers {
						if !canRead(c.name, w.way) || size > 1000 && c.name != w.large ||
							size > 100_000 && !w.huge && os.Getenv("LACUNA_TEST_LARGE") == "" {
							continue
						}
						s.only(t, w.way, func() {
							if err := c.check(t, at); err != nil {
								t.Errorf("%s refuses a good log: %v", c.name, err)
							}
						})
					}
					s.only(t, w.way, func() {
						if err := client.follow(t.Context(), at); err != nil {
							t.Error(err)
						}
						testProtocol(t, at, w.way)
					})
				})
			}
		})
	}
}

// A follower remembers every tree that it was shown, as a client of the Go
// checksum database does, and checks that each continues all before.
type follower struct{ trees []tlog.Tree }

func (f *follower) follow(ctx context.Context, s *site) error {
	tree, err := sumdbTree(ctx, s)
	if err != nil {
		return err
	}
	hashes := tlog.TileHashReader(tree, &sumdbTiles{ctx, s, map[string][]byte{}})
	for _, old := range f.trees {
		if old.N == tree.N && old.Hash != tree.Hash {
			return fmt.Errorf("two trees of size %d", old.N)
		}
		if old.N == 0 {
			continue // every tree continues the empty one; there is nothing to prove
		}
		proof, err := tlog.ProveTree(tree.N, old.N, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
			return fmt.Errorf("from %d to %d: %w", old.N, tree.N, err)
		}
	}
	if n := len(f.trees); n == 0 || f.trees[n-1].N < tree.N {
		f.trees = append(f.trees, tree)
	} else if f.trees[n-1].N > tree.N {
		return errors.New("the log went back")
	}
	return nil
}
