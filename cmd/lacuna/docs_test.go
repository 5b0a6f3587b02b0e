package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDocs runs every command in the tutorial and the how-to pages, in an empty
// folder for each page, and compares exit codes and output. "…" stands for
// anything: within a line, or alone for any number of lines.
//
// A command that ends in "&" goes on running. The next one is run when it has
// printed what the page says, and it is stopped at the end of the page or by
// "kill %1", where 1 is its number among those of the page. Addresses on
// 127.0.0.1 are replaced by free ones, so that pages can run beside each other.
func TestDocs(t *testing.T) {
	for _, dir := range []string{"tutorial", "howto"} {
		pages, err := filepath.Glob(filepath.Join("..", "..", "docs", dir, "*.md"))
		if err != nil || len(pages) == 0 {
			t.Fatalf("no pages in docs/%s (%v)", dir, err)
		}
		for _, page := range pages {
			t.Run(filepath.Base(page), func(t *testing.T) {
				t.Parallel()
				runPage(t, page)
			})
		}
	}
}

// docCommand is one command of a page and what it has to print.
type docCommand struct {
	line   int
	script string
	exit   int
	output []string
}

var exitNote = regexp.MustCompile(`\s+# exit (\d+)$`)

// docCommands reads the console blocks of a page. A command begins with "$ "; a
// here-document belongs to it.
func docCommands(t *testing.T, page string) []docCommand {
	f, err := os.Open(page)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []docCommand
	block, end := false, ""
	s := bufio.NewScanner(f)
	for n := 1; s.Scan(); n++ {
		line := s.Text()
		switch {
		case strings.HasPrefix(line, "```"):
			block = line == "```console"
		case !block:
		case end != "":
			c := &out[len(out)-1]
			c.script += "\n" + line
			if line == end {
				end = ""
			}
		case strings.HasPrefix(line, "$ "):
			c := docCommand{line: n, script: line[2:]}
			if m := exitNote.FindStringSubmatch(c.script); m != nil {
				c.exit, _ = strconv.Atoi(m[1])
				c.script = exitNote.ReplaceAllString(c.script, "")
			}
			if _, here, ok := strings.Cut(c.script, "<<'"); ok {
				end = strings.TrimSuffix(here, "'")
			}
			out = append(out, c)
		case len(out) > 0:
			out[len(out)-1].output = append(out[len(out)-1].output, line)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// jobEnd is what stops a job, by its number.
var jobEnd = regexp.MustCompile(`^kill %(\d+)$`)

// A docJob is a command that goes on running.
type docJob struct {
	cmd   *exec.Cmd
	lines chan string // what it prints; closed when it has ended
}

func startJob(t *testing.T, cmd *exec.Cmd) *docJob {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	j := &docJob{cmd, make(chan string, 1000)}
	go func() {
		defer close(j.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case j.lines <- s.Text():
			default: // nobody listens, and it must not stand still
			}
		}
	}()
	return j
}

// await reads until the job has printed what it should. One that prints something
// else and goes on running is not waited for until the whole test is killed.
func (j *docJob) await(pattern []string) (printed []string, ok bool) {
	enough := time.After(2 * time.Minute)
	for !matchLines(pattern, printed) {
		select {
		case line, more := <-j.lines:
			if !more {
				return printed, false
			}
			printed = append(printed, line)
		case <-enough:
			return printed, false
		}
	}
	return printed, true
}

// stop ends the job, as a user would, and returns its exit code.
func (j *docJob) stop() int {
	_ = j.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	for range j.lines {
	}
	_ = j.cmd.Wait() // the exit code says it
	return j.cmd.ProcessState.ExitCode()
}

var localAddress = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// freePorts replaces addresses on this machine by free ones, the same by the same.
func freePorts(t *testing.T, cs []docCommand) {
	t.Helper()
	free := map[string]string{}
	replace := func(s string) string {
		return localAddress.ReplaceAllStringFunc(s, func(a string) string {
			if free[a] == "" {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				free[a] = l.Addr().String()
				l.Close()
			}
			return free[a]
		})
	}
	for i := range cs {
		cs[i].script = replace(cs[i].script)
		for k := range cs[i].output {
			cs[i].output[k] = replace(cs[i].output[k])
		}
	}
}

func runPage(t *testing.T, page string) {
	dir := t.TempDir()
	bin := programs(t)
	commands := docCommands(t, page)
	freePorts(t, commands)
	var jobs []*docJob
	defer func() {
		for _, j := range jobs {
			if j != nil {
				j.stop()
			}
		}
	}()
	env := append(os.Environ(), "LACUNA_TEST_RUN_MAIN=1", "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "LACUNA_LEDGER=")
	for _, c := range commands {
		place := fmt.Sprintf("%s:%d", page, c.line)
		if name, value, ok := strings.Cut(strings.TrimPrefix(c.script, "export "), "="); ok && strings.HasPrefix(c.script, "export ") {
			env = append(env, name+"="+value)
			continue
		}
		if m := jobEnd.FindStringSubmatch(c.script); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil || n < 1 || n > len(jobs) || jobs[n-1] == nil {
				t.Fatalf("%s: there is no job %s", place, m[1])
			}
			if code := jobs[n-1].stop(); code != c.exit {
				t.Errorf("%s: the job ends with exit %d, want %d", place, code, c.exit)
			}
			jobs[n-1] = nil
			continue
		}
		script, job := strings.CutSuffix(c.script, " &")
		if job {
			script = "exec " + script
		}
		cmd := exec.Command("sh", "-c", "exec 2>&1\n"+script)
		cmd.Dir, cmd.Env = dir, env
		if job {
			j := startJob(t, cmd)
			jobs = append(jobs, j)
			if printed, ok := j.await(c.output); !ok {
				t.Fatalf("%s:\n$ %s\nprinted\n%s\nand ended, or went on in silence; the page says\n%s", place, c.script, strings.Join(printed, "\n"), strings.Join(c.output, "\n"))
			}
			continue
		}
		got, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != c.exit {
			t.Fatalf("%s: exit %d, want %d\n$ %s\n%s", place, code, c.exit, c.script, got)
		}
		var lines []string
		if text := strings.TrimRight(string(got), "\n"); text != "" {
			lines = strings.Split(text, "\n")
		}
		if !matchLines(c.output, lines) {
			t.Errorf("%s:\n$ %s\nprinted\n%s\nthe page says\n%s", place, c.script, got, strings.Join(c.output, "\n"))
		}
	}
}

// matchLines reports whether lines fit a pattern in which a line "…" stands for
// any number of lines.
func matchLines(pattern, lines []string) bool {
	if len(pattern) == 0 {
		return len(lines) == 0
	}
	if pattern[0] == "…" {
		for i := range len(lines) + 1 {
			if matchLines(pattern[1:], lines[i:]) {
				return true
			}
		}
		return false
	}
	return len(lines) > 0 && matchLine(pattern[0], strings.TrimRight(lines[0], " ")) && matchLines(pattern[1:], lines[1:])
}

func matchLine(pattern, line string) bool {
	parts := strings.Split(pattern, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(line)
}

// TestExitCodesPage holds docs/reference/exit-codes.md against the code.
func TestExitCodesPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/exit-codes.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := []int{exitOK, exitFailure, exitUsage, exitVerify, exitErased, exitNotFound, exitBusy, exitNotAllowed, exitHeld, exitRefused, exitDeny, exitGap, exitInterrupted}
	for _, code := range codes {
		if !strings.Contains(string(page), fmt.Sprintf("\n| %d | ", code)) {
			t.Errorf("exit code %d is not on the page", code)
		}
	}
	if n := strings.Count(string(page), "\n| ") - 2; n != len(codes) {
		t.Errorf("the page has %d codes, the program %d", n, len(codes))
	}
}
