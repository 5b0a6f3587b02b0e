//go:build pkcs11 && cgo

package pkcs11

import p11 "github.com/miekg/pkcs11"

// BeforeLooking has a test do something between destroying and looking for what is
// left.
func (t *Token) BeforeLooking(f func() error) { t.beforeLooking = f }

// ThrowOut ends all sessions with the token, as one does that was taken out.
func (t *Token) ThrowOut() error { return t.l.m.ctx.CloseAllSessions(t.l.slot) }

// DestroyKeys destroys the keys and leaves the records, as a crash in between does;
// it returns the records.
func (t *Token) DestroyKeys() (records [][]byte, err error) {
	f, err := t.look()
	if err != nil {
		return nil, err
	}
	for i := range f.held {
		records = append(records, f.held[i].encode())
		if err := t.l.destroy(f.held[i].key); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// PutRecord lays a record into the token.
func (t *Token) PutRecord(b []byte) error { return t.put(forShare, b) }

// Key makes a key of an attempt without a record, as a crash in between does.
func (t *Token) Key(attempt [16]byte) error {
	_, err := t.generate(attempt)
	return err
}

// KeyValues asks the token for its keys.
func (t *Token) KeyValues() (values [][]byte, errs []error) {
	f, err := t.look()
	if err != nil {
		return nil, []error{err}
	}
	for i := range f.held {
		v, err := t.l.attribute(f.held[i].key, p11.CKA_VALUE)
		values, errs = append(values, v), append(errs, err)
	}
	return values, errs
}

// Objects counts what lies in the token under the holder's name.
func (t *Token) Objects() (int, error) {
	all, err := t.l.objects()
	return len(all), err
}
