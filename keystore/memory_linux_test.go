package keystore_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
)

// TestMemory erases somebody with the real program, stops it when it is about to say
// that it is done, and searches its memory, from this process, for what was erased:
// the person's keys, what was derived from them, the keys of the pages they lay on and
// the old root. A build with GOEXPERIMENT=runtimesecret has none of it. A normal build
// may, which is why it says so; how much is logged. What names a person's rows is kept
// in an erasure job until the next sweep, and is counted apart.
//
// The control looks into the program while it shows the person's events: there the
// search has to find their key.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program twice")
	}
	for _, c := range []struct {
		name, experiment, says string
	}{
		{"normal", "", "this build cannot promise that no copy of a key stays in memory"},
		{"runtimesecret", "runtimesecret", "keys are derived in memory that the runtime wipes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newVictim(t, c.experiment)
			x.run("init", "--origin", "memory.example/log", "--root", x.path("root"), "--pages", x.path("pages"))
			x.record(`{"type":"purpose.declared","purpose_id":"service","description":{"en":"Service"},"legal_basis":"A6-1-b","categories":["Name"],"storage":["DE"],"retention":"P2Y"}`)
			for range 20 {
				x.record(`{"type":"processing.performed","subject":"alice","purpose":"service","operation":"store"}`)
			}
			x.record(`{"type":"processing.performed","subject":"bob","purpose":"service","operation":"store"}`)
			x.run("erase", "--subject", "bob", "--yes") // ships the page on which both lie
			if out, _ := x.command("doctor").Output(); !strings.Contains(string(out), c.says) {
				t.Errorf("doctor does not say %q:\n%s", c.says, out)
			}
			before := x.steal()

			shown := x.stopped("subject", "timeline", "alice")
			if n := newMasked(before.keys).in(t, shown.pid()); n == 0 {
				t.Error("control: no key is found in a process that has just used it")
			} else {
				t.Logf("in use: %d copies", n)
			}
			shown.end()

			erased := x.stopped("erase", "--subject", "alice", "--yes")
			after := x.steal()
			keys, pages, traces := without(before.keys, after.keys), without(before.pages, after.pages), without(before.traces, after.traces)
			if len(keys) < 3 || len(pages) < 3 || len(traces) < 3 {
				t.Fatalf("%d secrets of keys, %d of pages and %d of traces were replaced", len(keys), len(pages), len(traces))
			}
			left := [...]int{newMasked(keys).in(t, erased.pid()), newMasked(pages).in(t, erased.pid()), newMasked(traces).in(t, erased.pid())}
			t.Logf("after the erasure: %d copies of erased keys, %d of page keys, root and its share, %d of what names rows", left[0], left[1], left[2])
			if c.experiment != "" && left[0]+left[1] > 0 {
				t.Errorf("%d copies of erased keys, %d of destroyed page keys, root and share are in memory", left[0], left[1])
			}
			erased.end()
		})
	}
}

// A victim is a ledger and the program that is looked into.
type victim struct {
	t       *testing.T
	program string
	dir     string
}

func newVictim(t *testing.T, experiment string) *victim {
	t.Helper()
	x := &victim{t: t, dir: t.TempDir()}
	x.program = x.path("lacuna")
	build := exec.Command("go", "build", "-o", x.program, "../cmd/lacuna")
	build.Env = append(os.Environ(), "GOEXPERIMENT="+experiment)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return x
}

func (x *victim) path(name string) string { return filepath.Join(x.dir, name) }

func (x *victim) command(args ...string) *exec.Cmd {
	cmd := exec.Command(x.program, args...)
	cmd.Env = append(os.Environ(), "LACUNA_LEDGER="+x.path("crm"))
	return cmd
}

func (x *victim) run(args ...string) {
	x.t.Helper()
	if out, err := x.command(args...).CombinedOutput(); err != nil {
		x.t.Fatalf("lacuna %s: %v\n%s", args[0], err, out)
	}
}

func (x *victim) record(event string) {
	x.t.Helper()
	cmd := x.command("append", "-")
	cmd.Stdin = strings.NewReader(event)
	if out, err := cmd.CombinedOutput(); err != nil {
		x.t.Fatalf("lacuna append: %v\n%s", err, out)
	}
}

// A haul is what the root as it is now opens in the pages that were shipped.
type haul struct {
	keys   []keystore.Secret // of subjects, and the states of HMAC under what they give
	pages  []keystore.Secret // of pages, the root among them, and the shares it is made of
	traces []keystore.Secret // what names a person's rows: a job keeps it until the next sweep
}

func (x *victim) steal() (got haul) {
	x.t.Helper()
	root, err := os.ReadFile(x.path("root")) // the program has it open and locked
	if err != nil {
		x.t.Fatal(err)
	}
	copied := filepath.Join(x.t.TempDir(), "root")
	if err := os.WriteFile(copied, root, 0o600); err != nil {
		x.t.Fatal(err)
	}
	h, err := holder.OpenFile(copied)
	if err != nil {
		x.t.Fatal(err)
	}
	defer h.Close()
	rows, err := holder.ReadPages(x.path("pages"), 0)
	if err != nil {
		x.t.Fatal(err)
	}
	thief, err := keystore.Steal(ctx, rows, []keystore.Holder{h})
	if err != nil {
		x.t.Fatal(err)
	}
	got.keys, got.pages, got.traces = thief.Secrets()
	shares, err := h.Current(ctx)
	if err != nil {
		x.t.Fatal(err)
	}
	for _, s := range shares {
		got.pages = append(got.pages, s.Secret)
	}
	return got
}

func without(all, some []keystore.Secret) (rest []keystore.Secret) {
	not := make(map[keystore.Secret]bool)
	for _, s := range some {
		not[s] = true
	}
	for _, s := range all {
		if !not[s] {
			rest = append(rest, s)
		}
	}
	return rest
}

// A halted process waits in the write of its answer.
type halted struct {
	t   *testing.T
	cmd *exec.Cmd
	out *os.File
}

// stopped runs a command until it has done what it does and wants to say so: its
// standard output is a pipe that is full.
func (x *victim) stopped(args ...string) *halted {
	x.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		x.t.Fatal(err)
	}
	size, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096)
	if err != nil {
		x.t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, size)); err != nil {
		x.t.Fatal(err)
	}
	h := &halted{x.t, x.command(args...), r}
	h.cmd.Stdout = w
	if err := h.cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	w.Close()
	x.t.Cleanup(func() { h.cmd.Process.Kill(); h.cmd.Wait() })
	for !h.writing() {
		if h.cmd.Process.Signal(unix.Signal(0)) != nil || h.ended() {
			x.t.Fatalf("lacuna %s ended without an answer", args[0])
		}
	}
	return h
}

func (h *halted) pid() int { return h.cmd.Process.Pid }

// writing reports whether a thread of the process waits in write(1, …).
func (h *halted) writing() bool {
	calls, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", h.pid()))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, name := range calls {
		b, err := os.ReadFile(name)
		if errors.Is(err, os.ErrPermission) {
			h.t.Skip("this machine does not let us look into another process")
		}
		if err == nil && strings.HasPrefix(string(b), fmt.Sprintf("%d 0x1 ", unix.SYS_WRITE)) {
			return true
		}
	}
	return false
}

// ended reports whether the process has ended and was not waited for.
func (h *halted) ended() bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.pid()))
	_, state, ok := bytes.Cut(b, []byte(") "))
	return err != nil || ok && state[0] == 'Z'
}

// end lets the process say what it has to say.
func (h *halted) end() {
	h.t.Helper()
	if _, err := io.Copy(io.Discard, h.out); err != nil {
		h.t.Fatal(err)
	}
	h.out.Close()
	if err := h.cmd.Wait(); err != nil {
		h.t.Errorf("the program that was looked into: %v", err)
	}
}

// masked are secrets as this process keeps them to look for: under a mask, so that
// what is found is in the other process and not a copy that we made.
type masked struct {
	mask    keystore.Secret
	needles []keystore.Secret
	first   map[uint64][]int
	some    [1 << 16]bool
}

func newMasked(secrets []keystore.Secret) *masked {
	m := &masked{first: make(map[uint64][]int)}
	rand.Read(m.mask[:])
	for i, s := range secrets {
		for k := range s {
			s[k] ^= m.mask[k]
		}
		m.needles = append(m.needles, s)
		m.some[binary.LittleEndian.Uint16(s[:])] = true
		m.first[binary.LittleEndian.Uint64(s[:])] = append(m.first[binary.LittleEndian.Uint64(s[:])], i)
	}
	return m
}

// in counts copies in the memory of a process, at any offset.
func (m *masked) in(t *testing.T, pid int) (found int) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if errors.Is(err, os.ErrPermission) {
		t.Skip("this machine does not let us look into another process")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	read := 0
	buf := make([]byte, 1<<20)
	for lines := bufio.NewScanner(bytes.NewReader(maps)); lines.Scan(); {
		var from, to uint64
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode); err != nil {
			t.Fatal(err)
		}
		if mode[0] != 'r' || strings.Contains(lines.Text(), "[v") {
			continue // the last are the kernel's own
		}
		// Pieces overlap, so that nothing lies across two.
		for ; from < to; from += uint64(len(buf)) - 64 {
			b := buf[:min(uint64(len(buf)), to-from)]
			n, err := mem.ReadAt(b, int64(from))
			if err != nil && n == 0 {
				continue // unmapped meanwhile
			}
			read += n
			found += m.count(b[:n])
			if uint64(n) == to-from {
				break
			}
		}
	}
	if read < 10<<20 {
		t.Errorf("only %d bytes of memory were read", read)
	}
	return found
}

func (m *masked) count(b []byte) (found int) {
	mask2, mask8 := binary.LittleEndian.Uint16(m.mask[:]), binary.LittleEndian.Uint64(m.mask[:])
	for i := 0; i+32 <= len(b); i++ {
		if !m.some[binary.LittleEndian.Uint16(b[i:])^mask2] {
			continue
		}
	needle:
		for _, n := range m.first[binary.LittleEndian.Uint64(b[i:])^mask8] {
			for k := range m.mask {
				if b[i+k]^m.mask[k] != m.needles[n][k] {
					continue needle
				}
			}
			found++
		}
	}
	return found
}
