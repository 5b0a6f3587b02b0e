package envelope

import (
	"bytes"
	"fmt"
)

// A FullOpening opens one event completely: its secret and its envelope.
// Only use this for a person's own export and for a supervised audit of
// completeness; everybody else gets a [FieldOpening]. It opens this one event
// and no other, and stays valid after the key is destroyed: it is a copy.
type FullOpening struct {
	Secret   [32]byte // s
	Envelope []byte   // E
}

// OpenFull returns the full opening of an envelope, after checking that it
// opens. The envelope is copied.
func OpenFull(k Keys, env []byte) (*FullOpening, error) {
	if err := checkShape(env); err != nil {
		return nil, err
	}
	f := &FullOpening{k.EventSecret(env[0], [16]byte(env[1:17])), bytes.Clone(env)}
	if _, err := f.Fields(nil); err != nil {
		return nil, err
	}
	return f, nil
}

// Fields derives a field opening from the full one, for a person who wants
// to show less than everything; reveal is as in [OpenFields].
func (f *FullOpening) Fields(reveal func(name string) bool) (*FieldOpening, error) {
	if err := checkShape(f.Envelope); err != nil {
		return nil, err
	}
	w := works.Get().(*work)
	defer w.release()
	w.p.derive(Suite(f.Envelope[0]), &f.Secret)
	event, err := w.open(f.Envelope)
	if err != nil {
		return nil, err
	}
	return w.fields(f.Envelope, event, reveal), nil
}

// Verify opens the envelope, checks that the event inside is canonical, and
// recomputes the leaf from it: d_P comes from the plaintext, never from a
// list, so a full opening cannot show another event than the one whose
// members the leaf commits to.
func (f *FullOpening) Verify(origin [32]byte) (leaf []byte, shown Disclosed, err error) {
	if err := checkShape(f.Envelope); err != nil {
		return nil, Disclosed{}, fmt.Errorf("verifying a full opening: %w", err)
	}
	w := works.Get().(*work)
	defer w.release()
	w.p.derive(Suite(f.Envelope[0]), &f.Secret)
	event, err := w.open(f.Envelope)
	if err != nil {
		return nil, Disclosed{}, fmt.Errorf("verifying a full opening: %w", err)
	}
	shown.Members = make([]DisclosedMember, w.spans.n)
	for i := range shown.Members {
		shown.Members[i] = DisclosedMember{string(w.spans.name(event, i)), w.spans.value(event, i)}
	}
	l := w.leaf(f.Envelope, event, &origin)
	return l[:], shown, nil
}
