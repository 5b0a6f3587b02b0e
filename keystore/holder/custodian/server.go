package custodian

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	handshakeTime = 10 * time.Second // for the handshake, and for one frame
	idleTime      = 10 * time.Minute // between two requests
	shipTime      = 10 * time.Minute // for the pages of an epoch
	maxServed     = 16               // connections of the ledger
	maxWaiting    = 64               // connections of whom it is not known yet, or not served
)

// A Server lets one ledger at a time talk to a custodian.
type Server struct {
	Custodian *Custodian
	Log       *slog.Logger // nil: silent

	waiting, serving places
	number           atomic.Uint64 // of the last connection

	mu     sync.Mutex // one request at a time
	newest uint64     // of the connection that changed something last
}

// Serve answers until the context ends, and returns when what was under way is done.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	// Anybody may finish the handshake: whose key it is decides what is answered.
	config, err := tlsConfig(s.Custodian.key, func(ed25519.PublicKey) error { return nil })
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("waiting for a ledger: %w", err)
		}
		n := s.number.Add(1)
		s.waiting.enter(conn, maxWaiting)
		all.Go(func() {
			closed := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })
			defer closed()
			s.serve(ctx, conn, config, n)
		})
	}
}

// serve answers the requests of one connection, the n-th. Who is not served has one
// request and little time for it, enough to enrol.
func (s *Server) serve(ctx context.Context, raw net.Conn, config *tls.Config, n uint64) {
	in := &s.waiting
	defer func() { in.leave(raw) }()
	conn := tls.Server(raw, config)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(handshakeTime))
	if err := conn.HandshakeContext(ctx); err != nil {
		s.Log.Debug("no handshake", "peer", conn.RemoteAddr(), "err", err)
		return
	}
	state := conn.ConnectionState()
	peer, err := peerKey(&state)
	if err != nil {
		return
	}
	served := s.serves(peer)
	for {
		limit := handshakeTime
		if served {
			limit = idleTime
			if in == &s.waiting {
				in.leave(raw)
				in = &s.serving
				in.enter(raw, maxServed)
			}
		}
		conn.SetDeadline(time.Now().Add(limit))
		if ctx.Err() != nil { // and so the deadline is over, or will be
			return
		}
		op, req, err := readFrame(conn)
		if err != nil {
			return
		}
		var answer []byte
		if operation(op) == opShip {
			err = s.ship(ctx, req, peer, n, conn)
		} else {
			s.mu.Lock()
			answer, err = s.answer(ctx, operation(op), req, peer, n)
			s.mu.Unlock()
		}
		clear(req)
		conn.SetDeadline(time.Now().Add(handshakeTime))
		code := byte(codeOK)
		if err != nil {
			s.Log.Warn("refused", "operation", op, "peer", KeyText(peer), "err", err)
			code, answer = codeOf(err), []byte(err.Error())
		}
		err = writeFrame(conn, code, answer[:min(len(answer), maxFrame-1)])
		clear(answer)
		if err != nil || code == codeBadRequest || operation(op) == opShip && code != codeOK {
			return // what comes next may be the rest of what was not understood
		}
		if served = s.serves(peer); !served {
			return
		}
	}
}

// places are the connections of one kind.
type places struct {
	mu    sync.Mutex
	conns []net.Conn // the oldest first
}

// enter always finds a place for a connection. Where there are too many, the oldest of
// the network that has the most ends: those who hold places cannot keep others out, and
// who holds many of them loses his own first.
func (p *places) enter(conn net.Conn, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, conn)
	if len(p.conns) <= most {
		return
	}
	count, top := map[netip.Prefix]int{}, 0
	for _, c := range p.conns {
		count[network(c)]++
		top = max(top, count[network(c)])
	}
	i := slices.IndexFunc(p.conns, func(c net.Conn) bool { return count[network(c)] == top })
	p.conns[i].Close() // and with it what reads from it
	p.conns = slices.Delete(p.conns, i, i+1)
}

func (p *places) leave(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = slices.DeleteFunc(p.conns, func(c net.Conn) bool { return c == conn })
}

// network is where a connection comes from. Who has one address of IPv6 has as many as
// 64 bits name.
func network(conn net.Conn) netip.Prefix {
	from, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	a := from.Addr().WithZone("").Unmap()
	p, _ := a.Prefix(min(a.BitLen(), 64))
	return p
}

// serves reports whether a key is that of the ledger that is served.
func (s *Server) serves(peer ed25519.PublicKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Custodian.serves(peer)
}

// allow says whether a request that is not to enrol may be carried out. The caller
// holds s.mu.
func (s *Server) allow(op operation, peer ed25519.PublicKey, n uint64) error {
	if !s.Custodian.serves(peer) {
		return ErrNotEnrolled
	}
	if op == opPrepare || op == opDestroy || op == opShip || op == opPutHead {
		// A request that was held up on an older connection must not do anything
		// after one that came later.
		if n < s.newest {
			return ErrSuperseded
		}
		s.newest = n
	}
	return nil
}

// ship takes the pages of an epoch. They come as fast as the network brings them, and
// other requests do not wait for that: s.mu is held to ask whether they may come, and
// again to keep them.
func (s *Server) ship(ctx context.Context, req []byte, peer ed25519.PublicKey, n uint64, conn *tls.Conn) error {
	locked := func(and func() error) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.allow(opShip, peer, n); err != nil {
			return err
		}
		return and()
	}
	if err := locked(func() error { return s.Custodian.failed }); err != nil {
		return err
	}
	f := fields{b: req}
	epoch, size := f.uint64(), f.uint64()
	if !f.end() {
		return errRequest
	}
	conn.SetDeadline(time.Now().Add(shipTime))
	if err := ctx.Err(); err != nil { // the deadline that this set may be gone
		return err
	}
	p, err := s.Custodian.receive(epoch, size, conn)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the pages are not whole", errRequest)
	}
	if err != nil {
		return err
	}
	defer p.discard()
	if err := locked(func() error { return s.Custodian.keep(p) }); err != nil {
		return err
	}
	s.Log.Info("shipped", "epoch", epoch, "bytes", size)
	return nil
}

// answer carries out a request other than to ship. The caller holds s.mu.
func (s *Server) answer(ctx context.Context, op operation, req []byte, peer ed25519.PublicKey, n uint64) ([]byte, error) {
	c, f := s.Custodian, fields{b: req}
	if op == opEnrol {
		secret := [16]byte(f.take(16))
		if !f.end() {
			return nil, errRequest
		}
		if err := c.Enrol(peer, secret); err != nil {
			return nil, err
		}
		s.Log.Info("serves", "ledger", KeyText(peer))
		return nil, nil
	}
	if err := s.allow(op, peer, n); err != nil {
		return nil, err
	}
	switch op {
	case opStatus:
		if !f.end() {
			return nil, errRequest
		}
		st, err := c.Status(ctx)
		return st.append(nil), err
	case opCurrent:
		if !f.end() {
			return nil, errRequest
		}
		shares, err := c.Shares(ctx)
		defer clear(shares)
		return appendShares(shares), err
	case opPrepare:
		share := f.share()
		defer share.Secret.Zero()
		if !f.end() {
			return nil, errRequest
		}
		if err := c.Prepare(ctx, share); err != nil {
			return nil, err
		}
		s.Log.Info("prepared", "epoch", share.Epoch)
		return nil, nil
	case opDestroy:
		k := f.kept()
		if !f.end() {
			return nil, errRequest
		}
		st, err := c.Destroy(ctx, k)
		if err != nil {
			return nil, err
		}
		s.Log.Info("destroyed", "kept", k.epoch, "destroyed", st.Destroyed, "overwritten", st.Overwritten)
		return appendStatement(&st), nil
	case opHead:
		if !f.end() {
			return nil, errRequest
		}
		return c.Head()
	case opPutHead:
		return nil, c.PutHead(req)
	}
	return nil, errRequest
}
