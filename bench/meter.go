package bench

import (
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// A Meter notes what the process uses from Start to Stop, and what others use.
type Meter struct {
	began  time.Time
	cpu    time.Duration
	mem    runtime.MemStats
	census *census
}

// Usage is what a run used.
type Usage struct {
	Elapsed time.Duration
	CPU     time.Duration // user and system, of all threads and of processes started by this one; 0 where it is not known
	Allocs  uint64        // objects
	Bytes   uint64        // allocated
	Busy    Busy          // others, meanwhile
}

// Start begins a run. It collects garbage first, so that a run does not pay for
// what was set up before it.
func Start() *Meter {
	runtime.GC()
	m := new(Meter)
	runtime.ReadMemStats(&m.mem)
	m.census = takeCensus()
	m.cpu = processTime()
	m.began = time.Now()
	return m
}

// Stop ends it.
func (m *Meter) Stop() Usage {
	u := Usage{Elapsed: time.Since(m.began), CPU: processTime() - m.cpu}
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	u.Allocs, u.Bytes = now.Mallocs-m.mem.Mallocs, now.TotalAlloc-m.mem.TotalAlloc
	c := takeCensus()
	if u.CPU > 0 { // a service that a path talks to, PostgreSQL say, works for it
		u.CPU += max(0, c.children()-m.census.children())
	}
	u.Busy = c.since(m.census, u.CPU)
	return u
}

// Latencies are the durations of single calls.
type Latencies []time.Duration

// Quantile returns the duration that the share q of the calls did not exceed;
// zero where there was none.
func (l Latencies) Quantile(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	s := slices.Clone(l)
	slices.Sort(s)
	i := int(q * float64(len(s)))
	return s[min(i, len(s)-1)]
}

// DiskUse is what a folder takes on the disk.
func DiskUse(dir string) (int64, error) {
	var n int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := diskBytes(path)
		n += b
		return err
	})
	return n, err
}

// timed runs f and says how long it took.
func timed(f func() error) (time.Duration, error) {
	began := time.Now()
	err := f()
	return time.Since(began), err
}
