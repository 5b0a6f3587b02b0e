// Package keystore is a tree of keys from which single keys can be erased for good,
// although everything the tree writes may have been copied anywhere and kept.
//
// There is one key for each (subject, compartment, cohort): a person, the part of
// their data that shares one purpose of keeping, and the period from which its
// retention counts. A key is never stored except sealed in a page, a page is sealed
// under keys that stand in the page above it, and the top page is sealed under the
// root. The root is in no row and no backup, but with holders: places small enough to be
// really overwritten. Erasing a key draws fresh keys for its page, for every page
// above it and for the system page, gives the holders a new root, and has them
// destroy the old one. From then on every older image of those pages, wherever it was
// copied, is sealed under a key that no longer exists.
//
//	top page      64 child keys, sealed under the root of the epoch
//	system page   child 63 of the top: secrets that belong to nobody
//	interior      64 child keys
//	leaf page     entries of 64 bytes; all keys of one person are on one page
//
// The bytes are in docs/spec/key-tree.md and docs/spec/holder-slot.md.
//
//	tree, err := keystore.Open(ctx, rows, holders, keystore.Options{Order: &order})
//	lease, err := tree.Use(ctx, "subject-4711", "marketing", 0) // makes the key if there is none
//	secret := lease.EventSecret(suite, e)                       // seal an event under it
//	if lease.Pending() {                                        // then its key has to be queued first
//		order.Lock()
//		queue(lease.TakePending(), event)
//		order.Unlock()
//	}
//	lease.Done()
//
//	err = tree.Fence(ctx, refs)            // no new lease; waits for the old ones
//	epoch, err := tree.Prepare(ctx, refs)  // new pages are durable
//	err = epoch.Root(ctx)                  // holders have the new root
//	statements, err := epoch.Destroy(ctx)  // and have destroyed the old one
//
// The package does not know that there is a log. It keeps its pages in [Rows], the
// root with [Holder]s, and a second copy of its pages in a [PageTarget].
//
// What is promised: who holds every row that was ever written, and the current root,
// derives no key that was erased, nor the tag or the names of rows that belonged to it.
// Tests search all rows of random histories for that, see Adversary and [Thief].
//
// What is not promised. Who captured a root while it was live reads what it opened
// then, until a sweep. Who drops the newest rows of a page takes back creations and
// changes on it since, which only a comparison with what was recorded shows; a fence
// cannot be dropped alone. That an epoch took place, how many pages it re-keyed and
// where they lie can be seen. Memory is overwritten where this package can name it;
// only a build with GOEXPERIMENT=runtimesecret erases what derivations leave in
// registers and on stacks, and the masks that a sweep replaced are left to the garbage
// collector in any case.
package keystore
