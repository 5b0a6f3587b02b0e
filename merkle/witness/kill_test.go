package witness_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/witness"
)

// victimForgets makes the victim remember in memory only, which is the control
// of the tests below.
const victimForgets = "LACUNA_TEST_WITNESS_FORGETS"

// runVictim is a witness in a process of its own, until that is killed.
func runVictim(dir string) {
	o := witness.Options{Dir: dir, Logger: quiet}
	for seed, a := range map[byte]merkle.Algorithm{2: merkle.CosignatureEd25519, 3: merkle.CosignatureMLDSA44} {
		skey, _, err := merkle.GenerateCosigner(seedReader(seed), witnessName, a)
		check(err)
		c, err := merkle.NewCosigner(skey)
		check(err)
		o.Cosigners = append(o.Cosigners, c)
	}
	_, vkey, err := merkle.GenerateKey(seedReader(1), origin)
	check(err)
	v, err := merkle.NewVerifier(vkey)
	check(err)
	o.Logs = []merkle.Verifier{v}
	var s *witness.Server
	if os.Getenv(victimForgets) != "" {
		s, err = witness.NewServerOn(o, newDisk())
	} else {
		s, err = witness.NewServer(o)
	}
	check(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println("http://" + l.Addr().String())
	check(http.Serve(l, s))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// startVictim starts a witness and returns its address.
func startVictim(t *testing.T, dir string, env ...string) (cmd *exec.Cmd, url string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(self)
	cmd.Env = append(append(os.Environ(), "LACUNA_TEST_WITNESS="+dir), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatal("the witness does not start")
	}
	return cmd, strings.TrimSpace(line)
}

// kills is how often a witness is killed: a quarter of LACUNA_TEST_KILLS, a few
// where that is not set.
func kills(t *testing.T) int {
	n := 20
	if text := os.Getenv("LACUNA_TEST_KILLS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatalf("LACUNA_TEST_KILLS: %v", err)
		}
	}
	return max(3, n/4)
}

// A record of what a witness has cosigned, over all its lives.
type record struct {
	mu      sync.Mutex
	largest uint64
	branch  string // whose root, once the two logs differ
	count   int
	lie     error
	heard   chan struct{} // one for each answer, while somebody listens
}

func (r *record) largestNow() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.largest
}

// cosigned notes an answer to a request that was sent when before was the
// largest size that had been answered.
func (r *record) cosigned(branch string, forkAt, size int, before uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	select {
	case r.heard <- struct{}{}:
	default:
	}
	if uint64(size) < before && r.lie == nil {
		r.lie = fmt.Errorf("cosigned size %d after %d", size, before)
	}
	r.largest = max(r.largest, uint64(size))
	if size <= forkAt {
		return
	}
	if r.branch == "" {
		r.branch = branch
	}
	if r.branch != branch && r.lie == nil {
		r.lie = fmt.Errorf("cosigned size %d of %s, and before of %s", size, branch, r.branch)
	}
}

// torment kills a witness again and again while a log that has forked asks it for
// cosignatures of both histories.
func torment(t *testing.T, times int, env ...string) *record {
	const most, forkAt = 400, 5
	dir := filepath.Join(t.TempDir(), "logs")
	if err := witness.Create(dir); err != nil {
		t.Fatal(err)
	}
	log := newTree(t, origin, most)
	branches := map[string]*tree{"one history": log, "the other": log.fork(forkAt)}
	r := &record{heard: make(chan struct{}, 1)}
	for range times {
		cmd, url := startVictim(t, dir, env...)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for name, branch := range branches {
			for range 2 {
				wg.Go(func() {
					c := witness.Client{URL: url, Verifiers: verifiers(cosigners(t))}
					for ctx.Err() == nil {
						before := r.largestNow()
						// Mostly a little ahead, at times anywhere.
						size := min(most, int(before)+1+rand.IntN(3))
						if rand.IntN(8) == 0 {
							size = 1 + rand.IntN(most/8)
						}
						_, err := c.Cosign(ctx, branch.signed(size), uint64(rand.IntN(size+1)), branch.prover(size))
						switch {
						case err == nil:
							r.cosigned(name, forkAt, size, before)
						case errors.As(err, new(*witness.RefusedError)), errors.As(err, new(*witness.AheadError)):
						default:
							return // it is dead
						}
					}
				})
			}
		}
		gone := make(chan struct{})
		go func() {
			wg.Wait()
			close(gone)
		}()
		for range 1 + rand.IntN(8) {
			select {
			case <-r.heard:
			case <-gone:
				t.Error("the witness has ended by itself")
			}
		}
		time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond) // into the next one
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // says that it was killed
		stop()
		<-gone
	}
	return r
}

// A witness that is killed at any moment never cosigns two histories and never
// goes back. What a lost cache does to it is in TestDiskFaults.
func TestKill(t *testing.T) {
	r := torment(t, kills(t))
	if r.lie != nil {
		t.Error(r.lie)
	}
	if r.branch == "" {
		t.Errorf("the two histories were never told apart: %d cosignatures, up to size %d", r.count, r.largest)
	}
	t.Logf("%d cosignatures, up to size %d", r.count, r.largest)
}

// One that forgets when it is killed is caught.
func TestKillControl(t *testing.T) {
	for range 5 {
		if r := torment(t, 4, victimForgets+"=1"); r.lie != nil {
			t.Log(r.lie)
			return
		}
	}
	t.Error("a witness that forgets everything is not noticed")
}

// While one process is the witness of a folder no other can be, and when it is
// killed the next one can.
func TestLockedByProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := witness.Create(dir); err != nil {
		t.Fatal(err)
	}
	cmd, _ := startVictim(t, dir)
	o := options(t, newTree(t, origin, 1))
	o.Dir = dir
	if s, err := witness.NewServer(o); !errors.Is(err, witness.ErrLocked) {
		t.Errorf("a second one opens: %v", err)
		if err == nil {
			s.Close()
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	s, err := witness.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}
