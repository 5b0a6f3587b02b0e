package custodian

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"testing"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
	"github.com/lacunalog/lacuna/keystore"
)

// The vectors of docs/spec/custodian.md.
type allVectors struct {
	About       []string          `json:"about"`
	Invitations []textVector      `json:"invitations"`
	Statements  []statementVector `json:"statements"`
	Frames      []frameVector     `json:"frames"`
}

type textVector struct {
	Name   string `json:"name"`
	Valid  bool   `json:"valid"`
	Text   string `json:"text"`
	Key    string `json:"key,omitempty"`
	Secret string `json:"secret,omitempty"`
}

type statementVector struct {
	Name      string             `json:"name"`
	Valid     bool               `json:"valid"`
	Statement keystore.Statement `json:"statement"`
	Answer    string             `json:"answer"` // fields of the answer to destroy
}

type frameVector struct {
	Name   string `json:"name"`
	First  byte   `json:"first"`
	Fields string `json:"fields"`
	Bytes  string `json:"bytes"`
}

func count(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func sampleStatement() (keystore.Statement, ed25519.PrivateKey) {
	key := ed25519.NewKeyFromSeed(count(0x50, 32))
	s := keystore.Statement{
		Kind: kind, Level: keystore.L1, Tree: keystore.TreeID(count(0x20, 16)), Epoch: 300, Attempt: keystore.Attempt(count(0x30, 16)),
		Destroyed: []uint64{299}, Overwritten: 1, Copies: 1,
	}
	s.Sign(key)
	return s, key
}

func makeVectors() *allVectors {
	v := &allVectors{About: []string{
		"Test vectors for docs/spec/custodian.md. Bytes are lower-case hex, a signature is base64. The custodian's key has the seed 50 51 … 6f.",
		"valid false: a reader refuses it. A statement's answer is the fields of the answer to destroy.",
	}}
	s, key := sampleStatement()
	i := Invitation{Custodian: Address{"vault.example:7400", key.Public().(ed25519.PublicKey)}, Secret: [16]byte(count(0x60, 16))}
	v.Invitations = []textVector{
		{"an invitation", true, i.String(), hex.EncodeToString(i.Custodian.Key), hex.EncodeToString(i.Secret[:])},
		{Name: "cut off", Text: i.String()[:len(i.String())-1]},
		{Name: "no port", Text: "lacuna-custodian/vault.example/" + KeyText(append(bytes.Clone(i.Custodian.Key), i.Secret[:]...))},
		{Name: "another tag", Text: "lacuna-witness" + i.String()[16:]},
	}
	add := func(name string, valid bool, s keystore.Statement) {
		v.Statements = append(v.Statements, statementVector{name, valid, s, hex.EncodeToString(appendStatement(&s))})
	}
	add("one epoch destroyed", true, s)
	t := s
	t.Destroyed = []uint64{}
	t.Sign(key)
	add("a destruction repeated", true, t)
	t = s
	t.Destroyed = []uint64{298}
	add("another epoch than was signed", false, t)
	t = s
	t.Level = keystore.L3
	add("another level than was signed", false, t)
	t = s
	t.Holder[0] ^= 1
	add("another holder than the key's", false, t)
	t = s
	t.Signature = nil
	add("no signature", false, t)

	frame := func(name string, first byte, fields []byte) {
		var b bytes.Buffer
		if err := writeFrame(&b, first, fields); err != nil {
			panic(err)
		}
		v.Frames = append(v.Frames, frameVector{name, first, hex.EncodeToString(fields), hex.EncodeToString(b.Bytes())})
	}
	share := keystore.Share{Tree: s.Tree, Epoch: s.Epoch, Attempt: s.Attempt, Secret: keystore.Secret(count(0x40, 32))}
	status := Status{Level: keystore.L1, Copies: 1, Machine: [16]byte(count(0x70, 16)), Mark: 299, Epochs: []uint64{299, 300}, Head: 41, Warning: "full"}
	frame("status", byte(opStatus), nil)
	frame("enrol", byte(opEnrol), i.Secret[:])
	frame("prepare", byte(opPrepare), appendShare(nil, &share))
	frame("destroy", byte(opDestroy), (&kept{s.Tree, s.Epoch, s.Attempt}).append(nil))
	frame("ship", byte(opShip), appendShip(300, 52))
	frame("answer to status", codeOK, status.append(nil))
	frame("answer to current", codeOK, appendShares([]keystore.Share{share}))
	frame("answer to destroy", codeOK, appendStatement(&s))
	frame("answer of a custodian that does not hold it", codeNotHeld, []byte("the holder does not hold this attempt"))
	return v
}

func TestVectors(t *testing.T) {
	v := makeVectors()
	vectors.Same(t, "custodian.json", v)
	for _, x := range v.Invitations {
		if i, err := ParseInvitation(x.Text); (err == nil) != x.Valid || x.Valid && i.String() != x.Text {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
	for _, x := range v.Statements {
		if err := x.Statement.Verify(); (err == nil) != x.Valid {
			t.Errorf("%s: %v", x.Name, err)
		}
		b, _ := hex.DecodeString(x.Answer)
		about := kept{x.Statement.Tree, x.Statement.Epoch, x.Statement.Attempt}
		s, err := parseStatement(b, x.Statement.Holder, about)
		if (err == nil) != x.Valid || x.Valid && !bytes.Equal(appendStatement(&s), b) {
			t.Errorf("%s, as it comes: %v", x.Name, err)
		}
		// A statement about something else is none.
		about.epoch++
		if _, err := parseStatement(b, x.Statement.Holder, about); err == nil {
			t.Errorf("%s: taken for another epoch", x.Name)
		}
	}
}

// FuzzAnswers reads what a custodian may answer.
func FuzzAnswers(f *testing.F) {
	s, _ := sampleStatement()
	about := kept{s.Tree, s.Epoch, s.Attempt}
	status := Status{Level: keystore.L1, Copies: 2, Epochs: []uint64{1, 2}, Warning: "w"}
	f.Add(appendStatement(&s))
	f.Add(status.append(nil))
	f.Add(appendShares([]keystore.Share{{Epoch: 1}, {Epoch: 2}}))
	f.Add([]byte{255})
	f.Fuzz(func(t *testing.T, b []byte) {
		if x, err := parseStatement(b, s.Holder, about); err == nil && !bytes.Equal(appendStatement(&x), b) {
			t.Fatal("a statement is not written as it was read")
		}
		if x, err := parseStatus(b); err == nil {
			again, err := parseStatus(x.append(nil))
			if err != nil || again.Warning != x.Warning || again.Mark != x.Mark {
				t.Fatal("a status is not written as it was read")
			}
		}
		if x, err := parseShares(b); err == nil && !bytes.Equal(appendShares(x), b) {
			t.Fatal("shares are not written as they were read")
		}
	})
}

// FuzzFrame reads a request, as a server does.
func FuzzFrame(f *testing.F) {
	for _, x := range makeVectors().Frames {
		b, _ := hex.DecodeString(x.Bytes)
		f.Add(b)
	}
	f.Add([]byte{255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		first, fields, err := readFrame(bytes.NewReader(b))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeFrame(&again, first, fields); err != nil || !bytes.HasPrefix(b, again.Bytes()) {
			t.Fatal("a frame is not written as it was read")
		}
	})
}

func FuzzInvitation(f *testing.F) {
	for _, x := range makeVectors().Invitations {
		f.Add(x.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if i, err := ParseInvitation(text); err == nil && i.String() != text {
			t.Fatalf("%q is read as %q", text, i)
		}
	})
}
