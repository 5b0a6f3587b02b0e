package envelope

import (
	"crypto/subtle"
)

// Opens reports whether an envelope was sealed under the key of k, from the key
// commitment alone: about 2 µs, where opening would also decrypt. It does not say
// that the envelope is intact.
func Opens(k Keys, env []byte) bool {
	w := works.Get().(*work)
	defer w.release()
	return w.derive(k, env) == nil && subtle.ConstantTimeCompare(w.p.kc[:], env[17:headerSize]) == 1
}

// OpenLeaf opens an envelope and recomputes the leaf that it belongs to in the
// log with this origin, so that a whole store can be checked against its log.
func OpenLeaf(k Keys, origin [32]byte, env []byte) (event []byte, leaf [LeafSize]byte, err error) {
	w := works.Get().(*work)
	defer w.release()
	if err := w.derive(k, env); err != nil {
		return nil, leaf, err
	}
	if event, err = w.open(env); err != nil {
		return nil, leaf, err
	}
	suite := Suite(env[0])
	dE := envelopeHash(env)
	dP := w.membersHash(suite, event)
	return event, leafFor(suite, &w.p.r, &origin, &dE, &dP), nil
}

// IsPublic reports whether a leaf is a public statement.
func IsPublic(leaf []byte) bool {
	return len(leaf) >= 2 && leaf[0] == leafVersion && leaf[1] == leafPublic
}
