// Package receipt builds and verifies receipts: .tlog-proof files (C2SP
// tlog-proof@v1) whose extra line is an opening of package envelope. A receipt
// is one file that anyone can check offline and for ever with nothing but the
// log's public key. It is pure: bytes in, bytes out, no network, no clock.
//
//	file, err := receipt.Build(index, hashes, checkpoint, opening)
//
//	report, err := receipt.Verify(file, vkey)
//	for _, l := range report.Lines {
//		fmt.Println(l)
//	}
//
// Whom a reader believes is a [Trust]: public keys of a log, a policy of witnesses,
// or both. The same reports come of an erasure certificate, which hangs on the
// receipt of an epoch record ([VerifyCertificate]), and of a signed head
// ([Trust.VerifyHead]); [Trust.Compare] compares two heads. Their Checks say of each
// step what was compared with what.
//
// A report keeps three things apart. Proven is what follows from mathematics:
// that this content was recorded, at this place of this log, under a head that
// the log's key signed. Attested is what somebody besides the operator vouches
// for: a witness of the policy who countersigned the head, and when. Asserted is
// what the operator says and nobody can check here: that the content is true,
// and when it was recorded.
//
// One receipt says nothing about what is missing. Several can: [CheckTogether]
// finds contradictions between receipts of one log, [CheckErasures] between epoch
// records and between certificates, [CheckTimes] between two words of one witness,
// [CheckChain] checks that receipts form a chain without a hole, and [Assertion]
// holds receipts against an operator's dated statement that there is nothing else.
package receipt
