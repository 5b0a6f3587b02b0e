package keystore_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/keytest"
)

// TestShipAll gives a tree a page target that it did not have from the beginning. A
// backup from before, completed by what the target got, opens everybody, also those
// whose page was split and re-keyed since. The control begins with the target and
// ships nothing: then people are lost.
func TestShipAll(t *testing.T) {
	for _, all := range []bool{true, false} {
		rows, h := keytest.NewRows(), holder.NewMem()
		tree, err := keystore.Create(ctx, rows, []keystore.Holder{h}, keystore.Options{}.Capacity(8))
		if err != nil {
			t.Fatal(err)
		}
		subject := func(i int) keystore.Subject { return keystore.Subject(fmt.Sprint("subject ", i)) }
		use := func(from, to int) {
			t.Helper()
			for i := from; i < to; i++ {
				l, err := tree.Use(ctx, subject(i), "marketing", 0)
				if err != nil {
					t.Fatal(err)
				}
				commit(t, rows, l)
				l.Done()
			}
		}
		use(0, 200)
		rows.Commit()
		backup, before := everyRow(t, rows), tree.Info().Epoch
		use(200, 600)
		tree.Close()
		ship := &shipment{epochs: make(map[uint64][]keystore.KV)}
		o := keystore.Options{PageTarget: ship, Decoys: -1}.Capacity(8)
		if tree, err = keystore.Open(ctx, rows, []keystore.Holder{h}, o); err != nil {
			t.Fatal(err)
		}
		if all {
			if err := tree.ShipAll(ctx); err != nil {
				t.Fatal(err)
			}
		}
		var refs []keystore.Ref
		for i := range 20 {
			l, err := tree.Find(ctx, subject(i), "marketing", 0)
			if err != nil {
				t.Fatal(err)
			}
			refs = append(refs, l.Ref())
			l.Done()
		}
		if err := tree.Fence(ctx, refs); err != nil {
			t.Fatal(err)
		}
		e, err := tree.Prepare(ctx, refs)
		if err == nil {
			err = e.Root(ctx)
		}
		if err == nil {
			_, err = e.Destroy(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
		want := make(map[int][32]byte)
		for i := 20; i < 600; i++ {
			l, err := tree.Find(ctx, subject(i), "marketing", 0)
			if err != nil {
				t.Fatal(err)
			}
			want[i] = l.EventSecret(1, [16]byte{})
			l.Done()
		}
		after := tree.Info().Epoch
		tree.Close()

		restored := keytest.NewRows()
		if wait, err := restored.Enqueue(backup, nil); err != nil || wait(ctx) != nil {
			t.Fatal(err)
		}
		for epoch := before + 1; epoch <= after; epoch++ {
			if err := keystore.ImportPages(ctx, restored, ship.epochs[epoch]); err != nil {
				t.Fatal(err)
			}
		}
		if tree, err = keystore.Open(ctx, restored, []keystore.Holder{h}, keystore.Options{}.Capacity(8)); err != nil {
			t.Fatal(err)
		}
		lost := 0
		for i, secret := range want {
			l, err := tree.Find(ctx, subject(i), "marketing", 0)
			if err != nil {
				lost++
				continue
			}
			if l.EventSecret(1, [16]byte{}) != secret {
				t.Errorf("subject %d has another key", i)
			}
			l.Done()
		}
		for i := range 20 {
			if _, err := tree.Find(ctx, subject(i), "marketing", 0); err == nil {
				t.Errorf("subject %d was erased", i)
			}
		}
		if all && lost > 0 {
			t.Errorf("%d of %d people were lost", lost, len(want))
		}
		if !all && lost == 0 {
			t.Error("control: nobody is lost without the pages from before the target: this test shows nothing")
		}
		tree.Close()
	}
}

func everyRow(t *testing.T, rows *keytest.Rows) (all []keystore.KV) {
	t.Helper()
	err := rows.Scan(ctx, []byte{0}, []byte{0xff}, func(k, v []byte) error {
		all = append(all, keystore.KV{Key: bytes.Clone(k), Value: bytes.Clone(v)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
