package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/merkle"
)

// startServe starts lacuna serve and returns where it listens, and what it says.
func startServe(t *testing.T, args ...string) (cmd *exec.Cmd, url string, talk *bufio.Reader) {
	t.Helper()
	cmd = program(append([]string{"serve"}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // if the test has not ended it
	talk = bufio.NewReader(stderr)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b, _ := io.ReadAll(talk)
		_ = cmd.Wait()
		t.Fatalf("lacuna serve %v does not start: %s", args, b)
	}
	return cmd, strings.TrimSuffix(line, "\n"), talk
}

// stop asks a program to end, and returns its exit code.
func stop(t *testing.T, cmd *exec.Cmd, talk *bufio.Reader) int {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, talk)
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return 0
}

// runCode runs a command and returns its exit code and what it said.
func runCode(t *testing.T, args ...string) (int, string) {
	t.Helper()
	cmd := program(args...)
	var talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &talk, &talk
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), talk.String()
	} else if err != nil {
		t.Fatal(err)
	}
	return 0, talk.String()
}

func fetch(t *testing.T, c *http.Client, url string) (*http.Response, []byte) {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, b
}

const purposeText = `{"type":"purpose.declared","purpose_id":"service","description":{"en":"Service"},"legal_basis":"A6-1-b","categories":["Name"],"storage":["DE"],"retention":"P2Y"}`

// TestServe: a log without a policy, over both versions of HTTP, until the program
// is told to stop.
func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "crm")
	runOK(t, "", "init", "--ledger", dir, "--origin", "serve.lacuna.test")
	runOK(t, purposeText, "append", "--ledger", dir, "-")
	cmd, url, talk := startServe(t, "--ledger", dir)
	h2c := &http.Transport{Protocols: new(http.Protocols)}
	h2c.Protocols.SetUnencryptedHTTP2(true)
	defer h2c.CloseIdleConnections()
	for proto, c := range map[string]*http.Client{"HTTP/1.1": {Transport: &http.Transport{DisableKeepAlives: true}}, "HTTP/2.0": {Transport: h2c}} {
		for path, want := range map[string]int{"checkpoint": 200, "tile/0/000.p/1": 200, "tile/entries/000.p/1": 200, "tile/0/000": 404, "": 404, "log.skey": 404} {
			if r, _ := fetch(t, c, url+"/"+path); r.StatusCode != want || r.Proto != proto {
				t.Errorf("GET /%s: %s %d, want %s %d", path, r.Proto, r.StatusCode, proto, want)
			}
		}
	}
	if code, text := runCode(t, "doctor", "--ledger", dir); code != exitBusy {
		t.Errorf("a second program: exit %d\n%s", code, text)
	}
	if code := stop(t, cmd, talk); code != exitOK {
		t.Errorf("stopped, it ends with exit %d", code)
	}
	for _, args := range [][]string{
		{"--listen", "0.0.0.0:0"}, {"--listen", "nowhere"}, {"--every", "10ms"}, {"--tls-cert", "x"}, {"argument"},
	} {
		if code, text := runCode(t, append([]string{"serve", "--ledger", dir}, args...)...); code != exitUsage {
			t.Errorf("serve %v: exit %d\n%s", args, code, text)
		}
	}
	if code, text := runCode(t, "publish", "--ledger", dir); code != exitUsage || !strings.Contains(text, "no policy") {
		t.Errorf("publish without a policy: exit %d\n%s", code, text)
	}
}

// TestServeWitnessed: with a policy, what is served is what a witness has cosigned;
// an old copy serves what it has, signs nothing, and ends in exit 10.
func TestServeWitnessed(t *testing.T) {
	tmp := t.TempDir()
	dir, old, wdir, policy := filepath.Join(tmp, "crm"), filepath.Join(tmp, "old"), filepath.Join(tmp, "w"), filepath.Join(tmp, "policy")
	key := strings.TrimSpace(string(runOK(t, "", "witness", "init", "--dir", wdir, "--name", "w.lacuna.test")))
	// The witness knows the log, and the log the address of the witness: one of
	// the two has to begin.
	_, stranger := witnessedHead(t)
	first, url := startWitness(t, "--dir", wdir, "--log", stranger)
	stopWitness(t, first)
	if err := os.WriteFile(policy, fmt.Appendf(nil, "witness w %s %s\nquorum w\n", key, url), 0o600); err != nil {
		t.Fatal(err)
	}
	runOK(t, "", "init", "--ledger", dir, "--origin", "serve.lacuna.test", "--policy", policy, "--mldsa")
	if code, text := runCode(t, "export", "tiles", "--ledger", dir, "-o", filepath.Join(tmp, "tiles")); code != exitFailure || !strings.Contains(text, "hint: lacuna publish") {
		t.Errorf("exporting before anything is published: exit %d\n%s", code, text)
	}
	if code, text := runCode(t, "publish", "--ledger", dir); code != exitBusy || !strings.Contains(text, `witness "w"`) {
		t.Errorf("publishing without the witness: exit %d\n%s", code, text)
	}
	runOK(t, purposeText, "append", "--ledger", dir, "-")
	// It starts without the witness, shows nothing, and says why once.
	cmd, site, talk := startServe(t, "--ledger", dir, "--every", "1s")
	if r, _ := fetch(t, http.DefaultClient, site+"/checkpoint"); r.StatusCode != http.StatusNotFound {
		t.Errorf("before anything is published: status %d", r.StatusCode)
	}
	if line, err := talk.ReadString('\n'); err != nil || !strings.Contains(line, `warning: witness "w"`) {
		t.Errorf("serve says %q, %v", line, err)
	}
	if line, err := talk.ReadString('\n'); err != nil || !strings.Contains(line, "not enough cosignatures") {
		t.Errorf("serve says %q, %v", line, err)
	}
	startWitness(t, "--dir", wdir, "--policy", filepath.Join(dir, "log.policy"), "--listen", strings.TrimPrefix(url, "http://"))
	if line, err := talk.ReadString('\n'); err != nil || !strings.Contains(line, "cosigns again") {
		t.Errorf("serve says %q, %v", line, err)
	}
	if line, err := talk.ReadString('\n'); err != nil || !strings.Contains(line, "satisfy the policy again") {
		t.Errorf("serve says %q, %v", line, err)
	}
	_, signed := fetch(t, http.DefaultClient, site+"/checkpoint")
	text, err := os.ReadFile(filepath.Join(dir, "log.policy"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := merkle.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	if c, cs, err := p.Check(signed, "serve.lacuna.test"); err != nil || c.Size != 1 || len(cs) != 1 {
		t.Errorf("served: size %d, %v\n%s", c.Size, err, signed)
	}
	if code := stop(t, cmd, talk); code != exitOK {
		t.Errorf("stopped, it ends with exit %d", code)
	}

	// An old copy, with what lies beside it.
	if err := errors.Join(os.CopyFS(old, os.DirFS(dir)), copyFile(old+".root", dir+".root"), copyFile(old+".root.head", dir+".root.head")); err != nil {
		t.Fatal(err)
	}
	runOK(t, "", "record", "--ledger", dir, "processing.performed", "subject=c-1", "purpose=service", "operation=store")
	var published jsonv1.Published
	if err := json.Unmarshal(runOK(t, "", "publish", "--ledger", dir, "--json"), &published); err != nil || published.Size != 2 || len(published.Cosignatures) != 1 || published.Cosignatures[0].Name != "w" {
		t.Errorf("published %+v, %v", published, err)
	}
	cmd, site, talk = startServe(t, "--ledger", old, "--root", old+".root")
	if line, err := talk.ReadString('\n'); err != nil || !strings.Contains(line, "has cosigned a head of 2") {
		t.Errorf("an old copy says %q, %v", line, err)
	}
	if _, got := fetch(t, http.DefaultClient, site+"/checkpoint"); !bytes.Equal(got, signed) {
		t.Errorf("an old copy serves\n%s", got)
	}
	if code := stop(t, cmd, talk); code != exitVerify {
		t.Errorf("an old copy ends with exit %d, want %d", code, exitVerify)
	}
	for _, command := range []string{"publish", "fsck", "doctor"} {
		if code, text := runCode(t, command, "--ledger", old, "--root", old+".root"); code != exitVerify || !strings.Contains(text, "has cosigned a head of 2") {
			t.Errorf("%s of an old copy: exit %d\n%s", command, code, text)
		}
	}
	if code, text := runCode(t, "fsck", "--ledger", dir); code != exitOK {
		t.Errorf("fsck of the newest copy: exit %d\n%s", code, text)
	}
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

// TestServeErases: a server carries out an erasure whose day comes while it runs, and
// leaves the subject's copy where nobody takes it for the officer's.
func TestServeErases(t *testing.T) {
	dir := t.TempDir()
	crm := filepath.Join(dir, "crm")
	events := filepath.Join(dir, "events.jsonl")
	if err := os.WriteFile(events, []byte(`{"type":"purpose.declared","purpose_id":"tips","description":{"en":"Tips"},"legal_basis":"A6-1-f","categories":["Name"],"storage":["DE"],"retention":"P2Y","compartment":"marketing","advertising":true}
{"type":"processing.performed","subject":"c-3","purpose":"tips","operation":"mail"}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"init", "--ledger", crm, "--origin", "log.example.test/crm"},
		{"append", "--ledger", crm, events},
		{"approve", "policy", "--ledger", crm, "--cooling-off", "PT2S"},
	} {
		if code, said := runCode(t, args...); code != 0 {
			t.Fatalf("%v: exit %d, %s", args, code, said)
		}
	}
	if code, said := runCode(t, "erase", "--ledger", crm, "--subject", "c-3", "--yes"); code != exitHeld {
		t.Fatalf("the erasure does not wait: exit %d, %s", code, said)
	}
	// One that was killed has left a file without a certificate, and one with.
	left := filepath.Join(crm+".certificates", "unclaimed", "erasure-00112233445566778899aabbccddeeff.json")
	whole := strings.Replace(left, "erasure-00", "erasure-01", 1)
	err := errors.Join(os.MkdirAll(filepath.Dir(left), 0o700), os.WriteFile(left, nil, 0o600), os.WriteFile(whole, []byte("{}"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "dpo.key")
	if code, said := runCode(t, "approve", "key", "--name", "dpo.example.test", "-o", key); code != 0 {
		t.Fatalf("exit %d, %s", code, said)
	}
	cmd, _, talk := startServe(t, "--ledger", crm, "--listen", "127.0.0.1:0", "--accept-l0")
	if code, said := runCode(t, "approve", "--ledger", crm, "--key", key, "--yes", strings.Repeat("0", 32)); code != exitBusy || !strings.Contains(said, "lacuna serve has to be stopped") {
		t.Errorf("approving beside a server: exit %d, %s", code, said)
	}
	for {
		line, err := talk.ReadString('\n')
		if err != nil {
			t.Fatalf("the server ended: %v", err)
		}
		if strings.Contains(line, "c-3") {
			t.Errorf("the server names the person: %s", line)
		}
		if strings.Contains(line, "is carried out, epoch 2") {
			break
		}
	}
	if code := stop(t, cmd, talk); code != 0 && code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
	if err := os.Remove(whole); err != nil {
		t.Errorf("a certificate was taken away: %v", err)
	}
	copies, err := filepath.Glob(crm + ".certificates/unclaimed/erasure-*.json")
	if err != nil || len(copies) != 1 {
		t.Fatalf("copies: %v, %v", copies, err)
	}
	if code, said := runCode(t, "verify", "--key", filepath.Join(crm, "log.vkey"), copies[0]); code != 0 || !strings.Contains(said, `the copy of "c-3"`) {
		t.Errorf("exit %d, %s", code, said)
	}
	if code, said := runCode(t, "erase", "list", "--ledger", crm); code != 0 || said != "" {
		t.Errorf("exit %d, still waiting: %s", code, said)
	}
}

// TestServeBacksUp: a server makes the backup that was not made behind a sweep, because
// the folder was away.
func TestServeBacksUp(t *testing.T) {
	dir := t.TempDir()
	crm, kept := filepath.Join(dir, "crm"), filepath.Join(dir, "kept")
	if code, said := runCode(t, "init", "--ledger", crm, "--origin", "log.example.test/crm"); code != 0 {
		t.Fatalf("exit %d, %s", code, said)
	}
	config := filepath.Join(crm, "lacuna.json")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`"suite": 1,`), []byte(`"suite": 1, "backups": "../kept",`), 1)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, said := runCode(t, "sweep", "--now", "--ledger", crm); code != 0 || !strings.Contains(said, "no backup could be made: ") {
		t.Fatalf("exit %d, %s", code, said)
	}
	if err := os.Mkdir(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd, _, talk := startServe(t, "--ledger", crm, "--listen", "127.0.0.1:0", "--accept-l0")
	for {
		line, err := talk.ReadString('\n')
		if err != nil {
			t.Fatalf("the server ended: %v", err)
		}
		if strings.Contains(line, "backed up: ") {
			break
		}
	}
	if code := stop(t, cmd, talk); code != 0 && code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
	if code, said := runCode(t, "drill", "--ledger", crm, kept); code != 0 {
		t.Errorf("exit %d, %s", code, said)
	}
}
