package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/merkle"
)

// A Client asks one witness for cosignatures. It is safe for concurrent use, but
// two requests for one log at once only make the witness refuse one of them.
type Client struct {
	// URL is the submission prefix of the witness, without "/add-checkpoint".
	URL string
	// Verifiers are the keys of this witness. What others have signed does not
	// count, whatever the witness answers.
	Verifiers []merkle.Verifier
	// HTTP is used for requests, with its timeout, but never to follow a
	// redirect: the witness is who the policy says it is. Nil is a client that
	// waits for ten seconds.
	HTTP *http.Client
}

const (
	// defaultTimeout is for the whole exchange; a witness has one file to write.
	defaultTimeout = 10 * time.Second
	// maxAnswer is room for a dozen ML-DSA-44 signatures.
	maxAnswer = 64 << 10
)

// An AheadError says that the witness claims to have cosigned a larger checkpoint
// of this log than the one it was shown. If that is so, either this is an older
// copy of the log, and to go on would fork it, or somebody else signs with the key
// of the log. Sign nothing more, and find out which.
//
// The claim is a number that nobody has signed, and whoever believed it would let
// one witness, or whoever stands before it, stop the log. What shows it is a
// larger checkpoint with the log's own signature.
type AheadError struct {
	// Size is the size that the witness claims, Ours the one it was shown.
	Size, Ours uint64
	// Signed is the larger checkpoint that the witness shows to monitors. No
	// signature has been verified: hold it against the key of the log. Nil if it
	// shows none, which a witness may.
	Signed []byte
}

func (e *AheadError) Error() string {
	return fmt.Sprintf("the witness has cosigned this log at size %d, and we are at %d", e.Size, e.Ours)
}

// A RefusedError is an answer without a usable cosignature. Raise an alarm, and
// ask again later: the reason may be the witness's, like a log that it does not
// know yet, or ours. Statuses 409 and 422 after a correct proof mean that the
// witness knows another tree.
type RefusedError struct {
	// Status is the HTTP status code. It is 200 if the answer was not what it
	// should be.
	Status int
	// Reason says it in words. What the witness said is quoted.
	Reason string
	// Shown is the newest checkpoint of the log that the witness shows to monitors,
	// where the reason is that it knows another tree; nil if it shows none. Its
	// signatures are not verified. If the log has signed it, and has another tree of
	// that size, there are two histories.
	Shown []byte
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the witness did not cosign (status %d): %s", e.Status, e.Reason)
}

// A Prover returns the consistency proof from an older size of a log to the
// checkpoint that is to be cosigned.
type Prover = func(ctx context.Context, old uint64) ([]merkle.Hash, error)

// Cosign asks for cosignatures of a checkpoint that the log has signed. old is
// the size that the witness cosigned last, as far as is known, and 0 at first;
// prove gives the consistency proof from an older size, and is not asked for one
// from 0. If the witness has another size in mind, Cosign takes that and asks
// once more. Afterwards the size known to the witness is that of the checkpoint.
//
// The lines are for [merkle.AddSignatures]. Each is verified, by a key of this
// client, and has a time; lines of other keys are left out.
//
// The error is an *[AheadError], a *[RefusedError], or what prevented an answer.
func (c *Client) Cosign(ctx context.Context, signed []byte, old uint64, prove Prover) (lines []byte, err error) {
	text, checkpoint, err := splitNote(signed)
	if err != nil {
		return nil, fmt.Errorf("asking for cosignatures: %w", err)
	}
	own, err := ownSignatures(signed, checkpoint.Origin)
	if err != nil {
		return nil, fmt.Errorf("asking for cosignatures: %w", err)
	}
	// Witnesses bound the length of a request, and cosignatures of others are
	// nothing to them.
	r := &addRequest{old: old, checkpoint: slices.Concat(text, []byte{'\n'}, own)}
	for again := false; ; again = true {
		if r.old > checkpoint.Size {
			ahead := &AheadError{Size: r.old, Ours: checkpoint.Size}
			if shown, known := c.shown(ctx, checkpoint.Origin); known.Size > checkpoint.Size {
				ahead.Signed = shown
			}
			return nil, ahead
		}
		if r.proof, err = proof(ctx, r.old, checkpoint.Size, prove); err != nil {
			return nil, fmt.Errorf("asking for cosignatures: %w", err)
		}
		known, lines, err := c.ask(ctx, r)
		if refused, ok := errors.AsType[*RefusedError](err); ok && refused.Status == http.StatusUnprocessableEntity {
			refused.Shown, _ = c.shown(ctx, checkpoint.Origin)
		}
		if err != nil {
			return nil, err
		}
		if lines != nil {
			return lines, nil
		}
		switch {
		case known == r.old:
			refused := &RefusedError{Status: http.StatusConflict, Reason: fmt.Sprintf("it knows another tree of size %d", known)}
			refused.Shown, _ = c.shown(ctx, checkpoint.Origin)
			return nil, refused
		case again && known <= checkpoint.Size:
			return nil, &RefusedError{Status: http.StatusConflict, Reason: fmt.Sprintf("it went on to size %d while it was asked", known)}
		}
		r.old = known
	}
}

func proof(ctx context.Context, old, size uint64, prove Prover) ([]merkle.Hash, error) {
	if old == 0 || old == size {
		return nil, nil
	}
	hashes, err := prove(ctx, old)
	if err != nil {
		return nil, err
	}
	if len(hashes) > maxProof {
		return nil, fmt.Errorf("consistency proof has %d hashes, at most %d", len(hashes), maxProof)
	}
	return hashes, nil
}

// ownSignatures returns the lines that were made under the name of the log.
func ownSignatures(signed []byte, origin string) ([]byte, error) {
	lines, err := merkle.SignatureLines(signed)
	if err != nil {
		return nil, err
	}
	var own []byte
	for l := range bytes.Lines(lines) {
		if bytes.HasPrefix(l, []byte(signaturePrefix+origin+" ")) {
			own = append(own, l...)
		}
	}
	if len(own) == 0 {
		return nil, fmt.Errorf("the checkpoint is not signed under the name of the log, %q", origin)
	}
	return own, nil
}

// ask posts one request. Without an error it returns either signature lines, or
// the size that the witness has cosigned.
func (c *Client) ask(ctx context.Context, r *addRequest) (known uint64, lines []byte, err error) {
	url := strings.TrimSuffix(c.URL, "/") + "/add-checkpoint"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(r.marshal()))
	if err != nil {
		return 0, nil, fmt.Errorf("asking for cosignatures: %w", err)
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := c.client().Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("asking for cosignatures: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	if len(body) > maxAnswer {
		return 0, nil, &RefusedError{Status: resp.StatusCode, Reason: fmt.Sprintf("an answer of more than %d bytes", maxAnswer)}
	}
	switch resp.StatusCode {
	case http.StatusOK:
		if lines, err = c.verify(r.checkpoint, body); err != nil {
			return 0, nil, &RefusedError{Status: resp.StatusCode, Reason: err.Error()}
		}
		return 0, lines, nil
	case http.StatusConflict:
		text, ok := strings.CutSuffix(string(body), "\n")
		if ok && mediaType(resp.Header.Get("Content-Type")) == sizeType {
			known, ok = parseSize(text)
		} else {
			ok = false
		}
		if !ok {
			return 0, nil, &RefusedError{Status: resp.StatusCode, Reason: "the answer is not a size: " + quote(body)}
		}
		return known, nil, nil
	}
	return 0, nil, &RefusedError{Status: resp.StatusCode, Reason: quote(body)}
}

// shown returns the newest checkpoint that the witness shows of a log, nil if it
// shows none. What witnesses show to monitors is often, and with this project
// always, below the prefix of what they are asked.
func (c *Client) shown(ctx context.Context, origin string) (signed []byte, newest merkle.Checkpoint) {
	url := strings.TrimSuffix(c.URL, "/") + "/" + fileName(origin) + "/checkpoint"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, merkle.Checkpoint{}
	}
	resp, err := c.client().Do(req)
	if err != nil {
		return nil, merkle.Checkpoint{}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, merkle.Checkpoint{}
	}
	signed, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil || len(signed) > maxAnswer {
		return nil, merkle.Checkpoint{}
	}
	if _, newest, err = splitNote(signed); err != nil || newest.Origin != origin {
		return nil, merkle.Checkpoint{}
	}
	return signed, newest
}

// verify returns those of the lines that this witness has signed. Every line must
// be well formed, and none of this witness may be wrong.
func (c *Client) verify(checkpoint, answer []byte) ([]byte, error) {
	if len(c.Verifiers) == 0 {
		return nil, errors.New("no key of this witness is known")
	}
	text, _, err := splitNote(checkpoint)
	if err != nil {
		return nil, err
	}
	// Without the lines of the log, which a witness might repeat.
	signed := slices.Concat(text, []byte{'\n'}, answer)
	lines, err := merkle.SignatureLines(signed, c.Verifiers...)
	if err != nil {
		return nil, fmt.Errorf("the answer is not signature lines: %w", err)
	}
	_, cosigned, err := merkle.Cosignatures(signed, c.Verifiers...)
	if err != nil {
		return nil, err
	}
	if len(cosigned) == 0 {
		return nil, errors.New("no cosignature is by a key of this witness")
	}
	for _, s := range cosigned {
		if s.Time == 0 {
			return nil, fmt.Errorf("the cosignature of key %s+%08x has no time", s.Name, s.KeyHash)
		}
	}
	if n := bytes.Count(lines, []byte{'\n'}); n != len(cosigned) {
		return nil, fmt.Errorf("%d lines by keys of this witness, of which %d are cosignatures", n, len(cosigned))
	}
	return lines, nil
}

func (c *Client) client() *http.Client {
	client := http.Client{Timeout: defaultTimeout}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

func mediaType(header string) string {
	t, _, _ := strings.Cut(header, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// quote returns the beginning of what a stranger said, fit for one line of a log.
func quote(b []byte) string {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return "no reason given"
	}
	return fmt.Sprintf("%.200q", b)
}
