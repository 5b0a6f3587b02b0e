package custodian_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/holder/custodian"
	"github.com/lacunalog/lacuna/keystore/holder/holdertest"
)

var ctx = context.Background()

// A place has a custodian that can be stopped and started, and a ledger's key.
type place struct {
	testing.TB
	dir    string
	at     custodian.Address
	secret [16]byte
	ledger ed25519.PrivateKey
	stop   func()
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newPlace makes a custodian, starts it, and enrols a ledger.
func newPlace(t testing.TB) *place {
	t.Helper()
	p := &place{TB: t, dir: filepath.Join(t.TempDir(), "custodian"), ledger: newKey(t)}
	i, err := custodian.Create(custodian.Options{Dir: p.dir, Host: freeAddress(t)})
	if err != nil {
		t.Fatal(err)
	}
	if i, err = custodian.ParseInvitation(i.String()); err != nil {
		t.Fatal(err)
	}
	p.at, p.secret = i.Custodian, i.Secret
	p.start()
	t.Cleanup(func() { p.stop() })
	r := p.remote(p.ledger)
	defer r.Close()
	if err := r.Enrol(ctx, p.secret); err != nil {
		t.Fatal(err)
	}
	return p
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs the custodian, as lacuna custodian serve does.
func (p *place) start() {
	p.Helper()
	c, err := custodian.Open(p.dir)
	if err != nil {
		p.Fatal(err)
	}
	l, err := net.Listen("tcp", p.at.Host)
	if err != nil {
		p.Fatal(err)
	}
	run, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	s := &custodian.Server{Custodian: c}
	go func() { done <- s.Serve(run, l) }()
	p.stop = func() {
		cancel()
		if err := <-done; err != nil {
			p.Error(err)
		}
		if err := c.Close(); err != nil {
			p.Error(err)
		}
		p.stop = func() {}
	}
}

func (p *place) remote(key ed25519.PrivateKey) *custodian.Remote {
	p.Helper()
	r, err := custodian.NewRemote(p.at, key)
	if err != nil {
		p.Fatal(err)
	}
	return r
}

func share(tree keystore.TreeID, epoch uint64) keystore.Share {
	s := keystore.Share{Tree: tree, Epoch: epoch}
	rand.Read(s.Attempt[:])
	rand.Read(s.Secret[:])
	return s
}

func refused(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestConformance holds a custodian, started anew each time, to what every holder does.
func TestConformance(t *testing.T) {
	holdertest.Run(t, func(t *testing.T) func() keystore.Holder {
		p := newPlace(t)
		return func() keystore.Holder {
			p.stop()
			p.start()
			r := p.remote(p.ledger)
			if _, err := r.Status(ctx); err != nil { // so that it knows its caps
				t.Fatal(err)
			}
			return r
		}
	})
}

func TestEnrolment(t *testing.T) {
	p := newPlace(t)
	r := p.remote(p.ledger)
	defer r.Close()
	ok(t, r.Enrol(ctx, p.secret)) // the answer to the first may have been lost
	stranger := p.remote(newKey(t))
	defer stranger.Close()
	refused(t, "the invitation again, by another", stranger.Enrol(ctx, p.secret), custodian.ErrNotEnrolled)
	refused(t, "another secret", stranger.Enrol(ctx, [16]byte{1}), custodian.ErrNotEnrolled)
	s := share(keystore.TreeID{1}, 1)
	ok(t, r.Prepare(ctx, s))
	_, err := stranger.Current(ctx)
	refused(t, "a stranger asks for the share", err, custodian.ErrNotEnrolled)
	refused(t, "a stranger prepares", stranger.Prepare(ctx, share(s.Tree, 2)), custodian.ErrNotEnrolled)
	_, err = stranger.Destroy(ctx, s.Tree, s.Epoch, s.Attempt)
	refused(t, "a stranger destroys", err, custodian.ErrNotEnrolled)
	_, err = stranger.Load(ctx)
	refused(t, "a stranger asks for the head", err, custodian.ErrNotEnrolled)
	refused(t, "a stranger leaves a head", stranger.Store(ctx, []byte("x")), custodian.ErrNotEnrolled)
	refused(t, "a stranger ships", stranger.Ship(ctx, 1, nil), custodian.ErrNotEnrolled)

	// The ledger has a new key, after a restore say.
	i, err := custodian.Invite(p.dir)
	ok(t, err)
	if !i.Custodian.Key.Equal(p.at.Key) || i.Custodian.Host != p.at.Host {
		t.Error("the invitation is to another custodian")
	}
	ok(t, stranger.Enrol(ctx, i.Secret))
	shares, err := stranger.Current(ctx)
	ok(t, err)
	if len(shares) != 1 || shares[0] != s {
		t.Error("the new key does not get the share")
	}
	_, err = r.Current(ctx)
	refused(t, "the old key", err, custodian.ErrNotEnrolled)

	if _, err := custodian.Create(custodian.Options{Dir: p.dir, Host: p.at.Host}); !errors.Is(err, keystore.ErrExists) {
		t.Errorf("a second custodian in a folder: %v", err)
	}
	if _, err := custodian.Open(p.dir); !errors.Is(err, keystore.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	if _, err := custodian.Open(t.TempDir()); !errors.Is(err, keystore.ErrHolderMissing) {
		t.Errorf("no custodian: %v", err)
	}
}

// TestImpostor puts somebody else under the custodian's address.
func TestImpostor(t *testing.T) {
	p, q := newPlace(t), newPlace(t)
	there := q.at
	there.Key = p.at.Key
	r, err := custodian.NewRemote(there, p.ledger)
	ok(t, err)
	defer r.Close()
	refused(t, "another custodian", r.Prepare(ctx, share(keystore.TreeID{1}, 1)), custodian.ErrImpostor)
	p.stop()
	r = p.remote(p.ledger)
	_, err = r.Current(ctx)
	refused(t, "nobody", err, keystore.ErrUnreachable)
	if !strings.Contains(err.Error(), p.at.Host) {
		t.Errorf("%v does not say which custodian", err)
	}
	// Somebody who takes the connection and never answers.
	l, err := net.Listen("tcp", p.at.Host)
	ok(t, err)
	defer l.Close()
	r.Timeout = 20 * time.Millisecond
	_, err = r.Current(ctx)
	refused(t, "silence", err, keystore.ErrUnreachable)
}

// TestTransport speaks older or weaker TLS, or none, to a custodian.
func TestTransport(t *testing.T) {
	p := newPlace(t)
	cert := func(key ed25519.PrivateKey) []tls.Certificate {
		c, err := custodian.Certificate(key)
		ok(t, err)
		return []tls.Certificate{c}
	}
	good := func() *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, Certificates: cert(p.ledger), NextProtos: []string{custodian.Protocol}, MinVersion: tls.VersionTLS13}
	}
	// Where the client's part is at fault, TLS 1.3 says so at the first reading.
	try := func(c *tls.Config) error {
		conn, err := tls.Dial("tcp", p.at.Host, c)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Write([]byte{0, 0, 0, 1, 1}); err != nil { // status
			return err
		}
		b := make([]byte, 5)
		if _, err := io.ReadFull(conn, b); err != nil {
			return err
		}
		if b[4] != 0 {
			return errors.New("refused")
		}
		return nil
	}
	ok(t, try(good()))
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.2":              func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 },
		"no post-quantum part": func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} },
		"no certificate":       func(c *tls.Config) { c.Certificates = nil },
		"no protocol":          func(c *tls.Config) { c.NextProtos = nil },
		"another protocol":     func(c *tls.Config) { c.NextProtos = []string{"h2"} },
		"somebody else's key":  func(c *tls.Config) { c.Certificates = cert(newKey(t)) },
	} {
		c := good()
		if change(c); try(c) == nil {
			t.Errorf("%s: the custodian answers", name)
		}
	}
	// No tickets, so no second connection rests upon the keys of the first.
	c := good()
	cache := &tickets{ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	c.ClientSessionCache = cache
	ok(t, try(c))
	if cache.put != 0 {
		t.Error("the custodian gives tickets")
	}
	conn, err := net.Dial("tcp", p.at.Host)
	ok(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	conn.Write([]byte{0, 0, 0, 1, 3})
	if b, _ := io.ReadAll(conn); len(b) > 64 {
		t.Errorf("without TLS it answers %d bytes", len(b))
	}
}

type tickets struct {
	tls.ClientSessionCache
	put int
}

func (c *tickets) Put(key string, s *tls.ClientSessionState) {
	c.put++
	c.ClientSessionCache.Put(key, s)
}

// TestNeverBack puts an old copy of the share back, and asks to go back.
func TestNeverBack(t *testing.T) {
	p := newPlace(t)
	r := p.remote(p.ledger)
	defer r.Close()
	tree := keystore.TreeID{1}
	one, two, three := share(tree, 1), share(tree, 2), share(tree, 3)
	ok(t, r.Prepare(ctx, one))
	root := filepath.Join(p.dir, "root")
	old, err := os.ReadFile(root)
	ok(t, err)
	ok(t, r.Prepare(ctx, two))
	if s, err := r.Status(ctx); err != nil || s.Mark != 0 || len(s.Epochs) != 2 {
		t.Errorf("status %+v, %v", s, err)
	}
	st, err := r.Destroy(ctx, tree, 2, two.Attempt)
	ok(t, err)
	if st.Verify() != nil || len(st.Destroyed) != 1 {
		t.Errorf("%+v", st)
	}
	ok(t, r.Prepare(ctx, three))
	p.stop()
	now, err := os.ReadFile(root)
	ok(t, err)
	if bytes.Contains(now, one.Secret[:]) {
		t.Error("the old share is in the file")
	}

	for name, file := range map[string][]byte{"an old copy": old, "an empty file": make([]byte, len(old))} {
		ok(t, os.WriteFile(root, file, 0o600))
		p.start()
		_, err = r.Current(ctx)
		refused(t, name+" of the root: current", err, custodian.ErrRolledBack)
		refused(t, name+" of the root: prepare", r.Prepare(ctx, share(tree, 7)), custodian.ErrRolledBack)
		_, err = r.Destroy(ctx, tree, 1, one.Attempt)
		refused(t, name+" of the root: destroy", err, custodian.ErrRolledBack)
		if s, err := r.Status(ctx); err != nil || s.Warning == "" {
			t.Errorf("%s: status %+v, %v", name, s, err)
		}
		p.stop()
	}
	// The control: the file as it was is taken.
	ok(t, os.WriteFile(root, now, 0o600))
	p.start()
	shares, err := r.Current(ctx)
	if err != nil || len(shares) != 2 {
		t.Fatal(len(shares), err)
	}
	// An epoch that came to nothing is given up; the mark stays.
	_, err = r.Destroy(ctx, tree, 2, two.Attempt)
	ok(t, err)
	// A request to keep what it does not hold leaves no mark, or it could never go on.
	_, err = r.Destroy(ctx, tree, 1<<40, two.Attempt)
	refused(t, "an epoch that it does not hold", err, keystore.ErrNotHeld)
	ok(t, r.Prepare(ctx, three))
	_, err = r.Destroy(ctx, tree, 3, three.Attempt)
	ok(t, err)
	if s, err := r.Status(ctx); err != nil || s.Mark != 3 {
		t.Errorf("status %+v, %v", s, err)
	}
}

// TestSuperseded sends a request on an older connection after a later one has changed
// something: it was held up on the way, and must not do anything any more.
func TestSuperseded(t *testing.T) {
	p := newPlace(t)
	late, now := p.remote(p.ledger), p.remote(p.ledger)
	defer late.Close()
	defer now.Close()
	tree := keystore.TreeID{1}
	one, a, b := share(tree, 1), share(tree, 2), share(tree, 2)
	ok(t, late.Prepare(ctx, one))
	ok(t, now.Prepare(ctx, a))
	if _, err := now.Destroy(ctx, tree, 1, one.Attempt); err != nil {
		t.Fatal(err)
	}
	refused(t, "a late share", late.Once(ctx, b), custodian.ErrSuperseded)
	shares, err := now.Current(ctx)
	if err != nil || len(shares) != 1 || shares[0] != one {
		t.Errorf("%d shares, %v", len(shares), err)
	}
	// Who asks again does it by a new connection, and is served.
	ok(t, late.Prepare(ctx, b))
	_, err = now.Status(ctx)
	ok(t, err)
}

func TestHead(t *testing.T) {
	p := newPlace(t)
	r := p.remote(p.ledger)
	defer r.Close()
	if b, err := r.Load(ctx); err != nil || len(b) != 0 {
		t.Errorf("%q, %v", b, err)
	}
	head := func(size string) []byte { return []byte("log.example\n" + size + "\nroot\n\n— signature\n") }
	ok(t, r.Store(ctx, head("9")))
	ok(t, r.Store(ctx, head("10")))
	ok(t, r.Store(ctx, head("10")))
	refused(t, "a shorter log", r.Store(ctx, head("9")), custodian.ErrRolledBack)
	refused(t, "no head", r.Store(ctx, nil), custodian.ErrRolledBack)
	p.stop()
	p.start()
	if b, err := r.Load(ctx); err != nil || !bytes.Equal(b, head("10")) {
		t.Errorf("%q, %v", b, err)
	}
	if s, err := r.Status(ctx); err != nil || s.Head != 10 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestShip(t *testing.T) {
	p := newPlace(t)
	r := p.remote(p.ledger)
	defer r.Close()
	big := make([]byte, 3<<20)
	rand.Read(big)
	pages := []keystore.KV{{Key: []byte("k1"), Value: big}, {Key: []byte("k2"), Value: []byte("v")}}
	ok(t, r.Ship(ctx, 1, []keystore.KV{{Key: []byte("k0"), Value: []byte("an attempt that came to nothing")}}))
	ok(t, r.Ship(ctx, 1, pages))
	ok(t, r.Ship(ctx, 2, nil))
	have, err := holder.ReadPages(filepath.Join(p.dir, "pages"), 0)
	if err != nil || len(have) != 2 || !bytes.Equal(have[0].Value, big) {
		t.Errorf("%d pages, %v", len(have), err)
	}
	for name, bad := range map[string][]byte{
		"damaged": custodian.Damage(2, pages), "of another epoch": custodian.Damage(3, pages), "short": []byte("LCNP0001"),
	} {
		if err := r.ShipFile(ctx, 2, bad); err == nil {
			t.Errorf("pages that are %s are kept", name)
		}
	}
	have, err = holder.ReadPages(filepath.Join(p.dir, "pages"), 1)
	if err != nil || len(have) != 0 {
		t.Errorf("%d pages, %v", len(have), err)
	}
	if left, _ := filepath.Glob(filepath.Join(p.dir, "pages", ".new-*")); len(left) != 0 {
		t.Errorf("it leaves %q", left)
	}
}

// TestReopenFails has the first share taken and the root files not opened again: what
// comes later is refused, and the program does not end.
func TestReopenFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "custodian")
	_, err := custodian.Create(custodian.Options{Dir: dir, Host: freeAddress(t)})
	ok(t, err)
	c, err := custodian.Open(dir)
	ok(t, err)
	c.LoseRoot()
	s := share(keystore.TreeID{1}, 1)
	refused(t, "the first share", c.Prepare(ctx, s), keystore.ErrHolderMissing)
	refused(t, "prepare", c.Prepare(ctx, share(s.Tree, 2)), keystore.ErrHolderMissing)
	_, err = c.Shares(ctx)
	refused(t, "shares", err, keystore.ErrHolderMissing)
	_, err = c.Status(ctx)
	refused(t, "status", err, keystore.ErrHolderMissing)
	_, err = c.Head()
	refused(t, "head", err, keystore.ErrHolderMissing)
	refused(t, "put head", c.PutHead([]byte("log.example\n1\nroot\n")), keystore.ErrHolderMissing)
	refused(t, "enrol", c.Enrol(newKey(t).Public().(ed25519.PublicKey), [16]byte{}), keystore.ErrHolderMissing)
	ok(t, c.Close())

	// Started anew, it has the share and takes it once more.
	c, err = custodian.Open(dir)
	ok(t, err)
	defer c.Close()
	shares, err := c.Shares(ctx)
	if err != nil || len(shares) != 1 || shares[0] != s {
		t.Errorf("%d shares, %v", len(shares), err)
	}
	ok(t, c.Prepare(ctx, s))
}

// dial connects to a custodian without a [custodian.Remote].
func (p *place) dial(key ed25519.PrivateKey) *tls.Conn {
	p.Helper()
	cert, err := custodian.Certificate(key)
	ok(p, err)
	conn, err := tls.Dial("tcp", p.at.Host, &tls.Config{
		InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}, NextProtos: []string{custodian.Protocol}, MinVersion: tls.VersionTLS13,
	})
	ok(p, err)
	p.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// answered reads an answer and returns its code.
func answered(t testing.TB, conn net.Conn) byte {
	t.Helper()
	b := make([]byte, 5)
	_, err := io.ReadFull(conn, b)
	ok(t, err)
	_, err = io.ReadFull(conn, make([]byte, binary.BigEndian.Uint32(b)-1))
	ok(t, err)
	return b[4]
}

// TestFlood has connections that ask nothing, before and after the ledger comes: it
// finds a place, and keeps the one that it has.
func TestFlood(t *testing.T) {
	p := newPlace(t)
	stranger := newKey(t)
	flood := func(n int, greeted bool) {
		for range n {
			if greeted {
				p.dial(stranger)
				continue
			}
			conn, err := net.Dial("tcp", p.at.Host)
			ok(t, err)
			t.Cleanup(func() { conn.Close() })
		}
	}
	first := share(keystore.TreeID{1}, 1)
	for _, greeted := range []bool{false, true} {
		flood(100, greeted)
		r := p.remote(p.ledger)
		defer r.Close()
		_, err := r.Current(ctx)
		ok(t, err)
		flood(100, greeted)
		ok(t, r.Once(ctx, first))
		ok(t, r.Close())
		_, err = r.Current(ctx) // by a new connection
		ok(t, err)
	}
	// Those of the ledger itself, which it has forgotten perhaps, are no hindrance either.
	for range 40 {
		p.dial(p.ledger)
	}
	r := p.remote(p.ledger)
	defer r.Close()
	_, err := r.Current(ctx)
	ok(t, err)
}

// TestNotEnrolledEnds has a connection end with the answer that its key is not served.
func TestNotEnrolledEnds(t *testing.T) {
	p := newPlace(t)
	for name, frame := range map[string][]byte{"status": {0, 0, 0, 1, 1}, "enrol": append([]byte{0, 0, 0, 17, 2}, make([]byte, 16)...)} {
		conn := p.dial(newKey(t))
		_, err := conn.Write(frame)
		ok(t, err)
		if code := answered(t, conn); code != 3 {
			t.Errorf("%s: code %d", name, code)
		}
		if n, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: the connection goes on: %d, %v", name, n, err)
		}
	}
}

// TestStalledShip stops in the middle of a ship. A newer connection does not wait for
// it; once that has changed something, the pages are not kept any more.
func TestStalledShip(t *testing.T) {
	p := newPlace(t)
	file := custodian.Damage(1, nil) // of another epoch than 2, and so whole
	ship := func(conn net.Conn) {
		b := binary.BigEndian.AppendUint64([]byte{0, 0, 0, 17, 8}, 1)
		_, err := conn.Write(append(binary.BigEndian.AppendUint64(b, uint64(len(file))), file[:20]...))
		ok(t, err)
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			if under, _ := filepath.Glob(filepath.Join(p.dir, "pages", ".new-*")); len(under) == 1 {
				return
			}
			if time.Now().After(end) {
				t.Fatal("the ship does not begin")
			}
		}
	}
	finish := func(conn net.Conn, code byte, kept int) {
		t.Helper()
		_, err := conn.Write(file[20:])
		ok(t, err)
		if got := answered(t, conn); got != code {
			t.Errorf("code %d, want %d", got, code)
		}
		all, err := filepath.Glob(filepath.Join(p.dir, "pages", "*"))
		if hidden, _ := filepath.Glob(filepath.Join(p.dir, "pages", ".new-*")); err != nil || len(all) != kept || len(hidden) != 0 {
			t.Errorf("%q, %q, %v", all, hidden, err)
		}
	}
	stalled := p.dial(p.ledger)
	ship(stalled)
	r := p.remote(p.ledger)
	defer r.Close()
	r.Timeout = 5 * time.Second
	_, err := r.Current(ctx)
	ok(t, err)
	ok(t, r.Prepare(ctx, share(keystore.TreeID{1}, 1)))
	finish(stalled, 4, 0)

	// The control: nothing else changes anything meanwhile.
	stalled = p.dial(p.ledger)
	ship(stalled)
	_, err = r.Current(ctx)
	ok(t, err)
	finish(stalled, 0, 1)

	// The end of the custodian does not wait for the pages.
	ship(p.dial(p.ledger))
	begun := time.Now()
	p.stop()
	if d := time.Since(begun); d > 10*time.Second {
		t.Errorf("it took %v to stop", d)
	}
}
