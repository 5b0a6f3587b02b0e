// Package envelope seals events and opens them again: bytes in, bytes out.
// It does no I/O, reads no clock, and holds no key.
//
// An event is one canonical JSON object (RFC 8785). Sealing it makes two
// things:
//
//   - the envelope, the event encrypted under a secret s that is derived from
//     the key of the subject and 16 fresh random bytes. It lives beside the
//     log. Destroy the key and it is noise.
//   - the leaf, 34 bytes that commit to the envelope, to every member of the
//     event and to the log itself. It goes into the Merkle tree and stays for
//     ever. It hides everything, also from somebody who guesses.
//
// Between the two stand openings. A field opening shows chosen members to an
// auditor, who recomputes the leaf from it; what is held back cannot be
// guessed. A full opening shows all of one event to the person concerned.
// Either one stays valid when the key is gone, because it is a copy in
// somebody's hand. Public statements are leaves that hide nothing.
//
//	sealed, err := envelope.Seal(lease, envelope.ChaCha20Poly1305, envelope.Origin("log.example"), event)
//	…append sealed.Leaf to the log, keep sealed.Envelope…
//	fields, err := envelope.OpenFields(lease, sealed.Envelope, nil)
//	extra, err := fields.Opening(sealed.Leaf[:]).Marshal()
//
// and on the other side, with nothing but the bytes:
//
//	o, err := envelope.ParseOpening(extra)
//	leaf, shown, err := o.Verify(envelope.Origin("log.example"))
//	…check that leaf is in the log…
//
// One leaf has one reading. Names are bound into what the leaf commits to, so
// no member has two values; the envelope carries a commitment to its key, so
// no ciphertext opens under two; JSON and base64 are accepted in one spelling
// only. Someone who runs the log and lies is the adversary here.
//
// What is not promised: an opening does not say when, and does not say that
// there is nothing else. The names of all members are visible in a field
// opening; where the presence of a member tells something, the event's schema
// writes it always, with null. Salts and plaintext pass through pooled memory,
// which is wiped after use, but the Go runtime may have copied them.
//
// The bytes are specified, with test vectors, in docs/spec/leaf.md,
// docs/spec/envelope.md and docs/spec/opening.md.
package envelope
