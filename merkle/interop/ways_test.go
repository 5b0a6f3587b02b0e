package interop

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lacunalog/lacuna/merkle/log"
)

// A way is how a client and a server talk.
type way struct {
	name string
	http int  // major version
	tls  bool // or in the clear; HTTP/2 in the clear begins without an upgrade
	gzip bool // the client accepts it, as Go's does unless told otherwise
}

// The ways. Where a log is large and not every checker can go each of them, large
// is the one that does; where it is huge, most ways are left to those who set
// LACUNA_TEST_LARGE.
var ways = []struct {
	way
	large string
	huge  bool
}{
	{way{"HTTP/1.1", 1, false, true}, "fsck", true},
	{way{"HTTP/1.1 without gzip", 1, false, false}, "torchwood", false},
	{way{"h2c", 2, false, true}, "sumdb", false},
	{way{"h2c without gzip", 2, false, false}, "torchwood", true},
	{way{"h2", 2, true, true}, "sumdb", true},
	{way{"h2 without gzip", 2, true, false}, "fsck", false},
}

// canRead is false for a program in a way that it does not know: fsck cannot be
// given a client, and Go's own begins HTTP/2 over TLS only.
func canRead(checker string, w way) bool { return checker != "fsck" || w.tls || w.http == 1 }

// A server is a growing log behind a real web server that speaks every way.
type server struct {
	log         *log.Log
	vkey        string
	clear, tls  *httptest.Server
	certificate string // file with the certificate of tls

	mu      sync.Mutex
	entries [][]byte
	met     map[way]int // requests
}

// Programs that cannot be told to do without gzip are sent below this prefix,
// where the server does not hear that they accept it. It shows also that a log
// can be mounted below one.
const plain = "/below/plain"

func newServer(t *testing.T) *server {
	t.Helper()
	signer, vkey := testKey(t)
	o := log.Options{Origin: origin, Signer: signer, VKey: vkey, MinFree: -1}
	dir := t.TempDir()
	if err := log.Create(dir, o); err != nil {
		t.Fatal(err)
	}
	l, err := log.Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{log: l, vkey: vkey, met: map[way]int{}}
	mux := http.NewServeMux()
	mux.Handle("/", s.meet(l.Handler()))
	mux.Handle(plain+"/", http.StripPrefix(plain, s.meet(l.Handler())))

	s.clear = httptest.NewUnstartedServer(mux)
	s.clear.Config.Protocols = new(http.Protocols)
	s.clear.Config.Protocols.SetHTTP1(true)
	s.clear.Config.Protocols.SetUnencryptedHTTP2(true)
	s.clear.Start()
	s.tls = httptest.NewUnstartedServer(mux)
	s.tls.EnableHTTP2 = true
	s.tls.StartTLS()
	s.certificate = filepath.Join(t.TempDir(), "certificate.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.tls.Certificate().Raw})
	if err := os.WriteFile(s.certificate, cert, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.clear.Close()
		s.tls.Close()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// meet notes in which way each client came.
func (s *server) meet(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		below := r.RequestURI != "" && strings.HasPrefix(r.RequestURI, plain)
		if below {
			r.Header.Del("Accept-Encoding")
		}
		came := way{http: r.ProtoMajor, tls: r.TLS != nil, gzip: r.Header.Get("Accept-Encoding") == "gzip"}
		s.mu.Lock()
		s.met[came]++
		s.mu.Unlock()
		h.ServeHTTP(w, r)
	})
}

// only forgets who came, lets f read the log, and checks that it came in one way.
func (s *server) only(t *testing.T, want way, f func()) {
	t.Helper()
	s.mu.Lock()
	clear(s.met)
	s.mu.Unlock()
	f()
	want.name = ""
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.met[want] == 0 || len(s.met) != 1 {
		t.Errorf("read in the ways %v, want %v", s.met, want)
	}
}

// site is the log at its present size, to be read in one way.
func (s *server) site(t *testing.T, w way) *site {
	t.Helper()
	at := &site{
		vkey: s.vkey, size: s.log.Head().Size, url: s.clear.URL, client: s.client(t, w),
		entry: func(i uint64) []byte {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.entries[i]
		},
	}
	if w.tls {
		at.url = s.tls.URL
		at.env = []string{"SSL_CERT_FILE=" + s.certificate}
	}
	if !w.gzip {
		at.url += plain
	}
	return at
}

func (s *server) client(t *testing.T, w way) *http.Client {
	t.Helper()
	tr := &http.Transport{Protocols: new(http.Protocols), DisableCompression: !w.gzip, MaxIdleConnsPerHost: 16}
	switch {
	case w.http == 1:
		tr.Protocols.SetHTTP1(true)
	case w.tls:
		tr.Protocols.SetHTTP2(true)
	default:
		tr.Protocols.SetUnencryptedHTTP2(true)
	}
	if w.tls {
		roots := x509.NewCertPool()
		roots.AddCert(s.tls.Certificate())
		tr.TLSClientConfig = s.tls.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		tr.TLSClientConfig.RootCAs = roots
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// grow appends entries until the log has so many.
func (s *server) grow(t *testing.T, size int) {
	t.Helper()
	for {
		have := int(s.log.Head().Size)
		if have == size {
			return
		}
		// Groups of uneven size, so that few end at the edge of a tile.
		var es [][]byte
		for i := range min(9973, size-have) {
			es = append(es, testEntry(uint64(have+i)))
		}
		if _, err := s.append(t, es); err != nil {
			t.Fatal(err)
		}
	}
}

// append logs entries and notes where they went, because the log decides that.
func (s *server) append(t *testing.T, es [][]byte) ([]uint64, error) {
	in := make([]log.Entry, len(es))
	for i, e := range es {
		in[i].Leaf = e
	}
	index, err := s.log.Append(t.Context(), in)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, n := range index {
		for uint64(len(s.entries)) <= n {
			s.entries = append(s.entries, nil)
		}
		if s.entries[n] != nil {
			return nil, fmt.Errorf("index %d was given away twice", n)
		}
		s.entries[n] = es[i]
	}
	if len(index) != len(es) {
		return nil, errors.New("not every entry has an index")
	}
	return index, nil
}
