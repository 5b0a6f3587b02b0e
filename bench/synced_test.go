package bench

import (
	"crypto/rand"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// What is counted on the way through the log survives a crash that keeps nothing
// but what was synced. The whole path and the one that only seals end in the same
// log, which has no setting that leaves a sync out; that the ledger waits for it is
// what the crash tests of package ledger show.
func TestSynced(t *testing.T) {
	skey, vkey, err := merkle.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := merkle.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	fs := vfs.NewCrashableMem()
	o := log.Options{Origin: origin, Signer: signer, VKey: vkey, FS: fs, MinFree: -1}
	if err := log.Create("leaves", o); err != nil {
		t.Fatal(err)
	}
	l, err := log.Open(t.Context(), "leaves", o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	size := func(fs log.FS) uint64 {
		o.FS = fs
		crashed, err := log.Open(t.Context(), "leaves", o)
		if err != nil {
			t.Fatal(err)
		}
		defer crashed.Close()
		return crashed.Head().Size
	}
	before := fs.CrashClone(vfs.CrashCloneCfg{})
	r, err := Append(t.Context(), &Leaves{l}, Load{Size: Small, Callers: 4, Window: 8, Calls: 50})
	if err != nil {
		t.Fatal(err)
	}
	if err := allThere(0, size(fs.CrashClone(vfs.CrashCloneCfg{})), r.N); err != nil {
		t.Error(err)
	}
	if allThere(0, size(before), r.N) == nil {
		t.Error("the control: a log without the events is taken for one with them")
	}
}
