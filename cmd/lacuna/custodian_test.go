package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
)

// A daemon is a custodian in a process of its own.
type daemon struct {
	t          *testing.T
	dir        string
	invitation string
	cmd        *exec.Cmd
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	d := &daemon{t: t, dir: filepath.Join(t.TempDir(), "vault")}
	d.invitation = strings.TrimSpace(string(runOK(t, "", "custodian", "init", "--dir", d.dir, "--address", addr)))
	d.start()
	t.Cleanup(d.kill)
	return d
}

func (d *daemon) start() {
	d.t.Helper()
	d.cmd = program("custodian", "serve", "--dir", d.dir)
	var talk bytes.Buffer
	d.cmd.Stderr = &talk
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		_ = d.cmd.Wait()
		d.t.Fatalf("the custodian does not start: %s", talk.String())
	}
}

// kill ends the daemon without a warning.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}

// TestKillCustodian kills the custodian while the ledger erases, and starts it anew.
// Whoever was to be erased is there in full or not at all, and not at all once the
// ledger was opened again, because the request was written down; nobody else is lost.
func TestKillCustodian(t *testing.T) {
	dir, d := newKillLedger(t), newDaemon(t)
	runOK(t, d.invitation+"\n", "custodian", "add", "--ledger", dir, "--yes", "--pages", "-")
	rng := rand.New(rand.NewPCG(5, 6))
	runOK(t, eraseEvents("witness", 3)+eraseEvents("first", 5), "append", "--ledger", dir, "-")
	start := time.Now()
	runOK(t, "", "erase", "--ledger", dir, "--subject", "first", "--yes")
	took := time.Since(start)
	failed := 0
	for round := range kills(t) {
		who := fmt.Sprintf("person-%d", round)
		runOK(t, eraseEvents(who, 5), "append", "--ledger", dir, "-")
		cmd := program("erase", "--ledger", dir, "--subject", who, "--yes")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(took))))
		d.kill()
		done := cmd.Wait() == nil
		if !done {
			failed++
		}
		d.start()
		inspect(t, dir, func(l *ledger.Ledger) {
			contract, tax := compartments(t, l, who)
			if tax != 1 || contract != 0 && contract != 5 || done && contract != 0 {
				t.Fatalf("round %d: erased %v, %d of 5 events and %d of 1 kept ones are there", round, done, contract, tax)
			}
			if contract == 5 { // it was not asked for durably
				if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: who}); err != nil {
					t.Fatalf("round %d: erasing again: %v", round, err)
				}
			}
			if c, _ := compartments(t, l, "witness"); c != 3 {
				t.Fatalf("round %d: somebody else lost events: %d of 3 are there", round, c)
			}
		})
	}
	if failed == 0 {
		t.Fatal("no erasure was interrupted: the loop kills too late to show anything")
	}
	inspect(t, dir, func(l *ledger.Ledger) { fsckOK(t, l) })
}

// TestKillChange kills the ledger's program, or the custodian, while a custodian joins
// or leaves. Afterwards the ledger opens, and the root lies with one or with both.
func TestKillChange(t *testing.T) {
	dir, d := newKillLedger(t), newDaemon(t)
	runOK(t, eraseEvents("witness", 3), "append", "--ledger", dir, "-")
	rng := rand.New(rand.NewPCG(7, 8))
	start := time.Now()
	runOK(t, "", "custodian", "add", "--ledger", dir, "--yes", "--name", "vault", d.invitation)
	took := time.Since(start)
	failed, joined := 0, true
	for round := range 2 * kills(t) {
		args := []string{"custodian", "remove", "--ledger", dir, "--yes", "vault"}
		if !joined {
			inv := strings.TrimSpace(string(runOK(t, "", "custodian", "invite", "--dir", d.dir)))
			args = []string{"custodian", "add", "--ledger", dir, "--yes", "--name", "vault", inv}
		}
		cmd := program(args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(took))))
		if round%2 == 0 {
			cmd.Process.Kill()
		} else {
			d.kill()
		}
		if cmd.Wait() != nil {
			failed++
		}
		if round%2 != 0 {
			d.start()
		}
		inspect(t, dir, func(l *ledger.Ledger) {
			joined = len(l.Custody().Holders) == 2
			if c, _ := compartments(t, l, "witness"); c != 3 {
				t.Fatalf("round %d: %d of 3 events are there", round, c)
			}
		})
		c, err := ledger.ReadConfig(dir)
		if err != nil || len(c.Custodians) == 1 != joined {
			t.Fatalf("round %d: the custodian keeps a share: %v, the configuration says %+v (%v)", round, joined, c.Custodians, err)
		}
	}
	if failed == 0 {
		t.Fatal("no change was interrupted: the loop kills too late to show anything")
	}
	// Whatever was left behind, it can be added and removed.
	for _, want := range []int{1, 2, 1} {
		args := []string{"custodian", "remove", "--ledger", dir, "--yes", "vault", "--json"}
		if want == 2 {
			inv := strings.TrimSpace(string(runOK(t, "", "custodian", "invite", "--dir", d.dir)))
			args = []string{"custodian", "add", "--ledger", dir, "--yes", "--name", "vault", "--json", inv}
		} else if !joined {
			continue
		}
		var now jsonv1.Custody
		if err := json.Unmarshal(runOK(t, "", args...), &now); err != nil || len(now.Holders) != want {
			t.Errorf("%+v, %v; want %d holders", now, err, want)
		}
		joined = want == 2
	}
	inspect(t, dir, func(l *ledger.Ledger) { fsckOK(t, l) })
}

func TestCustodianUsage(t *testing.T) {
	dir, d := newKillLedger(t), newDaemon(t)
	for name, c := range map[string]struct {
		args []string
		exit int
		say  string
	}{
		"no folder":              {[]string{"serve"}, exitUsage, "--dir is missing"},
		"no custodian":           {[]string{"serve", "--dir", d.dir + "x"}, exitUsage, "there is no custodian"},
		"twice":                  {[]string{"serve", "--dir", d.dir}, exitBusy, "another process"},
		"init twice":             {[]string{"init", "--dir", d.dir, "--address", "h:1"}, exitUsage, "there is a custodian in"},
		"no port":                {[]string{"init", "--dir", d.dir + "x", "--address", "h"}, exitUsage, "HOST:PORT"},
		"not an invitation":      {[]string{"add", "--ledger", dir, "x"}, exitUsage, "not an invitation"},
		"no terminal":            {[]string{"add", "--ledger", dir, d.invitation}, exitUsage, "no terminal"},
		"remove nobody":          {[]string{"remove", "--ledger", dir, "--yes", "vault"}, exitNotFound, "no custodian"},
		"another secret":         {[]string{"add", "--ledger", dir, "--yes", d.invitation[:len(d.invitation)-4] + "AAAA"}, exitNotAllowed, "does not know"},
		"another custodian's":    {[]string{"add", "--ledger", dir, "--yes", otherKey(d.invitation)}, exitVerify, "another key"},
		"nobody there":           {[]string{"add", "--ledger", dir, "--yes", "lacuna-custodian/127.0.0.1:1/" + strings.Split(d.invitation, "/")[2]}, exitBusy, "no answer"},
		"an unknown command":     {[]string{"start"}, exitUsage, "has no command"},
		"status without custody": {[]string{"status", "--ledger", dir}, exitOK, "no custodian"},
	} {
		cmd := program(append([]string{"custodian"}, c.args...)...)
		out, _ := cmd.CombinedOutput() // the exit code says more
		if code := cmd.ProcessState.ExitCode(); code != c.exit || !strings.Contains(string(out), c.say) {
			t.Errorf("%s: exit %d, want %d; %s", name, code, c.exit, out)
		}
	}
}

// otherKey changes the key in an invitation.
func otherKey(invitation string) string {
	parts := strings.Split(invitation, "/")
	first := "A"
	if parts[2][0] == 'A' {
		first = "B"
	}
	return parts[0] + "/" + parts[1] + "/" + first + parts[2][1:]
}
