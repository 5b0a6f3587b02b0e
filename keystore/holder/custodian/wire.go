package custodian

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/lacunalog/lacuna/keystore"
)

// A frame is a length and so many bytes: of a request an operation and its fields, of
// an answer a code and its fields, or the text of an error.
const (
	protocol = "lacuna-custodian/1" // by ALPN
	maxFrame = 1 << 16
)

type operation byte

const (
	opStatus  operation = 1 + iota // -> status
	opEnrol                        // secret16
	opCurrent                      // -> shares
	opPrepare                      // share
	opDestroy                      // what to keep -> statement
	opHead                         // -> checkpoint
	opPutHead                      // checkpoint
	opShip                         // u64 epoch, u64 size; then as many bytes without a frame
)

// The codes of answers. Those that a caller branches on have a sentinel.
const (
	codeOK = iota
	codeFailed
	codeBadRequest
	codeNotEnrolled
	codeSuperseded
	codeRolledBack
	codeBusy
	codeNotHeld
	codeWrongTree
)

var (
	// ErrNotEnrolled says that the custodian does not serve this ledger.
	ErrNotEnrolled = errors.New("the custodian does not know this ledger's key")
	// ErrRolledBack says that the custodian's share is older than what it has destroyed
	// for, or that it was asked to go back there.
	ErrRolledBack = errors.New("the custodian does not go back to an older epoch")
	// ErrSuperseded says that a later connection has taken over.
	ErrSuperseded = errors.New("a later connection has taken over")

	errRequest = errors.New("not a request")
	errAnswer  = errors.New("not an answer")
)

var sentinels = map[byte]error{
	codeBadRequest: errRequest, codeNotEnrolled: ErrNotEnrolled, codeSuperseded: ErrSuperseded, codeRolledBack: ErrRolledBack,
	codeBusy: keystore.ErrHolderBusy, codeNotHeld: keystore.ErrNotHeld, codeWrongTree: keystore.ErrWrongTree,
}

func codeOf(err error) byte {
	for code, s := range sentinels {
		if errors.Is(err, s) {
			return code
		}
	}
	return codeFailed
}

// answerError is what the other side said. Its text is for the operator.
type answerError struct {
	code byte
	text string
}

func (e *answerError) Error() string { return e.text }
func (e *answerError) Unwrap() error { return sentinels[e.code] }

func writeFrame(w io.Writer, first byte, fields []byte) error {
	b := make([]byte, 0, 5+len(fields))
	b = binary.BigEndian.AppendUint32(b, uint32(1+len(fields)))
	b = append(append(b, first), fields...)
	defer clear(b)
	_, err := w.Write(b)
	return err
}

// readFrame reads a frame. The caller clears the fields where a share may be in them.
func readFrame(r io.Reader) (first byte, fields []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:4]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes", n)
	}
	if _, err := io.ReadFull(r, head[4:]); err != nil {
		return 0, nil, err
	}
	fields = make([]byte, n-1)
	_, err = io.ReadFull(r, fields)
	return head[4], fields, err
}

// fields are read one after the other; end reports whether all went well and nothing
// is left.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) take(n int) []byte {
	if len(f.b) < n {
		f.bad, f.b = true, nil
		return make([]byte, n)
	}
	b := f.b[:n]
	f.b = f.b[n:]
	return b
}

func (f *fields) byte() byte     { return f.take(1)[0] }
func (f *fields) uint32() uint32 { return binary.BigEndian.Uint32(f.take(4)) }
func (f *fields) uint64() uint64 { return binary.BigEndian.Uint64(f.take(8)) }
func (f *fields) end() bool      { return !f.bad && len(f.b) == 0 }

// kept names what a holder keeps, without the secret.
type kept struct {
	tree    keystore.TreeID
	epoch   uint64
	attempt keystore.Attempt
}

func (k *kept) append(b []byte) []byte {
	b = append(b, k.tree[:]...)
	b = binary.BigEndian.AppendUint64(b, k.epoch)
	return append(b, k.attempt[:]...)
}

func (f *fields) kept() (k kept) {
	copy(k.tree[:], f.take(16))
	k.epoch = f.uint64()
	copy(k.attempt[:], f.take(16))
	return k
}

func appendShare(b []byte, s *keystore.Share) []byte {
	k := kept{s.Tree, s.Epoch, s.Attempt}
	return append(k.append(b), s.Secret[:]...)
}

func (f *fields) share() (s keystore.Share) {
	k := f.kept()
	s.Tree, s.Epoch, s.Attempt = k.tree, k.epoch, k.attempt
	copy(s.Secret[:], f.take(32))
	return s
}

func appendShares(shares []keystore.Share) []byte {
	b := []byte{byte(len(shares))}
	for i := range shares {
		b = appendShare(b, &shares[i])
	}
	return b
}

func parseShares(b []byte) (shares []keystore.Share, err error) {
	f := fields{b: b}
	for range f.byte() {
		if shares = append(shares, f.share()); f.bad {
			break
		}
	}
	if !f.end() {
		return nil, errAnswer
	}
	return shares, nil
}

// Status is what a custodian tells of itself without its share.
type Status struct {
	Level   keystore.Level
	Copies  int
	Machine [16]byte // names the running machine, zero where it cannot be known
	Mark    uint64   // the newest epoch that it has destroyed others for
	Epochs  []uint64 // of the shares it keeps
	Head    uint64   // size of the log by the newest head it keeps
	Warning string
}

func (s *Status) append(b []byte) []byte {
	b = append(b, byte(s.Level), byte(s.Copies))
	b = append(b, s.Machine[:]...)
	b = binary.BigEndian.AppendUint64(b, s.Mark)
	b = binary.BigEndian.AppendUint64(b, s.Head)
	b = append(b, byte(len(s.Epochs)))
	for _, e := range s.Epochs {
		b = binary.BigEndian.AppendUint64(b, e)
	}
	return append(b, s.Warning[:min(len(s.Warning), 512)]...)
}

func parseStatus(b []byte) (s Status, err error) {
	f := fields{b: b}
	s.Level, s.Copies = keystore.Level(f.byte()), int(f.byte())
	copy(s.Machine[:], f.take(16))
	s.Mark, s.Head = f.uint64(), f.uint64()
	for range f.byte() {
		if s.Epochs = append(s.Epochs, f.uint64()); f.bad {
			break
		}
	}
	if f.bad || s.Level > keystore.L3 || s.Copies == 0 || len(f.b) > 512 {
		return Status{}, errAnswer
	}
	s.Warning = printable(f.b)
	return s, nil
}

// printable keeps what a terminal shows as it is.
func printable(b []byte) string {
	var out []byte
	for _, c := range b {
		if c < ' ' || c > '~' {
			c = '?'
		}
		out = append(out, c)
	}
	return string(out)
}

func appendStatement(s *keystore.Statement) []byte {
	b := []byte{byte(s.Level)}
	b = binary.BigEndian.AppendUint32(b, uint32(s.Overwritten))
	b = binary.BigEndian.AppendUint32(b, uint32(s.Copies))
	b = append(b, byte(len(s.Destroyed)))
	for _, e := range s.Destroyed {
		b = binary.BigEndian.AppendUint64(b, e)
	}
	return append(b, s.Signature...)
}

// parseStatement reads a statement about what was to be kept, and checks who signed it.
func parseStatement(b []byte, holder keystore.HolderID, about kept) (s keystore.Statement, err error) {
	f := fields{b: b}
	s = keystore.Statement{
		Holder: holder, Kind: kind, Level: keystore.Level(f.byte()), Tree: about.tree, Epoch: about.epoch, Attempt: about.attempt,
		Overwritten: int(f.uint32()), Copies: int(f.uint32()), Destroyed: []uint64{},
	}
	for range f.byte() {
		if s.Destroyed = append(s.Destroyed, f.uint64()); f.bad {
			break
		}
	}
	s.Signature = append([]byte(nil), f.b...)
	if f.bad || s.Level > keystore.L3 {
		return s, errAnswer
	}
	return s, s.Verify()
}

// kind is what a custodian calls itself in statements.
const kind = "remote"
