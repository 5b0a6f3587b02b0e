// Package log is a durable, append-only transparency log on one machine.
//
// It stores leaves (byte strings that the caller chose), integrates them into
// the Merkle tree of RFC 6962, signs a checkpoint for every group of them, and
// keeps in the same database the rows that its caller wants to become durable
// together with a leaf. It cannot decrypt anything and does not know what a
// leaf means.
//
// # Words
//
// An entry is a leaf and the rows that belong to it. The sequencer takes what
// callers have queued, in the order of the queue, as one group: one batch, one
// sync to disk, one signature. The head is the newest signed checkpoint whose
// tree is durable; everything that can be read here is as of the head, never
// ahead of it.
//
//	l, err := log.Open(ctx, dir, log.Options{Origin: "log.example", Signer: signer, Spaces: []byte("e")})
//	index, err := l.Append(ctx, []log.Entry{{
//		Leaf: leaf,
//		Rows: []log.Row{{Key: []byte("e"), Value: envelope, Place: log.KeyIndex}},
//	}})
//	proof, err := l.InclusionProof(ctx, index[0], l.Head().Size)
//
// When Append returns, the leaf is on disk, in the tree, and under the signed
// checkpoint that Head returns.
//
// # Rows
//
// The first byte of a key is its space. The log owns four of them, the caller
// names its own in [Options]:
//
//	'c' first8      leaves of one commit group from index first8 on, as the bytes of an entry bundle
//	'b' n8          full bundle n: leaves 256n to 256n+255. Replaces the 'c' rows of these leaves
//	't' level n8    full tile of a level from 1 up. Level 0 is recomputed from the bundle
//	'h'             signed checkpoint of the newest head known durable when the row was written
//	'h' "log"       version, origin and public key of the log, written once
//	'h' size8       a published head with its cosignatures. Written again when more come, never removed
//	'h' 'p' size8   policy that published heads satisfy from that size on
//	'h' "ahead"     name and size of a witness that has seen more of this log than there is
//
// Nothing can be deleted by its own key: a tombstone in a write-ahead log names
// what it removed for as long as somebody keeps a copy. A [Change] drops whole
// ranges instead.
//
// # Crash order
//
// A group goes through these steps, and stops may come between any two of them
// (docs/explanation/log.md has the reasons and the test that shows each):
//
//	built      indexes drawn. A crash forgets the group; nobody was told anything.
//	applied    the batch is in the write-ahead log, not synced. After a crash it may be there or not, whole.
//	signed     while the sync runs, the checkpoint is signed in memory. No one can see it yet.
//	synced     the group survives. A crash before the next step loses the signature, not the tree:
//	           Open signs the same bytes again, because Ed25519 is deterministic.
//	published  head, snapshot for readers and the answers to the callers, in this order.
//
// The 'h' row in the batch of a group holds the checkpoint of the group before,
// so no signature is ever on disk before the tree it speaks of.
//
// With a policy, strangers are not shown the head but the newest head that
// satisfies the policy ([Log.Publish], [Log.Published]), and that only when it is
// archived. docs/explanation/log.md has the steps of that too.
//
// # Not promised
//
// The order of entries inside one group is random on purpose, except that
// entries with the same Order keep theirs. The database is broken for good
// after the first failed sync ([ErrBroken]): what the disk holds then is not
// known to anybody, and only opening it anew finds out. A copy of the directory
// that is older than what others have seen cannot be told from the newest one
// from inside; [Options].HeadCopy is for that, and witnesses are.
package log
