package recorded

import (
	"fmt"
	"strings"
	"testing"
)

// TestParseOfTheDying reads what strace 6.1 writes of threads that another one ends.
func TestParseOfTheDying(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"1 fsync(3)  = 0\n1 +++ exited with 0 +++\n", "begin fsync, end fsync"},
		{"1 ???( <detached ...>\n", "begin "},
		{"1 ???()    = ?\n", "begin "},
		{"1 fsync(3 <detached ...>\n", "begin "},
		{"1 fsync(3) = ?\n1 +++ exited with 0 +++\n", "begin "},
		{"1 fsync(3 <unfinished ...>) = ?\n", "begin "},
		{"1 fsync(3 <unfinished ...>\n2 close(3) = 0\n1 <... fsync resumed>) = ?\n", "begin , begin close, end close"},
		{"1 fsync(3 <unfinished ...>\n1 <... fsync resumed> <detached ...>\n", "begin "},
		{"1 fsync(3 <unfinished ...>\n", "begin "},
	} {
		events, err := parse(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
		}
		var got []string
		for _, e := range events {
			got = append(got, fmt.Sprintf("%s %s", map[bool]string{false: "begin", true: "end"}[e.end], e.name))
		}
		if got := strings.Join(got, ", "); got != c.want {
			t.Errorf("%q is %q, want %q", c.text, got, c.want)
		}
	}
	for _, text := range []string{"1 ???(\n", "1 fsync(3)\n", "1 fsync(3) = nothing\n"} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// FuzzParse must not panic, neither while reading nor while replaying.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"1 openat(AT_FDCWD, \"\\x2f\\x64\\x2f\\x61\", O_RDWR|O_CREAT, 0600) = 3\n1 write(3, \"\\x61\", 1) = 1\n1 fsync(3) = 0\n",
		"1 fsync(3 <unfinished ...>\n2 close(3) = 0\n1 <... fsync resumed>)       = 0\n",
		"1 renameat(AT_FDCWD, \"\\x61\", AT_FDCWD, \"\\x62\") = -1 ENOENT (No such file or directory)\n",
		"1 pwrite64(3, \"\\x61\"..., 4, 0) = 4\n1 exit_group(0) = ?\n+++ exited with 0 +++\n",
		"1 mkdirat(AT_FDCWD, \"\\x2f\\x64\\x2f\\x61\", 0700) = 0\n1 unlinkat(AT_FDCWD, \"\\x61\", AT_REMOVEDIR) = 0\n1 ftruncate(3, 1) = 0\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		events, err := parse(s)
		if err != nil {
			return
		}
		r := &Recording{"/d", events, newDir(), func(string) bool { return false }}
		_, _ = r.Moments() // an error is an answer
	})
}
