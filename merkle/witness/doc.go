// Package witness is both sides of https://c2sp.org/tlog-witness: a [Client]
// asks a witness to cosign the checkpoint of a log, and a [Server] is a witness.
//
// # Words
//
// A log can show one history to one person and another to the next, and sign
// both. A witness is somebody else, who remembers for each log only the newest
// checkpoint, and cosigns a newer one only if a consistency proof shows that
// nothing before it has changed. Whoever asks for cosignatures of enough
// witnesses, by a [merkle.Policy], sees what everybody else sees.
//
// The log asks, the witness answers:
//
//	POST <prefix>/add-checkpoint
//
//	old 20852014                       the size that the witness cosigned last
//	PlRNCrwHpqhGrupue0L7gxbjbMiKA9…    at most 63 hashes of a consistency proof
//	                                   an empty line
//	example.com/behind-the-sofa        the signed checkpoint
//	…
//
// The answer is one or more signature lines, or the status code says why not:
//
//	200  cosigned
//	400  not a request, or the old size is larger than the checkpoint
//	403  not signed by a key of this log that the witness knows
//	404  the witness does not know this log
//	405  not a POST
//	409  the old size is not the one that the witness cosigned last; the answer
//	     is that size, as text/x.tlog.size
//	413  too long
//	422  the proof does not lead from the old checkpoint to the new one
//	500  the witness could not remember the checkpoint, so it did not cosign it
//	503  too many requests at once
//
// POST <prefix>/sign-subtree asks a witness that has an ML-DSA-44 key for a
// signature of a subtree of a checkpoint that it has cosigned, and
// GET <prefix>/<hex SHA-256 of the origin>/checkpoint answers with the newest
// checkpoint that it has cosigned, for whoever watches the log.
//
// Witnesses differ where the text does: a second root for the same size is 409
// in version 1.0.0 and 422 later, and for a log they do not know some answer 403
// or 500. So a client distinguishes 200, 409 and the rest.
//
// # What a witness promises
//
// That it never cosigns two roots for one size, and never goes back. All of it
// hangs on what the server remembers: a file for each log, durable before the
// answer. Whoever restores the folder of a witness from a backup, or runs a copy
// of it, breaks the promise unawares; then make a new witness with new keys.
//
// A witness sees sizes and hashes, no entries. It says nothing about what the
// entries mean, nor whether anybody can still read them; a mirror does that.
package witness
