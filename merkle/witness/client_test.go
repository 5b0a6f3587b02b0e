package witness_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/witness"
)

// newClient returns a client of a witness that listens.
func newClient(t *testing.T, h http.Handler) *witness.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &witness.Client{URL: srv.URL, Verifiers: verifiers(cosigners(t)), HTTP: srv.Client()}
}

// Below a prefix, with a slash at its end or without, and whatever size the
// client believes the witness to be at.
func TestClient(t *testing.T) {
	log := newTree(t, origin, 40)
	s := newServer(t, log)
	s.SetClock(at(1000))
	c := newClient(t, http.StripPrefix("/w", s))
	base := c.URL
	for _, step := range []struct {
		url       string
		old, size int
	}{
		{"/w", 0, 0}, {"/w/", 0, 1}, {"/w", 1, 7}, {"/w", 7, 7}, {"/w", 0, 8}, {"/w", 3, 20}, {"/w", 0, 20}, {"/w", 25, 30}, {"/w", 40, 40},
	} {
		c.URL = base + step.url
		lines, err := c.Cosign(t.Context(), log.signed(step.size), uint64(step.old), log.prover(step.size))
		if err != nil {
			t.Fatalf("%v: %v", step, err)
		}
		checkCosigned(t, log.signed(step.size), string(lines), log.head(step.size), 1000)
	}
}

// The witness gets the signatures of the log and no others, and the note that
// was asked for stays as it is.
func TestClientSendsOwnSignatures(t *testing.T) {
	log := newTree(t, origin, 9)
	second := cosigner(t, origin, 50, merkle.CosignatureMLDSA44)
	signed, err := merkle.SignCheckpoint(log.head(9), log.signer, second.At(7))
	if err != nil {
		t.Fatal(err)
	}
	other := newServer(t, log)
	_, lines := post(other, log.add(0, 9))
	cosigned := append(bytes.Clone(signed), lines...)
	was := bytes.Clone(cosigned)

	var sent []byte
	s := newServer(t, log)
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(sent))
		s.ServeHTTP(w, r)
	}))
	if _, err := c.Cosign(t.Context(), cosigned, 0, log.prover(9)); err != nil {
		t.Fatal(err)
	}
	if want := "old 0\n\n" + string(signed); string(sent) != want {
		t.Errorf("sent %q, want %q", sent, want)
	}
	if !bytes.Equal(cosigned, was) {
		t.Error("the note was changed")
	}
	if _, err := c.Cosign(t.Context(), []byte(log.head(9).Text()+"\n"+lines), 0, log.prover(9)); err == nil {
		t.Error("sends a checkpoint that the log has not signed")
	}
}

// What a log must not get cosigned, and how its client tells.
func TestClientRefused(t *testing.T) {
	log := newTree(t, origin, 40)
	fork := log.fork(10)
	s := newServer(t, log)
	c := newClient(t, s)
	if _, err := c.Cosign(t.Context(), log.signed(30), 0, log.prover(30)); err != nil {
		t.Fatal(err)
	}
	shown := latest(t, s)
	cosign := func(c *witness.Client, l *tree, old, size int) error {
		lines, err := c.Cosign(t.Context(), l.signed(size), uint64(old), l.prover(size))
		if (err == nil) != (len(lines) > 0) {
			t.Errorf("%d lines and error %v", len(lines), err)
		}
		return err
	}
	status := func(name string, err error, want int) {
		t.Helper()
		refused, ok := errors.AsType[*witness.RefusedError](err)
		if !ok || refused.Status != want {
			t.Errorf("%s: %v, want status %d", name, err, want)
		} else if (want == 422) != bytes.Equal(refused.Shown, shown) {
			// Only who knows another tree is asked to show it.
			t.Errorf("%s: the witness shows %q", name, refused.Shown)
		}
	}
	ahead := func(name string, err error, size, ours uint64, signed []byte) {
		t.Helper()
		a, ok := errors.AsType[*witness.AheadError](err)
		if !ok || a.Size != size || a.Ours != ours || !bytes.Equal(a.Signed, signed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	status("a fork of the same size", cosign(c, fork, 30, 30), 422)
	status("a fork that goes on", cosign(c, fork, 30, 35), 422)
	status("a fork that asks anew", cosign(c, fork, 0, 35), 422)
	ahead("a log that was rolled back", cosign(c, log, 20, 20), 30, 20, shown)
	ahead("a log that was rolled back and does not know it", cosign(c, log, 0, 20), 30, 20, shown)
	ahead("a log that was rolled back and believes more", cosign(c, log, 10, 20), 30, 20, shown)
	ahead("a log that knows that it was rolled back", cosign(&witness.Client{}, log, 25, 20), 25, 20, nil)

	stranger := newTree(t, "log.example/stranger", 9)
	status("a log that the witness does not know", cosign(c, stranger, 0, 9), 404)
	thief := newTree(t, origin, 40)
	skey, _, err := merkle.GenerateKey(seedReader(99), origin)
	if err != nil {
		t.Fatal(err)
	}
	if thief.signer, err = merkle.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	status("another key", cosign(c, thief, 30, 35), 403)
	if !bytes.Equal(latest(t, s), shown) {
		t.Error("the witness remembers something else now")
	}

	wrong := *c
	wrong.Verifiers = verifiers([]*merkle.Cosigner{cosigner(t, witnessName, 70, merkle.CosignatureEd25519)})
	status("a witness that signs with another key", cosign(&wrong, log, 30, 31), 200)
	none := *c
	none.Verifiers = nil
	status("a witness of which no key is known", cosign(&none, log, 31, 32), 200)
	one := *c
	one.Verifiers = c.Verifiers[1:]
	lines, err := one.Cosign(t.Context(), log.signed(33), 32, log.prover(33))
	if err != nil || bytes.Count(lines, []byte("\n")) != 1 {
		t.Errorf("one of two keys is known: %q, %v", lines, err)
	}

	gone := httptest.NewServer(s)
	gone.Close()
	dead := *c
	dead.URL = gone.URL
	if err := cosign(&dead, log, 33, 34); err == nil || errors.As(err, new(*witness.RefusedError)) {
		t.Errorf("nobody is there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Cosign(ctx, log.signed(34), 33, log.prover(34)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	// A witness that takes the request and says nothing.
	ctx, cancel = context.WithCancel(t.Context())
	mute := newClient(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	}))
	if _, err := mute.Cosign(ctx, log.signed(34), 33, log.prover(34)); !errors.Is(err, context.Canceled) {
		t.Errorf("while it waits: %v", err)
	}
	oops := errors.New("no tiles")
	if _, err := c.Cosign(t.Context(), log.signed(34), 33, func(context.Context, uint64) ([]merkle.Hash, error) { return nil, oops }); !errors.Is(err, oops) {
		t.Errorf("no proof: %v", err)
	}
	long := func(context.Context, uint64) ([]merkle.Hash, error) { return make([]merkle.Hash, 64), nil }
	if _, err := c.Cosign(t.Context(), log.signed(34), 33, long); err == nil {
		t.Error("sends a proof of 64 hashes")
	}
}

// A witness that talks nonsense: every answer that is not the one of the
// specification is a refusal, or what went wrong.
func TestClientStrangeAnswers(t *testing.T) {
	log := newTree(t, origin, 9)
	keys := cosigners(t)
	sign := func(c merkle.Checkpoint, time uint64, keys ...*merkle.Cosigner) string {
		var signers []merkle.Signer
		for _, k := range keys {
			signers = append(signers, k.At(time))
		}
		b, err := merkle.SignCheckpoint(c, signers...)
		if err != nil {
			t.Fatal(err)
		}
		return string(signatures(t, b))
	}
	good := sign(log.head(9), 1000, keys...)
	other := sign(log.head(9), 1000, cosigner(t, "witness.example/other", 60, merkle.CosignatureEd25519))
	size := http.Header{"Content-Type": {"text/x.tlog.size"}}
	type reply struct {
		status int
		head   http.Header
		body   string
	}
	for _, c := range []struct {
		name    string
		replies []reply
		status  int    // of the RefusedError
		ahead   uint64 // of the AheadError
		lines   string // of a success
	}{
		{"good", []reply{{200, nil, good}}, 0, 0, good},
		{"with a line of another witness", []reply{{200, nil, other + good}}, 0, 0, good},
		{"with the line of the log", []reply{{200, nil, string(signatures(t, log.signed(9))) + good}}, 0, 0, good},
		{"409 and then good", []reply{{409, size, "5\n"}, {200, nil, good}}, 0, 0, good},
		{"type with a parameter", []reply{{409, http.Header{"Content-Type": {"Text/X.tlog.size; charset=utf-8"}}, "5\n"}, {200, nil, good}}, 0, 0, good},

		{"nothing", []reply{{200, nil, ""}}, 200, 0, ""},
		{"another witness", []reply{{200, nil, other}}, 200, 0, ""},
		{"no newline", []reply{{200, nil, strings.TrimSuffix(good, "\n")}}, 200, 0, ""},
		{"an empty line", []reply{{200, nil, good + "\n"}}, 200, 0, ""},
		{"text in front", []reply{{200, nil, "yes\n" + good}}, 200, 0, ""},
		{"a whole note", []reply{{200, nil, log.head(9).Text() + "\n" + good}}, 200, 0, ""},
		{"the same line twice", []reply{{200, nil, good + good}}, 200, 0, ""},
		{"no time", []reply{{200, nil, sign(log.head(9), 0, keys[1])}}, 200, 0, ""},
		{"one without a time", []reply{{200, nil, sign(log.head(9), 5, keys[0]) + sign(log.head(9), 0, keys[1])}}, 200, 0, ""},
		{"a cosignature of another size", []reply{{200, nil, sign(log.head(8), 1000, keys...)}}, 200, 0, ""},
		{"a cosignature of another root", []reply{{200, nil, sign(log.fork(3).head(9), 1000, keys...)}}, 200, 0, ""},
		{"one good, one of another root", []reply{{200, nil, sign(log.head(9), 1000, keys[0]) + sign(log.fork(3).head(9), 1000, keys[1])}}, 200, 0, ""},
		{"a name that is cut", []reply{{200, nil, strings.Replace(good, witnessName, "witness.example", 2)}}, 200, 0, ""},
		{"too long", []reply{{200, nil, strings.Repeat(other, 1+witness.MaxAnswer/len(other))}}, 200, 0, ""},

		{"409, already there", []reply{{409, size, "0\n"}}, 409, 0, ""},
		{"409 twice", []reply{{409, size, "5\n"}, {409, size, "6\n"}}, 409, 0, ""},
		{"409 twice, the same", []reply{{409, size, "5\n"}, {409, size, "5\n"}}, 409, 0, ""},
		{"409, ahead", []reply{{409, size, "10\n"}}, 0, 10, ""},
		{"409 twice, then ahead", []reply{{409, size, "5\n"}, {409, size, "11\n"}}, 0, 11, ""},
		{"409, far ahead", []reply{{409, size, "9223372036854775807\n"}}, 0, merkle.MaxSize, ""},
		{"409, too large", []reply{{409, size, "9223372036854775808\n"}}, 409, 0, ""},
		{"409 without a type", []reply{{409, nil, "5\n"}}, 409, 0, ""},
		{"409 without a newline", []reply{{409, size, "5"}}, 409, 0, ""},
		{"409 with a leading zero", []reply{{409, size, "05\n"}}, 409, 0, ""},
		{"409 with two lines", []reply{{409, size, "5\n5\n"}}, 409, 0, ""},
		{"409 with nothing", []reply{{409, size, ""}}, 409, 0, ""},

		{"400", []reply{{400, nil, "bad\n"}}, 400, 0, ""},
		{"403", []reply{{403, nil, ""}}, 403, 0, ""},
		{"404", []reply{{404, nil, ""}}, 404, 0, ""},
		{"422", []reply{{422, nil, good}}, 422, 0, ""},
		{"429", []reply{{429, nil, ""}}, 429, 0, ""},
		{"500", []reply{{500, nil, "\x1b[2J" + strings.Repeat("x", 5000)}}, 500, 0, ""},
		{"503", []reply{{503, nil, ""}}, 503, 0, ""},
		{"201", []reply{{201, nil, good}}, 201, 0, ""},
		{"redirect", []reply{{307, http.Header{"Location": {"/elsewhere"}}, ""}, {200, nil, good}}, 307, 0, ""},
		{"another redirect", []reply{{302, http.Header{"Location": {"/elsewhere"}}, ""}, {200, nil, good}}, 302, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			client := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Body.Close()
				if r.Method == http.MethodGet && (c.ahead > 0 || c.status == 409 || c.status == 422) {
					http.NotFound(w, r) // it shows monitors nothing
					return
				}
				if n == len(c.replies) {
					t.Errorf("asked %d times", n+1)
					panic(http.ErrAbortHandler)
				}
				a := c.replies[n]
				n++
				for k, v := range a.head {
					w.Header()[k] = v
				}
				w.WriteHeader(a.status)
				_, _ = io.WriteString(w, a.body)
			}))
			lines, err := client.Cosign(t.Context(), log.signed(9), 0, log.prover(9))
			switch {
			case c.lines != "":
				if err != nil || string(lines) != c.lines {
					t.Errorf("%q, %v", lines, err)
				}
			case c.ahead > 0:
				a, ok := errors.AsType[*witness.AheadError](err)
				if !ok || a.Size != c.ahead || a.Ours != 9 {
					t.Errorf("%v", err)
				}
			default:
				refused, ok := errors.AsType[*witness.RefusedError](err)
				if !ok || refused.Status != c.status {
					t.Fatalf("%v", err)
				}
				if text := err.Error(); len(text) > 1500 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
					t.Errorf("the error is %q", text)
				}
			}
			want := len(c.replies)
			if slices.Contains([]int{302, 307}, c.status) {
				want = 1
			}
			if n != want {
				t.Errorf("asked %d times, want %d", n, want)
			}
		})
	}
}

// A witness that claims more than it was shown is asked to show it, and only a
// well-formed larger head of the log is passed on.
func TestClientAhead(t *testing.T) {
	log := newTree(t, origin, 12)
	other := newTree(t, "log.example/other", 12)
	larger := string(log.signed(10))
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"larger", 200, larger, larger},
		{"as large", 200, string(log.signed(9)), ""},
		{"another log", 200, string(other.signed(10)), ""},
		{"no note", 200, log.head(10).Text(), ""},
		{"nothing", 200, "", ""},
		{"too long", 200, larger + strings.Repeat("— x AAAAAAAA\n", witness.MaxAnswer/10), ""},
		{"not found", 404, larger, ""},
		{"elsewhere", 302, larger, ""},
	} {
		asked := 0
		client := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				w.Header().Set("Content-Type", "text/x.tlog.size")
				w.WriteHeader(http.StatusConflict)
				_, _ = io.WriteString(w, "10\n")
				return
			}
			asked++
			if !strings.HasSuffix(r.URL.Path, "/"+witness.FileName(origin)+"/checkpoint") {
				t.Errorf("%s: asked for %s", c.name, r.URL.Path)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		_, err := client.Cosign(t.Context(), log.signed(9), 0, log.prover(9))
		a, ok := errors.AsType[*witness.AheadError](err)
		if !ok || a.Size != 10 || string(a.Signed) != c.want || (a.Signed == nil) != (c.want == "") {
			t.Errorf("%s: %v", c.name, err)
		}
		if asked != 1 {
			t.Errorf("%s: asked %d times", c.name, asked)
		}
	}
}
