package keystore_test

import (
	"bytes"
	"maps"

	"github.com/lacunalog/lacuna/keystore"
)

// masks are the secrets of the system page as a history saw them.
type masks struct {
	seen map[keystore.Secret]bool // ever
	gone map[keystore.Secret]bool // replaced by a sweep, for good
	kept uint32                   // the earlier generation that the last sweep was to keep, 0 for none
}

// noteMasks remembers what there is now: a generation that is opened twice, since a
// backup came in between, has had two masks.
func (w *world) noteMasks() {
	if w.masks.seen == nil {
		w.masks.seen, w.masks.gone = make(map[keystore.Secret]bool), make(map[keystore.Secret]bool)
	}
	for _, s := range w.tree.SystemSecrets() {
		w.masks.seen[s] = true
	}
}

// stream is what masks an envelope of a generation.
func (w *world) stream(g uint32) []byte {
	env := make([]byte, 32)
	w.tree.Mask(g).Envelope(make([]byte, 34), env)
	return env
}

// keep is what a sweep is asked to keep: as the ledger does, the generation of the newest
// backup, as long as it can be read, and otherwise the current one; and now and then none.
func (w *world) keep() uint32 {
	w.noteMasks()
	switch g := w.tree.Generation(); {
	case w.rng.IntN(4) == 0:
		return 0
	case w.backup != nil && (w.backup.gen == g || w.backup.gen == w.tree.Restorable()):
		return w.backup.gen
	default:
		return g
	}
}

// openGeneration begins a sweep that does not come to its end now.
func (w *world) openGeneration() {
	w.settle()
	w.noteMasks()
	g, err := w.tree.OpenGeneration(ctx)
	w.ok(err)
	if g != w.tree.Generation()+1 || w.tree.Opened() != g {
		w.t.Fatalf("generation %d is open behind generation %d", g, w.tree.Generation())
	}
	w.noteMasks()
	w.count["generations opened"]++
}

// masksSwept accounts for what a sweep replaced: everything that was ever there but for what
// is new, and for the mask that it was to keep.
func (w *world) masksSwept(keep uint32) {
	w.masks.kept = keep
	maps.Copy(w.masks.gone, w.masks.seen)
	for _, s := range w.tree.SystemSecrets() {
		delete(w.masks.gone, s)
	}
	if g, s := w.tree.KeptMask(); g == keep && keep != 0 {
		delete(w.masks.gone, s)
		w.count["masks kept"]++
	}
	w.noteMasks()
}

// checkMasks asks which system secrets somebody has: those that there are, and none that a
// sweep replaced.
func (w *world) checkMasks(loot keystore.Loot) {
	w.t.Helper()
	for s := range w.masks.gone {
		if loot.System[s] {
			leak(w, "a system key that was replaced can be derived")
		}
	}
	for _, s := range w.tree.SystemSecrets() {
		if !loot.System[s] {
			w.t.Fatalf("a system key cannot be derived")
		}
	}
	if g, s := w.tree.KeptMask(); g != w.masks.kept || g != 0 && !loot.System[s] {
		leak(w, "the mask of generation %d was to be kept, there is that of %d", w.masks.kept, g)
	}
	if b := w.backup; b != nil {
		w.backupReads(b)
	}
}

// backupReads checks that the envelopes of a backup can be read under the tree as it is, where
// sweeps since were to keep their mask.
func (w *world) backupReads(b *backup) {
	w.t.Helper()
	if b.gen != w.tree.Generation() && b.gen != w.masks.kept {
		w.count["backups that a sweep outdated"]++
		return
	}
	if !bytes.Equal(w.stream(b.gen), b.stream) {
		w.t.Fatalf("the envelopes of a backup of generation %d cannot be read in generation %d", b.gen, w.tree.Generation())
	}
	w.count["backups that can be read"]++
}
