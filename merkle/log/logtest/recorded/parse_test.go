package recorded

import "testing"

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
