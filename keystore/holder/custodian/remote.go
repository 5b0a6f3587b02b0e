package custodian

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
)

// ErrImpostor says that somebody answers under a custodian's address who does not have
// its key.
var ErrImpostor = errors.New("another key answers there than the custodian's")

// A Remote is a custodian as its ledger sees it. It connects when it is first asked,
// and again when a connection has broken: all requests may be repeated. It implements
// [keystore.Holder] and [keystore.PageTarget].
type Remote struct {
	// Name is what the operator calls it, for errors.
	Name string
	// Independent is the operator's word that others administrate it. It counts only
	// where it is seen to run on another machine.
	Independent bool
	// Timeout bounds each request but Ship. Default 10 s.
	Timeout time.Duration

	at      Address
	config  *tls.Config
	machine [16]byte

	mu     sync.Mutex
	conn   net.Conn // nil: none yet
	status Status   // the last one
}

// NewRemote returns a custodian for the ledger with a key. Nobody is asked yet.
func NewRemote(at Address, ledger ed25519.PrivateKey) (*Remote, error) {
	r := &Remote{Name: at.Host, Timeout: 10 * time.Second, at: at, machine: thisMachine()}
	var err error
	r.config, err = tlsConfig(ledger, func(k ed25519.PublicKey) error {
		if !k.Equal(at.Key) {
			return ErrImpostor
		}
		return nil
	})
	return r, err
}

// Enrol makes the custodian serve this ledger. It may be repeated.
func (r *Remote) Enrol(ctx context.Context, secret [16]byte) error {
	_, err := r.ask(ctx, opEnrol, secret[:])
	return err
}

// Status asks what the custodian tells of itself.
func (r *Remote) Status(ctx context.Context) (Status, error) {
	b, err := r.ask(ctx, opStatus, nil)
	if err != nil {
		return Status{}, err
	}
	s, err := parseStatus(b)
	if err != nil {
		return s, r.failed(err)
	}
	r.mu.Lock()
	r.status = s
	r.mu.Unlock()
	return s, nil
}

// Current implements [keystore.Holder].
func (r *Remote) Current(ctx context.Context) ([]keystore.Share, error) {
	if _, err := r.Status(ctx); err != nil { // caps are as new as the shares
		return nil, err
	}
	b, err := r.ask(ctx, opCurrent, nil)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	shares, err := parseShares(b)
	if err != nil {
		return nil, r.failed(err)
	}
	return shares, nil
}

// Prepare implements [keystore.Holder].
func (r *Remote) Prepare(ctx context.Context, s keystore.Share) error {
	b := appendShare(nil, &s)
	defer clear(b)
	_, err := r.ask(ctx, opPrepare, b)
	return err
}

// Destroy implements [keystore.Holder]. The statement is signed by the custodian, and
// about what it was asked.
func (r *Remote) Destroy(ctx context.Context, tree keystore.TreeID, epoch uint64, attempt keystore.Attempt) (keystore.Statement, error) {
	k := kept{tree, epoch, attempt}
	b, err := r.ask(ctx, opDestroy, k.append(nil))
	if err != nil {
		return keystore.Statement{}, err
	}
	s, err := parseStatement(b, keystore.CustodianID(r.at.Key), k)
	if err != nil {
		return keystore.Statement{}, r.failed(err)
	}
	r.mu.Lock()
	r.status.Level, r.status.Copies = s.Level, s.Copies
	r.mu.Unlock()
	return s, nil
}

// Caps implements [keystore.Holder]. Level and copies are what the custodian said when
// it was last asked, before that the least.
func (r *Remote) Caps() keystore.Caps {
	r.mu.Lock()
	defer r.mu.Unlock()
	elsewhere := r.status.Machine != [16]byte{} && r.machine != [16]byte{} && r.status.Machine != r.machine
	c := keystore.Caps{
		ID: keystore.CustodianID(r.at.Key), Kind: kind, Level: r.status.Level, Copies: max(1, r.status.Copies),
		Independent: r.Independent && elsewhere, Warning: r.status.Warning,
	}
	switch {
	case c.Warning != "":
		c.Warning = "custodian " + r.Name + ": " + c.Warning
	case r.Independent && !elsewhere:
		c.Warning = "custodian " + r.Name + " is called independent, and is not seen to run on another machine"
	}
	return c
}

// Load returns the head of the log that the custodian keeps.
func (r *Remote) Load(ctx context.Context) ([]byte, error) { return r.ask(ctx, opHead, nil) }

// Store has the custodian keep a head of the log.
func (r *Remote) Store(ctx context.Context, checkpoint []byte) error {
	_, err := r.ask(ctx, opPutHead, checkpoint)
	return err
}

// Ship implements [keystore.PageTarget].
func (r *Remote) Ship(ctx context.Context, epoch uint64, pages []keystore.KV) error {
	_, file := holder.PageFile(epoch, pages)
	_, err := r.exchange(ctx, opShip, appendShip(epoch, uint64(len(file))), file)
	return err
}

// Close implements [keystore.Holder].
func (r *Remote) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return nil
	}
	err := r.conn.Close()
	r.conn = nil
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}

// Format keeps fmt from following the custodian to its keys.
func (r *Remote) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "[custodian %s]", r.Name) }

func (r *Remote) failed(err error) error {
	return fmt.Errorf("custodian %s at %s: %w", r.Name, r.at.Host, err)
}

func (r *Remote) ask(ctx context.Context, op operation, req []byte) ([]byte, error) {
	return r.exchange(ctx, op, req, nil)
}

// exchange sends a request, and more behind it without a frame, and waits for the
// answer. A connection that broke while it was idle is made anew, once.
func (r *Remote) exchange(ctx context.Context, op operation, req, more []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, r.failed(err)
	}
	used := r.conn != nil
again:
	b, err := r.once(ctx, op, req, more)
	var said *answerError
	switch {
	case err == nil:
		return b, nil
	case errors.As(err, &said):
		if said.code == codeSuperseded && used {
			used = false
			r.drop()
			goto again
		}
		return nil, r.failed(err)
	}
	r.drop()
	switch {
	case ctx.Err() != nil:
		return nil, r.failed(context.Cause(ctx))
	case errors.Is(err, ErrImpostor):
		return nil, r.failed(ErrImpostor)
	case used:
		used = false
		goto again
	}
	return nil, r.failed(fmt.Errorf("%w: %w", keystore.ErrUnreachable, err))
}

func (r *Remote) drop() {
	if r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
}

func (r *Remote) once(ctx context.Context, op operation, req, more []byte) ([]byte, error) {
	limit := r.Timeout
	if more != nil {
		limit = shipTime
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if r.conn == nil {
		conn, err := (&tls.Dialer{Config: r.config}).DialContext(ctx, "tcp", r.at.Host)
		if err != nil {
			return nil, err
		}
		r.conn = conn
	}
	conn := r.conn
	end, _ := ctx.Deadline()
	conn.SetDeadline(end)
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err := writeFrame(conn, byte(op), req)
	if err == nil && more != nil {
		_, err = conn.Write(more)
	}
	// What was refused is said even where the rest of the request was not taken.
	code, b, rerr := readFrame(conn)
	if rerr != nil {
		return nil, errors.Join(err, rerr)
	}
	if code != codeOK {
		if err != nil || code == codeBadRequest || code == codeNotEnrolled || op == opShip {
			r.drop()
		}
		return nil, &answerError{code, printable(b[:min(len(b), 1024)])}
	}
	return b, err
}
