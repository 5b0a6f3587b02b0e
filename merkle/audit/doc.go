// Package audit follows a log from outside. It needs the public key of the log
// and an address, and believes nothing else: neither the server nor the log.
//
// # Words
//
// A [Source] is where the files of a log lie: a URL prefix after
// https://c2sp.org/tlog-tiles, or a folder with the same files. A [Log] is whose
// they are: an origin, and how its signed checkpoints are verified. A head is a
// signed checkpoint. The head that the source shows now is compared with the one
// that was remembered; then the tree below it is read.
//
// An [Auditor] reads a log and remembers in a [State] how far it came. A
// [Mirror] reads a log into a folder, which then is a source itself.
//
// # What is checked
//
// The signature of the head says that the log stands behind a size and a root.
// Everything else hangs from that root:
//
//	head ── root ── right-edge tiles, one at each level, fold into the root
//	                 └─ full tiles: each hashes to the hash that stands above it
//	                     └─ bundles: each entry hashes to a hash of a level-0 tile
//
// Read downward, each file is verified against one that was verified before it,
// so a wrong file is named, and nothing that was not verified is ever written.
// Read upward, the entries alone are hashed into a compact range, continued from
// the remembered state, whose root must be that of the head. A file that is
// wrong, missing or of the wrong length is a [*MismatchError] with its path.
//
// A root that was remembered must be the root of the first entries of the tree
// that is shown now. If it is not, the log has signed two histories: a fork. An
// [Evidence] holds both signed heads and the hashes that show that they
// contradict each other; whoever has the log's public key can check that, without
// the log and without the auditor.
//
// # Use
//
//	src, err := audit.Open("https://log.example/customers", audit.Options{})
//	log, err := audit.NewLog([]string{vkey}, "", nil)
//	file, err := audit.OpenState("customers.state", log)
//	a := &audit.Auditor{Source: src, Log: log, State: file}
//	report, err := a.Round(ctx)
//
// # What is not promised
//
// An auditor sees what it is shown. A log that shows two auditors two histories
// is found when they compare heads, or when both ask for the cosignatures of the
// same witnesses. What an entry means, and whether it should be there, is not
// looked at: entries are bytes.
package audit
