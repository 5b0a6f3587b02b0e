package keystore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/keytest"
)

// What a caller can do with the key of a person, and what came of it.
type (
	input struct {
		person int
		erase  bool
	}
	output struct {
		secret [32]byte
		fenced bool
	}
)

// register is what a key looks like from outside: it has a secret from its first
// use to its erasure, and never the same one again. A caller may be told at any
// time that it is being erased.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		by := make(map[int][]porcupine.Operation)
		for _, op := range history {
			p := op.Input.(input).person
			by[p] = append(by[p], op)
		}
		for _, part := range by {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return [32]byte{} },
	Step: func(state, in, out any) (bool, any) {
		secret := state.([32]byte)
		switch o := out.(output); {
		case in.(input).erase:
			return true, [32]byte{}
		case o.fenced:
			return true, state
		case secret == [32]byte{}:
			return true, o.secret
		default:
			return secret == o.secret, state
		}
	},
}

// TestLinearizable lets many callers use keys while others erase and sweep them.
func TestLinearizable(t *testing.T) {
	var order sync.Mutex
	rows, h := keytest.NewRows(), holder.NewMem()
	tree, err := keystore.Create(ctx, rows, []keystore.Holder{h}, keystore.Options{
		Order: &order, CachePages: 6, CacheKeys: 64,
	}.Capacity(4))
	if err != nil {
		t.Fatal(err)
	}
	const people, workers, rounds = 50, 6, 400
	var (
		mu      sync.Mutex
		history []porcupine.Operation
		seen    sync.Map // of all secrets, whose they were
		clock   atomic.Int64
		wg      sync.WaitGroup
	)
	note := func(client int, in input, out output, call int64) {
		end := clock.Add(1)
		mu.Lock()
		defer mu.Unlock()
		history = append(history, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call, Return: end})
	}
	subject := func(p int) keystore.Subject { return keystore.Subject(fmt.Sprint("subject ", p)) }
	for client := range workers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(client), 0))
			for range rounds {
				p := rng.IntN(people)
				call := clock.Add(1)
				l, err := tree.Use(ctx, subject(p), "marketing", 0)
				if errors.Is(err, keystore.ErrErasing) {
					note(client, input{person: p}, output{fenced: true}, call)
					continue
				}
				if err != nil {
					t.Errorf("using a key: %v", err)
					return
				}
				s := l.EventSecret(1, [16]byte{})
				if l.Pending() {
					order.Lock()
					wait, err := rows.Enqueue(l.TakePending(), nil)
					order.Unlock()
					if err != nil {
						t.Error(err)
						return
					}
					if rng.IntN(2) == 0 {
						wait(ctx)
					}
				}
				if other, ok := seen.LoadOrStore(s, p); ok && other != p {
					t.Error("two people have the same key")
				}
				note(client, input{person: p}, output{secret: s}, call)
				l.Done()
			}
		})
	}
	wg.Go(func() {
		rng := rand.New(rand.NewPCG(99, 0))
		for round := range 40 {
			var refs []keystore.Ref
			var who []int
			for range 1 + rng.IntN(3) {
				p := rng.IntN(people)
				keys, err := tree.Keys(ctx, subject(p))
				if err != nil {
					t.Error(err)
					return
				}
				for _, k := range keys {
					refs = append(refs, k.Ref)
					who = append(who, p)
				}
			}
			call := clock.Add(1)
			if err := tree.Fence(ctx, refs); errors.Is(err, keystore.ErrNoKey) {
				continue // a creation that was taken back
			} else if err != nil {
				t.Error(err)
				return
			}
			prepare := tree.Prepare
			if round%10 == 9 {
				prepare = func(ctx context.Context, refs []keystore.Ref) (*keystore.Epoch, error) {
					return tree.PrepareSweep(ctx, refs, tree.Generation())
				}
			}
			e, err := prepare(ctx, refs)
			if err != nil {
				t.Error(err)
				return
			}
			if rng.IntN(5) == 0 {
				if err := errors.Join(e.Abort(ctx), tree.Unfence(ctx, refs)); err != nil {
					t.Error(err)
				}
				continue
			}
			if err := e.Root(ctx); err != nil {
				t.Error(err)
			}
			if _, err := e.Destroy(ctx); err != nil {
				t.Error(err)
			}
			for _, p := range who {
				note(workers, input{person: p, erase: true}, output{}, call)
			}
			tree.DropCaches()
		}
	})
	wg.Go(func() {
		for range 30 {
			if err := tree.Walk(ctx, func(keystore.KeyInfo) error { return nil }); err != nil && !errors.Is(err, keystore.ErrSwept) {
				t.Errorf("walking: %v", err)
			}
			rows.Commit()
		}
	})
	wg.Wait()
	if porcupine.CheckOperationsTimeout(register, history, 30*time.Second) == porcupine.Illegal {
		t.Error("what the callers saw has no order")
		for _, part := range register.Partition(history) {
			if porcupine.CheckOperations(register, part) {
				continue
			}
			for _, op := range part {
				in, out := op.Input.(input), op.Output.(output)
				t.Logf("%d to %d by %d: person %d, erase %v, fenced %v, key %x", op.Call, op.Return, op.ClientId, in.person, in.erase, out.fenced, out.secret[:2])
			}
		}
	}
	// The control: a key that comes back after its erasure.
	control := append(history,
		porcupine.Operation{Input: input{person: 0}, Output: output{secret: [32]byte{1}}, Call: 1 << 40, Return: 1<<40 + 1},
		porcupine.Operation{Input: input{person: 0, erase: true}, Output: output{}, Call: 1<<40 + 2, Return: 1<<40 + 3},
		porcupine.Operation{Input: input{person: 0}, Output: output{secret: [32]byte{2}}, Call: 1<<40 + 4, Return: 1<<40 + 5},
		porcupine.Operation{Input: input{person: 0}, Output: output{secret: [32]byte{1}}, Call: 1<<40 + 6, Return: 1<<40 + 7},
	)
	if porcupine.CheckOperationsTimeout(register, control, 30*time.Second) != porcupine.Illegal {
		t.Error("the control has an order")
	}
	rows.Commit()
	// Everything that was taken is in the rows: a tree that knows only those has the
	// same keys.
	secrets := func(t *keystore.Tree) (all [people][32]byte) {
		for p := range all {
			if l, err := t.Find(ctx, subject(p), "marketing", 0); err == nil {
				all[p] = l.EventSecret(1, [16]byte{})
				l.Done()
			}
		}
		return all
	}
	before := secrets(tree)
	tree.Close()
	if tree, err = keystore.Open(ctx, rows, []keystore.Holder{h}, keystore.Options{}); err != nil {
		t.Fatal(err)
	}
	for p, s := range secrets(tree) {
		if s != before[p] {
			t.Errorf("the key of person %d is not in the rows", p)
		}
	}
	r, err := tree.Fsck(ctx, nil)
	if err != nil || len(r.Missing)+len(r.Problems) > 0 {
		t.Errorf("fsck: %+v %v", r, err)
	}
}
