package holder

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/internal/block"
)

// A Passphrase gives the passphrase by which root files are sealed. It is called
// once for all files that are made, or for those that are opened and turn out to be
// sealed, and the bytes that it returns are wiped after use.
//
// A sealed share is of no use to somebody who finds the disk or a copy of the file.
// It adds nothing to erasing: an old share has to be overwritten all the same, and
// losing the passphrase erases everybody, as losing the file does.
type Passphrase func() ([]byte, error)

// ErrPassphrase says that a root file is sealed, and not by the passphrase that was
// given, if any was.
var ErrPassphrase = errors.New("the passphrase does not open the root")

// ErrShortPassphrase says that a new passphrase has too few bytes.
var ErrShortPassphrase = errors.New("the passphrase is too short")

// ErrNotFiles says that a root without a file cannot have a passphrase.
var ErrNotFiles = errors.New("only files can be sealed by a passphrase")

// A sealed slot, docs/spec/holder-slot.md. The salt and the costs are those of the
// file, so argon2id is computed once when it is opened and not for each epoch.
const (
	sealedMagic  = "LCNH0002"
	sealedAt     = 8 + 16 + 16 + 8 + 16 + 4 + 4 + 1 + 16
	sealedSumAt  = sealedAt + 32 + chacha20poly1305.Overhead
	sealedLen    = sealedSumAt + sha256.Size
	labelSealed  = "lacuna/v1/slot"
	maxPasses    = 64
	maxMemory    = 1 << 20 // KiB
	maxLanes     = 16
	minPerLane   = 8 // KiB, argon2's own minimum
	minPassBytes = 8
)

// cost is what one guess at the passphrase takes.
type cost struct {
	passes uint32
	memory uint32 // KiB
	lanes  uint8
}

// recommended is the second choice of RFC 9106, for machines that have other things
// to do with their memory.
var recommended = cost{3, 64 << 10, 4}

func (c cost) ok() bool {
	return c.passes >= 1 && c.passes <= maxPasses && c.lanes >= 1 && c.lanes <= maxLanes &&
		c.memory >= minPerLane*uint32(c.lanes) && c.memory <= maxMemory
}

// A lock is what a slot says about how it is sealed, and so what the key depends on.
type lock struct {
	cost
	salt [16]byte
}

// sealing seals and opens the slots of a file.
type sealing struct {
	lock
	key keystore.Secret
}

// keyring derives the keys for the files of one holder, each lock once.
type keyring struct {
	ask   Passphrase
	words []byte
	keys  map[lock]*sealing
}

func (p Passphrase) ring() *keyring { return &keyring{ask: p, keys: make(map[lock]*sealing)} }

func (r *keyring) close() { clear(r.words) }

// sealing derives the key to a lock.
func (r *keyring) sealing(l lock) (*sealing, error) {
	if s := r.keys[l]; s != nil {
		return s, nil
	}
	if err := r.read(ErrPassphrase); err != nil {
		return nil, err
	}
	s := &sealing{lock: l}
	key := argon2.IDKey(r.words, l.salt[:], l.passes, l.memory, l.lanes, 32)
	copy(s.key[:], key)
	clear(key)
	r.keys[l] = s
	return s, nil
}

// read asks for the passphrase once; one that no file can have is refused as is said.
func (r *keyring) read(short error) error {
	if r.ask == nil {
		return keystore.Hinted("give the passphrase, see docs/howto/protect-the-root.md", "a passphrase is needed: %w", ErrPassphrase)
	}
	if r.words != nil {
		return nil
	}
	words, err := r.ask()
	if err != nil {
		return fmt.Errorf("asking for the passphrase: %w", err)
	}
	if len(words) < minPassBytes {
		clear(words)
		return keystore.Hinted("several words that are not a quotation are better than one", "a passphrase has at least %d bytes: %w", minPassBytes, short)
	}
	r.words = words
	return nil
}

// fresh draws a lock for new files.
func (r *keyring) fresh() (*sealing, error) {
	if err := r.read(ErrShortPassphrase); err != nil {
		return nil, err
	}
	l := lock{cost: recommended}
	rand.Read(l.salt[:])
	return r.sealing(l)
}

// slotKey is the key of one slot: every attempt has another one, so the nonce of
// the AEAD is zero.
func (s *sealing) slotKey(header []byte) ([]byte, error) {
	return hkdf.Expand(sha256.New, s.key[:], labelSealed+string(header), chacha20poly1305.KeySize)
}

// putSealed writes a sealed slot into a block, zero behind it.
func (s *slot) putSealed(b []byte, by *sealing) error {
	clear(b)
	w := append(b[:0], sealedMagic...)
	w = append(w, s.holder[:]...)
	w = append(w, s.share.Tree[:]...)
	w = binary.BigEndian.AppendUint64(w, s.share.Epoch)
	w = append(w, s.share.Attempt[:]...)
	w = binary.BigEndian.AppendUint32(w, by.passes)
	w = binary.BigEndian.AppendUint32(w, by.memory)
	w = append(w, by.lanes)
	w = append(w, by.salt[:]...)
	key, err := by.slotKey(w)
	if err != nil {
		return err
	}
	defer clear(key)
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		return err
	}
	w = aead.Seal(w, make([]byte, aead.NonceSize()), s.share.Secret[:], w)
	sum := sha256.Sum256(w)
	copy(b[sealedSumAt:], sum[:])
	return nil
}

// parseSealed reads all of a sealed slot but the share.
func (s *slot) parseSealed(b []byte) (l lock, err error) {
	if len(b) != block.Size || string(b[:len(sealedMagic)]) != sealedMagic {
		return l, errNoSlot
	}
	sum := sha256.Sum256(b[:sealedSumAt])
	if subtle.ConstantTimeCompare(sum[:], b[sealedSumAt:sealedLen]) != 1 || len(bytes.TrimLeft(b[sealedLen:], "\x00")) != 0 {
		return l, errNoSlot
	}
	b = b[len(sealedMagic):]
	b = b[copy(s.holder[:], b):]
	b = b[copy(s.share.Tree[:], b):]
	s.share.Epoch = binary.BigEndian.Uint64(b)
	b = b[8:]
	b = b[copy(s.share.Attempt[:], b):]
	l.passes, l.memory, l.lanes = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), b[8]
	copy(l.salt[:], b[9:])
	if s.share.Epoch == 0 || !l.ok() {
		return l, errNoSlot
	}
	return l, nil
}

// openSealed reads the share of a sealed slot.
func (s *slot) openSealed(b []byte, by *sealing) error {
	key, err := by.slotKey(b[:sealedAt])
	if err != nil {
		return err
	}
	defer clear(key)
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		return err
	}
	share, err := aead.Open(nil, make([]byte, aead.NonceSize()), b[sealedAt:sealedSumAt], b[:sealedAt])
	if err != nil {
		return ErrPassphrase
	}
	copy(s.share.Secret[:], share)
	clear(share)
	return nil
}
