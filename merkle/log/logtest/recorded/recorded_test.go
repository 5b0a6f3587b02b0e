package recorded_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle/log/logtest/recorded"
)

const env = "LACUNA_TEST_RECORDED"

func TestMain(m *testing.M) {
	if os.Getenv(env) != "" {
		if err := program(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// program changes files in the ways that there are, and says what it has done.
func program() error {
	f, err := os.Create("a")
	if err != nil {
		return err
	}
	write := func(s string) error {
		_, err := f.WriteString(s)
		return err
	}
	dir, err := os.Open(".")
	if err != nil {
		return err
	}
	for _, step := range []struct {
		says string
		do   func() error
	}{
		{"written", func() error { return write("one") }},
		{"synced", f.Sync},
		{"named", dir.Sync},
		{"more", func() error { return write(strings.Repeat("two", 400)) }},
		{"renamed", func() error { return os.Rename("a", "b") }},
		{"more synced", f.Sync},
		{"rename synced", dir.Sync},
		{"cut", func() error { return f.Truncate(1) }},
		{"folder", func() error { return os.Mkdir("d", 0o700) }},
		{"in it", func() error { return os.WriteFile("d/c", []byte("x"), 0o600) }},
		{"removed", func() error { return os.Remove("b") }},
		{"all named", dir.Sync},
	} {
		if err := step.do(); err != nil {
			return err
		}
		fmt.Println(step.says)
	}
	return nil
}

func TestCrash(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "old"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env+"=1")
	r, err := recorded.Run(cmd, dir)
	if errors.Is(err, recorded.ErrNoStrace) && os.Getenv("LACUNA_TEST_REQUIRE") != "all" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	moments, err := r.Moments()
	if err != nil {
		t.Fatal(err)
	}
	one, two := "one", "one"+strings.Repeat("two", 400)
	// What is there after each line, if nothing survives that was not synced, and
	// if all does. "" is an empty file.
	for says, want := range map[string][2]map[string]string{
		"written":       {{}, {"a": one}},
		"synced":        {{}, {"a": one}},
		"named":         {{"a": one}, {"a": one}},
		"more":          {{"a": one}, {"a": two}},
		"renamed":       {{"a": one}, {"b": two}},
		"more synced":   {{"a": two}, {"b": two}},
		"rename synced": {{"b": two}, {"b": two}},
		"cut":           {{"b": two}, {"b": "o"}},
		"folder":        {{"b": two}, {"b": "o", "d": ""}},
		"in it":         {{"b": two}, {"b": "o", "d": "", "d/c": "x"}},
		"removed":       {{"b": two}, {"d": "", "d/c": "x"}},
		"all named":     {{"d": ""}, {"d": "", "d/c": "x"}},
	} {
		for i, percent := range []int{0, 100} {
			found := false
			for _, m := range moments {
				if m.What != "during write output" || !strings.HasSuffix("\n"+string(m.Output), "\n"+says+"\n") {
					continue
				}
				found = true
				want[i]["old"] = "old"
				if got := crash(t, r, m, percent); fmt.Sprint(got) != fmt.Sprint(want[i]) {
					t.Errorf("%s, %d%%: got %.200v, want %.200v", says, percent, got, want[i])
				}
			}
			if !found {
				t.Errorf("%s: was not said", says)
			}
		}
	}
}

// TestTorn looks for a write of which some sectors survive.
func TestTorn(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env+"=1")
	r, err := recorded.Run(cmd, t.TempDir())
	if errors.Is(err, recorded.ErrNoStrace) && os.Getenv("LACUNA_TEST_REQUIRE") != "all" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	moments, err := r.Moments()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, m := range moments {
		if strings.HasSuffix(string(m.Output), "\nmore\n") && m.What == "during write output" {
			for range 40 {
				kinds[crash(t, r, m, 50)["a"]] = true
			}
		}
	}
	if len(kinds) < 4 {
		t.Errorf("%d different states of a write of three sectors", len(kinds))
	}
}

var rng = rand.New(rand.NewPCG(1, 1))

func crash(t *testing.T, r *recorded.Recording, m recorded.Moment, percent int) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "left")
	if err := r.Crash(m, percent, rng, dir); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		var b []byte
		if !d.IsDir() {
			b, err = os.ReadFile(path)
		}
		files[strings.TrimPrefix(path, dir+"/")] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
