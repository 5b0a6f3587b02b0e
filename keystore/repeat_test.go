package keystore_test

import (
	"context"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/keytest"
)

// TestEpochRepeated: what follows an epoch may fail, and whoever brings it to its end
// takes all steps again. Those that are done do nothing then.
func TestEpochRepeated(t *testing.T) {
	ctx := context.Background()
	tree, err := keystore.Create(ctx, keytest.NewRows(), []keystore.Holder{holder.NewMem()}, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	e, err := tree.Prepare(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.Root(ctx); err != nil {
			t.Fatalf("giving the new root once more: %v", err)
		}
		if _, err := e.Destroy(ctx); err != nil {
			t.Fatalf("destroying the old root once more: %v", err)
		}
	}
	if err := e.Abort(ctx); err == nil {
		t.Error("an epoch that is over can be given up")
	}
	given, err := tree.Prepare(ctx, nil)
	if err == nil {
		err = given.Abort(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := given.Root(ctx); err == nil {
		t.Error("an epoch that was given up gets a root")
	}
}
