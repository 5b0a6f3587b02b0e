//go:build pkcs11 && cgo

package pkcs11

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	p11 "github.com/miekg/pkcs11"

	"github.com/lacunalog/lacuna/keystore"
)

const (
	kind = "pkcs11"
	// What an object is for stands in its CKA_APPLICATION.
	forHolder = "lacuna/v1/holder" // says that a holder was made under this name
	forShare  = "lacuna/v1/share"  // a record
	slots     = 2
)

// A Token is a root holder in a token. It implements [keystore.Holder].
type Token struct {
	mu   sync.Mutex
	l    login
	name string
	caps keystore.Caps
	// beforeLooking is the seam of tests between destroying and looking for what is left.
	beforeLooking func() error
}

// Create makes a holder in a token and opens it.
func Create(uri string) (*Token, error) {
	return open(uri, func(t *Token) error {
		all, err := t.l.objects()
		if err != nil {
			return err
		}
		if len(all) > 0 {
			return keystore.Hinted("choose another name: object=NAME", "there are objects called %q in the token: %w", t.l.uri.Object, keystore.ErrExists)
		}
		return t.put(forHolder, []byte(magic))
	})
}

// Open opens a holder in a token.
func Open(uri string) (*Token, error) {
	return open(uri, (*Token).marked)
}

// marked refuses where no holder was made.
func (t *Token) marked() error {
	made, err := t.l.objects(data(forHolder)...)
	if err == nil && len(made) == 0 {
		err = keystore.Hinted("give the URI by which it was made", "there is no holder %q in the token: %w", t.l.uri.Object, keystore.ErrHolderMissing)
	}
	return err
}

func open(uri string, first func(*Token) error) (*Token, error) {
	t, err := session(uri)
	if err == nil {
		err = t.begin(first)
	}
	if err != nil {
		if t != nil {
			err = errors.Join(err, t.Close())
		}
		return nil, fmt.Errorf("opening the root holder %s: %w", uri, err)
	}
	return t, nil
}

// session returns a holder of which nothing was read yet.
func session(uri string) (*Token, error) {
	u, err := ParseURI(uri)
	if err != nil {
		return nil, err
	}
	t := &Token{l: login{uri: u}, name: uri, beforeLooking: func() error { return nil }}
	if t.l.pin, err = readPIN(u); err != nil {
		return nil, err
	}
	if t.l.m, err = use(u.Module); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Token) begin(first func(*Token) error) error {
	return t.l.do(context.Background(), func() error {
		if err := first(t); err != nil {
			return err
		}
		f, err := t.look()
		if err != nil {
			return err
		}
		defer f.wipe()
		t.caps = keystore.Caps{Kind: kind, Copies: 1}
		if t.caps.Warning, err = t.warning(f); err != nil {
			return err
		}
		if len(f.held) == 0 {
			rand.Read(t.caps.ID[:]) // written with the first share
			return nil
		}
		t.caps.ID = f.held[0].holder
		for i := range f.held {
			if h := &f.held[i]; h.holder != t.caps.ID || h.tree != f.held[0].tree {
				return keystore.Hinted("these objects were put together from two tokens: take away those that do not belong", "%w", keystore.ErrWrongTree)
			}
		}
		return nil
	})
}

// warning says why the level is L0, by what can be seen of the token.
func (t *Token) warning(f *found) (string, error) {
	slot, err := t.l.m.ctx.GetSlotInfo(t.l.slot)
	if err != nil {
		return "", fmt.Errorf("reading what the token is: %w", err)
	}
	where := "the token is hardware, as its module says: whether what it destroyed is gone from it and from its backups cannot be seen from here"
	if slot.Flags&p11.CKF_HW_SLOT == 0 {
		where = "the token is a program: the files in which it keeps keys may leave what it destroyed on the disk and in backups"
	}
	for i := range f.held {
		ok, err := t.kept(f.held[i].key)
		if err != nil {
			return "", err
		}
		if !ok {
			return where + "; and it lets its keys be read or copied", nil
		}
	}
	return where, nil
}

// kept reports whether a key was made in the token and can neither be read nor copied.
// Of what a token does not know the least is taken.
func (t *Token) kept(key p11.ObjectHandle) (bool, error) {
	for attribute, want := range map[uint]byte{p11.CKA_LOCAL: 1, p11.CKA_NEVER_EXTRACTABLE: 1, p11.CKA_COPYABLE: 0} {
		b, err := t.l.attribute(key, attribute)
		switch {
		case lost(err):
			return false, err
		case err != nil || len(b) != 1 || b[0] != want:
			return false, nil
		}
	}
	return true, nil
}

// share is one that the token holds: a record and the key to it.
type share struct {
	record
	key, at p11.ObjectHandle
	secret  keystore.Secret
}

// found is what there is in the token under the holder's name.
type found struct {
	held []share
	rest []p11.ObjectHandle // of no share: left by what was interrupted
}

func (f *found) wipe() { clear(f.held) }

func data(application string) []*p11.Attribute {
	return []*p11.Attribute{p11.NewAttribute(p11.CKA_CLASS, p11.CKO_DATA), p11.NewAttribute(p11.CKA_APPLICATION, application)}
}

// look reads everything. A record whose key is there and does not open it is no empty
// place: then nothing is done at all.
func (t *Token) look() (*found, error) {
	keys, err := t.l.objects(p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY))
	if err != nil {
		return nil, err
	}
	byAttempt := make(map[string]p11.ObjectHandle)
	f := new(found)
	for _, k := range keys {
		id, err := t.l.attribute(k, p11.CKA_ID)
		if err != nil {
			return nil, err
		}
		if _, twice := byAttempt[string(id)]; twice {
			return nil, errors.New("two keys in the token are for one attempt")
		}
		byAttempt[string(id)] = k
	}
	records, err := t.l.objects(data(forShare)...)
	if err != nil {
		return nil, err
	}
	f.held = make([]share, 0, len(records)) // with room, so that growing leaves no copy
	for _, at := range records {
		b, err := t.l.attribute(at, p11.CKA_VALUE)
		if err != nil {
			return f, err
		}
		r, err := parseRecord(b)
		key, ok := byAttempt[string(r.attempt[:])]
		if err != nil || !ok {
			f.rest = append(f.rest, at)
			continue
		}
		delete(byAttempt, string(r.attempt[:]))
		f.held = append(f.held, share{record: r, key: key, at: at})
		if err := t.unseal(&f.held[len(f.held)-1]); err != nil {
			f.wipe()
			return nil, err
		}
	}
	for _, k := range byAttempt {
		f.rest = append(f.rest, k)
	}
	return f, nil
}

func (t *Token) unseal(s *share) error {
	params := p11.NewGCMParams(s.iv, s.header(), 8*tagLen)
	defer params.Free()
	err := t.l.m.ctx.DecryptInit(t.l.session, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_GCM, params)}, s.key)
	var plain []byte
	if err == nil {
		plain, err = t.l.m.ctx.Decrypt(t.l.session, s.sealed)
	}
	defer clear(plain)
	if err == nil && len(plain) != len(s.secret) {
		err = errNoRecord
	}
	if err != nil {
		return fmt.Errorf("the share of epoch %d does not open with its key: %w", s.epoch, err)
	}
	copy(s.secret[:], plain)
	return nil
}

// Current implements [keystore.Holder].
func (t *Token) Current(ctx context.Context) (shares []keystore.Share, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	err = t.l.do(ctx, func() error {
		f, err := t.look()
		if err != nil {
			return err
		}
		defer f.wipe()
		shares = make([]keystore.Share, 0, len(f.held))
		for i := range f.held {
			shares = append(shares, f.held[i].share())
		}
		return nil
	})
	if err != nil {
		clear(shares)
		return nil, fmt.Errorf("reading %s: %w", t.name, err)
	}
	return shares, nil
}

func (s *share) share() keystore.Share {
	return keystore.Share{Tree: s.tree, Epoch: s.epoch, Attempt: s.attempt, Secret: s.secret}
}

// Prepare implements [keystore.Holder]. If it is interrupted there is a key without a
// record: not a share, and taken away by what comes next.
func (t *Token) Prepare(ctx context.Context, s keystore.Share) error {
	return t.prepare(ctx, s, false)
}

// Repair is Prepare of a share that is known to be live at another copy of this
// holder: then the share of the lowest epoch makes room for it.
func (t *Token) Repair(ctx context.Context, s keystore.Share) error {
	return t.prepare(ctx, s, true)
}

func (t *Token) prepare(ctx context.Context, s keystore.Share, repair bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.l.do(ctx, func() error {
		f, err := t.look()
		if err != nil {
			return err
		}
		defer f.wipe()
		lowest := 0
		for i := range f.held {
			h := &f.held[i]
			switch {
			case h.tree != s.Tree:
				return keystore.ErrWrongTree
			case h.epoch == s.Epoch && h.attempt == s.Attempt && h.secret.Equal(&s.Secret):
				return nil
			case h.attempt == s.Attempt:
				return fmt.Errorf("it keeps another share of this attempt: %w", keystore.ErrHolderBusy)
			}
			if h.epoch < f.held[lowest].epoch {
				lowest = i
			}
		}
		switch {
		case len(f.held) >= slots && repair:
			if err := t.remove(&f.held[lowest]); err != nil {
				return err
			}
		case len(f.held) >= slots:
			return keystore.ErrHolderBusy
		case len(f.held) == 1 && !repair && f.held[0].epoch >= s.Epoch:
			return fmt.Errorf("it keeps epoch %d: %w", f.held[0].epoch, keystore.ErrHolderBusy)
		}
		if err := t.clear(f.rest); err != nil {
			return err
		}
		return t.add(&s)
	})
	if err != nil {
		return fmt.Errorf("preparing epoch %d at %s: %w", s.Epoch, t.name, err)
	}
	return nil
}

// add makes a key and a record of a share, and reads them back.
func (t *Token) add(s *keystore.Share) error {
	key, err := t.generate(s.Attempt)
	if err != nil {
		return err
	}
	r := record{holder: t.caps.ID, tree: s.Tree, epoch: s.Epoch, attempt: s.Attempt, iv: make([]byte, ivLen)}
	rand.Read(r.iv)
	params := p11.NewGCMParams(r.iv, r.header(), 8*tagLen)
	defer params.Free()
	err = t.l.m.ctx.EncryptInit(t.l.session, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_GCM, params)}, key)
	if err == nil {
		r.sealed, err = t.l.m.ctx.Encrypt(t.l.session, s.Secret[:])
	}
	if err != nil {
		return fmt.Errorf("sealing the share: %w", err)
	}
	r.iv = params.IV() // some tokens take one of their own
	if len(r.iv) != ivLen || len(r.sealed) != len(s.Secret)+tagLen {
		return errors.New("sealing the share: the token has another AES-GCM than ours")
	}
	if err := t.put(forShare, r.encode()); err != nil {
		return err
	}
	f, err := t.look()
	if err != nil {
		return err
	}
	defer f.wipe()
	for i := range f.held {
		if h := &f.held[i]; h.attempt == s.Attempt && h.epoch == s.Epoch && h.secret.Equal(&s.Secret) {
			return nil
		}
	}
	return errors.New("what was written does not read back")
}

// generate has the token make a key that it does not give away.
func (t *Token) generate(a keystore.Attempt) (p11.ObjectHandle, error) {
	template := []*p11.Attribute{
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY), p11.NewAttribute(p11.CKA_KEY_TYPE, p11.CKK_AES), p11.NewAttribute(p11.CKA_VALUE_LEN, 32),
		p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_SENSITIVE, true), p11.NewAttribute(p11.CKA_EXTRACTABLE, false),
		p11.NewAttribute(p11.CKA_ENCRYPT, true), p11.NewAttribute(p11.CKA_DECRYPT, true),
		p11.NewAttribute(p11.CKA_LABEL, t.l.uri.Object), p11.NewAttribute(p11.CKA_ID, a[:]),
	}
	mechanism := []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_KEY_GEN, nil)}
	// Tokens from before PKCS #11 2.40 do not know that a key is not to be copied.
	key, err := t.l.m.ctx.GenerateKey(t.l.session, mechanism, append(template[:len(template):len(template)], p11.NewAttribute(p11.CKA_COPYABLE, false)))
	if errors.Is(err, p11.Error(p11.CKR_ATTRIBUTE_TYPE_INVALID)) || errors.Is(err, p11.Error(p11.CKR_TEMPLATE_INCONSISTENT)) {
		key, err = t.l.m.ctx.GenerateKey(t.l.session, mechanism, template)
	}
	if err != nil {
		return 0, fmt.Errorf("making a key in the token: %w", err)
	}
	return key, nil
}

// put makes a data object.
func (t *Token) put(application string, value []byte) error {
	_, err := t.l.m.ctx.CreateObject(t.l.session, append(data(application),
		p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_LABEL, t.l.uri.Object), p11.NewAttribute(p11.CKA_VALUE, value)))
	if err != nil {
		return fmt.Errorf("making a data object in the token: %w", err)
	}
	return nil
}

// remove destroys a share: the key first, without which the record says nothing.
func (t *Token) remove(s *share) error {
	if err := t.l.destroy(s.key); err != nil {
		return err
	}
	return t.l.destroy(s.at)
}

// Destroy implements [keystore.Holder]. The module begins anew before and after, so
// that both what is kept and what is gone was seen in the token, and not in the
// module's memory: SoftHSM forgets an object there even where it fails to remove the
// file (https://github.com/softhsm/SoftHSMv2/issues/903).
func (t *Token) Destroy(ctx context.Context, tree keystore.TreeID, epoch uint64, attempt keystore.Attempt) (keystore.Statement, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := keystore.Statement{
		Holder: t.caps.ID, Kind: kind, Level: t.caps.Level, Copies: t.caps.Copies,
		Tree: tree, Epoch: epoch, Attempt: attempt, Destroyed: []uint64{},
	}
	err := t.l.do(ctx, func() error {
		if err := t.l.again(); err != nil {
			return err
		}
		f, err := t.look()
		if err != nil {
			return err
		}
		defer f.wipe()
		keep, err := f.find(tree, epoch, attempt)
		if err != nil {
			return err
		}
		for i := range f.held {
			if i == keep {
				continue
			}
			if err := t.remove(&f.held[i]); err != nil {
				return err
			}
			st.Destroyed = append(st.Destroyed, f.held[i].epoch)
		}
		if err := t.clear(f.rest); err != nil {
			return err
		}
		if err := t.beforeLooking(); err != nil {
			return err
		}
		if err := t.l.again(); err != nil {
			return err
		}
		left, err := t.look()
		if err != nil {
			return err
		}
		defer left.wipe()
		if len(left.held) != 1 || len(left.rest) > 0 {
			return fmt.Errorf("%w: %d shares and %d other objects", errStillThere, len(left.held), len(left.rest))
		}
		_, err = left.find(tree, epoch, attempt)
		return err
	})
	if err != nil {
		return keystore.Statement{}, fmt.Errorf("destroying all but epoch %d at %s: %w", epoch, t.name, err)
	}
	st.Overwritten = slots - 1 // a token has no slots, but room for one share beside the live one
	return st, nil
}

var errStillThere = errors.New("what was destroyed is still in the token")

// find returns which of the shares is the one to keep.
func (f *found) find(tree keystore.TreeID, epoch uint64, attempt keystore.Attempt) (int, error) {
	keep := -1
	for i := range f.held {
		h := &f.held[i]
		if h.tree != tree {
			return -1, keystore.ErrWrongTree
		}
		if h.epoch == epoch && h.attempt == attempt {
			keep = i
		}
	}
	if keep < 0 {
		return -1, keystore.ErrNotHeld
	}
	return keep, nil
}

func (t *Token) clear(objects []p11.ObjectHandle) error {
	for _, o := range objects {
		if err := t.l.destroy(o); err != nil {
			return err
		}
	}
	return nil
}

// Wipe destroys all shares of a holder, for one that is to be given up; they need not
// open. The name stays taken until [Discard].
func Wipe(uri string) error { return destroyAll(uri, false) }

// Discard destroys everything that a holder has in its token.
func Discard(uri string) error { return destroyAll(uri, true) }

func destroyAll(uri string, nameToo bool) error {
	t, err := session(uri)
	if err == nil {
		err = t.l.do(context.Background(), func() error { return t.destroyAll(nameToo) })
		err = errors.Join(err, t.Close())
	}
	if err != nil {
		return fmt.Errorf("wiping %s: %w", uri, err)
	}
	return nil
}

func (t *Token) destroyAll(nameToo bool) error {
	if err := t.marked(); err != nil {
		return err
	}
	kinds := [][]*p11.Attribute{{p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY)}, data(forShare)}
	if nameToo {
		kinds = append(kinds, data(forHolder))
	}
	for _, kind := range kinds {
		all, err := t.l.objects(kind...)
		if err == nil {
			err = t.clear(all)
		}
		if err != nil {
			return err
		}
	}
	if err := t.l.again(); err != nil {
		return err
	}
	for _, kind := range kinds {
		if all, err := t.l.objects(kind...); err != nil || len(all) > 0 {
			return errors.Join(err, errStillThere)
		}
	}
	return nil
}

// Name is the URI of the holder.
func (t *Token) Name() string { return t.name }

// Adopt makes a new holder a copy of the one with an id.
func (t *Token) Adopt(id keystore.HolderID) { t.caps.ID = id }

// Caps implements [keystore.Holder].
func (t *Token) Caps() keystore.Caps { return t.caps }

// Close implements [keystore.Holder].
func (t *Token) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.l.close()
}

// Format keeps fmt from following the holder to its PIN.
func (t *Token) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "[root holder %s]", t.name) }
