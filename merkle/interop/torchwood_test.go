package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/lacunalog/lacuna/merkle"
)

// torchwoodPolicy is the policy of a client that trusts the log and asks for no
// witness.
func torchwoodPolicy(s *site) (torchwood.Policy, error) {
	return torchwood.ParsePolicy([]byte("log " + s.vkey + "\nquorum none\n"))
}

func torchwoodReader(s *site) (torchwood.TileReader, error) {
	if dir, ok := s.dir(); ok {
		return torchwood.NewTileFS(os.DirFS(dir))
	}
	opts := []torchwood.TileFetcherOption{torchwood.WithConcurrencyLimit(8)}
	if s.client != nil {
		opts = append(opts, torchwood.WithHTTPClient(s.client))
	}
	return torchwood.NewTileFetcher(s.url, opts...)
}

func torchwoodCheckpoint(ctx context.Context, s *site, r torchwood.TileReader) (torchwood.Checkpoint, []byte, error) {
	policy, err := torchwoodPolicy(s)
	if err != nil {
		return torchwood.Checkpoint{}, nil, err
	}
	signed, err := r.ReadEndpoint(ctx, "checkpoint")
	if err != nil {
		return torchwood.Checkpoint{}, nil, err
	}
	c, _, err := torchwood.VerifyCheckpoint(signed, policy)
	return c, signed, err
}

// checkTorchwood reads the whole log with torchwood's client, which compares
// every entry with tiles that it has checked against the root.
func checkTorchwood(t *testing.T, s *site) error {
	ctx := t.Context()
	r, err := torchwoodReader(s)
	if err != nil {
		return err
	}
	c, _, err := torchwoodCheckpoint(ctx, s, r)
	if err != nil {
		return err
	}
	if c.N != int64(s.size) || c.Origin != origin || c.Extension != "" {
		return fmt.Errorf("checkpoint is %+v", c)
	}
	client, err := torchwood.NewClient(r, torchwood.WithTimeout(time.Minute))
	if err != nil {
		return err
	}
	next := int64(0)
	for i, entry := range client.AllEntries(ctx, c.Tree, 0) {
		if i != next || !bytes.Equal(entry, s.entry(uint64(i))) {
			return fmt.Errorf("entry %d is not what was logged", i)
		}
		next++
	}
	if err := client.Err(); err != nil {
		return err
	}
	if next != c.N {
		return fmt.Errorf("%d entries of %d", next, c.N)
	}
	return nil
}

// A proof file of ours is the one that torchwood would write, it accepts it, and
// refuses each of several damages; and we accept theirs.
func testTorchwoodProofs(t *testing.T, s *site) {
	ctx := t.Context()
	r, err := torchwoodReader(s)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := torchwoodPolicy(s)
	if err != nil {
		t.Fatal(err)
	}
	c, signed, err := torchwoodCheckpoint(ctx, s, r)
	if err != nil {
		t.Fatal(err)
	}
	client, err := torchwood.NewClient(r)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := merkle.NewVerifier(s.vkey)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range someIndexes(s.size) {
		entry, theirs, err := client.Entry(ctx, c.Tree, int64(i))
		if err != nil {
			t.Fatal(err)
		}
		hashes, err := merkle.InclusionProof(ctx, i, s.size, s.readTile)
		if err != nil {
			t.Fatal(err)
		}
		for _, extra := range [][]byte{nil, []byte("an opening")} {
			ours := &merkle.Proof{Extra: extra, Index: i, Hashes: hashes, Checkpoint: signed}
			b, err := ours.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			want := torchwood.FormatProof(int64(i), theirs, signed)
			if extra != nil {
				want = torchwood.FormatProofWithExtraData(int64(i), extra, theirs, signed)
				if got, err := torchwood.ProofExtraData(b); err != nil || !bytes.Equal(got, extra) {
					t.Errorf("entry %d: extra is %q, %v", i, got, err)
				}
			}
			if !bytes.Equal(b, want) {
				t.Errorf("entry %d: our proof is %q, theirs %q", i, b, want)
			}
			if err := torchwood.VerifyProof(policy, tlog.RecordHash(entry), b); err != nil {
				t.Errorf("entry %d: %v", i, err)
			}
			p, err := merkle.ParseProof(want)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Verify(entry, verifier); err != nil {
				t.Errorf("entry %d: their proof: %v", i, err)
			}
			refuse := func(what string, b, entry []byte) {
				if torchwood.VerifyProof(policy, tlog.RecordHash(entry), b) == nil {
					t.Errorf("entry %d: torchwood accepts %s", i, what)
				}
				p, err := merkle.ParseProof(b)
				if err == nil {
					_, err = p.Verify(entry, verifier)
				}
				if err == nil {
					t.Errorf("entry %d: we accept %s", i, what)
				}
			}
			other := bytes.Clone(entry)
			other[33] ^= 1
			refuse("another entry", b, other)
			refuse("another size", bytes.Replace(b, fmt.Appendf(nil, "\n%d\n", s.size), fmt.Appendf(nil, "\n%d\n", s.size+1), 1), entry)
			refuse("another index", bytes.Replace(b, fmt.Appendf(nil, "index %d\n", i), fmt.Appendf(nil, "index %d\n", i^1), 1), entry)
			refuse("no checkpoint", b[:len(b)-len(signed)], entry)
			if len(hashes) > 0 {
				refuse("another hash", bytes.Replace(b, []byte(hashes[0].String()), []byte(merkle.EmptyRoot().String()), 1), entry)
			}
		}
	}
}

// Their policy wants the origin that belongs to the key.
func TestTorchwoodOrigin(t *testing.T) {
	signer, vkey := testKey(t)
	signed, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: "log.example/other", Root: merkle.EmptyRoot()}, signer)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := torchwoodPolicy(&site{vkey: vkey})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := torchwood.VerifyCheckpoint(signed, policy); err == nil {
		t.Error("torchwood accepts the checkpoint of another log")
	}
	v, err := merkle.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	_, err = merkle.OpenCheckpoint(signed, v.Name(), v)
	if _, ok := errors.AsType[*merkle.OriginError](err); !ok {
		t.Errorf("we say %v", err)
	}
}
