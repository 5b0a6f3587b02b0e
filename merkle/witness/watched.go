package witness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// A watched log is what the witness remembers of one log.
type watched struct {
	origin    string
	verifiers []merkle.Verifier

	// mu is held from the comparison with what was cosigned last until the new
	// checkpoint is durable, so that nothing can come in between.
	mu sync.Mutex
	// signed is what was cosigned last, nil if nothing was; the rest is read from
	// it. All of it is durable.
	signed []byte
	last   merkle.Checkpoint
	time   uint64
	// broken says that the disk may hold something else: nothing is cosigned, or
	// shown, until the folder has been opened anew.
	broken error
}

// load reads what was cosigned last. That one of the witness's own keys has
// signed it shows that the file is whole, and this witness's.
func (w *watched) load(s *Server) error {
	signed, err := s.store.load(w.origin)
	if err != nil || signed == nil {
		return err
	}
	c, cosigned, err := merkle.Cosignatures(signed, s.verifiers...)
	if err != nil {
		return err
	}
	if c.Origin != w.origin {
		return &merkle.OriginError{Want: w.origin, Got: c.Origin}
	}
	if len(cosigned) == 0 {
		return errors.New("it is not cosigned by a key of this witness; a new witness begins with an empty folder")
	}
	w.remember(signed, c, cosigned)
	return nil
}

func (w *watched) remember(signed []byte, c merkle.Checkpoint, cosigned []merkle.Cosignature) {
	w.signed, w.last = signed, c
	for _, s := range cosigned {
		w.time = max(w.time, s.Time)
	}
}

// newest returns what was cosigned last, nil if there is nothing to show.
func (w *watched) newest() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return nil
	}
	return w.signed
}

// addCheckpoint answers POST /add-checkpoint.
func (s *Server) addCheckpoint(body []byte) answer {
	r, err := parseAdd(body)
	if err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	w, text, c, refused := s.open(r.checkpoint)
	if refused != nil {
		return *refused
	}
	a, fork := s.update(w, r, text, c)
	if fork != nil {
		s.log.Error("a log has signed two histories", "origin", w.origin, "cosigned", string(fork.Cosigned), "refused", string(fork.Refused))
		if s.fork != nil {
			s.fork(*fork)
		}
	}
	level := slog.LevelWarn
	switch a.status {
	case http.StatusOK:
		return a
	case http.StatusConflict:
		level = slog.LevelDebug // who does not know the size asks for it in this way
	}
	s.log.Log(context.Background(), level, "checkpoint not cosigned",
		"origin", w.origin, "old", r.old, "size", c.Size, "status", a.status, "reason", strings.TrimSpace(a.body))
	return a
}

func (s *Server) update(w *watched, r *addRequest, text []byte, c merkle.Checkpoint) (answer, *Fork) {
	if _, err := merkle.OpenCheckpoint(r.checkpoint, w.origin, w.verifiers...); err != nil {
		if _, ok := errors.AsType[*merkle.SignatureError](err); ok {
			return refuse(http.StatusForbidden, "%v", err), nil
		}
		return refuse(http.StatusBadRequest, "%v", err), nil
	}
	if r.old > c.Size {
		return refuse(http.StatusBadRequest, "the old size is larger than that of the checkpoint"), nil
	}
	if c.Size == 0 && c.Root != merkle.EmptyRoot() {
		return refuse(http.StatusUnprocessableEntity, "the root of an empty log is the hash of nothing"), nil
	}
	if len(s.signers(c, 1)) == 0 {
		return refuse(http.StatusUnprocessableEntity, "this witness does not cosign checkpoints with extension lines"), nil
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return refuse(http.StatusInternalServerError, "this witness cannot remember checkpoints"), nil
	}
	if r.old != w.last.Size {
		return answer{http.StatusConflict, sizeType, strconv.FormatUint(w.last.Size, 10) + "\n"}, nil
	}
	if err := w.extends(r, c); err != nil {
		return refuse(http.StatusUnprocessableEntity, "%v", err), w.fork(r, c)
	}
	at, err := w.clock(s.now())
	if err != nil {
		s.log.Error("clock of the witness", "origin", w.origin, "err", err)
		return refuse(http.StatusInternalServerError, "the clock of this witness is wrong"), nil
	}
	lines, err := s.cosign(w, r, text, c, at)
	if err != nil {
		s.log.Error("checkpoint not stored, so not cosigned", "origin", w.origin, "size", c.Size, "err", err)
		return refuse(http.StatusInternalServerError, "this witness could not remember the checkpoint"), nil
	}
	return answer{status: http.StatusOK, body: string(lines)}, nil
}

// extends says whether a checkpoint continues the one that was cosigned last.
func (w *watched) extends(r *addRequest, c merkle.Checkpoint) error {
	if r.old == 0 {
		// The first one that is seen is taken on trust, and the empty log has
		// only one root.
		if len(r.proof) > 0 {
			return errors.New("from size 0 there is nothing to prove")
		}
		return nil
	}
	return merkle.VerifyConsistency(w.last.Size, c.Size, r.proof, w.last.Root, c.Root)
}

// maxStepBack is how far a clock may be set back without notice, as programs
// that keep the time do now and then.
const maxStepBack = time.Minute

// clock returns the time for a cosignature. It never goes back: each says that
// no larger tree had been seen by then.
func (w *watched) clock(now time.Time) (uint64, error) {
	at := now.Unix()
	if at <= 0 {
		return 0, fmt.Errorf("the clock says %s", now.UTC().Format(time.RFC3339))
	}
	if uint64(at) >= w.time {
		return uint64(at), nil
	}
	if back := w.time - uint64(at); back > uint64(maxStepBack/time.Second) {
		return 0, fmt.Errorf("the clock says %s, %d s before the last cosignature", now.UTC().Format(time.RFC3339), back)
	}
	return w.time, nil
}

// cosign signs and stores a checkpoint, and returns the lines when it is durable.
func (s *Server) cosign(w *watched, r *addRequest, text []byte, c merkle.Checkpoint, at uint64) ([]byte, error) {
	cosigned, err := merkle.SignCheckpoint(c, s.signers(c, at)...)
	if err != nil {
		return nil, err
	}
	lines, err := merkle.SignatureLines(cosigned)
	if err != nil {
		return nil, err
	}
	// What is shown to monitors has the signatures that were verified, no others.
	logs, err := merkle.SignatureLines(r.checkpoint, w.verifiers...)
	if err != nil {
		return nil, err
	}
	signed, err := merkle.AddSignatures(slices.Concat(text, []byte{'\n'}, logs), lines)
	if err != nil {
		return nil, err
	}
	_, cs, err := merkle.Cosignatures(signed, s.verifiers...)
	if err != nil {
		return nil, err // our own signature is wrong: a damaged memory, say
	}
	if err := s.store.save(w.origin, signed); err != nil {
		if errors.Is(err, errUnknown) {
			w.broken = err
		}
		return nil, err
	}
	w.remember(signed, c, cs)
	return lines, nil
}
