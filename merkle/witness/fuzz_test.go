package witness_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/witness"
)

// What is read as a request is written the same again.
func FuzzParseAdd(f *testing.F) {
	log := newTree(f, origin, 9)
	f.Add(log.add(0, 0))
	f.Add(log.add(5, 9))
	f.Add([]byte("old 0\n\n\n"))
	f.Add([]byte("old 18446744073709551615\nx\n\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := witness.ParseAdd(body)
		if err != nil {
			return
		}
		if again := witness.AddRequest(r); !bytes.Equal(again, body) {
			t.Errorf("%q becomes %q", body, again)
		}
	})
}

func FuzzParseSubtree(f *testing.F) {
	log := newTree(f, origin, 9)
	f.Add(witness.SubtreeRequest(witness.NewSubtree(4, 8, root(log.leaves[4:8]), log.subtreeProof(4, 8, 9), log.signed(9))))
	f.Add([]byte("subtree 0 1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n— a b\n\nx"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := witness.ParseSubtree(body)
		if err != nil {
			return
		}
		if again := witness.SubtreeRequest(r); !bytes.Equal(again, body) {
			t.Errorf("%q becomes %q", body, again)
		}
	})
}

// Whatever is posted, the witness answers with a status of the specification,
// and cosigns nothing but the one checkpoint of that log that can be had here.
func FuzzServer(f *testing.F) {
	log := newTree(f, origin, 9)
	f.Add(log.add(0, 9))
	f.Add(log.add(3, 9))
	f.Add(log.fork(2).add(0, 9))
	o := plain(f, log)
	keys := append(verifiers(o.Cosigners), log.verifier())
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := witness.NewServerOn(o, newDisk())
		if err != nil {
			t.Fatal(err)
		}
		code, answer := post(s, body)
		switch code {
		case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		case http.StatusOK:
			if _, _, err := merkle.Cosignatures(latest(t, s), keys...); err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("status %d, %s", code, answer)
		}
		if code != http.StatusOK && latest(t, s) != nil {
			t.Errorf("status %d, and the witness remembers something", code)
		}
	})
}

// Whatever a witness answers, only verified lines come out.
func FuzzClient(f *testing.F) {
	log := newTree(f, origin, 9)
	o := plain(f, log)
	s, err := witness.NewServerOn(o, newDisk())
	if err != nil {
		f.Fatal(err)
	}
	signed, keys := log.signed(9), verifiers(o.Cosigners)
	_, lines := post(s, log.add(0, 9))
	f.Add(200, lines)
	f.Add(409, "5\n")
	f.Add(422, "")
	f.Fuzz(func(t *testing.T, status int, answer string) {
		if status < 200 || status > 599 {
			return
		}
		c := witness.Client{URL: "http://witness.example", Verifiers: keys, HTTP: &http.Client{Transport: saying{status, answer}}}
		got, err := c.Cosign(t.Context(), signed, 0, log.prover(9))
		if err != nil {
			return
		}
		signed, err := merkle.AddSignatures(signed, got)
		if err != nil {
			t.Fatal(err)
		}
		_, cs, err := merkle.Cosignatures(signed, c.Verifiers...)
		if err != nil || len(cs) == 0 || len(cs) != bytes.Count(got, []byte("\n")) {
			t.Errorf("%d cosignatures in %q, %v", len(cs), got, err)
		}
	})
}
