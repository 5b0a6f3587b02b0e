package keystore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/keytest"
)

func commit(t testing.TB, rows *keytest.Rows, l *keystore.Lease) {
	t.Helper()
	wait, err := rows.Enqueue(l.TakePending(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := wait(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestErase(t *testing.T) {
	ctx := context.Background()
	rows, h := keytest.NewRows(), holder.NewMem()
	tree, err := keystore.Create(ctx, rows, []keystore.Holder{h}, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const n = 2000
	secrets := make([][32]byte, n)
	refs := make([]keystore.Ref, n)
	for i := range n {
		l, err := tree.Use(ctx, keystore.Subject(fmt.Sprint("subject ", i)), "marketing", 0)
		if err != nil {
			t.Fatal(err)
		}
		if !l.Pending() {
			t.Fatal("a new key is not pending")
		}
		commit(t, rows, l)
		if l.Pending() {
			t.Fatal("a key that was taken is pending")
		}
		secrets[i], refs[i] = l.EventSecret(1, [16]byte{}), l.Ref()
		l.Done()
	}
	check := func(erased func(int) bool) {
		t.Helper()
		for i := range n {
			l, err := tree.Find(ctx, keystore.Subject(fmt.Sprint("subject ", i)), "marketing", 0)
			if erased(i) {
				if !errors.Is(err, keystore.ErrNoKey) {
					t.Fatalf("subject %d was erased: %v", i, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("subject %d: %v", i, err)
			}
			if l.EventSecret(1, [16]byte{}) != secrets[i] {
				t.Fatalf("subject %d has another key", i)
			}
			l.Done()
		}
	}
	none := func(int) bool { return false }
	check(none)
	reopen := func() {
		t.Helper()
		tree.Close()
		if tree, err = keystore.Open(ctx, rows, []keystore.Holder{h}, keystore.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	reopen()
	check(none)
	some := refs[100:110]
	if err := tree.Fence(ctx, some); err != nil {
		t.Fatal(err)
	}
	e, err := tree.Prepare(ctx, some)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Root(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Destroy(ctx); err != nil {
		t.Fatal(err)
	}
	erased := func(i int) bool { return i >= 100 && i < 110 }
	check(erased)
	reopen()
	check(erased)
	r, err := tree.Fsck(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Keys != n-10 || len(r.Missing)+len(r.Problems) != 0 {
		t.Fatalf("fsck: %+v", r)
	}
	t.Logf("%+v %+v", r, tree.Info())
}
