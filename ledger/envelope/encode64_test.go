package envelope_test

import (
	"encoding/base64"
	"testing"

	"github.com/lacunalog/lacuna/ledger/envelope"
)

// FuzzEncode64 holds our encoder against the standard library's.
func FuzzEncode64(f *testing.F) {
	for n := range 40 {
		f.Add([]byte("before"), bytesOf(n, byte(n*37)))
	}
	f.Fuzz(func(t *testing.T, before, b []byte) {
		got := envelope.AppendEncode64(before[:len(before):len(before)], b)
		want := base64.RawURLEncoding.AppendEncode(before[:len(before):len(before)], b)
		if string(got) != string(want) {
			t.Fatalf("%d bytes are encoded as %q, want %q", len(b), got, want)
		}
	})
}

// bytesOf returns n bytes that differ.
func bytesOf(n int, first byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)*29
	}
	return b
}
