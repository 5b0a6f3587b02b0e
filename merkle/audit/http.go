package audit

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// site is a log behind a URL prefix. It takes an answer for what it is: bytes
// from a stranger, who may send too many, too slowly, packed to burst, or from
// somewhere else.
type site struct {
	prefix *url.URL
	name   string
	opts   Options
	client *http.Client
}

const (
	maxRedirects   = 3
	maxHeaderBytes = 64 << 10
	maxRetryAfter  = 30 * time.Second
)

func newSite(u *url.URL, o Options) *site {
	prefix := *u
	prefix.Path = strings.TrimRight(u.Path, "/") + "/"
	prefix.RawPath = ""
	t := http.DefaultTransport.(*http.Transport).Clone()
	// As many as there are readers: an idle connection that is closed costs a
	// handshake for each file.
	t.MaxIdleConnsPerHost = 64
	t.MaxResponseHeaderBytes = maxHeaderBytes
	// Unpacked here, where the packed bytes can be counted too.
	t.DisableCompression = true
	return &site{
		prefix: &prefix,
		name:   u.Redacted(),
		opts:   o,
		client: &http.Client{Transport: t, CheckRedirect: checkRedirect},
	}
}

// checkRedirect keeps requests with the server that was named: a log that sends
// its auditor elsewhere could make it knock at doors that only the auditor
// reaches.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return backoff.Permanent(fmt.Errorf("more than %d redirects", maxRedirects))
	}
	if first := via[0].URL; req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
		return backoff.Permanent(fmt.Errorf("redirected to another server, %s://%s", req.URL.Scheme, req.URL.Host))
	}
	return nil
}

func (s *site) String() string { return s.name }

// Fetch asks until the server answers or patience ends.
func (s *site) Fetch(ctx context.Context, path string, limit int) ([]byte, error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 100 * time.Millisecond
	wait.MaxInterval = 5 * time.Second
	again := []backoff.RetryOption{backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(s.opts.Patience)}
	if s.opts.Patience < 0 {
		again = []backoff.RetryOption{backoff.WithMaxTries(1)}
	}
	var last error // what the server said, which helps more than that time is up
	b, err := backoff.Retry(ctx, func() ([]byte, error) {
		b, err := s.ask(ctx, path, limit)
		if err != nil {
			last = err
		}
		return b, err
	}, again...)
	if err == nil {
		return b, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if permanent, ok := errors.AsType[*backoff.PermanentError](last); ok {
		last = permanent.Unwrap()
	}
	if busy, ok := errors.AsType[*busyError](last); ok {
		last = busy.err
	}
	_, mismatch := errors.AsType[*MismatchError](last)
	_, none := errors.AsType[*absentError](last)
	if mismatch || none {
		return nil, last
	}
	return nil, &UnreachableError{Source: s.name, Path: path, Err: last}
}

// absentError is the answer 404, and nothing else.
type absentError struct{ path string }

func (e *absentError) Error() string { return e.path + ": not found" }
func (e *absentError) Unwrap() error { return fs.ErrNotExist }

// busyError keeps what was said beside when to ask again.
type busyError struct {
	err   error
	after *backoff.RetryAfterError
}

func (e *busyError) Error() string   { return e.err.Error() }
func (e *busyError) Unwrap() []error { return []error{e.err, e.after} }

// ask sends one request. Errors that need not be tried again are permanent.
func (s *site) ask(ctx context.Context, path string, limit int) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.Timeout, fmt.Errorf("no whole answer within %v", s.opts.Timeout))
	defer cancel()
	u := *s.prefix
	u.Path += path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, backoff.Permanent(err)
	}
	req.Header.Set("User-Agent", s.opts.UserAgent)
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := s.client.Do(req)
	if err != nil {
		s.answered(0, 0)
		return nil, reason(ctx, err)
	}
	defer resp.Body.Close()
	// Packed bytes are counted too: there are packings of nothing without end.
	body := &counter{r: io.LimitReader(resp.Body, int64(limit)+int64(limit)/8+4096)}
	defer func() { s.answered(resp.StatusCode, body.n) }()
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
	case code == http.StatusNotFound:
		// Read to the end where it is near, so that the connection can be used again.
		_, _ = io.CopyN(io.Discard, body, 4096)
		return nil, backoff.Permanent(&absentError{path})
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code == http.StatusTooEarly:
		err := fmt.Errorf("the server answers %d", code)
		if seconds, perr := strconv.Atoi(resp.Header.Get("Retry-After")); perr == nil && seconds > 0 && seconds <= int(maxRetryAfter/time.Second) {
			return nil, &busyError{err, &backoff.RetryAfterError{Duration: time.Duration(seconds) * time.Second}}
		}
		return nil, err
	default:
		return nil, backoff.Permanent(fmt.Errorf("the server answers %d", code))
	}
	b, err := s.read(body, resp, limit)
	if errors.Is(err, errTooLong) {
		return nil, backoff.Permanent(&MismatchError{Place: path, What: fmt.Sprintf("the answer has more than %d bytes", limit)})
	}
	if err != nil {
		return nil, reason(ctx, err)
	}
	return b, nil
}

func (s *site) read(body io.Reader, resp *http.Response, limit int) ([]byte, error) {
	switch encoding := strings.ToLower(resp.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		return readAll(body, limit, resp.ContentLength)
	case "gzip":
		// A server may send this without being asked to.
		z, err := gzip.NewReader(bufio.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("unpacking: %w", err)
		}
		b, err := readAll(z, limit, -1)
		if err != nil && !errors.Is(err, errTooLong) {
			return nil, fmt.Errorf("unpacking: %w", err)
		}
		return b, err
	default:
		return nil, backoff.Permanent(fmt.Errorf("the answer is in an encoding %q that was not asked for", encoding))
	}
}

func (s *site) answered(status int, bytes int64) {
	if s.opts.OnAnswer != nil {
		s.opts.OnAnswer(status, bytes)
	}
}

// reason says why a request ended: for its time, or for what the network said.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	// The URL in it may hold a password, and the caller names the place anyway.
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
