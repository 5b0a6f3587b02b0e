package log_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/lacunalog/lacuna/merkle/log/logtest"
)

// A fault is how a disk fails, from one operation of some kinds on.
type fault struct {
	name  string
	err   error
	kinds []logtest.Kind // nil: all that change the disk
	times int            // how many operations in a row fail
}

var changing = []logtest.Kind{logtest.Create, logtest.Write, logtest.Sync, logtest.Rename, logtest.Remove, logtest.Link, logtest.Mkdir}

// A disk that fails for a while is well again before the engine, which retries
// some things as fast as it can, has tried for ever.
const while = 50

var everyFault = []fault{
	{"EIO", syscall.EIO, changing, 1},
	{"EIO for a while", syscall.EIO, changing, while},
	{"ENOSPC", syscall.ENOSPC, []logtest.Kind{logtest.Create, logtest.Write, logtest.Link, logtest.Mkdir}, 1},
	{"ENOSPC for a while", syscall.ENOSPC, []logtest.Kind{logtest.Create, logtest.Write, logtest.Link, logtest.Mkdir}, while},
	{"short write", logtest.ErrShort, []logtest.Kind{logtest.Write}, 1},
	{"sync is lost", logtest.ErrLost, []logtest.Kind{logtest.Sync}, 1},
	{"EIO when looking", syscall.EIO, []logtest.Kind{logtest.Open, logtest.Read, logtest.Stat, logtest.List, logtest.Lock}, 1},
	{"EIO when closing", syscall.EIO, []logtest.Kind{logtest.Close}, 1},
}

// harmless says of which operations nobody needs to be told that they failed: the
// engine does without them, or repeats them. No file depends on them.
func harmless(op logtest.Op) bool {
	switch op.Kind {
	case logtest.Remove, logtest.Link, logtest.Close, logtest.Stat:
		return true
	case logtest.Open:
		return strings.HasSuffix(op.Path, ".sst")
	}
	return false
}

// TestEveryFault lets each operation on the disk fail, one life of a log for each,
// in each of several ways. Whatever was acknowledged has to be there after a power
// failure at the end, and somebody has to be told of the fault. With
// LACUNA_TEST_HISTORIES of 1000 or more, each operation fails in each way; normally
// every fourth of those that change the disk, and in every way another fourth.
func TestEveryFault(t *testing.T) {
	every := 4
	if slow {
		every = 60
	}
	if histories(t, 1) >= 100 {
		every = 1
	}
	for i, f := range everyFault {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			lives, kinds, every := 0, map[logtest.Kind]int{}, every
			if every > 1 && !slices.Contains(f.kinds, logtest.Write) && !slices.Contains(f.kinds, logtest.Sync) {
				every *= 3 // there are many, and they do little harm
			}
			for n := 1 + i%every; ; n += every {
				r := newLife(f, n)
				err := r.end(t, rand.New(rand.NewPCG(uint64(n), 7)))
				if r.hit == nil {
					break
				}
				if err != nil {
					t.Errorf("operation %d, %s: %v (told: %v)", n, *r.hit, err, r.told)
				}
				if len(r.told) == 0 && !harmless(*r.hit) {
					t.Errorf("operation %d, %s: nobody was told", n, *r.hit)
				}
				lives++
				kinds[r.hit.Kind]++
			}
			t.Logf("%d lives, %v", lives, kinds)
			for _, k := range f.kinds {
				if kinds[k] == 0 && every == 1 {
					t.Errorf("no %s has failed", k)
				}
			}
		})
	}
}
