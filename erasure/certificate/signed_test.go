package certificate

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// custodianVectors are the statements of docs/spec/vectors/custodian.json, as the
// custodians' own package writes and signs them.
func custodianVectors(t *testing.T) (valid []Statement, tree, attempt ID, epoch uint64) {
	t.Helper()
	text, err := os.ReadFile("../../docs/spec/vectors/custodian.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Statements []struct {
			Name      string
			Valid     bool
			Statement struct {
				Holder, Kind, Level, Tree, Attempt string
				Epoch                              uint64
				Destroyed                          []uint64
				Overwritten, Copies                int
				Signature                          []byte
			}
		}
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	id := func(s string) (id ID) {
		b, err := hex.DecodeString(s)
		if err != nil || len(b) != 16 {
			t.Fatal(s)
		}
		return ID(b)
	}
	refused := 0
	for _, x := range v.Statements {
		s := Statement{
			Holder: id(x.Statement.Holder), Kind: x.Statement.Kind, Level: x.Statement.Level, Destroyed: x.Statement.Destroyed,
			Overwritten: x.Statement.Overwritten, Copies: x.Statement.Copies, Signature: base64.RawURLEncoding.EncodeToString(x.Statement.Signature),
		}
		tree, attempt, epoch = id(x.Statement.Tree), id(x.Statement.Attempt), x.Statement.Epoch
		if err := checkSignatures([]Statement{s}, tree, epoch, attempt); (err == nil) != x.Valid {
			t.Errorf("%s: %v", x.Name, err)
		}
		if x.Valid {
			valid = append(valid, s)
		} else {
			refused++
		}
	}
	if len(valid) < 2 || refused < 4 {
		t.Fatalf("%d statements, %d refused", len(valid), refused)
	}
	return valid, tree, attempt, epoch
}

func TestCustodianStatement(t *testing.T) {
	valid, tree, attempt, epoch := custodianVectors(t)
	statement, _, _ := sample(t)
	r, err := ParseRecord(statement)
	if err != nil {
		t.Fatal(err)
	}
	r.Tree, r.Attempt, r.Epoch = tree, attempt, epoch
	r.Holders = append(r.Holders, valid[0])
	text, err := r.Statement()
	if err != nil {
		t.Fatal(err)
	}
	key := r.Holders[1].Custodian()
	if !bytes.Equal(key, ed25519.NewKeyFromSeed([]byte("PQRSTUVWXYZ[\\]^_`abcdefghijklmno")).Public().(ed25519.PublicKey)) || r.Holders[0].Custodian() != nil {
		t.Error("another key than the custodian's")
	}
	if _, err := ParseRecord(text); err != nil {
		t.Fatal(err)
	}
	// Nothing that the custodian signed can be changed, nor its word be taken for
	// another epoch's.
	n := 0
	for path, mutant := range mutants(t, text) {
		about := strings.HasPrefix(path, "/holders/1") || strings.HasPrefix(path, "/tree") || strings.HasPrefix(path, "/epoch") || strings.HasPrefix(path, "/attempt")
		if !about || strings.HasPrefix(path, "/holders/1 ") {
			continue
		}
		n++
		if _, err := ParseRecord(mutant); err == nil {
			t.Errorf("a record with another %s is taken", path)
		}
	}
	if n < 60 {
		t.Errorf("only %d mutants", n)
	}
	r.Holders[1].Signature = ""
	if _, err := r.Statement(); err == nil {
		t.Error("a custodian's statement without a signature is taken")
	}
}
