package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/lacunalog/lacuna/merkle"
)

// hammerProgram builds Tessera's hammer once. It is an internal program of that
// module, which nobody may import; but it may be built.
var hammerProgram = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(programs, "hammer")
	out, err := exec.Command("go", "build", "-o", bin, "github.com/transparency-dev/tessera/internal/hammer").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return bin, nil
})

// complaint is a line of klog that is more than information.
var complaint = regexp.MustCompile(`(?m)^[WEF][0-9]{4} .*$`)

// hammer lets Tessera's hammer load a log until it has grown by so many entries,
// and returns what it complained of. Its readers fetch bundles and do not verify
// them; what it verifies is that each checkpoint continues the one before.
func hammer(t *testing.T, read, write, vkey string, goal int, flags ...string) error {
	t.Helper()
	bin, err := hammerProgram()
	if err != nil {
		missing(t, "building Tessera's hammer", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, append([]string{
		"-log_url", read, "-write_log_url", write, "-log_public_key", vkey, "-show_ui=false", "-max_runtime=1m",
		"-num_writers=64", "-max_write_ops=4000", fmt.Sprintf("-leaf_write_goal=%d", goal),
		"-num_readers_random=4", "-num_readers_full=4", "-max_read_ops=400",
	}, flags...)...)
	out, err := cmd.CombinedOutput()
	said, _, _ := strings.Cut(string(out), "; exiting") // it ends by cancelling its own requests
	if found := complaint.FindAllString(said, 3); found != nil {
		return errors.Join(err, fmt.Errorf("it complains: %s", strings.Join(found, "; ")))
	}
	if err == nil && !strings.Contains(string(out), "Reached tree size goal") {
		err = errors.New("it did not reach its goal")
	}
	return err
}

// writable adds POST /add, which the hammer writes through: a body, answered with
// the index of the entry. Only tests have a reason to offer it. After stop nothing
// is added any more, whatever a client that has left had sent.
func (s *server) writable(t *testing.T) (url string, stop func()) {
	t.Helper()
	var adding sync.RWMutex
	stopped := false
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add", func(w http.ResponseWriter, r *http.Request) {
		adding.RLock()
		defer adding.RUnlock()
		if stopped {
			return
		}
		leaf, err := io.ReadAll(r.Body)
		if err == nil {
			var index []uint64
			if index, err = s.append(t, [][]byte{leaf}); err == nil {
				fmt.Fprintf(w, "%d\n", index[0])
				return
			}
		}
		if r.Context().Err() == nil { // otherwise the hammer has left in the middle, as it does
			t.Error(err)
		}
		http.Error(w, err.Error(), http.StatusInternalServerError)
	})
	srv := httptest.NewUnstartedServer(mux)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL, func() {
		adding.Lock()
		defer adding.Unlock()
		stopped = true
	}
}

// TestHammer loads a log while it is read, from empty on, and then lets every
// checker read what came of it.
func TestHammer(t *testing.T) {
	s := newServer(t)
	for _, w := range []way{{"HTTP/1.1", 1, false, true}, {"h2c", 2, false, true}} {
		t.Run(w.name, func(t *testing.T) {
			before := s.log.Head().Size
			var flags []string
			if w.http == 2 {
				flags = append(flags, "-force_http2")
			}
			add, stop := s.writable(t)
			s.only(t, w, func() {
				if err := hammer(t, s.clear.URL, add, s.vkey, 2000, flags...); err != nil {
					t.Error(err)
				}
			})
			stop()
			if grown := s.log.Head().Size - before; grown < 2000 {
				t.Errorf("the log has grown by %d", grown)
			}
			for _, c := range checkers {
				if !canRead(c.name, w) {
					continue
				}
				if err := c.check(t, s.site(t, w)); err != nil {
					t.Errorf("%s refuses what the hammer wrote: %v", c.name, err)
				}
			}
		})
	}
}

// TestHammerSeesForks is the control: the hammer must notice a log that shows it
// another history after some time.
func TestHammerSeesForks(t *testing.T) {
	one, other := newServer(t), newServer(t)
	one.grow(t, 500)
	if _, err := other.append(t, [][]byte{[]byte("another history")}); err != nil {
		t.Fatal(err)
	}
	other.grow(t, 5000)
	add, _ := one.writable(t)
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := one.log
		if r.URL.Path == "/checkpoint" && asked.Add(1) > 2 || asked.Load() > 2 {
			from = other.log // from the third checkpoint on, with its tiles
		}
		from.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	err := hammer(t, srv.URL, add, one.vkey, 100_000)
	if err == nil || !strings.Contains(err.Error(), "consistency check failed") {
		t.Errorf("the hammer was shown two histories and says %v", err)
	}
}

// TestEmpty pins what other people's programs do with a log without entries,
// which the specification allows: its checkpoint says 0 and the hash of nothing,
// and there is no tile. All of them read it; the hammer begins with one above. That
// the root of nothing is the hash of nothing is noticed by those who compute it;
// torchwood's client computes no root where it reads no tile.
func TestEmpty(t *testing.T) {
	s := newServer(t)
	at := s.site(t, ways[0].way)
	skey, _, err := note.GenerateKey(seedReader(7), origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	// merkle refuses to sign this.
	wrong, err := note.Sign(&note.Note{Text: origin + "\n0\n" + merkle.LeafHash(nil).String() + "\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checkers {
		if err := c.check(t, at); err != nil {
			t.Errorf("%s refuses an empty log: %v", c.name, err)
		}
		bad := damagedServer(t, at, damage{"root of nothing", "checkpoint", func([]byte) []byte { return wrong }})
		if err := c.check(t, bad); (err == nil) != (c.name == "torchwood") {
			t.Errorf("%s, shown another root, says %v", c.name, err)
		}
	}
}
