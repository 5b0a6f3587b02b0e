package merkle_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// A parser accepts exactly what its counterpart writes: whatever it accepts is
// written back as the same bytes.

func FuzzParseHash(f *testing.F) {
	f.Add(merkle.EmptyRoot().String())
	f.Add("")
	f.Add("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=")
	f.Add("CsUYapGGPo4dkMgIAUqom/Xajj7h\n2fB2MPA3j2jxq2I=")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := merkle.ParseHash(s)
		if err != nil {
			return
		}
		if h.String() != s {
			t.Errorf("%q was accepted and is written %q", s, h)
		}
		var again merkle.Hash
		if b, err := json.Marshal(h); err != nil || json.Unmarshal(b, &again) != nil || again != h {
			t.Errorf("%q does not survive JSON", s)
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	root := merkle.EmptyRoot().String()
	f.Add("example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n")
	f.Add("o\n0\n" + root + "\nextension\n")
	f.Add("o\n00\n" + root + "\n")
	f.Add("o\n9223372036854775807\n" + root + "\n")
	f.Add("o\r\n1\r\n" + root + "\r\n")
	f.Add("\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := merkle.ParseCheckpoint(text)
		if err == nil && c.Text() != text {
			t.Errorf("%q was accepted and is written %q", text, c.Text())
		}
	})
}

func FuzzOpenCheckpoint(f *testing.F) {
	s, v, _ := testKey(f, 1, testOrigin)
	c := merkle.Checkpoint{Origin: testOrigin, Size: 7, Root: merkle.LeafHash(nil)}
	signed, err := merkle.SignCheckpoint(c, s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add([]byte(specNote))
	f.Add(append(bytes.Clone(signed), "— witness.example/w1 "+strings.Repeat("A", 100)+"\n"...))
	f.Add(bytes.Replace(signed, []byte("7"), []byte("8"), 1))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := merkle.OpenCheckpoint(b, testOrigin, v)
		if err == nil && got.Text() != c.Text() {
			// The key has signed nothing else.
			t.Errorf("a forged checkpoint was accepted: %q", b)
		}
	})
}

func FuzzParseProof(f *testing.F) {
	p, v := testProof(f, 2, 5, []byte("extra"))
	b, err := p.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	p.Extra = nil
	if b, err = p.Marshal(); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")))
	f.Add(bytes.Replace(b, []byte("index 2"), []byte("index 02"), 1))
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra \nindex 0\n\n"))
	entry := testEntry(2)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := merkle.ParseProof(b)
		if err != nil {
			return
		}
		again, err := p.Marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q was accepted and is written %q, %v", b, again, err)
		}
		if _, err := p.Verify(entry, v); err == nil && p.Index != 2 {
			t.Errorf("a forged proof was accepted: %q", b)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	f.Add("tile/0/x001/x234/067")
	f.Add("tile/entries/x001/067.p/112")
	f.Add("tile/63/x018/x446/x744/x073/x709/x551/615.p/255")
	f.Add("tile/00/000")
	f.Add("tile/0/x000/000.p/0")
	f.Fuzz(func(t *testing.T, s string) {
		tile, entries, err := merkle.ParsePath(s)
		if err != nil {
			return
		}
		p := tile.Path()
		if entries {
			p = merkle.EntriesPath(tile.Index, tile.Width)
		}
		if p != s || tile.Width < 1 || tile.Width > merkle.TileWidth || tile.Level < 0 || tile.Level > 63 {
			t.Errorf("%q was accepted as %+v and is written %q", s, tile, p)
		}
		if w := merkle.TileWidthAt(tile.Level, tile.Index, merkle.MaxSize); w < 0 || w > merkle.TileWidth {
			t.Errorf("%q has width %d", s, w)
		}
	})
}

func FuzzSplitBundle(f *testing.F) {
	b, _ := merkle.AppendBundleEntry(nil, testEntry(0))
	b, _ = merkle.AppendBundleEntry(b, nil)
	f.Add(b, 2)
	f.Add(b, 1)
	f.Add(b[:len(b)-1], 2)
	f.Add([]byte{0xff, 0xff}, 1)
	f.Add(make([]byte, 512), 256)
	f.Fuzz(func(t *testing.T, b []byte, width int) {
		entries, err := merkle.SplitBundle(b, width)
		if err != nil {
			return
		}
		var again []byte
		for _, e := range entries {
			again, _ = merkle.AppendBundleEntry(again, e)
		}
		if len(entries) != width || !bytes.Equal(again, b) {
			t.Errorf("%x with width %d was accepted as %d entries and is written %x", b, width, len(entries), again)
		}
	})
}

func FuzzParseTile(f *testing.F) {
	f.Add(make([]byte, 64), 2)
	f.Add(make([]byte, 8192), 256)
	f.Add(make([]byte, 63), 2)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, b []byte, width int) {
		hashes, err := merkle.ParseTile(b, width)
		if err != nil {
			return
		}
		if len(hashes) != width || !bytes.Equal(merkle.AppendTile(nil, hashes), b) {
			t.Errorf("a tile of width %d does not survive", width)
		}
	})
}

// FuzzTree drives the fast code and the reference at once.
func FuzzTree(f *testing.F) {
	const most = 1000
	l := newMemLog(most)
	ref := newReference(l.leaves)
	f.Add(uint16(0), uint16(0))
	f.Add(uint16(299), uint16(300))
	f.Add(uint16(255), uint16(256))
	f.Add(uint16(256), uint16(999))
	f.Fuzz(func(t *testing.T, m, n uint16) {
		if n > most || m >= n {
			return
		}
		checkTree(t, l, ref, int(n), []int{int(m)})
	})
}

// FuzzVerify looks for a second proof of the same statement.
func FuzzVerify(f *testing.F) {
	l := newMemLog(300)
	ref := newReference(l.leaves)
	root := ref.mth(0, 300)
	f.Add(uint64(7), uint64(300), merkle.AppendTile(nil, ref.path(7, 0, 300)))
	f.Add(uint64(299), uint64(300), merkle.AppendTile(nil, ref.path(299, 0, 300)))
	f.Add(uint64(0), uint64(0), []byte{})
	f.Add(uint64(1)<<63, uint64(1)<<63+1, make([]byte, 64*merkle.HashSize))
	f.Fuzz(func(t *testing.T, index, size uint64, b []byte) {
		var proof []merkle.Hash
		for ; len(b) >= merkle.HashSize; b = b[merkle.HashSize:] {
			proof = append(proof, merkle.Hash(b[:merkle.HashSize]))
		}
		leaf := merkle.LeafHash(l.leaves[index%300])
		if merkle.VerifyInclusion(index, size, leaf, proof, root) == nil && size == 300 && !slices.Equal(proof, ref.path(int(index), 0, 300)) {
			t.Errorf("entry %d of %d has two proofs", index, size)
		}
		// Must not panic on anything.
		_ = merkle.VerifyConsistency(index, size, proof, leaf, root)
	})
}
