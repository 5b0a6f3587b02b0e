package witness

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// Options configure a [Server].
type Options struct {
	// Dir is the folder in which the server remembers what it has cosigned, see
	// [Create]. Never restore it from a backup, nor make a new one for old keys:
	// the witness would cosign a second history.
	Dir string
	// Cosigners are the keys of the witness, at least one; each signs every
	// checkpoint that it can. ML-DSA-44 keys cannot sign one with extension lines.
	Cosigners []*merkle.Cosigner
	// Logs are the keys of the logs that are cosigned. The name of a key is the
	// origin of its log, and a log may have several.
	Logs []merkle.Verifier
	// Fork is told when a log has been caught with two histories. It may be called
	// by several requests at once, and by whoever shows the same again.
	Fork func(Fork)
	// Logger is told what was refused and why; nil for the default.
	Logger *slog.Logger
	// MaxRequests is how many requests are read and answered at once, 256 if it
	// is 0. Whoever comes on top gets status 503.
	MaxRequests int
}

// A Server is a witness: the handler of add-checkpoint, sign-subtree and the
// newest checkpoints. Mount it below a prefix with [http.StripPrefix]. It bounds
// how long a request is and how many there are, not how slow they are: give the
// [http.Server] around it timeouts.
type Server struct {
	cosigners []*merkle.Cosigner
	verifiers []merkle.Verifier // of the cosigners
	subtrees  []*merkle.Cosigner
	logs      map[string]*watched // by origin
	names     map[string]*watched // by the hash of the origin
	store     *store
	log       *slog.Logger
	fork      func(Fork)
	requests  chan struct{}
	now       func() time.Time
}

const (
	defaultRequests = 256
	// maxBody is room for a proof, and a checkpoint with sixteen ML-DSA-44
	// signatures, which is how many the text of signed notes asks for.
	maxBody = 96 << 10
)

// NewServer opens the folder of a witness. Only one server can have it, in any
// process: the error is [ErrLocked] otherwise. It is fs.ErrNotExist if there is
// no folder.
func NewServer(o Options) (*Server, error) {
	f, err := openFolder(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening the folder of the witness: %w", err)
	}
	s, err := newServer(o, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func newServer(o Options, f files) (*Server, error) {
	s := &Server{
		cosigners: o.Cosigners, store: &store{f}, log: o.Logger, fork: o.Fork, now: time.Now,
		logs: map[string]*watched{}, names: map[string]*watched{},
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	n := o.MaxRequests
	if n == 0 {
		n = defaultRequests
	}
	s.requests = make(chan struct{}, n)
	if len(o.Cosigners) == 0 {
		return nil, errors.New("a witness needs a key")
	}
	for _, c := range o.Cosigners {
		s.verifiers = append(s.verifiers, c.Verifier())
		if c.Algorithm() == merkle.CosignatureMLDSA44 {
			s.subtrees = append(s.subtrees, c)
		}
	}
	for _, v := range o.Logs {
		w := s.logs[v.Name()]
		if w == nil {
			w = &watched{origin: v.Name()}
			s.logs[w.origin], s.names[fileName(w.origin)] = w, w
		}
		w.verifiers = append(w.verifiers, v)
	}
	for _, w := range s.logs {
		if err := w.load(s); err != nil {
			return nil, fmt.Errorf("reading what was cosigned of log %q: %w", w.origin, err)
		}
	}
	return s, nil
}

// Close gives the folder free. No request may be under way, and later ones fail.
func (s *Server) Close() error { return s.store.files.Close() }

// An answer is what a request ends with.
type answer struct {
	status int
	typ    string // text/plain if empty
	body   string
}

func refuse(status int, format string, args ...any) answer {
	return answer{status: status, body: fmt.Sprintf(format, args...) + "\n"}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	select {
	case s.requests <- struct{}{}:
		defer func() { <-s.requests }()
	default:
		w.Header().Set("Retry-After", "1")
		reply(w, refuse(http.StatusServiceUnavailable, "too many requests at once"))
		return
	}
	switch path := r.URL.Path; {
	case path == "/add-checkpoint":
		s.post(w, r, s.addCheckpoint)
	case path == "/sign-subtree" && len(s.subtrees) > 0:
		s.post(w, r, s.signSubtree)
	default:
		s.monitor(w, r, path)
	}
}

func (s *Server) post(w http.ResponseWriter, r *http.Request, f func(body []byte) answer) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		reply(w, refuse(http.StatusMethodNotAllowed, "only POST"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		reply(w, refuse(http.StatusRequestEntityTooLarge, "more than %d bytes", maxBody))
		return
	}
	if err != nil {
		reply(w, refuse(http.StatusBadRequest, "the request could not be read"))
		return
	}
	reply(w, f(body))
}

// monitor serves the newest checkpoint of a log.
func (s *Server) monitor(w http.ResponseWriter, r *http.Request, path string) {
	name, ok := strings.CutSuffix(strings.TrimPrefix(path, "/"), "/checkpoint")
	watched := s.names[name]
	if !ok || watched == nil || r.URL.RawPath != "" {
		reply(w, refuse(http.StatusNotFound, "not found"))
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		reply(w, refuse(http.StatusMethodNotAllowed, "only GET"))
		return
	}
	signed := watched.newest()
	if signed == nil {
		reply(w, refuse(http.StatusNotFound, "not found"))
		return
	}
	reply(w, answer{status: http.StatusOK, body: string(signed)})
}

func reply(w http.ResponseWriter, a answer) {
	if a.typ == "" {
		a.typ = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", a.typ)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body) // the client left: nobody to tell
}

// open finds the log of a checkpoint and verifies its form, but no signature.
func (s *Server) open(signed []byte) (*watched, []byte, merkle.Checkpoint, *answer) {
	text, c, err := splitNote(signed)
	if err != nil {
		a := refuse(http.StatusBadRequest, "%v", err)
		return nil, nil, c, &a
	}
	w := s.logs[c.Origin]
	if w == nil {
		a := refuse(http.StatusNotFound, "this witness does not know that log")
		return nil, nil, c, &a
	}
	return w, text, c, nil
}

// signers returns those cosigners that can sign a checkpoint, at that time.
func (s *Server) signers(c merkle.Checkpoint, at uint64) []merkle.Signer {
	var signers []merkle.Signer
	for _, k := range s.cosigners {
		if k.Algorithm() == merkle.CosignatureMLDSA44 && len(c.Extensions) > 0 {
			continue // it would not cover them
		}
		signers = append(signers, k.At(at))
	}
	return slices.Clip(signers)
}
