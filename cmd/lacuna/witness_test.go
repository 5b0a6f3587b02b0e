package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/witness"
)

const witnessedOrigin = "log.lacuna.test/witnessed"

// witnessedHead returns the signed head of an empty log and the key of the log.
func witnessedHead(t *testing.T) (signed []byte, vkey string) {
	t.Helper()
	signed, _, vkey = witnessedFork(t)
	return signed, vkey
}

// witnessedFork returns two heads of one size, which the same key has signed.
func witnessedFork(t *testing.T) (one, other []byte, vkey string) {
	t.Helper()
	skey, vkey, err := merkle.GenerateKey(rand.Reader, witnessedOrigin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := merkle.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	var heads [2][]byte
	for i := range heads {
		head := merkle.Checkpoint{Origin: witnessedOrigin, Size: 1, Root: merkle.LeafHash([]byte{byte(i)})}
		if heads[i], err = merkle.SignCheckpoint(head, signer); err != nil {
			t.Fatal(err)
		}
	}
	return heads[0], heads[1], vkey
}

// A log that shows two histories is refused, and what it signed is kept.
func TestWitnessKeepsEvidence(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "w")
	key := strings.TrimSpace(string(runOK(t, "", "witness", "init", "--dir", dir, "--name", "witness.lacuna.test")))
	v, err := merkle.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	one, other, vkey := witnessedFork(t)
	_, stranger := witnessedHead(t)
	cmd, url := startWitness(t, "--dir", dir, "--log", stranger, "--log", vkey) // the log has two keys, and signs with the second
	c := &witness.Client{URL: url, Verifiers: []merkle.Verifier{v}}
	if _, err := c.Cosign(t.Context(), one, 0, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := c.Cosign(t.Context(), other, 1, nil)
		if refused, ok := errors.AsType[*witness.RefusedError](err); !ok || refused.Status != http.StatusUnprocessableEntity {
			t.Errorf("%v", err)
		}
	}
	stopWitness(t, cmd)
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	keyFile := filepath.Join(dir, "log.vkey")
	if err := os.WriteFile(keyFile, []byte(vkey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := string(runOK(t, "", "audit", "evidence", files[0], "--key", keyFile)); !strings.Contains(out, "fork: log "+witnessedOrigin) {
		t.Errorf("the evidence says %s", out)
	}
}

// startWitness starts lacuna witness and returns it with the URL that it prints.
func startWitness(t *testing.T, args ...string) (cmd *exec.Cmd, url string) {
	t.Helper()
	cmd = program(append([]string{"witness"}, args...)...)
	var talk bytes.Buffer
	cmd.Stderr = &talk
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // if the test has not ended it
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Wait()
		t.Fatalf("the witness does not start: %s", talk.String())
	}
	return cmd, strings.TrimSuffix(line, "\n")
}

// stopWitness asks a witness to end, which is no failure.
func stopWitness(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped, the witness ends with %v", err)
	}
}

func TestWitness(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "w")
	keys := strings.Split(strings.TrimSpace(string(runOK(t, "", "witness", "init", "--dir", dir, "--name", "witness.lacuna.test", "--mldsa"))), "\n")
	if len(keys) != 2 {
		t.Fatalf("keys are %q", keys)
	}
	public, err := os.ReadFile(filepath.Join(dir, witnessPublic))
	if err != nil || strings.TrimSpace(string(public)) != strings.Join(keys, "\n") {
		t.Errorf("%s holds %q, %v", witnessPublic, public, err)
	}
	info, err := os.Stat(filepath.Join(dir, witnessSecret))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", witnessSecret, info.Mode(), err)
	}
	c := &witness.Client{}
	for _, k := range keys {
		v, err := merkle.NewVerifier(k)
		if err != nil {
			t.Fatal(err)
		}
		c.Verifiers = append(c.Verifiers, v)
	}
	signed, vkey := witnessedHead(t)
	policy := filepath.Join(t.TempDir(), "logs.policy")
	if err := os.WriteFile(policy, []byte("# the logs that we watch\nlog "+vkey+"\nquorum none\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	cmd, url := startWitness(t, "--dir", dir, "--policy", policy, "--listen", "127.0.0.1:0")
	c.URL = url
	lines, err := c.Cosign(t.Context(), signed, 0, nil)
	if err != nil || bytes.Count(lines, []byte("\n")) != 2 {
		t.Errorf("%q, %v", lines, err)
	}
	second := program("witness", "--dir", dir, "--log", vkey)
	if err := second.Run(); second.ProcessState.ExitCode() != exitBusy {
		t.Errorf("a second witness of the folder: %v", err)
	}
	stopWitness(t, cmd)

	// It remembers, whichever way it is told of the log.
	cmd, c.URL = startWitness(t, "--dir", dir, "--log", vkey)
	older := append([]byte{}, signed...)
	if _, err := c.Cosign(t.Context(), older, 0, nil); err != nil {
		t.Errorf("the same head again: %v", err)
	}
	resp, err := http.Get(c.URL + "/" + "0000" + "/checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("what is not there: %s", resp.Status)
	}
	stopWitness(t, cmd)

	// Without what it remembers it must not sign again.
	if err := os.RemoveAll(filepath.Join(dir, witnessRemember)); err != nil {
		t.Fatal(err)
	}
	lost := program("witness", "--dir", dir, "--log", vkey)
	if out, err := lost.CombinedOutput(); lost.ProcessState.ExitCode() == 0 {
		t.Errorf("without its memory: %v, %s", err, out)
	}

	var made, runs jsonv1.Witness
	out := runOK(t, "", "witness", "init", "--dir", dir+"2", "--name", "witness.lacuna.test", "--json")
	if err := json.Unmarshal(out, &made); err != nil || made.Dir != dir+"2" || len(made.Keys) != 1 || !strings.HasPrefix(made.Keys[0], "witness.lacuna.test+") {
		t.Errorf("%s: %v", out, err)
	}
	cmd, line := startWitness(t, "--dir", dir+"2", "--log", vkey, "--json")
	if err := json.Unmarshal([]byte(line), &runs); err != nil || !slices.Equal(runs.Keys, made.Keys) || runs.Name != made.Name || !strings.HasPrefix(runs.URL, "http://127.0.0.1:") {
		t.Errorf("%s: %v", line, err)
	}
	stopWitness(t, cmd)
}

func TestWitnessUsage(t *testing.T) {
	_, vkey := witnessedHead(t)
	dir := filepath.Join(t.TempDir(), "w")
	runOK(t, "", "witness", "init", "--dir", dir, "--name", "witness.lacuna.test")
	bad := filepath.Join(t.TempDir(), "bad.policy")
	if err := os.WriteFile(bad, []byte("log "+vkey+"\nquorum\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		say  string
	}{
		"no folder":              {nil, "--dir is missing"},
		"no log":                 {[]string{"--dir", dir}, "no log to cosign"},
		"no witness":             {[]string{"--dir", dir + "x", "--log", vkey}, "there is no witness"},
		"a key that is none":     {[]string{"--dir", dir, "--log", vkey, "--log", "x"}, "--log, number 2"},
		"a policy that is none":  {[]string{"--dir", dir, "--policy", bad}, "line 2"},
		"a policy that is away":  {[]string{"--dir", dir, "--policy", bad + "x"}, "--policy"},
		"everybody without TLS":  {[]string{"--dir", dir, "--log", vkey, "--listen", ":0"}, "without TLS"},
		"others without TLS":     {[]string{"--dir", dir, "--log", vkey, "--listen", "192.0.2.1:0"}, "without TLS"},
		"a name without TLS":     {[]string{"--dir", dir, "--log", vkey, "--listen", "witness.lacuna.test:0"}, "without TLS"},
		"no port":                {[]string{"--dir", dir, "--log", vkey, "--listen", "localhost"}, "--listen"},
		"half of TLS":            {[]string{"--dir", dir, "--log", vkey, "--tls-cert", bad}, "belong together"},
		"a certificate, not one": {[]string{"--dir", dir, "--log", vkey, "--tls-cert", bad, "--tls-key", bad}, "--tls-cert"},
		"an unknown command":     {[]string{"start"}, "has no command"},
		"init twice":             {[]string{"init", "--dir", dir, "--name", "x"}, "there is a witness in"},
		"init without a name":    {[]string{"init", "--dir", dir + "x"}, "--name is missing"},
		"init with a bad name":   {[]string{"init", "--dir", dir + "x", "--name", "a b"}, "--name"},
	} {
		cmd := program(append([]string{"witness"}, c.args...)...)
		out, _ := cmd.CombinedOutput() // the exit code says more
		if code := cmd.ProcessState.ExitCode(); code != exitUsage || !strings.Contains(string(out), c.say) {
			t.Errorf("%s: exit %d, %s", name, code, out)
		}
	}
}

// With a certificate others may connect, by TLS 1.3 and nothing else.
func TestWitnessTLS(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"witness.lacuna.test"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, pemKey := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	roots := x509.NewCertPool()
	for path, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, pemKey: {Type: "PRIVATE KEY", Bytes: secret}} {
		text := pem.EncodeToMemory(b)
		roots.AppendCertsFromPEM(text)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := filepath.Join(dir, "w")
	vkey := strings.TrimSpace(string(runOK(t, "", "witness", "init", "--dir", w, "--name", "witness.lacuna.test")))
	signed, log := witnessedHead(t)
	cmd, url := startWitness(t, "--dir", w, "--log", log, "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", pemKey)
	rest, ok := strings.CutPrefix(url, "https://witness.lacuna.test:")
	if !ok {
		t.Fatalf("it is at %s", url)
	}
	v, err := merkle.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+rest)
	}
	ask := func(url string, config *tls.Config) error {
		tr := &http.Transport{DialContext: dial, TLSClientConfig: config, ForceAttemptHTTP2: true}
		defer tr.CloseIdleConnections()
		c := &witness.Client{URL: url, Verifiers: []merkle.Verifier{v}, HTTP: &http.Client{Transport: tr}}
		_, err := c.Cosign(t.Context(), signed, 0, nil)
		return err
	}
	if err := ask(url, &tls.Config{RootCAs: roots}); err != nil {
		t.Error(err)
	}
	if err := ask(url, &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 is spoken")
	}
	if err := ask(url, nil); err == nil {
		t.Error("a certificate of nobody is believed")
	}
	var refused *witness.RefusedError
	if err := ask(strings.Replace(url, "https", "http", 1), nil); err == nil || errors.As(err, &refused) && refused.Status != http.StatusBadRequest {
		t.Errorf("without TLS: %v", err)
	}
	stopWitness(t, cmd)
}
