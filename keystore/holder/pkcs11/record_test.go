//go:build pkcs11 && cgo

package pkcs11

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"testing"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
	"github.com/lacunalog/lacuna/keystore"
)

// FuzzRecord: what is read as a record is written as the same bytes.
func FuzzRecord(f *testing.F) {
	r := record{holder: keystore.HolderID{1}, tree: keystore.TreeID{2}, epoch: 3, attempt: keystore.Attempt{4}, iv: make([]byte, ivLen), sealed: make([]byte, 32+tagLen)}
	f.Add(r.encode())
	r.epoch = 0
	f.Add(r.encode())
	f.Add([]byte(magic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err == nil && !bytes.Equal(r.encode(), b) {
			t.Fatalf("%x is written as %x", b, r.encode())
		}
		if err != nil && len(b) == recordLen && string(b[:8]) == magic && !bytes.Equal(b[40:48], make([]byte, 8)) {
			t.Fatalf("%x was refused: %v", b, err)
		}
	})
}

// A recordVector is a record, the token's key, and what comes of both. The key never
// leaves a real token.
type recordVector struct {
	Name    string `json:"name"`
	Valid   bool   `json:"valid"`
	Key     string `json:"key"`
	Record  string `json:"record"`
	Holder  string `json:"holder,omitempty"`
	Tree    string `json:"tree,omitempty"`
	Epoch   uint64 `json:"epoch,omitempty"`
	Attempt string `json:"attempt,omitempty"`
	Share   string `json:"share,omitempty"`
	parses  bool   // it has the form of a record
}

func gcm(t *testing.T, key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

func count(from byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

func recordVectors(t *testing.T) []recordVector {
	key, share := count(0x00, 32), count(0x20, 32)
	r := record{
		holder: keystore.HolderID(count(0x40, 16)), tree: keystore.TreeID(count(0x50, 16)), epoch: 7,
		attempt: keystore.Attempt(count(0x60, 16)), iv: count(0x70, ivLen),
	}
	r.sealed = gcm(t, key).Seal(nil, r.iv, share, r.header())
	whole := r.encode()
	altered := func(at int) string {
		b := bytes.Clone(whole)
		b[at] ^= 1
		return hex.EncodeToString(b)
	}
	none := bytes.Clone(whole)
	none[47] = 0
	k := hex.EncodeToString(key)
	return []recordVector{
		{
			Name: "a share", Valid: true, parses: true, Key: k, Record: hex.EncodeToString(whole), Holder: r.holder.String(), Tree: r.tree.String(), Epoch: r.epoch,
			Attempt: r.attempt.String(), Share: hex.EncodeToString(share),
		},
		{Name: "another epoch", Key: k, Record: altered(46), parses: true},
		{Name: "another holder", Key: k, Record: altered(8), parses: true},
		{Name: "another share", Key: k, Record: altered(76), parses: true},
		{Name: "another key", Key: hex.EncodeToString(count(0x01, 32)), Record: hex.EncodeToString(whole), parses: true},
		{Name: "epoch 0", Key: k, Record: hex.EncodeToString(none)},
		{Name: "another magic", Key: k, Record: altered(7)},
		{Name: "a byte behind it", Key: k, Record: hex.EncodeToString(append(bytes.Clone(whole), 0))},
		{Name: "torn", Key: k, Record: hex.EncodeToString(whole[:len(whole)-1])},
	}
}

func TestVectors(t *testing.T) {
	vs := recordVectors(t)
	vectors.Same(t, "token-record.json", map[string]any{"records": vs})
	for _, v := range vs {
		b, _ := hex.DecodeString(v.Record)
		key, _ := hex.DecodeString(v.Key)
		r, err := parseRecord(b)
		if (err != nil) != (!v.parses) {
			t.Errorf("%s: %v", v.Name, err)
		}
		if err != nil {
			continue
		}
		share, err := gcm(t, key).Open(nil, r.iv, r.sealed, r.header())
		if (err != nil) != (!v.Valid) || hex.EncodeToString(share) != v.Share {
			t.Errorf("%s: %x, %v", v.Name, share, err)
		}
		if v.Valid && (r.holder.String() != v.Holder || r.tree.String() != v.Tree || r.epoch != v.Epoch || r.attempt.String() != v.Attempt) {
			t.Errorf("%s: %+v", v.Name, r)
		}
	}
}
