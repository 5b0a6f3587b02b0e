package receipt

import (
	"fmt"

	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle"
)

// Build returns a receipt: the opening, the inclusion proof of the leaf it
// opens (the sibling of the leaf first), and the signed checkpoint that the
// proof leads to. It checks that the parts have the right form, not that they
// fit: that takes the log's key and is what [Verify] does.
func Build(index uint64, hashes []merkle.Hash, checkpoint []byte, opening *envelope.Opening) ([]byte, error) {
	extra, err := opening.Marshal()
	if err != nil {
		return nil, fmt.Errorf("building a receipt: %w", err)
	}
	file, err := (&merkle.Proof{Extra: extra, Index: index, Hashes: hashes, Checkpoint: checkpoint}).Marshal()
	if err != nil {
		return nil, fmt.Errorf("building a receipt: %w", err)
	}
	return file, nil
}
