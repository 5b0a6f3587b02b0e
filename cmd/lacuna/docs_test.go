package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestDocs runs every command in the tutorial and the how-to pages, in an empty
// folder for each page, and compares exit codes and output. "…" stands for
// anything: within a line, or alone for any number of lines.
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

func runPage(t *testing.T, page string) {
	dir := t.TempDir()
	bin := programs(t)
	env := append(os.Environ(), "LACUNA_TEST_RUN_MAIN=1", "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "LACUNA_LEDGER=")
	for _, c := range docCommands(t, page) {
		if name, value, ok := strings.Cut(strings.TrimPrefix(c.script, "export "), "="); ok && strings.HasPrefix(c.script, "export ") {
			env = append(env, name+"="+value)
			continue
		}
		cmd := exec.Command("sh", "-c", "exec 2>&1\n"+c.script)
		cmd.Dir, cmd.Env = dir, env
		got, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		place := fmt.Sprintf("%s:%d", page, c.line)
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
