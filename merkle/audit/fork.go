package audit

import (
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// NewFork returns the evidence of a fork that a witness of the log has been
// shown, after it was verified. If the heads differ in size, remembered is the
// smaller one, root that of the tree of the larger one at the smaller size, and
// proof leads from there to the larger one. source says by whom it was shown.
func NewFork(l *Log, remembered, shown []byte, root *merkle.Hash, proof []merkle.Hash, source string, found time.Time) (*Evidence, error) {
	e := &Evidence{
		Format: evidenceFormat, Kind: Fork, Origin: l.Origin, VKey: l.VKey, Source: source, Found: found.UTC().Format(time.RFC3339),
		Remembered: string(remembered), Shown: string(shown), Root: root, Proof: proof,
	}
	return e, e.Verify(l)
}
