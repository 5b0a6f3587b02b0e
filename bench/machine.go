package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// A Machine is where a run took place.
type Machine struct {
	CPU        string `json:"cpu,omitempty"` // model; "" where it is not known
	Cores      int    `json:"cores"`         // that Go uses
	OS         string `json:"os"`
	Kernel     string `json:"kernel,omitempty"`
	Go         string `json:"go"`
	CGO        bool   `json:"cgo"`            // the storage engine keeps its caches outside of Go's heap
	Load       string `json:"load,omitempty"` // load averages of 1, 5 and 15 minutes when the run began: how busy others were
	FileSystem string `json:"fs,omitempty"`   // of the folder that the run writes to
}

// ThisMachine describes the machine as it is now. dir is where the run writes.
func ThisMachine(dir string) Machine {
	m := Machine{
		Cores: runtime.GOMAXPROCS(0), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(),
		CPU: cpuModel(), Kernel: firstField("/proc/sys/kernel/osrelease", 1), Load: firstField("/proc/loadavg", 3), CGO: cgo,
	}
	m.FileSystem = fileSystem(dir)
	return m
}

// WriteTo writes the lines that benchstat takes as the configuration of what
// follows them.
func (m Machine) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	line := func(k, v string) {
		if v != "" {
			fmt.Fprintf(&b, "%s: %s\n", k, v)
		}
	}
	line("cpu", m.CPU)
	line("cores", fmt.Sprint(m.Cores))
	line("os", strings.TrimSpace(m.OS+" "+m.Kernel))
	line("fs", m.FileSystem)
	line("go", m.Go)
	line("cgo", fmt.Sprint(m.CGO))
	line("load", m.Load)
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// firstField returns the first n words of a small file, "" where there is none.
func firstField(name string, n int) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	f := strings.Fields(string(b))
	return strings.Join(f[:min(n, len(f))], " ")
}

func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// fileSystem finds the mount that a folder is on; "" where that cannot be said.
func fileSystem(dir string) string {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return ""
	}
	defer f.Close()
	var kind, longest string
	for s := bufio.NewScanner(f); s.Scan(); {
		w := strings.Fields(s.Text())
		if len(w) < 3 {
			continue
		}
		if at := w[1]; (at == "/" || dir == at || strings.HasPrefix(dir, at+"/")) && len(at) >= len(longest) {
			longest, kind = at, w[2]
		}
	}
	return kind
}
