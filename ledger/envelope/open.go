package envelope

import "fmt"

// Open returns the event inside an envelope. It does not say that the event
// is the one a leaf commits to: that takes an opening and the leaf.
//
// The error is [ErrWrongKey] where the key commitment differs, which is how
// an event whose key was destroyed looks under any other key, and
// [ErrCorrupt] where the key is right and the bytes are not.
func Open(k Keys, env []byte) (event []byte, err error) {
	w := works.Get().(*work)
	defer w.release()
	if err := w.derive(k, env); err != nil {
		return nil, err
	}
	return w.open(env)
}

// OpenLeaf is Open and computes the leaf that the envelope has in the log with
// the given origin, for whoever holds the key and checks the log against it.
func OpenLeaf(k Keys, origin [32]byte, env []byte) (event []byte, leaf [LeafSize]byte, err error) {
	w := works.Get().(*work)
	defer w.release()
	if err := w.derive(k, env); err != nil {
		return nil, leaf, err
	}
	if event, err = w.open(env); err != nil {
		return nil, leaf, err
	}
	return event, w.leaf(env, event, &origin), nil
}

// Opens reports whether an envelope was sealed under this key, by its key
// commitment alone: it is for finding the key among many, and does not say
// that the rest is intact.
func Opens(k Keys, env []byte) bool {
	w := works.Get().(*work)
	defer w.release()
	return w.derive(k, env) == nil && w.p.commits(env)
}

// leaf computes the leaf of an envelope that w.open has opened to event.
func (w *work) leaf(env, event []byte, origin *[32]byte) [LeafSize]byte {
	dP := w.membersHash(Suite(env[0]), event)
	dE := envelopeHash(env)
	return leafFor(Suite(env[0]), &w.p.r, origin, &dE, &dP)
}

// derive fills w.p for an envelope.
func (w *work) derive(k Keys, env []byte) error {
	if err := checkShape(env); err != nil {
		return err
	}
	secret := k.EventSecret(env[0], [16]byte(env[1:17]))
	w.p.derive(Suite(env[0]), &secret)
	clear(secret[:])
	return nil
}

// checkShape refuses what cannot be an envelope by its length and suite.
func checkShape(env []byte) error {
	if len(env) < headerSize {
		return fmt.Errorf("%w: %d bytes are too few", ErrCorrupt, len(env))
	}
	suite := Suite(env[0])
	if !suite.known() {
		return errSuite
	}
	padded := len(env) - headerSize - suite.overhead()
	if padded < 256 || padded > paddedSize(MaxEvent) {
		return fmt.Errorf("%w: %d bytes is no length of an envelope", ErrCorrupt, len(env))
	}
	return nil
}

// open decrypts env under w.p, which must have been derived, and leaves the
// places of the members in w.spans. The event is a new slice.
func (w *work) open(env []byte) (event []byte, err error) {
	plaintext, err := w.p.open(nil, env)
	if err != nil {
		return nil, err
	}
	event, ok := unpad(plaintext)
	if !ok || len(event) > MaxEvent {
		return nil, fmt.Errorf("%w: padding", ErrCorrupt)
	}
	if err := w.spans.split(event); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return event, nil
}
