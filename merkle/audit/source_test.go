package audit

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/merkle/log"
)

// impatient asks once. It waits long, because a busy machine may be slow.
var impatient = Options{Timeout: time.Minute, Patience: -1}

func openSite(t testing.TB, h http.Handler, o Options) Source {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	src, err := Open(srv.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// handler serves files as a static server does.
func (f files) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, ok := f[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(b)
	})
}

// A log is read alike from every place where it can lie.
func TestSources(t *testing.T) {
	h := newHistory(t).grow(1000, "a")
	f := h.files(t, 1000)
	dir := f.folder(t)
	gz := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, ok := f[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(b)
		_ = z.Close()
	})
	srv := httptest.NewServer(http.StripPrefix("/some/log", f.handler()))
	defer srv.Close()
	tls := httptest.NewTLSServer(f.handler())
	defer tls.Close()
	open := func(where string) Source {
		src, err := Open(where, impatient)
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
	https := open(tls.URL).(*site)
	https.client.Transport = tls.Client().Transport
	for name, src := range map[string]Source{
		"folder":          open(dir),
		"file URL":        open("file://" + filepath.ToSlash(dir)),
		"prefix":          open(srv.URL + "/some/log"),
		"prefix, slash":   open(srv.URL + "/some/log/"),
		"gzip unasked":    openSite(t, gz, impatient),
		"https":           https,
		"memory":          f,
		"busy at first":   openSite(t, busyAtFirst(f.handler()), Options{Patience: time.Minute}),
		"redirected":      openSite(t, redirecting(f.handler(), 1), impatient),
		"with a password": open(strings.Replace(srv.URL, "://", "://me:secret@", 1) + "/some/log"),
	} {
		a := auditor(t, h, src)
		if r, err := a.Round(t.Context()); err != nil || r.Head.Size != 1000 {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(src.String(), "secret") {
			t.Errorf("%s shows the password", src)
		}
		_, err := src.Fetch(t.Context(), "tile/0/777", maxTile)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a tile that does not exist: %v", name, err)
		}
	}
}

// busyAtFirst answers the first request for each path with one of the statuses
// that mean "later".
func busyAtFirst(h http.Handler) http.Handler {
	var n atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			w.WriteHeader(http.StatusTooManyRequests)
		case 5:
			panic(http.ErrAbortHandler) // the connection breaks
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// redirecting sends each request so many times to the same place.
func redirecting(h http.Handler, times int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := len(r.URL.Query().Get("n")); n < times {
			http.Redirect(w, r, r.URL.Path+"?n="+strings.Repeat("x", n+1), http.StatusFound)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// What a hostile server sends is bounded in bytes and in time, is an error of
// the right kind, and never more than that.
func TestHostile(t *testing.T) {
	const limit = 8192
	packed := func(level int, n int64) []byte {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, level)
		_, _ = io.CopyN(z, zeros{}, n)
		_ = z.Close()
		return b.Bytes()
	}
	bomb := packed(9, 10<<20)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect to another server was followed")
	}))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		answer   http.HandlerFunc
		mismatch bool
		says     string
	}{
		"one byte too many": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, limit+1)) }, true, "more than 8192"},
		"without end":       {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, zeros{}) }, true, "more than 8192"},
		"gzip bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb)
		}, true, "more than 8192"},
		"gzip of nothing, without end": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			head := packed(0, 0)
			_, _ = w.Write(head[:10])
			for {
				// An empty stored block: five bytes that unpack to none.
				if _, err := w.Write(bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 1000)); err != nil {
					return
				}
			}
		}, false, "unpacking"},
		"gzip cut short": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			b := packed(9, 8000)
			_, _ = w.Write(b[:len(b)-4])
		}, false, "unpacking"},
		"no gzip": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte("hello"))
		}, false, "unpacking"},
		"another encoding": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			_, _ = w.Write([]byte("hello"))
		}, false, "not asked for"},
		"shorter than announced": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("hello"))
		}, false, "EOF"},
		"no answer": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, false, "no whole answer within"},
		"a byte and no more": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("h"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, false, "no whole answer within"},
		"a long header": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
			_, _ = w.Write([]byte("hello"))
		}, false, "header"},
		"another server": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusFound)
		}, false, "another server"},
		"a circle": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}, false, "redirects"},
		"forbidden":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, false, "403"},
		"gone":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, false, "410"},
		"out of order": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, false, "503"},
		"no content":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, false, "204"},
		"part of it": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-4/100")
			w.WriteHeader(206)
			_, _ = w.Write([]byte("hello"))
		}, false, "206"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := impatient
			if strings.Contains(c.says, "within") {
				o.Timeout = 50 * time.Millisecond
			}
			var received int64
			o.OnAnswer = func(_ int, n int64) { received += n }
			b, err := openSite(t, c.answer, o).Fetch(t.Context(), "tile/0/000", limit)
			if err == nil {
				t.Fatalf("%d bytes were accepted", len(b))
			}
			_, mismatch := errors.AsType[*MismatchError](err)
			_, unreachable := errors.AsType[*UnreachableError](err)
			if mismatch != c.mismatch || unreachable == c.mismatch {
				t.Errorf("got %T: %v", err, err)
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "tile/0/000") {
				t.Errorf("%v: does not say %q", err, c.says)
			}
			if received > 2*limit {
				t.Errorf("%d bytes were read, %d are allowed", received, limit)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// An interrupted request ends with the cause, not as one that failed.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	src := openSite(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}), Options{})
	if _, err := src.Fetch(ctx, "checkpoint", 10); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// A folder has no links that lead out of it and nothing to wait for.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "long"), make([]byte, 101), 0o644); err != nil {
		t.Fatal(err)
	}
	src, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"link", "folder", "../" + filepath.Base(filepath.Dir(outside)) + "/secret"} {
		b, err := src.Fetch(t.Context(), path, 100)
		if _, ok := errors.AsType[*UnreachableError](err); !ok {
			t.Errorf("%s: got %q, %v", path, b, err)
		}
	}
	_, err = src.Fetch(t.Context(), "long", 100)
	wantMismatch(t, err, "long")
	for _, path := range []string{"none", "long/er"} {
		if _, err := src.Fetch(t.Context(), path, 100); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, where := range []string{"ftp://log.example/", "https://", "https://log.example/?x", "https://log.example/#x", "http://%zz", "file://other/x", "no-such-folder"} {
		if _, err := Open(where, Options{}); err == nil {
			t.Errorf("%s: opened", where)
		}
	}
}

// The real log, in both forms in which it is given out: an auditor that follows
// it while it grows, and a mirror that is its export, byte for byte.
func TestOwnLog(t *testing.T) {
	h := newHistory(t)
	o := log.Options{Origin: testOrigin, Signer: h.signer, VKey: h.vkey, MinFree: -1, FS: log.MemFS()}
	if err := log.Create("log", o); err != nil {
		t.Fatal(err)
	}
	l, err := log.Open(t.Context(), "log", o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	src := openSite(t, l.Handler(), impatient)
	follower := auditor(t, h, src)
	dir := t.TempDir()
	m := openTestMirror(t, h, dir, src)
	size := 0
	for _, n := range []int{0, 1, 299, 1000, 66000} {
		for n > 0 {
			es := make([]log.Entry, min(n, 5000))
			for i := range es {
				es[i].Leaf = fmt.Appendf(nil, "leaf %d", size+i)
			}
			if _, err := l.Append(t.Context(), es); err != nil {
				t.Fatal(err)
			}
			n -= len(es)
			size += len(es)
		}
		mustRound(t, follower, size)
		mustUpdate(t, m, size)
		exported, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		mustRound(t, auditor(t, h, exported), size)
	}
	fresh := t.TempDir()
	mustUpdate(t, openTestMirror(t, h, fresh, src), size)
	export := t.TempDir()
	exportTo(t, l, o.FS, export)
	sameFiles(t, fresh, tree(t, export))
}

// exportTo exports within the memory of the log and copies that out.
func exportTo(t *testing.T, l *log.Log, mem log.FS, to string) {
	t.Helper()
	if err := l.Export(t.Context(), "export", nil); err != nil {
		t.Fatal(err)
	}
	d := crashDisk{mem}
	var walk func(string)
	walk = func(rel string) {
		names, err := mem.List(mem.PathJoin("export", rel))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			path := mem.PathJoin(rel, name)
			info, err := mem.Stat(mem.PathJoin("export", path))
			if err != nil {
				t.Fatal(err)
			}
			if info.IsDir() {
				walk(path)
				continue
			}
			b, err := d.read(mem.PathJoin("export", path), maxBundle)
			if err != nil {
				t.Fatal(err)
			}
			files{path: b}.writeTo(t, to)
		}
	}
	walk("")
}
