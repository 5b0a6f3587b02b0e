// Package custodian is a root holder on another machine: a small daemon that keeps
// one share of the root of one key tree, and the client that a ledger talks to it
// with. Whoever takes the ledger's machine, or a snapshot of all its disks, has
// nothing: the root is derived from all shares. And what a custodian has overwritten
// is erased, whatever the other holders' disks remember.
//
// The daemon is a [Custodian] over a folder, served by a [Server]; the client is a
// [Remote], which implements [keystore.Holder] and [keystore.PageTarget]:
//
//	invitation, err := custodian.Create(dir, "vault.example:7400")   // at the custodian
//	c, err := custodian.Open(dir)
//	err = (&custodian.Server{Custodian: c}).Serve(ctx, listener)
//
//	r, err := custodian.NewRemote(invitation.Custodian, ledgerKey)   // at the ledger
//	err = r.Enrol(ctx, invitation.Secret)
//
// Two Ed25519 keys know each other: they are exchanged once, by the invitation, and
// no certificate authority can put itself between them. They speak TLS 1.3 with a
// hybrid post-quantum key exchange only, so that what is recorded on the wire today
// does not become a copy of every share some day; there are no tickets, and nothing is
// sent before the handshake has ended. Then there are frames, see docs/spec/custodian.md.
//
// A custodian answers one ledger, keeps one tree, and never goes back: the epoch whose
// predecessors it has destroyed is written down beside the share, and neither a share
// that is older nor an older copy of its own file is taken for the live one. Each
// destruction is stated and signed.
//
// It does not judge whether an epoch should take place: whoever has the ledger's key
// can erase everybody, as whoever has the ledger's disk can. And whoever restores its
// whole folder from an old copy makes it forget, share and mark together; the ledger
// then finds no epoch that all holders have, and stops.
package custodian
