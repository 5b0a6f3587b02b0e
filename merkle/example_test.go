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

// A verifier that trusts no single party asks for two of three witnesses.
func ExamplePolicy() {
	skey, vkey, err := merkle.GenerateKey(seedReader(1), "log.example")
	check(err)
	signer, err := merkle.NewSigner(skey)
	check(err)
	policy := "log " + vkey + "\n"
	var witnesses []*merkle.Cosigner
	for i, name := range []string{"press", "union", "regulator"} {
		skey, vkey, err := merkle.GenerateCosigner(seedReader(i+2), name+".example", merkle.CosignatureMLDSA44)
		check(err)
		w, err := merkle.NewCosigner(skey)
		check(err)
		witnesses = append(witnesses, w)
		policy += "witness " + name + " " + vkey + "\n"
	}
	policy += "group two-of-three 2 press union regulator\nquorum two-of-three\n"

	// The log signs its head, and a witness that has checked it signs the same.
	head := merkle.Checkpoint{Origin: "log.example", Size: 1, Root: merkle.LeafHash([]byte("first"))}
	signed, err := merkle.SignCheckpoint(head, signer)
	check(err)
	cosign := func(w *merkle.Cosigner) {
		note, err := merkle.SignCheckpoint(head, w.At(1700000000))
		check(err)
		lines, err := merkle.SignatureLines(note)
		check(err)
		signed, err = merkle.AddSignatures(signed, lines)
		check(err)
	}
	cosign(witnesses[0])

	p, err := merkle.ParsePolicy([]byte(policy))
	check(err)
	_, _, err = p.Check(signed, "log.example")
	fmt.Println(err)
	cosign(witnesses[2])
	_, cosignatures, err := p.Check(signed, "log.example")
	check(err)
	for _, c := range cosignatures {
		fmt.Println(c.Name, "at", c.Time)
	}
	// Output:
	// checking the policy: the quorum is not met: group "two-of-three" has 1 of 2, without "union", "regulator"
	// press.example at 1700000000
	// regulator.example at 1700000000
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
