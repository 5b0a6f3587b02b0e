package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal returns the two ends of a terminal: what a person types goes into the first,
// a program reads from the second.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// asked is what a program says, and calls then when it asks.
type asked struct {
	mu   sync.Mutex
	text bytes.Buffer
	what string
	then func()
}

func (a *asked) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.text.Write(p)
	if a.then != nil && strings.Contains(a.text.String(), a.what) {
		a.then()
		a.then = nil
	}
	return len(p), nil
}

// TestInterruptQuestion: whoever is asked something can interrupt instead of answering,
// nothing is done, and the terminal shows what is typed afterwards.
func TestInterruptQuestion(t *testing.T) {
	t.Chdir(t.TempDir())
	runOK(t, "", "init", "--ledger", "crm", "--origin", "a.example/crm", "--root", "a", "--root", "b", "--pages", "p")
	runOK(t, `{"type":"purpose.declared","purpose_id":"service","description":{"en":"Service"},"legal_basis":"A6-1-b","categories":["Name"],"storage":["DE"],"retention":"P2Y"}
{"type":"processing.performed","subject":"s-1","purpose":"service","operation":"store"}
`, "append", "--ledger", "crm", "-")
	for _, q := range []struct {
		question string
		hidden   bool // what is typed is not shown
		args     []string
	}{
		{"Type the subject id to erase: ", false, []string{"erase", "--ledger", "crm", "--subject", "s-1"}},
		{"New passphrase of the root: ", true, []string{"root", "passphrase", "--ledger", "crm"}},
	} {
		_, in := terminal(t)
		before, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		ctx, interrupt := context.WithCancel(t.Context())
		// Nobody is as fast as to interrupt before the terminal hides what is typed.
		talk := &asked{what: q.question, then: func() {
			go func() {
				defer interrupt()
				for q.hidden && ctx.Err() == nil {
					now, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS)
					if err != nil || now.Lflag&unix.ECHO == 0 {
						return
					}
					time.Sleep(time.Millisecond)
				}
			}()
		}}
		ended := make(chan int, 1)
		go func() { ended <- run(ctx, append([]string{"lacuna"}, q.args...), in, io.Discard, talk) }()
		select {
		case code := <-ended:
			if code != exitInterrupted {
				t.Errorf("lacuna %s: exit %d, want %d:\n%s", q.args[0], code, exitInterrupted, talk.text.Bytes())
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("lacuna %s goes on waiting for an answer", q.args[0])
		}
		after, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		if after.Lflag != before.Lflag {
			t.Errorf("lacuna %s leaves the terminal otherwise: %x, was %x", q.args[0], after.Lflag, before.Lflag)
		}
	}
	runOK(t, "", "subject", "timeline", "--ledger", "crm", "s-1")
}
