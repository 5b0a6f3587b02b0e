//go:build pkcs11 && cgo

package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	p11 "github.com/miekg/pkcs11"

	"github.com/lacunalog/lacuna/keystore"
)

const pinEnv = "LACUNA_PKCS11_PIN"

// A login is an open session with a token, in which its user has logged in.
type login struct {
	uri     URI
	pin     []byte
	m       *module
	slot    uint
	session p11.SessionHandle
	begun   uint64 // of the module when the session was opened, 0 before
}

// readPIN takes the PIN from where the URI says. It is kept, because a token can
// throw us out.
func readPIN(u URI) ([]byte, error) {
	if u.PIN == "" {
		pin := os.Getenv(pinEnv)
		if pin == "" {
			return nil, keystore.Hinted("name a file in the URI, pin-source=file:/PATH, or set "+pinEnv, "the token needs a PIN: %w", keystore.ErrHolderMissing)
		}
		return []byte(pin), nil
	}
	pin, err := os.ReadFile(u.PIN)
	if err != nil {
		return nil, fmt.Errorf("reading the PIN: %w", err)
	}
	if pin = bytes.TrimRight(pin, "\r\n"); len(pin) == 0 {
		return nil, fmt.Errorf("reading the PIN: %s is empty", u.PIN)
	}
	return pin, nil
}

// do runs an operation in a session. A session that was lost, because the token was
// taken out or its service began anew, is opened again, once: all operations may be
// repeated.
func (l *login) do(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.m == nil {
		return errors.New("it was closed")
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	used := l.m.up && l.begun == l.m.loaded
	err := l.connect()
	if err == nil {
		err = f()
	}
	if used && lost(err) {
		l.begun = 0
		if err = l.connect(); err == nil {
			err = f()
		}
	}
	return err
}

// lost reports whether an error says that there is no session any more.
func lost(err error) bool {
	for _, code := range []p11.Error{
		p11.CKR_SESSION_HANDLE_INVALID, p11.CKR_SESSION_CLOSED, p11.CKR_USER_NOT_LOGGED_IN,
		p11.CKR_DEVICE_REMOVED, p11.CKR_DEVICE_ERROR, p11.CKR_TOKEN_NOT_PRESENT,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// connect opens a session where there is none.
func (l *login) connect() error {
	if err := l.m.begin(); err != nil {
		return err
	}
	if l.begun == l.m.loaded {
		return nil
	}
	slot, err := l.find()
	if err != nil {
		return err
	}
	session, err := l.m.ctx.OpenSession(slot, p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
	if err != nil {
		return fmt.Errorf("opening a session with the token: %w", err)
	}
	// Another holder of this process may have logged in already.
	if err := l.m.ctx.Login(session, p11.CKU_USER, string(l.pin)); err != nil && !errors.Is(err, p11.Error(p11.CKR_USER_ALREADY_LOGGED_IN)) {
		return keystore.Hinted("look at the PIN before trying again: tokens lock themselves after a few wrong ones", "logging in to the token: %w", errors.Join(err, l.m.ctx.CloseSession(session)))
	}
	l.slot, l.session, l.begun = slot, session, l.m.loaded
	return nil
}

// find looks for the token among those of the module.
func (l *login) find() (slot uint, err error) {
	slots, err := l.m.ctx.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("listing tokens: %w", err)
	}
	found := 0
	for _, s := range slots {
		info, err := l.m.ctx.GetTokenInfo(s)
		if err != nil {
			continue // it may have been taken out since
		}
		if (l.uri.Token == "" || trimmed(info.Label) == l.uri.Token) && (l.uri.Serial == "" || trimmed(info.SerialNumber) == l.uri.Serial) {
			slot = s
			found++
		}
	}
	switch found {
	case 0:
		return 0, keystore.Hinted("connect it; pkcs11-tool --module MODULE -L lists tokens", "no token of this label and serial number is there: %w", keystore.ErrHolderMissing)
	case 1:
		return slot, nil
	}
	return 0, keystore.Hinted("add serial=NUMBER to the URI", "%d tokens are called so: %w", found, keystore.ErrHolderMissing)
}

// trimmed takes away the blanks by which names in PKCS #11 are padded.
func trimmed(s string) string { return strings.TrimRight(s, " \x00") }

// again opens the session anew, in a module that has begun anew.
func (l *login) again() error {
	if err := l.m.end(); err != nil {
		return err
	}
	return l.connect()
}

// close ends the session. It may be called twice.
func (l *login) close() error {
	if l.m == nil {
		return nil
	}
	m := l.m
	l.m = nil
	clear(l.pin)
	var err error
	m.mu.Lock()
	if m.up && l.begun == m.loaded {
		err = m.ctx.CloseSession(l.session)
	}
	m.mu.Unlock()
	if lost(err) {
		err = nil
	}
	return errors.Join(err, m.release())
}

// objects lists the token's objects that fit a template, and what is ours.
func (l *login) objects(template ...*p11.Attribute) (found []p11.ObjectHandle, err error) {
	template = append(template, p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_LABEL, l.uri.Object))
	if err := l.m.ctx.FindObjectsInit(l.session, template); err != nil {
		return nil, fmt.Errorf("listing objects: %w", err)
	}
	for err == nil {
		var some []p11.ObjectHandle
		if some, _, err = l.m.ctx.FindObjects(l.session, 64); len(some) == 0 {
			break
		}
		found = append(found, some...)
	}
	if err = errors.Join(err, l.m.ctx.FindObjectsFinal(l.session)); err != nil {
		return nil, fmt.Errorf("listing objects: %w", err)
	}
	return found, nil
}

// attribute reads an attribute of an object.
func (l *login) attribute(o p11.ObjectHandle, kind uint) ([]byte, error) {
	a, err := l.m.ctx.GetAttributeValue(l.session, o, []*p11.Attribute{p11.NewAttribute(kind, nil)})
	if err != nil {
		return nil, fmt.Errorf("reading an object: %w", err)
	}
	return a[0].Value, nil
}

func (l *login) destroy(o p11.ObjectHandle) error {
	if err := l.m.ctx.DestroyObject(l.session, o); err != nil {
		return fmt.Errorf("destroying an object: %w", err)
	}
	return nil
}
