package interop

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/witness"
)

// missingFunction is what omniwitness wants of transparency-dev/merkle beyond its
// newest release. Only its sign-subtree calls it, which the program leaves out.
const missingFunction = `package proof

import (
	"errors"

	"github.com/transparency-dev/merkle"
)

func VerifySubtreeConsistency(_ merkle.LogHasher, start, end, size uint64, proof [][]byte, subRoot, root []byte) error {
	return errors.New("not in this version")
}
`

// witnessPrograms builds litewitness, omniwitness and two helpers once, and
// returns the folder in which they are.
var witnessPrograms = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(programs, "witnesses")
	if err := os.CopyFS(dir, os.DirFS("testdata/witnesses")); err != nil {
		return "", err
	}
	for from, to := range map[string]string{"witnesses.mod": "go.mod", "witnesses.sum": "go.sum"} {
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			return "", err
		}
	}
	out, err := exec.Command("go", "mod", "download", "-json", "github.com/transparency-dev/merkle@v0.0.2").Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return "", err
	}
	if err := os.CopyFS(filepath.Join(dir, "merkle"), os.DirFS(module.Dir)); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "merkle", "proof", "subtree.go"), []byte(missingFunction), 0o644); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", "bin/", "./addlog", "./submit",
		"filippo.io/torchwood/cmd/litewitness", "github.com/transparency-dev/witness/cmd/omniwitness")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return filepath.Join(dir, "bin"), nil
})

// witnessProgram returns the path of one of the programs.
func witnessProgram(t *testing.T, name string) string {
	t.Helper()
	bin, err := witnessPrograms()
	if err != nil {
		missing(t, "building litewitness and omniwitness, for which the Go module proxy must have their modules", err)
	}
	return filepath.Join(bin, name)
}

// A witnessSite is a witness that runs, and knows one log.
type witnessSite struct {
	name string
	url  string
	// vkeys are its public keys.
	vkeys []string
	// unknown is the status that it answers for a log it does not know, thief
	// that for one that is signed by another key. The text says 404 and 403.
	unknown, thief int
}

func (w *witnessSite) client(t *testing.T) *witness.Client {
	t.Helper()
	c := &witness.Client{URL: w.url}
	for _, k := range w.vkeys {
		v, err := merkle.NewVerifier(k)
		if err != nil {
			t.Fatal(err)
		}
		c.Verifiers = append(c.Verifiers, v)
	}
	return c
}

// start runs a program that listens on a port of this machine, until the test
// ends, and waits until it answers.
func start(t *testing.T, program string, args func(addr string) []string) (addr string) {
	t.Helper()
	// The programs do not say which port they were given if they ask for any, so
	// one is looked for that is free now.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, args(addr)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed, and says so
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%.4000s", filepath.Base(program), said.String())
		}
	})
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
			return addr
		}
		select {
		case <-ended:
			t.Fatalf("%s has ended: %s", filepath.Base(program), said.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// startLitewitness starts torchwood's witness. Its key lies in an ssh-agent, for
// which this process stands, and what it knows of logs in a database.
func startLitewitness(t *testing.T, origin, vkey string) *witnessSite {
	t.Helper()
	bin, addlog := witnessProgram(t, "litewitness"), witnessProgram(t, "addlog")
	public, private, err := ed25519.GenerateKey(seedReader(31))
	if err != nil {
		t.Fatal(err)
	}
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	// The path of a socket must be short.
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = l.Close()
		_ = os.RemoveAll(dir)
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			go func() { _ = agent.ServeAgent(keys, conn) }() // until the witness leaves
		}
	}()
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	const name = "lite.example/w"
	db := filepath.Join(t.TempDir(), "litewitness.db")
	addr := start(t, bin, func(addr string) []string {
		return []string{"-name", name, "-db", db, "-ssh-agent", socket, "-key", ssh.FingerprintSHA256(key), "-listen", addr}
	})
	if out, err := exec.Command(addlog, db, origin, vkey).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s, err := torchwood.NewCosignatureSigner(name, private)
	if err != nil {
		t.Fatal(err)
	}
	return &witnessSite{"litewitness", "http://" + addr, []string{s.Verifier().String()}, 404, 403}
}

// startOmniwitness starts the witness of transparency-dev, with a key of each
// kind that we have made.
func startOmniwitness(t *testing.T, origin, vkey string) *witnessSite {
	t.Helper()
	bin := witnessProgram(t, "omniwitness")
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	w := &witnessSite{name: "omniwitness", unknown: 500, thief: 500}
	args := []string{"--logtostderr", "--metrics_listen", "", "--db_file", filepath.Join(dir, "omniwitness.db"),
		"--additional_logs", write("logs.yaml", fmt.Sprintf("Logs:\n  - Origin: %s\n    URL: http://127.0.0.1:1/\n    PublicKey: %s\n", origin, vkey))}
	for i, a := range []merkle.Algorithm{merkle.CosignatureEd25519, merkle.CosignatureMLDSA44} {
		skey, vkey, err := merkle.GenerateCosigner(seedReader(41+i), "omni.example/w", a)
		if err != nil {
			t.Fatal(err)
		}
		w.vkeys = append(w.vkeys, vkey)
		args = append(args, "--private_key_path", write(fmt.Sprint("key", i), skey))
	}
	w.url = "http://" + start(t, bin, func(addr string) []string { return append(args, "--listen", addr) })
	return w
}

// startOurs starts a witness of our own, with a key of each kind.
func startOurs(t *testing.T, vkeys ...string) *witnessSite {
	t.Helper()
	w := &witnessSite{name: "lacuna", unknown: 404, thief: 403}
	o := witness.Options{Dir: filepath.Join(t.TempDir(), "logs"), Logger: slog.New(slog.DiscardHandler)}
	for i, a := range []merkle.Algorithm{merkle.CosignatureEd25519, merkle.CosignatureMLDSA44} {
		skey, vkey, err := merkle.GenerateCosigner(seedReader(51+i), "ours.example/w", a)
		if err != nil {
			t.Fatal(err)
		}
		c, err := merkle.NewCosigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		w.vkeys, o.Cosigners = append(w.vkeys, vkey), append(o.Cosigners, c)
	}
	for _, k := range vkeys {
		v, err := merkle.NewVerifier(k)
		if err != nil {
			t.Fatal(err)
		}
		o.Logs = append(o.Logs, v)
	}
	if err := witness.Create(o.Dir); err != nil {
		t.Fatal(err)
	}
	s, err := witness.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.StripPrefix("/prefix", s))
	t.Cleanup(func() {
		srv.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w.url = srv.URL + "/prefix"
	return w
}
