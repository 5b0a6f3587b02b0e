package witness_test

import (
	"bytes"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/witness"
)

// Every subtree of a cosigned checkpoint is signed, with the key that can.
func TestSignSubtree(t *testing.T) {
	const size = 21
	log := newTree(t, origin, size)
	s := newServer(t, log)
	_, lines := post(s, log.add(0, size))
	cosigned := append(log.signed(size), lines...)
	key := cosigners(t)[1]
	n := uint64(0)
	for end := uint64(1); end <= size; end++ {
		for start := range end {
			sub := root(log.leaves[start:end])
			valid := merkle.CheckSubtree(start, end, size) == nil
			var proof []merkle.Hash
			if valid {
				proof = log.subtreeProof(int(start), int(end), size)
			}
			code, answer, _ := do(s, http.MethodPost, "/sign-subtree", witness.SubtreeRequest(witness.NewSubtree(start, end, sub, proof, cosigned)))
			if !valid {
				if code != http.StatusBadRequest {
					t.Errorf("[%d,%d): status %d", start, end, code)
				}
				continue
			}
			if code != http.StatusOK {
				t.Fatalf("[%d,%d): status %d, %s", start, end, code, answer)
			}
			if want, err := key.SignSubtree(origin, start, end, sub); err != nil || answer != string(want) {
				t.Fatalf("[%d,%d): %q, %v", start, end, answer, err)
			}
			n++
		}
	}
	if n < size {
		t.Errorf("only %d subtrees", n)
	}
}

func TestSignSubtreeStatus(t *testing.T) {
	log := newTree(t, origin, 40)
	stranger := newTree(t, "log.example/stranger", 40)
	s := newServer(t, log)
	_, lines := post(s, log.add(0, 20))
	cosigned := append(log.signed(20), lines...)
	_, later := post(s, log.add(20, 30)) // an older cosignature stays good
	if later == "" {
		t.Fatal("not cosigned")
	}
	sub, proof := root(log.leaves[8:12]), log.subtreeProof(8, 12, 20)
	body := func(start, end uint64, sub merkle.Hash, proof []merkle.Hash, checkpoint []byte) []byte {
		return witness.SubtreeRequest(witness.NewSubtree(start, end, sub, proof, checkpoint))
	}
	good := body(8, 12, sub, proof, cosigned)
	with := func(before string, lines []byte) []byte {
		return bytes.Replace(good, []byte(before), append(lines, before...), 1)
	}
	first := "\n" + proof[0].String()
	line := bytes.TrimSuffix(signatures(t, stranger.signed(1)), []byte("\n"))
	eight := bytes.Repeat(append([]byte("\n"), line...), 8)
	for _, c := range []struct {
		name   string
		body   []byte
		status int
	}{
		{"good", good, 200},
		{"with signatures of others", with(first, eight), 200},
		{"with too many", with(first, append(bytes.Clone(eight), append([]byte("\n"), line...)...)), 400},
		{"nothing", nil, 400},
		{"no hash", []byte("subtree 8 12\n\n" + string(cosigned)), 400},
		{"one number", bytes.Replace(good, []byte("subtree 8 12\n"), []byte("subtree 8\n"), 1), 400},
		{"three numbers", bytes.Replace(good, []byte("subtree 8 12\n"), []byte("subtree 8 12 20\n"), 1), 400},
		{"leading zero", bytes.Replace(good, []byte("subtree 8 12\n"), []byte("subtree 08 12\n"), 1), 400},
		{"start is end", body(8, 8, sub, proof, cosigned), 400},
		{"start is behind end", body(12, 8, sub, proof, cosigned), 400},
		{"no subtree", body(8, 17, sub, proof, cosigned), 400},
		{"end is behind the checkpoint", body(20, 21, sub, proof, cosigned), 400},
		{"64 proof lines", body(8, 12, sub, make([]merkle.Hash, 64), cosigned), 400},
		{"nine signatures", body(8, 12, sub, proof, append(bytes.Clone(cosigned), bytes.Repeat(append(bytes.Clone(line), '\n'), 6)...)), 400},
		{"eight signatures", body(8, 12, sub, proof, append(bytes.Clone(cosigned), bytes.Repeat(append(bytes.Clone(line), '\n'), 5)...)), 200},
		{"another subtree", body(8, 12, root(log.fork(9).leaves[8:12]), proof, cosigned), 422},
		{"subtree beside it", body(12, 16, sub, proof, cosigned), 422},
		{"no proof", body(8, 12, sub, nil, cosigned), 422},
		{"a hash too many", body(8, 12, sub, append(proof[:len(proof):len(proof)], sub), cosigned), 422},
		{"unknown log", body(8, 12, sub, proof, append(stranger.signed(20), lines...)), 404},
		{"not cosigned", body(8, 12, sub, proof, log.signed(20)), 403},
		{"without signatures", body(8, 12, sub, proof, []byte(log.head(20).Text())), 403},
		{"cosigned by nobody we are", body(8, 12, sub, proof, append(log.signed(20), signatures(t, stranger.signed(20))...)), 403},
		{"wrong cosignature", body(8, 12, sub, proof, damaged(cosigned)), 403},
		{"cosignature of another checkpoint", body(8, 12, sub, proof, append(log.fork(3).signed(20), lines...)), 403},
	} {
		if code, answer, _ := do(s, http.MethodPost, "/sign-subtree", c.body); code != c.status {
			t.Errorf("%s: status %d, want %d, %s", c.name, code, c.status, answer)
		}
	}

	// Without a key that signs subtrees there is no such address.
	o := options(t, log)
	o.Cosigners = o.Cosigners[:1]
	o.Dir = filepath.Join(t.TempDir(), "logs")
	if err := witness.Create(o.Dir); err != nil {
		t.Fatal(err)
	}
	s, err := witness.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if code, _, _ := do(s, http.MethodPost, "/sign-subtree", good); code != http.StatusNotFound {
		t.Errorf("Ed25519 alone: status %d", code)
	}
}
