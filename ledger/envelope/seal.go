package envelope

import (
	"crypto/fips140"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/lacunalog/lacuna/merkle/sha2"
)

const (
	leafVersion = 0x01
	leafSealed  = 0x00
	leafPublic  = 0x01

	// LeafSize is the length of the leaf of a sealed event.
	LeafSize = 34
	// MaxLeaf is the longest entry of a log (C2SP tlog-tiles).
	MaxLeaf = 65535

	// headerSize is suite || e || KC, the associated data of the AEAD.
	headerSize = 1 + 16 + 32
)

var (
	// ErrWrongKey means that the envelope was not sealed under this key (or
	// that its first 49 bytes are not those that were sealed).
	ErrWrongKey = errors.New("envelope: sealed under another key")
	// ErrCorrupt means that the key is right and the rest is not.
	ErrCorrupt = errors.New("envelope: damaged")
	errSuite   = errors.New("envelope: unknown suite")
	errFIPS    = errors.New("envelope: only suite 2 seals where nothing but FIPS 140-3 is allowed")
)

// Sealed is what sealing an event gives: the envelope, which lives beside
// the log and can be dropped, and the leaf, which stays in the log for ever.
type Sealed struct {
	Envelope []byte
	Leaf     [LeafSize]byte
}

// Seal seals an event under a fresh event secret. The event must be canonical
// JSON (see [Canonicalize]) with member names as [Split] wants them. origin is
// SHA-256 of the log's origin line: the leaf is worth nothing in another log.
//
// A retry must call Seal again: it draws a new e, and the leaf is another one.
// The event is copied; Envelope is a new slice that belongs to the caller.
func Seal(k Keys, suite Suite, origin [32]byte, event []byte) (Sealed, error) {
	e := newE()
	return seal(k, suite, &origin, event, nil, &e)
}

// SealMembers is Seal for a caller that holds the event in pieces, each value
// in canonical form. It spares the caller to put them together; the checks are
// the same.
func SealMembers(k Keys, suite Suite, origin [32]byte, members []Member) (Sealed, error) {
	e := newE()
	return seal(k, suite, &origin, nil, members, &e)
}

// newE draws the number of an event. It is never a parameter of anything
// exported: two events under one e would share a key and a zero nonce.
func newE() (e [16]byte) {
	rand.Read(e[:]) // never fails: it ends the program instead
	return e
}

// work is the scratch space of one seal or opening. It holds salts and
// plaintext for a moment and is wiped before it goes back to the pool.
type work struct {
	p     parts
	spans spans
	salts [MaxMembers*saltSize + chacha20poly1305.Overhead]byte
	json  []byte // one [salt, name, value]
	enc   []byte // its base64url, which is D_i
	list  []byte // what d_P hashes

	places [MaxMembers]uint32     // of the digests in it
	ends   [MaxMembers + 1]uint32 // of each D_i, where all of them are kept
}

var works = sync.Pool{New: func() any { return new(work) }}

// maxPooled is the largest buffer that is kept for the next caller.
const maxPooled = 4 << 10

func (w *work) release() {
	w.p.wipe()
	clear(w.salts[:w.spans.n*saltSize+chacha20poly1305.Overhead])
	w.spans.n = 0
	w.json, w.enc, w.list = reuse(w.json), reuse(w.enc), reuse(w.list)
	works.Put(w)
}

// reuse wipes a buffer, or drops it if one large event has blown it up.
// Buffers are only ever grown by append from their start, so everything that
// was written is within the capacity.
func reuse(b []byte) []byte {
	if cap(b) > maxPooled {
		return nil
	}
	clear(b[:cap(b)])
	return b[:0]
}

// seal does the work of Seal and SealMembers; exactly one of event and
// members is given.
func seal(k Keys, suite Suite, origin *[32]byte, event []byte, members []Member, e *[16]byte) (Sealed, error) {
	switch {
	case !suite.known():
		return Sealed{}, errSuite
	case suite != AES256GCM && fips140.Enforced():
		return Sealed{}, errFIPS
	}
	w := works.Get().(*work)
	defer w.release()

	// Write the plaintext where the ciphertext will stand: suite 1 encrypts
	// in place, suite 2 puts its nonce in front of it.
	size := len(event)
	if event == nil {
		size = joinedSize(members)
	}
	if size > MaxEvent {
		return Sealed{}, errTooBig
	}
	padded := paddedSize(size)
	// The label that d_E hashes in front of the envelope stands in front of it
	// in memory too, so that one call hashes both.
	whole := len(labelEnvelope) + headerSize + padded + suite.overhead()
	labelled := make([]byte, whole, sha2.Padded(whole))
	env := labelled[copy(labelled, labelEnvelope):whole:whole]
	plaintext := env[headerSize : headerSize : headerSize+padded]
	if suite == AES256GCM {
		plaintext = make([]byte, 0, padded)
	}
	var err error
	if event != nil {
		plaintext = append(plaintext, event...)
		err = w.spans.split(plaintext)
	} else {
		plaintext, err = w.spans.join(plaintext, members)
	}
	if err != nil {
		return Sealed{}, fmt.Errorf("sealing an event: %w", err)
	}
	event = plaintext
	plaintext = append(plaintext, padMark)[:padded] // zeros behind it: env is fresh

	secret := k.EventSecret(byte(suite), *e)
	w.p.derive(suite, &secret)
	clear(secret[:])

	w.listMembers(suite, event)

	env[0] = byte(suite)
	copy(env[1:], e[:])
	copy(env[17:], w.p.kc[:])
	if err := w.p.seal(suite, env, plaintext); err != nil {
		return Sealed{}, err
	}
	var dP, dE [32]byte
	if suite.paired() {
		dP, dE = hashPaired(w.list, labelled)
	} else {
		dP, dE = sha256.Sum256(w.list), sha256.Sum256(labelled)
	}
	return Sealed{env, leafFor(suite, &w.p.r, origin, &dE, &dP)}, nil
}

// membersHash computes d_P of the event that w.spans describes.
func (w *work) membersHash(suite Suite, event []byte) [32]byte {
	w.listMembers(suite, event)
	return sha256.Sum256(w.list)
}

// listMembers writes what d_P hashes into w.list, with room for the padding.
func (w *work) listMembers(suite Suite, event []byte) {
	n := w.spans.n
	salts := w.salts[:n*saltSize]
	w.p.salts(suite, salts)
	list := appendMembersHead(w.list[:0], n)
	for i := range n {
		name := w.spans.name(event, i)
		list = append(list, byte(len(name)))
		list = append(list, name...)
		w.places[i] = uint32(len(list))
		list = append(list, zeroDigest[:]...)
	}
	list = slices.Grow(list, 2*sha2.Block)
	if suite.paired() {
		w.digestsPaired(salts, event, list)
	} else {
		for i := range n {
			w.disclose(salts, event, i)
			digest := sha256.Sum256(w.enc)
			copy(list[w.places[i]:], digest[:])
		}
	}
	w.list = list
}

var zeroDigest [32]byte

// disclose writes D_i into w.enc.
func (w *work) disclose(salts, event []byte, i int) {
	w.triple(salts, event, i)
	w.enc = appendEncode64(w.enc[:0], w.json)
}

// triple writes what D_i encodes into w.json: JCS([base64url(salt), name, value]). The
// value is canonical already, and names need no escapes, so name, quotation mark and
// value are what stands in the event, but for the colon between them.
func (w *work) triple(salts, event []byte, i int) {
	const head = len(`["0123456789012345678901","`)
	b := append(w.json[:0], `["0123456789012345678901","`...) // no copy of a salt stays on the stack
	encodeSalt((*[saltChars + 2]byte)(b[2:]), (*[saltSize]byte)(salts[i*saltSize:]))
	b[head-3], b[head-2] = '"', ','
	at := &w.spans.at[i]
	b = append(b, event[at.name:at.valueEnd]...)
	b[head+int(at.nameEnd-at.name)+1] = ','
	w.json = append(b, ']')
}

// envelopeHash computes d_E = SHA-256("lacuna/v1/envelope" || E).
func envelopeHash(env []byte) (d [32]byte) {
	h := sha256.New()
	h.Write([]byte(labelEnvelope))
	h.Write(env)
	h.Sum(d[:0])
	return d
}

// leafFor picks the HMAC: where the suite is the FIPS one, the module's own.
func leafFor(suite Suite, r, origin, dE, dP *[32]byte) [LeafSize]byte {
	if suite == AES256GCM {
		return leafFIPS(*r, *origin, *dE, *dP)
	}
	if paired {
		return leafPaired(r, origin, dE, dP)
	}
	return leafOf(r, origin, dE, dP)
}

// Origin is the SHA-256 of a log's origin line, the form in which leaves
// commit to it.
func Origin(origin string) [32]byte { return sha256.Sum256([]byte(origin)) }
