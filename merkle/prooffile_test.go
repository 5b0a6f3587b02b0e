package merkle_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
)

// testProof returns the proof of entry index in a log of that size, and the
// verifier of the log.
func testProof(tb testing.TB, index, size int, extra []byte) (*merkle.Proof, merkle.Verifier) {
	tb.Helper()
	l := newMemLog(size)
	s, v, _ := testKey(tb, 1, testOrigin)
	signed, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: testOrigin, Size: uint64(size), Root: l.r.Root()}, s)
	if err != nil {
		tb.Fatal(err)
	}
	hashes, err := merkle.InclusionProof(tb.Context(), uint64(index), uint64(size), l.readTile)
	if err != nil {
		tb.Fatal(err)
	}
	return &merkle.Proof{Extra: extra, Index: uint64(index), Hashes: hashes, Checkpoint: signed}, v
}

func TestProofFile(t *testing.T) {
	for _, c := range []struct {
		index, size int
		extra       []byte
	}{{0, 1, nil}, {0, 2, []byte("x")}, {299, 300, []byte("extra data")}, {255, 300, make([]byte, 100_000)}} {
		p, v := testProof(t, c.index, c.size, c.extra)
		b, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := merkle.ParseProof(b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Extra, p.Extra) || again.Index != p.Index || !slices.Equal(again.Hashes, p.Hashes) ||
			!bytes.Equal(again.Checkpoint, p.Checkpoint) {
			t.Errorf("%d in %d: parsed as %+v, want %+v", c.index, c.size, again, p)
		}
		got, err := again.Verify(testEntry(c.index), v)
		if err != nil || got.Size != uint64(c.size) || got.Origin != testOrigin {
			t.Errorf("%d in %d: %+v, %v", c.index, c.size, got, err)
		}
	}
}

func TestParseProofRefuses(t *testing.T) {
	p, _ := testProof(t, 2, 5, []byte("some data"))
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	head, rest, _ := strings.Cut(good, "index ")
	hash := p.Hashes[0].String()
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the proof", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, s := range map[string]string{
		"empty":                     "",
		"header only":               "c2sp.org/tlog-proof@v1\n",
		"header cut":                "c2sp.org/tlog-proof@v1",
		"other version":             replace("@v1", "@v2"),
		"text before":               " " + good,
		"empty line before":         "\n" + good,
		"carriage returns":          strings.ReplaceAll(good, "\n", "\r\n"),
		"one carriage return":       replace("index 2\n", "index 2\r\n"),
		"return inside a hash":      replace(hash, hash[:10]+"\r"+hash[10:]),
		"extra without padding":     replace("extra c29tZSBkYXRh\n", "extra c29tZSBkYXRhIQ\n"),
		"extra with padding bits":   replace("extra c29tZSBkYXRh\n", "extra c29tZSBkYXRhIR==\n"),
		"extra empty":               replace("extra c29tZSBkYXRh\n", "extra \n"),
		"extra without space":       replace("extra c29tZSBkYXRh\n", "extra\n"),
		"extra with two spaces":     replace("extra ", "extra  "),
		"extra with a space at end": replace("c29tZSBkYXRh", "c29tZSBkYXRh "),
		"extra twice":               replace("extra c29tZSBkYXRh\n", "extra c29tZSBkYXRh\nextra c29tZSBkYXRh\n"),
		"extra after index":         replace("extra c29tZSBkYXRh\nindex 2\n", "index 2\nextra c29tZSBkYXRh\n"),
		"no index":                  replace("index 2\n", ""),
		"index empty":               replace("index 2\n", "index \n"),
		"index with leading zero":   replace("index 2\n", "index 02\n"),
		"index negative":            replace("index 2\n", "index -2\n"),
		"index with plus":           replace("index 2\n", "index +2\n"),
		"index with space":          replace("index 2\n", "index 2 \n"),
		"index not in the tree":     replace("index 2\n", "index 5\n"),
		"index 2^64":                replace("index 2\n", "index 18446744073709551616\n"),
		"index twice":               replace("index 2\n", "index 2\nindex 2\n"),
		"hash with padding bits":    replace(hash, hash[:42]+string(hash[42]+1)+"="),
		"hash cut":                  replace(hash, hash[:40]),
		"hash too long":             replace(hash, base64.StdEncoding.EncodeToString(make([]byte, 33))),
		"hash with a space":         replace(hash, hash+" "),
		"64 hashes":                 head + "index 2\n" + strings.Repeat(hash+"\n", 64) + "\n" + string(p.Checkpoint),
		"no empty line":             replace("\n\n"+testOrigin, "\n"+testOrigin),
		"two empty lines":           replace("\n\n"+testOrigin, "\n\n\n"+testOrigin),
		"no checkpoint":             head + "index 2\n" + hash + "\n\n",
		"checkpoint not signed":     strings.SplitAfter(good, "\n\n— ")[0],
		"no final newline":          good[:len(good)-1],
		"text after":                good + "x",
		"newline after":             good + "\n",
		"size with leading zero":    replace("\n5\n", "\n05\n"),
		"cut in the middle":         good[:len(head)+len(rest)/2],
	} {
		if p, err := merkle.ParseProof([]byte(s)); err == nil {
			t.Errorf("%s: accepted as %+v", name, p)
		}
	}
}

func TestMarshalProofRefuses(t *testing.T) {
	good, _ := testProof(t, 2, 5, nil)
	for name, change := range map[string]func(*merkle.Proof){
		"no checkpoint":         func(p *merkle.Proof) { p.Checkpoint = nil },
		"checkpoint cut":        func(p *merkle.Proof) { p.Checkpoint = p.Checkpoint[:40] },
		"note, not checkpoint":  func(p *merkle.Proof) { p.Checkpoint = []byte(specNote) },
		"index not in the tree": func(p *merkle.Proof) { p.Index = 5 },
		"64 hashes":             func(p *merkle.Proof) { p.Hashes = make([]merkle.Hash, 64) },
	} {
		p := *good
		change(&p)
		if b, err := p.Marshal(); err == nil {
			t.Errorf("%s: written as %q", name, b)
		}
	}
}

func TestVerifyProofErrors(t *testing.T) {
	p, v := testProof(t, 2, 5, []byte("not authenticated"))
	_, otherKey, _ := testKey(t, 9, testOrigin)
	_, otherLog, _ := testKey(t, 1, "log.example/other")
	for name, c := range map[string]struct {
		change func(*merkle.Proof)
		entry  []byte
		v      merkle.Verifier
		want   any
	}{
		"other entry": {nil, testEntry(3), v, new(*merkle.RootMismatchError)},
		"leaf hash instead of entry": {nil, func() []byte { h := merkle.LeafHash(testEntry(2)); return h[:] }(), v,
			new(*merkle.RootMismatchError)},
		"other index":       {func(p *merkle.Proof) { p.Index = 3 }, testEntry(2), v, new(*merkle.RootMismatchError)},
		"changed hash":      {func(p *merkle.Proof) { p.Hashes[1][31] ^= 1 }, testEntry(2), v, new(*merkle.RootMismatchError)},
		"hash missing":      {func(p *merkle.Proof) { p.Hashes = p.Hashes[1:] }, testEntry(2), v, nil},
		"hash added":        {func(p *merkle.Proof) { p.Hashes = append(p.Hashes, merkle.Hash{}) }, testEntry(2), v, nil},
		"other key":         {nil, testEntry(2), otherKey, new(*merkle.SignatureError)},
		"other log":         {nil, testEntry(2), otherLog, new(*merkle.OriginError)},
		"changed signature": {func(p *merkle.Proof) { p.Checkpoint[len(p.Checkpoint)-20] ^= 1 }, testEntry(2), v, nil},
	} {
		p, _ := testProof(t, 2, 5, p.Extra)
		if c.change != nil {
			c.change(p)
		}
		_, err := p.Verify(c.entry, c.v)
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if c.want != nil && !errors.As(err, c.want) {
			t.Errorf("%s: %v is not a %T", name, err, c.want)
		}
	}
	// Extra is not authenticated by the proof, which the comment of Verify's
	// type says: who uses it must recompute the entry from it.
	p.Extra = []byte("anything")
	if _, err := p.Verify(testEntry(2), v); err != nil {
		t.Errorf("other extra: %v", err)
	}
}
