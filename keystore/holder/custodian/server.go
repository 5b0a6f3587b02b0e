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
	"sync"
	"time"
)

const (
	handshakeTime = 10 * time.Second // for the handshake, and for one frame
	idleTime      = 10 * time.Minute // between two requests
	shipTime      = 10 * time.Minute // for the pages of an epoch
	maxConns      = 16
)

// A Server lets one ledger at a time talk to a custodian.
type Server struct {
	Custodian *Custodian
	Log       *slog.Logger // nil: silent

	mu     sync.Mutex // one request at a time
	number uint64     // of the last connection
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
	places := make(chan struct{}, maxConns)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("waiting for a ledger: %w", err)
		}
		select {
		case places <- struct{}{}:
		default:
			conn.Close() // too many at once
			continue
		}
		s.mu.Lock()
		s.number++
		n := s.number
		s.mu.Unlock()
		all.Go(func() {
			defer func() { <-places }()
			closed := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })
			defer closed()
			s.serve(ctx, tls.Server(conn, config), n)
		})
	}
}

// serve answers the requests of one connection, the n-th.
func (s *Server) serve(ctx context.Context, conn *tls.Conn, n uint64) {
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
	for {
		conn.SetDeadline(time.Now().Add(idleTime))
		if ctx.Err() != nil { // and so the deadline is over, or will be
			return
		}
		op, req, err := readFrame(conn)
		if err != nil {
			return
		}
		s.mu.Lock()
		answer, err := s.answer(ctx, operation(op), req, peer, n, conn)
		s.mu.Unlock()
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
	}
}

// answer carries out a request. The caller holds s.mu.
func (s *Server) answer(ctx context.Context, op operation, req []byte, peer ed25519.PublicKey, n uint64, conn *tls.Conn) ([]byte, error) {
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
	if !c.serves(peer) {
		return nil, ErrNotEnrolled
	}
	if op == opPrepare || op == opDestroy || op == opShip || op == opPutHead {
		// A request that was held up on an older connection must not do anything
		// after one that came later.
		if n < s.newest {
			return nil, ErrSuperseded
		}
		s.newest = n
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
	case opShip:
		epoch, size := f.uint64(), f.uint64()
		if !f.end() {
			return nil, errRequest
		}
		conn.SetDeadline(time.Now().Add(shipTime))
		err := c.Ship(epoch, size, conn)
		if err == nil {
			s.Log.Info("shipped", "epoch", epoch, "bytes", size)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: the pages are not whole", errRequest)
		}
		return nil, err
	}
	return nil, errRequest
}
