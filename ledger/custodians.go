package ledger

import (
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder/custodian"
)

// Custodian is a member of [Config]: a root holder on another machine. All of them
// are needed to open the ledger, and one that destroys its share is enough to erase.
type Custodian struct {
	Name    string `json:"name"`
	Address string `json:"address"` // HOST:PORT
	Key     string `json:"key"`     // its public key, base64url
	// Independent: others administrate it, by the operator's word. Only with this can
	// the ledger reach level L2, and only if it is seen to run on another machine.
	Independent bool `json:"independent,omitempty"`
	// Pages: it also receives key pages before an old root dies.
	Pages bool `json:"pages,omitempty"`
	// Change is "joining" or "leaving" while an epoch that changes the holders is under
	// way; opening the ledger finds out how it ended.
	Change string `json:"change,omitempty"`
}

const (
	joining = "joining"
	leaving = "leaving"
)

// A custody is the custodians of a ledger. Its members change only under the lock of
// [Ledger.changeCustodians].
type custody struct {
	key     ed25519.PrivateKey // the ledger's, by which custodians know it
	members []member
}

type member struct {
	Custodian
	remote *custodian.Remote
}

// custodyKey is the key by which custodians know a ledger. It follows from the log's
// signing key, so that there is one secret to keep for a restore and not two.
func custodyKey(skey []byte) (ed25519.PrivateKey, error) {
	seed, err := hkdf.Key(sha256.New, []byte(strings.TrimSpace(string(skey))), nil, "lacuna/v1/custody", ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func newCustody(list []Custodian, skey []byte) (*custody, error) {
	key, err := custodyKey(skey)
	if err != nil {
		return nil, err
	}
	c := &custody{key: key}
	for i, m := range list {
		if err := c.add(m); err != nil {
			return nil, badConfig("custodian %d: %w", i+1, err)
		}
	}
	return c, nil
}

// add checks a custodian's configuration and makes it a member. Nobody is asked yet.
func (c *custody) add(m Custodian) error {
	key, err := custodian.ParseKey(m.Key)
	if err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(m.Address); err != nil {
		return err
	}
	if m.Name == "" || strings.ContainsFunc(m.Name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("its name is empty or has something other than printable ASCII without spaces")
	}
	if m.Change != "" && m.Change != joining && m.Change != leaving {
		return fmt.Errorf("change %q is not known", m.Change)
	}
	if slices.ContainsFunc(c.members, func(o member) bool { return o.Name == m.Name || o.Key == m.Key }) {
		return errors.New("there is another of this name or key")
	}
	r, err := custodian.NewRemote(custodian.Address{Host: m.Address, Key: key}, c.key)
	if err != nil {
		return err
	}
	r.Name, r.Independent = m.Name, m.Independent
	c.members = append(c.members, member{m, r})
	return nil
}

// enrol uses invitations for a restored ledger: of custodians that it knows, and of
// others, which have become custodians since the backup was made.
func (c *custody) enrol(ctx context.Context, invitations []string) error {
	for _, text := range invitations {
		i, err := custodian.ParseInvitation(text)
		if err != nil {
			return badConfig("%w", err)
		}
		key := custodian.KeyText(i.Custodian.Key)
		at := slices.IndexFunc(c.members, func(m member) bool { return m.Key == key })
		if at < 0 {
			at = len(c.members)
			name, _, _ := net.SplitHostPort(i.Custodian.Host)
			if err := c.add(Custodian{Name: name, Address: i.Custodian.Host, Key: key}); err != nil {
				return badConfig("custodian %s: %w", name, err)
			}
		}
		if err := c.members[at].remote.Enrol(ctx, i.Secret); err != nil {
			return err
		}
	}
	return nil
}

// headSize is the size of the log by the newest head that a custodian keeps.
func (c *custody) headSize(ctx context.Context) (size uint64) {
	for _, m := range c.members {
		if b, err := m.remote.Load(ctx); err == nil {
			size = max(size, headSize(b))
		}
	}
	return size
}

func (c *custody) find(name string) int {
	return slices.IndexFunc(c.members, func(m member) bool { return m.Name == name })
}

// sets are the holders of the root beside the local ones: those that there were last,
// and, where a change was interrupted, those that it was leading to.
func (c *custody) sets(local []keystore.Holder) (now, next []keystore.Holder) {
	now, next = slices.Clone(local), slices.Clone(local)
	changing := false
	for _, m := range c.members {
		changing = changing || m.Change != ""
		if m.Change != joining {
			now = append(now, m.remote)
		}
		if m.Change != leaving {
			next = append(next, m.remote)
		}
	}
	if !changing {
		next = nil
	}
	return now, next
}

// targets are where key pages go.
func (c *custody) targets(first keystore.PageTarget) keystore.PageTarget {
	var t pageTargets
	if first != nil {
		t = append(t, first)
	}
	for _, m := range c.members {
		if m.Pages && m.Change == "" {
			t = append(t, m.remote)
		}
	}
	if len(t) == 0 {
		return nil
	}
	return t
}

// pageTargets are several places for key pages. Each must have them.
type pageTargets []keystore.PageTarget

func (t pageTargets) Ship(ctx context.Context, epoch uint64, pages []keystore.KV) error {
	for _, p := range t {
		if err := p.Ship(ctx, epoch, pages); err != nil {
			return err
		}
	}
	return nil
}

func (c *custody) close() {
	for _, m := range c.members {
		m.remote.Close()
	}
}

// configs are the members as the configuration has them.
func (c *custody) configs() (list []Custodian) {
	for _, m := range c.members {
		list = append(list, m.Custodian)
	}
	return list
}

// saveCustodians writes the custodians into the configuration, durably.
func (l *Ledger) saveCustodians() error {
	c, err := ReadConfig(l.dir) // other members may have been changed meanwhile
	if err != nil {
		return err
	}
	c.Custodians = l.custody.configs()
	return c.write(l.dir)
}

// settleCustodians ends a change of holders that was interrupted: the tree was opened,
// and so it is known with whom the root lies.
func (l *Ledger) settleCustodians(warn func(string)) error {
	if !slices.ContainsFunc(l.custody.members, func(m member) bool { return m.Change != "" }) {
		return nil
	}
	holds := make(map[keystore.HolderID]bool)
	for _, c := range l.tree.Info().Holders {
		holds[c.ID] = true
	}
	var stay []member
	for _, m := range l.custody.members {
		here := holds[m.remote.Caps().ID]
		switch {
		case m.Change == joining && here:
			warn(fmt.Sprintf("custodian %s had begun to join: it keeps a share of the root from now on", m.Name))
		case m.Change == joining:
			warn(fmt.Sprintf("custodian %s had begun to join and does not: add it again", m.Name))
		case m.Change == leaving && here:
			warn(fmt.Sprintf("custodian %s had begun to leave and did not: remove it again", m.Name))
		case m.Change == leaving:
			warn(fmt.Sprintf("custodian %s had begun to leave: its share opens nothing any more", m.Name))
		}
		m.Change = ""
		if here {
			stay = append(stay, m)
		} else {
			m.remote.Close()
		}
	}
	l.custody.members = stay
	return l.saveCustodians()
}

// NewCustodian says who is to keep a share of the root.
type NewCustodian struct {
	Invitation  string // as the custodian printed it
	Name        string // what we call it; "" for the name of its host
	Independent bool
	Pages       bool // it also receives key pages, from the next opening on: then [Ledger.ShipPages]
}

// AddCustodian enrols at a custodian and gives it a share, in an epoch of its own: all
// shares are fresh. From then on nothing opens without it.
//
// If we stop in between, opening the ledger ends the change, one way or the other.
func (l *Ledger) AddCustodian(ctx context.Context, n NewCustodian) error {
	i, err := custodian.ParseInvitation(n.Invitation)
	if err != nil {
		return badConfig("%w", err)
	}
	m := Custodian{
		Name: n.Name, Address: i.Custodian.Host, Key: custodian.KeyText(i.Custodian.Key),
		Independent: n.Independent, Pages: n.Pages, Change: joining,
	}
	if m.Name == "" {
		m.Name, _, _ = net.SplitHostPort(m.Address)
	}
	return l.changeCustodians(func() error {
		if err := l.custody.add(m); err != nil {
			return badConfig("custodian %s: %w", m.Name, err)
		}
		at := len(l.custody.members) - 1
		r := l.custody.members[at].remote
		drop := func() {
			r.Close()
			l.custody.members = l.custody.members[:at]
		}
		err := r.Enrol(ctx, i.Secret)
		if err == nil {
			_, err = r.Status(ctx)
		}
		if err == nil {
			err = l.saveCustodians()
		}
		if err != nil {
			drop()
			return fmt.Errorf("enrolling: %w", err)
		}
		undone, err := l.rehold(ctx, append(l.tree.Holders(), r))
		if undone {
			drop()
			return errors.Join(err, l.saveCustodians())
		}
		if err != nil {
			return err
		}
		l.custody.members[at].Change = ""
		return l.saveCustodians()
	})
}

// ShipPages gives all key pages to every place that receives them, in an epoch that
// erases nobody: a place that is new then completes every backup from before, too.
func (l *Ledger) ShipPages(ctx context.Context) error {
	if err := l.gate.enter(); err != nil {
		return err
	}
	defer l.gate.leave()
	if l.readOnly != nil {
		return l.readOnly
	}
	return l.erasure.Alone(func() error { return l.tree.ShipAll(ctx) })
}

// Reenrol uses an invitation of a custodian that the ledger has already, because the
// custodian no longer knows the ledger's key, or has moved, and returns what it is called.
// Where it is not one of the ledger's, that is empty. The ledger must not be open; it could
// not be opened.
func Reenrol(ctx context.Context, dir, invitation string) (name string, err error) {
	i, err := custodian.ParseInvitation(invitation)
	if err != nil {
		return "", badConfig("%w", err)
	}
	c, err := ReadConfig(dir)
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(c.Custodians, func(m Custodian) bool { return m.Key == custodian.KeyText(i.Custodian.Key) })
	if at < 0 {
		return "", nil
	}
	name = c.Custodians[at].Name
	skey, err := os.ReadFile(filepath.Join(dir, skeyFile))
	if err != nil {
		return name, fmt.Errorf("reading the log's signing key: %w", err)
	}
	moved := c.Custodians[at].Address != i.Custodian.Host
	c.Custodians[at].Address = i.Custodian.Host
	all, err := newCustody(c.Custodians, skey)
	if err != nil {
		return name, err
	}
	defer all.close()
	if err := all.members[at].remote.Enrol(ctx, i.Secret); err != nil || !moved {
		return name, err
	}
	return name, c.write(dir)
}

// RemoveCustodian takes a custodian's share out of the root, in an epoch of its own.
// It must be there for it, and destroys what it had.
func (l *Ledger) RemoveCustodian(ctx context.Context, name string) error {
	return l.changeCustodians(func() error {
		at := l.custody.find(name)
		if at < 0 {
			return &NotFoundError{What: fmt.Sprintf("no custodian %q", name)}
		}
		m := &l.custody.members[at]
		m.Change = leaving
		if err := l.saveCustodians(); err != nil {
			m.Change = ""
			return err
		}
		stay := slices.DeleteFunc(l.tree.Holders(), func(h keystore.Holder) bool { return h.Caps().ID == m.remote.Caps().ID })
		undone, err := l.rehold(ctx, stay)
		if undone {
			m.Change = ""
			return errors.Join(err, l.saveCustodians())
		}
		if err != nil {
			return err
		}
		l.custody.members = slices.Delete(l.custody.members, at, at+1)
		return l.saveCustodians()
	})
}

// changeCustodians runs a change of holders: one at a time, and no erasure meanwhile.
func (l *Ledger) changeCustodians(f func() error) error {
	if err := l.gate.enter(); err != nil {
		return err
	}
	defer l.gate.leave()
	if l.readOnly != nil {
		return l.readOnly
	}
	return l.erasure.Alone(func() error {
		l.custodyMu.Lock()
		defer l.custodyMu.Unlock()
		return f()
	})
}

// rehold changes the holders of the root. With an error it says whether everything is
// as it was before; if not, the next opening of the ledger ends the change.
func (l *Ledger) rehold(ctx context.Context, hs []keystore.Holder) (undone bool, err error) {
	// Whoever is away is found out before anything has begun, because one that has
	// begun to be asked has to be asked again to go back.
	for _, h := range append(l.tree.Holders(), hs...) {
		if _, err := h.Current(ctx); err != nil {
			return true, fmt.Errorf("changing who keeps the root: %w", err)
		}
	}
	e, err := l.tree.PrepareHolders(ctx, hs)
	if err != nil {
		return true, fmt.Errorf("changing who keeps the root: %w", err)
	}
	if err := e.Root(ctx); err != nil {
		err = fmt.Errorf("changing who keeps the root: %w", err)
		if aerr := e.Abort(context.WithoutCancel(ctx)); aerr != nil {
			return false, fmt.Errorf("%w (and going back: %w); opening the ledger again ends the change", err, aerr)
		}
		return true, err
	}
	if _, err := e.Destroy(context.WithoutCancel(ctx)); err != nil {
		return false, fmt.Errorf("changing who keeps the root: %w; opening the ledger again ends the change", err)
	}
	return false, nil
}

// Custody says with whom the root lies.
func (l *Ledger) Custody() keystore.Info { return l.tree.Info() }

// A CustodianState is what a custodian answers now.
type CustodianState struct {
	Custodian
	Status custodian.Status
	Level  keystore.Level
	Err    error // it does not answer, or refuses
}

// Custodians asks the custodians of a ledger for their state. The ledger need not be
// open, nor does it have to be possible to open it: that is when one wants to know.
func Custodians(ctx context.Context, dir string) ([]CustodianState, error) {
	c, err := ReadConfig(dir)
	if err != nil {
		return nil, err
	}
	skey, err := os.ReadFile(filepath.Join(dir, skeyFile))
	if err != nil {
		return nil, fmt.Errorf("reading the log's signing key: %w", err)
	}
	all, err := newCustody(c.Custodians, skey)
	if err != nil {
		return nil, err
	}
	defer all.close()
	return all.states(ctx), nil
}

func (c *custody) states(ctx context.Context) []CustodianState {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	states := make([]CustodianState, len(c.members))
	done := make(chan int)
	for i, m := range c.members {
		go func() {
			s, err := m.remote.Status(ctx)
			states[i] = CustodianState{m.Custodian, s, s.Level, err}
			done <- i
		}()
	}
	for range states {
		<-done
	}
	return states
}

// examineCustodians says what an operator should know about them.
func (l *Ledger) examineCustodians(add func(s Severity, hint, text string, args ...any)) {
	l.custodyMu.Lock()
	defer l.custodyMu.Unlock()
	if len(l.custody.members) == 0 {
		return
	}
	for _, s := range l.custody.states(context.Background()) {
		switch {
		case s.Err != nil:
			add(Warning, "start it: until it answers nobody can be erased, and once closed the ledger does not open", "custodian %s: %v", s.Name, s.Err)
		case s.Status.Copies < 2:
			add(Warning, "give it a second root file when it is made: lacuna custodian init --root FILE --root FILE", "custodian %s keeps its share in one place: whoever loses it has erased everybody", s.Name)
		default:
			add(Fine, "", "custodian %s keeps its share in %d places", s.Name, s.Status.Copies)
		}
	}
	level := l.tree.Info().Level
	if level < keystore.L2 {
		add(Remark, "L2 takes a custodian on another machine, added with --independent, and two holders that reach L1", "all holders together reach level %s", level)
	} else {
		add(Fine, "", "all holders together reach level %s", level)
	}
}

// pagesAtCustodian reports whether a custodian receives key pages.
func (l *Ledger) pagesAtCustodian() (name string, ok bool) {
	l.custodyMu.Lock()
	defer l.custodyMu.Unlock()
	for _, m := range l.custody.members {
		if m.Pages {
			return m.Name, true
		}
	}
	return "", false
}
