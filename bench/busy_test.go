package bench

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Who is ours and who is not, and that what others use is what is left.
func TestBusy(t *testing.T) {
	self := os.Getpid()
	before := &census{at: time.Unix(0, 0), busy: 10 * time.Second, processes: map[int]process{
		1: {"init", 0, time.Second}, self: {"bench.test", 1, time.Second}, self + 1: {"postgres", self, time.Second},
		self + 2: {"postgres", self + 1, 0}, self + 3: {"compile", 1, 0}, self + 4: {"compile", 1, 0},
	}}
	after := &census{at: time.Unix(2, 0), busy: 13 * time.Second, stolen: time.Second, processes: map[int]process{
		1: {"init", 0, time.Second}, self: {"bench.test", 1, 2 * time.Second}, self + 1: {"postgres", self, time.Second},
		self + 2: {"postgres", self + 1, time.Second}, self + 3: {"compile", 1, 500 * time.Millisecond}, self + 4: {"compile", 1, 300 * time.Millisecond},
	}}
	if got := after.children() - before.children(); got != time.Second {
		t.Errorf("children used %v, want 1 s", got)
	}
	b := after.since(before, 2*time.Second)
	if !b.Known || b.Others != 0.5 || b.Stolen != 0.5 || b.Quiet() {
		t.Errorf("busy is %+v", b)
	}
	if got := strings.Join(b.Names, ", "); got != "compile 0.40" {
		t.Errorf("the busiest are %q", got)
	}
	if b := after.since(before, 3*time.Second); b.Others != 0 {
		t.Errorf("others are charged with what is ours: %+v", b)
	}
	if b := after.since(nil, 0); b.Known || b.Quiet() {
		t.Errorf("known without a first census: %+v", b)
	}
}

func TestParseProcess(t *testing.T) {
	p, ok := parseProcess("4711 (a) (b) c) S 12 4711 4711 0 -1 4194560 9 0 0 0 150 50 7 7 20 0 1 0 3 0 0")
	if !ok || p != (process{"a) (b) c", 12, 2 * time.Second}) {
		t.Errorf("%+v, %v", p, ok)
	}
	for _, line := range []string{"", "1 (x", ") (", "1 (x) S 1 2", "1 (x) S y 4711 4711 0 -1 4194560 9 0 0 0 150 50"} {
		if p, ok := parseProcess(line); ok {
			t.Errorf("%q is %+v", line, p)
		}
	}
}

// What a child uses is charged to us, on a system that tells.
func TestChildren(t *testing.T) {
	if takeCensus() == nil {
		t.Skip("no /proc on this system")
	}
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; read x")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	m := Start()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	own := processTime() - m.cpu
	u := m.Stop()
	if u.CPU < own+tick {
		t.Errorf("a child that counted to 200,000 was charged with %v", u.CPU-own)
	}
	in.Close()
	_ = cmd.Wait() // read fails at the end of its input
}

func FuzzParseProcess(f *testing.F) {
	f.Add("4711 (a) (b) c) S 12 4711 4711 0 -1 4194560 9 0 0 0 150 50 7 7 20 0 1 0 3 0 0")
	f.Add("1 () R 0")
	f.Fuzz(func(t *testing.T, line string) { parseProcess(line) })
}

func BenchmarkCensus(b *testing.B) {
	for b.Loop() {
		takeCensus()
	}
}
