package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle"
)

// kills is how often each of the two loops kills the program: LACUNA_TEST_KILLS
// in all, a few where it is not set.
func kills(t *testing.T) int {
	n := 12
	if text := os.Getenv("LACUNA_TEST_KILLS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatalf("LACUNA_TEST_KILLS: %v", err)
		}
	}
	return max(1, n/2)
}

// newKillLedger makes a ledger with a register in a new folder.
func newKillLedger(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "crm")
	runOK(t, "", "init", "--ledger", dir, "--origin", "kill.lacuna.test", "--pages", dir+".pages")
	runOK(t, killRegister, "append", "--ledger", dir, "-")
	return dir
}

const killRegister = `{"type":"controller.registered","controller_id":"k","name":"K GmbH","contact":"dpo@k.example","jurisdiction":"DE","public":true}
{"type":"notice.published","notice_id":"n","lang":"en","url":"https://k.example/n","text":"We store invoices.","public":true}
{"type":"purpose.declared","purpose_id":"service","description":{"en":"Service"},"legal_basis":"A6-1-b","categories":["Name"],"storage":["DE"],"retention":"P2Y","compartment":"contract"}
{"type":"purpose.declared","purpose_id":"invoices","description":{"en":"Invoices"},"legal_basis":"A6-1-c","law":"§ 147 AO","categories":["Name"],"storage":["DE"],"retention":{"for":"P8Y","from":"year_end"},"compartment":"tax"}
`

// program returns a command that runs this test binary as lacuna: see TestMain.
func program(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), "LACUNA_TEST_RUN_MAIN=1")
	return cmd
}

func runOK(t *testing.T, stdin string, args ...string) []byte {
	t.Helper()
	cmd := program(args...)
	cmd.Stdin = bytes.NewReader([]byte(stdin))
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); err != nil {
		t.Fatalf("lacuna %v: %v\n%s%s", args, err, out.Bytes(), talk.Bytes())
	}
	return out.Bytes()
}

// acknowledged is what a killed program had said before it died.
type acknowledged struct {
	ID    string  `json:"id"`
	Index *uint64 `json:"index"`
}

// TestKillDuringAppend kills the program while it appends. Whatever it had
// acknowledged is there afterwards, at the index it named, and the log has never
// had two roots at one size.
func TestKillDuringAppend(t *testing.T) {
	dir := newKillLedger(t)
	rng := rand.New(rand.NewPCG(1, 2))
	var head merkle.Checkpoint
	total := 0
	rounds := kills(t)
	all := make(map[string]uint64)
	for round := range rounds {
		said := appendUntilKilled(t, dir, round, rng)
		total += len(said)
		for id, index := range said {
			all[id] = index
		}
		last := round == rounds-1
		if last || round%10 == 9 {
			said = all // now and then, what earlier rounds were told
		}
		inspect(t, dir, func(l *ledger.Ledger) {
			now := l.Log().Head().Checkpoint
			root, err := l.Log().RootAt(t.Context(), head.Size)
			if err != nil || (head.Size > 0 && root != head.Root) {
				t.Fatalf("round %d: the first %d entries had root %s, now %s (%v)", round, head.Size, head.Root, root, err)
			}
			head = now
			for id, index := range said {
				e, err := l.Get(t.Context(), index)
				if err != nil || e.Event.Str("id") != id {
					t.Fatalf("round %d: %s was acknowledged as entry %d, which is another (%v)", round, id, index, err)
				}
			}
			if last || round%10 == 9 {
				fsckOK(t, l)
			}
		})
	}
	if total < rounds {
		t.Fatalf("only %d events were acknowledged in %d rounds: the loop kills too early to show anything", total, rounds)
	}
	t.Logf("%d kills, %d acknowledged events, %d entries", rounds, total, head.Size)
}

const killPeople = 8

func killPerson(i int) string { return fmt.Sprintf("person-%d", i) }

// appendUntilKilled feeds events and kills the program some time after its first
// answer.
func appendUntilKilled(t *testing.T, dir string, round int, rng *rand.Rand) map[string]uint64 {
	cmd := program("append", "--json", "--ledger", dir, "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var talk bytes.Buffer
	cmd.Stderr = &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		// A few at a time, so that some answers come while others are on their
		// way. It ends when the pipe breaks.
		for i := 0; ; i++ {
			if i%20 == 19 {
				time.Sleep(2 * time.Millisecond)
			}
			_, err := fmt.Fprintf(in, `{"type":"processing.performed","id":"r%d-%d","subject":"%s","purpose":"service","operation":"store"}`+"\n", round, i, killPerson(i%killPeople))
			if err != nil {
				return
			}
		}
	}()
	said := make(map[string]uint64)
	lines := bufio.NewReader(out)
	for first := true; ; first = false {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var a acknowledged
		if err := json.Unmarshal(line, &a); err != nil || a.Index == nil {
			t.Fatalf("round %d: lacuna append printed %q", round, line)
		}
		said[a.ID] = *a.Index
		if first {
			after := time.Duration(rng.IntN(40)) * time.Millisecond
			time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
	}
	io.Copy(io.Discard, out)
	if err := cmd.Wait(); err == nil {
		t.Fatalf("round %d: lacuna append ended by itself", round)
	}
	if talk.Len() > 0 && !bytes.Contains(talk.Bytes(), []byte("warning")) {
		t.Fatalf("round %d: %s", round, talk.Bytes())
	}
	return said
}

// TestKillDuringErase kills the program while it erases. A person is afterwards
// either there in full or erased in full, erased if the program had said so, and
// everybody else is there.
func TestKillDuringErase(t *testing.T) {
	dir := newKillLedger(t)
	rng := rand.New(rand.NewPCG(3, 4))
	rounds := kills(t)
	witness := eraseEvents("witness", 3)
	runOK(t, witness, "append", "--ledger", dir, "-")
	// One that is left alone tells how long it takes.
	runOK(t, eraseEvents("first", 5), "append", "--ledger", dir, "-")
	start := time.Now()
	runOK(t, "", "erase", "--ledger", dir, "--subject", "first", "--yes")
	took := time.Since(start)
	interrupted := 0
	for round := range rounds {
		who := fmt.Sprintf("person-%d", round)
		runOK(t, eraseEvents(who, 5), "append", "--ledger", dir, "-")
		cmd := program("erase", "--ledger", dir, "--subject", who, "--yes")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(took/4 + time.Duration(rng.Int64N(int64(took))))
		cmd.Process.Kill()
		acknowledged := cmd.Wait() == nil
		if acknowledged {
			took -= took / 10 // it was measured while the machine was busier
		} else {
			interrupted++
		}
		inspect(t, dir, func(l *ledger.Ledger) {
			contract, tax := compartments(t, l, who)
			switch {
			case tax != 1:
				t.Fatalf("round %d: %d of 1 kept events are there", round, tax)
			case acknowledged && contract != 0:
				t.Fatalf("round %d: the erasure was acknowledged, and %d events are there", round, contract)
			case contract != 0 && contract != 5:
				t.Fatalf("round %d: half an erasure: %d of 5 events are there", round, contract)
			}
			if c, _ := compartments(t, l, "witness"); c != 3 {
				t.Fatalf("round %d: somebody else lost events: %d of 3 are there", round, c)
			}
			if contract == 5 { // it was not asked for durably: ask again
				if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: who}); err != nil {
					t.Fatalf("round %d: erasing again: %v", round, err)
				}
				if c, _ := compartments(t, l, who); c != 0 {
					t.Fatalf("round %d: %d events survive an erasure", round, c)
				}
			}
			if round%10 == 9 || round == rounds-1 {
				fsckOK(t, l)
			}
		})
	}
	if interrupted == 0 {
		t.Fatal("no erasure was interrupted: the loop kills too late to show anything")
	}
	t.Logf("%d kills, %d erasures interrupted", rounds, interrupted)
}

// eraseEvents are n events in a compartment that dies and one in one that stays.
func eraseEvents(who string, n int) string {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"type":"processing.performed","id":"%s-%d","subject":"%s","purpose":"service","operation":"store"}`+"\n", who, i, who)
	}
	fmt.Fprintf(&b, `{"type":"processing.performed","id":"%s-tax","subject":"%s","purpose":"invoices","operation":"store"}`+"\n", who, who)
	return b.String()
}

func compartments(t *testing.T, l *ledger.Ledger, who string) (contract, tax int) {
	t.Helper()
	entries, err := l.Timeline(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		switch e.Compartment {
		case "contract":
			contract++
		case "tax":
			tax++
		}
	}
	return contract, tax
}

func inspect(t *testing.T, dir string, f func(l *ledger.Ledger)) {
	t.Helper()
	l, err := ledger.Open(context.Background(), ledger.Options{Dir: dir})
	if err != nil {
		t.Fatalf("opening after a kill: %v", err)
	}
	f(l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func fsckOK(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	r, err := l.Fsck(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(r.Problems, r.Missing...) {
		t.Errorf("fsck: %s", p)
	}
	if t.Failed() {
		t.FailNow()
	}
}
