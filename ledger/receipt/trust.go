package receipt

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/lacunalog/lacuna/merkle"
)

// ErrKey is wrapped by the error of [NewTrust] for public keys that cannot be used:
// nothing was verified, and nothing is wrong with any receipt.
var ErrKey = errors.New("no public key of a log")

// A Trust says whom the reader of receipts believes. Everything else in a file is
// checked; that these keys are the right ones is what the reader has to know from
// elsewhere.
type Trust struct {
	keys   []merkle.Verifier
	policy *merkle.Policy
}

// NewTrust returns what believes the given public keys of one log, in the form
// name+id+base64 of C2SP signed-note, and the witnesses of a policy.
//
// Every one of the keys must have signed a head. With the Ed25519 and the ML-DSA-44
// key of one log a head stands as long as either algorithm does. Without keys the
// policy says which logs are believed; with a policy its quorum of witnesses must have
// countersigned. Either may be left out, not both.
func NewTrust(vkeys []string, policy *merkle.Policy) (*Trust, error) {
	t := &Trust{policy: policy}
	for _, vkey := range vkeys {
		v, err := merkle.NewVerifier(vkey)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKey, err)
		}
		if len(t.keys) > 0 && v.Name() != t.keys[0].Name() {
			return nil, fmt.Errorf("%w: keys of two logs, %q and %q", ErrKey, t.keys[0].Name(), v.Name())
		}
		t.keys = append(t.keys, v)
	}
	if len(t.keys) == 0 && (policy == nil || len(policy.Logs()) == 0) {
		return nil, fmt.Errorf("%w: none is given, and no policy names one", ErrKey)
	}
	return t, nil
}

// A Head is a signed checkpoint whose signatures were checked.
type Head struct {
	merkle.Checkpoint
	// Signers are the keys of the log that signed, name+id.
	Signers []string
	// Cosignatures are those of the policy's witnesses.
	Cosignatures []merkle.Cosignature
	// Unchecked is how many further signatures there are, of keys that the reader
	// does not have.
	Unchecked int
}

// open checks the signatures of a head and writes down what it checked.
func (t *Trust) open(signed []byte, checks *[]Check) (*Head, *Failure) {
	// Without any key: who does the text say that it is?
	said, _, err := merkle.Cosignatures(signed)
	if err != nil {
		return nil, fail(StageSignature, err, "signature: %s", reason(err))
	}
	keys := t.keys
	if len(keys) == 0 {
		for _, l := range t.policy.Logs() {
			if l.Verifier.Name() == said.Origin {
				keys = append(keys, l.Verifier)
			}
		}
		if len(keys) == 0 {
			return nil, fail(StageLog, nil, "a proof for another log: it is for %q, which the policy does not name", said.Origin)
		}
	}
	h := &Head{}
	if len(t.keys) == 0 {
		h.Checkpoint, err = merkle.OpenCheckpoint(signed, said.Origin, keys...)
	}
	for i := 0; i < len(t.keys) && err == nil; i++ {
		h.Checkpoint, err = merkle.OpenCheckpoint(signed, keys[i].Name(), keys[i])
	}
	if other, ok := errors.AsType[*merkle.OriginError](err); ok {
		return nil, fail(StageLog, err, "a proof for another log: it is for %q, the key is of %q", other.Got, other.Want)
	}
	if err != nil {
		return nil, fail(StageSignature, err, "signature: %s", reason(err))
	}
	h.sign(signed, keys, t.policy)
	passed(checks, StageLog, "the head in it is of the log %s, as the key is", h.Origin)
	passed(checks, StageSignature, "%s signed that head: %s, root %s", list(h.Signers, " and "), count(h.Size, "entry", "entries"), h.Root)
	if t.policy == nil {
		return h, nil
	}
	_, h.Cosignatures, err = t.policy.Check(signed, h.Origin, t.keys...)
	if short, ok := errors.AsType[*merkle.PolicyError](err); ok {
		return nil, fail(StageWitnesses, err, "witnesses: %v", short)
	}
	if err != nil {
		return nil, fail(StageSignature, err, "signature: %s", reason(err))
	}
	if n := len(h.Cosignatures); n == 0 {
		passed(checks, StageWitnesses, "the policy asks for no witness, and none of its witnesses countersigned")
	} else {
		passed(checks, StageWitnesses, "%s countersigned that head, which is as many as the policy asks for", list(h.witnesses(), " and "))
	}
	return h, nil
}

// sign notes who signed, of the keys that are known; their signatures were checked.
func (h *Head) sign(signed []byte, keys []merkle.Verifier, policy *merkle.Policy) {
	known := append([]merkle.Verifier(nil), keys...)
	if policy != nil {
		for _, l := range policy.Logs() {
			known = append(known, l.Verifier)
		}
		for _, w := range policy.Witnesses() {
			known = append(known, w.Verifier)
		}
	}
	lines, err := merkle.SignatureLines(signed)
	if err != nil {
		return
	}
	checked, err := merkle.SignatureLines(signed, known...)
	if err != nil {
		return
	}
	h.Unchecked = strings.Count(string(lines), "\n") - strings.Count(string(checked), "\n")
	for _, k := range keys {
		if line, err := merkle.SignatureLines(signed, k); err == nil && len(line) > 0 {
			h.Signers = append(h.Signers, keyName(k))
		}
	}
}

// IsHead reports whether a file is to be read as a signed head that came alone, rather
// than as a receipt.
func IsHead(file []byte) bool {
	if bytes.HasPrefix(file, []byte("c2sp.org/tlog-proof@")) {
		return false
	}
	_, _, err := merkle.Cosignatures(file)
	return err == nil
}

// VerifyHead checks the signatures of a head that came alone. Beside receipts it is
// good for two things: it may contradict theirs, and where it is from before an entry
// its witnesses bound the time from the other side. The error is a [*Failure].
func (t *Trust) VerifyHead(file []byte) (*Report, error) {
	r := &Report{Kind: KindHead}
	h, f := t.open(file, &r.Checks)
	if f != nil {
		f.Text = strings.Replace(f.Text, "a proof for another log", "a head of another log", 1)
		return r.refuse(f), f
	}
	r.Verified = true
	r.Head, r.Origin, r.Size, r.Root = h, h.Origin, h.Size, h.Root
	r.say(OK, Proven, "the head of %s with %s", printable(h.Origin), count(h.Size, "entry", "entries"))
	h.attest(r.say, "it", "its entries were in the log")
	return r, nil
}

// witnesses names who countersigned, each once.
func (h *Head) witnesses() (names []string) {
	for _, c := range h.Cosignatures {
		if len(names) == 0 || names[len(names)-1] != c.Name {
			names = append(names, c.Name)
		}
	}
	return names
}

func keyName(k note.Verifier) string { return fmt.Sprintf("%s+%08x", k.Name(), k.KeyHash()) }

// most is how many names a line lists.
const most = 8

// list joins names: "a", "a and b", "a, b and c", "9 of them".
func list(names []string, last string) string {
	switch n := len(names); {
	case n == 0:
		return "nobody"
	case n == 1:
		return names[0]
	case n > most:
		return fmt.Sprintf("%d keys", n)
	default:
		return strings.Join(names[:n-1], ", ") + last + names[n-1]
	}
}

func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
