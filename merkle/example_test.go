package merkle_test

import (
	"context"
	"fmt"

	"github.com/lacunalog/lacuna/merkle"
)

// A log of three entries in memory hands out a proof, and somebody who has the
// public key checks it.
func Example() {
	skey, vkey, err := merkle.GenerateKey(seedReader(1), "log.example")
	check(err)
	signer, err := merkle.NewSigner(skey)
	check(err)

	// The log appends, and keeps the hashes of level 0, its only tile.
	var r merkle.Range
	var tile []merkle.Hash
	for _, entry := range []string{"first", "second", "third"} {
		h := merkle.LeafHash([]byte(entry))
		r.Append(h, nil)
		tile = append(tile, h)
	}
	signed, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: "log.example", Size: r.Size(), Root: r.Root()}, signer)
	check(err)

	// It proves entry 1.
	read := func(_ context.Context, t merkle.Tile) ([]merkle.Hash, error) { return tile[:t.Width], nil }
	hashes, err := merkle.InclusionProof(context.Background(), 1, r.Size(), read)
	check(err)
	file, err := (&merkle.Proof{Index: 1, Hashes: hashes, Checkpoint: signed}).Marshal()
	check(err)

	// Years later.
	verifier, err := merkle.NewVerifier(vkey)
	check(err)
	p, err := merkle.ParseProof(file)
	check(err)
	c, err := p.Verify([]byte("second"), verifier)
	check(err)
	fmt.Printf("entry %d of %d is in %s\n", p.Index, c.Size, c.Origin)
	_, err = p.Verify([]byte("forged"), verifier)
	fmt.Println(err)
	// Output:
	// entry 1 of 3 is in log.example
	// verifying inclusion of entry 1 in tree of size 3: root differs: the proof leads to 0qebtmrJ0KmWa2imrZ6FWLrzL4K+ifYonopx5QVXDVM=, expected w2UeVBcUxT1kjsx7rsp/4sNu9PplvM4ksdcShkN95WY=
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
