package merkle

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"filippo.io/mldsa"
	"golang.org/x/mod/sumdb/note"
)

// maxTime is the latest time that a cosignature may have.
const maxTime = math.MaxInt64

var errTime = fmt.Errorf("time of a cosignature is more than %d", uint64(maxTime))

// A Cosigner signs checkpoints together with the time
// (https://c2sp.org/tlog-cosignature): it is the key of a witness, or the second
// key of a log. Nothing here knows a clock, so every signature is told its time.
//
// Signatures are deterministic for both algorithms: the same key, text and time
// give the same bytes. A Cosigner is safe for concurrent use, and nothing that
// prints one prints its key.
type Cosigner struct {
	key key
	// sign signs the text of a note, which is that checkpoint.
	sign func(text []byte, c Checkpoint, time uint64) ([]byte, error)
	// subtree signs a message of the ML-DSA-44 kind; nil for other keys.
	subtree func(message []byte) ([]byte, error)
}

// NewCosigner returns the cosigner of a secret key that [GenerateCosigner] has
// made. Errors do not show the key.
func NewCosigner(skey string) (*Cosigner, error) {
	k, seed, err := parseSecret(skey)
	if err != nil {
		return nil, err
	}
	c, err := newCosigner(k.name, k.algorithm, seed)
	if err != nil {
		return nil, fmt.Errorf("reading secret key: %w", err)
	}
	if c.key.hash != k.hash {
		return nil, errSecretHash
	}
	return c, nil
}

func newCosigner(name string, a Algorithm, seed []byte) (*Cosigner, error) {
	if err := checkCosignerName(name); err != nil {
		return nil, err
	}
	c := &Cosigner{key: key{name: name, algorithm: a}}
	switch a {
	case CosignatureEd25519:
		private := ed25519.NewKeyFromSeed(seed)
		c.key.public = private.Public().(ed25519.PublicKey)
		c.sign = func(text []byte, _ Checkpoint, time uint64) ([]byte, error) {
			if time == 0 {
				return nil, errors.New("an Ed25519 cosignature must have a time")
			}
			return ed25519.Sign(private, cosignatureMessage(text, time)), nil
		}
	case CosignatureMLDSA44:
		private, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seed)
		if err != nil {
			return nil, err
		}
		c.key.public = private.PublicKey().Bytes()
		c.subtree = func(message []byte) ([]byte, error) { return private.SignDeterministic(message, nil) }
		c.sign = func(_ []byte, p Checkpoint, time uint64) ([]byte, error) {
			if len(p.Extensions) > 0 {
				return nil, errors.New("an ML-DSA-44 cosignature would not cover the extension lines of the checkpoint")
			}
			message, err := subtreeMessage(name, time, p.Origin, 0, p.Size, p.Root)
			if err != nil {
				return nil, err
			}
			return c.subtree(message)
		}
	default:
		return nil, fmt.Errorf("%s keys do not cosign", a)
	}
	c.key.hash = c.key.id()
	return c, nil
}

// Name returns the name of the cosigner.
func (c *Cosigner) Name() string { return c.key.name }

// KeyHash returns the key id, which stands in signature lines.
func (c *Cosigner) KeyHash() uint32 { return c.key.hash }

// Algorithm returns the kind of key that this is.
func (c *Cosigner) Algorithm() Algorithm { return c.key.algorithm }

// VKey returns the public key as text.
func (c *Cosigner) VKey() string { return c.key.text(c.key.public) }

// Verifier returns what checks the signatures of this cosigner.
func (c *Cosigner) Verifier() Verifier {
	v, err := c.key.verifier()
	if err != nil {
		panic("merkle: a cosigner's own public key was refused") // newCosigner has made it
	}
	return v
}

// At returns a signer of checkpoints, for [SignCheckpoint], that stamps that
// time in seconds since 1970 (POSIX). Its Sign fails for a text that is no
// checkpoint, and for a checkpoint with extension lines if the key is ML-DSA-44,
// whose signatures do not cover them.
//
// The time says that no larger tree of this log was seen before. Time 0 makes no
// such statement; only an ML-DSA-44 key may sign with it, and a witness must not
// answer with it.
func (c *Cosigner) At(unixSeconds uint64) Signer { return timedSigner{c, unixSeconds} }

type timedSigner struct {
	*Cosigner
	time uint64
}

// Sign returns the timestamped_signature of https://c2sp.org/tlog-cosignature.
func (s timedSigner) Sign(text []byte) ([]byte, error) {
	if s.time > maxTime {
		return nil, errTime
	}
	p, err := ParseCheckpoint(string(text))
	if err != nil {
		return nil, err
	}
	if p.Size == 0 && p.Root != EmptyRoot() {
		return nil, errors.New("the root of an empty log is the hash of nothing")
	}
	sig, err := s.sign(text, p, s.time)
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint64(nil, s.time), sig...), nil
}

// cosignatureMessage returns what an Ed25519 cosigner signs of a checkpoint.
func cosignatureMessage(text []byte, time uint64) []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", time), text...)
}

// verifyEd25519 checks a timestamped signature of a checkpoint's text.
func verifyEd25519(public ed25519.PublicKey, text, sig []byte) bool {
	time, sig, ok := splitTime(sig, ed25519.SignatureSize)
	if !ok {
		return false
	}
	if _, err := ParseCheckpoint(string(text)); err != nil {
		return false
	}
	return ed25519.Verify(public, cosignatureMessage(text, time), sig)
}

// splitTime cuts the time off a timestamped signature with size bytes after it.
func splitTime(sig []byte, size int) (time uint64, rest []byte, ok bool) {
	if len(sig) != 8+size {
		return 0, nil, false
	}
	time = binary.BigEndian.Uint64(sig)
	return time, sig[8:], time <= maxTime
}

// A Cosignature is the statement of one cosigner about a checkpoint, after it
// has been verified.
type Cosignature struct {
	Name      string
	KeyHash   uint32
	Algorithm Algorithm
	// Time is when the cosigner signed, by its own clock, in seconds since 1970
	// (POSIX). 0 from an ML-DSA-44 key means that it states no time.
	Time uint64
}

// Cosignatures returns those cosignatures of a signed checkpoint that were made
// with the keys of the verifiers, in the order of the lines. It is no error if
// there are none: a [Policy] says how many are needed. One that is there and
// does not verify is a *[SignatureError].
//
// Verifiers of [Ed25519] keys may be among the verifiers; their signatures are
// verified but are not cosignatures. Whether the log has signed the checkpoint,
// and whether it is the right log, is for [OpenCheckpoint] to say.
func Cosignatures(signed []byte, verifiers ...Verifier) (Checkpoint, []Cosignature, error) {
	n, err := openNote(signed, verifiers)
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("reading cosignatures: %w", err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("reading cosignatures: %w", err)
	}
	return c, cosignatures(n, verifiers), nil
}

// cosignatures lists the verified cosignatures of an opened note.
func cosignatures(n *note.Note, verifiers []Verifier) []Cosignature {
	var cs []Cosignature
	for _, s := range n.Sigs {
		for _, v := range verifiers {
			k, ok := v.(*verifier)
			if !ok || k.algorithm == Ed25519 || k.name != s.Name || k.hash != s.Hash {
				continue
			}
			b, err := decodeBase64(s.Base64)
			if err != nil || len(b) < 4+8 {
				continue // openNote and Verify have looked at it
			}
			cs = append(cs, Cosignature{s.Name, s.Hash, k.algorithm, binary.BigEndian.Uint64(b[4:])})
			break
		}
	}
	return cs
}
