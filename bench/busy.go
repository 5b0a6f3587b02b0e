package bench

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Busy says what else kept the machine busy while something was measured. A
// figure of a busy machine is good for a ratio and for nothing else.
type Busy struct {
	Load   string   `json:"load,omitempty"` // averages of 1, 5 and 15 minutes when the run ended
	Known  bool     `json:"known"`          // whether this system says what follows
	Others float64  `json:"others"`         // processors that other processes used, on average
	Stolen float64  `json:"stolen"`         // processors that other machines took from this one
	Names  []string `json:"names,omitempty"`
}

// Quiet says whether a figure that was taken meanwhile is worth quoting: others
// used less than a tenth of a processor.
func (b Busy) Quiet() bool { return b.Known && b.Others+b.Stolen < 0.1 }

func (b Busy) String() string {
	if !b.Known {
		return "not known how busy the machine was"
	}
	s := fmt.Sprintf("others used %.2f processors", b.Others+b.Stolen)
	if len(b.Names) > 0 {
		s += ": " + strings.Join(b.Names, ", ")
	}
	return s
}

// The kernel counts time in hundredths of a second wherever Go runs on Linux.
const tick = 10 * time.Millisecond

// A census is what every process of the machine has used until now, from /proc.
type census struct {
	at           time.Time
	busy, stolen time.Duration // of the machine
	processes    map[int]process
}

type process struct {
	name   string
	parent int
	used   time.Duration
}

// takeCensus returns nil on systems that have no /proc.
func takeCensus() *census {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil
	}
	c := &census{at: time.Now(), processes: make(map[int]process)}
	line, _, _ := strings.Cut(string(stat), "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return nil
	}
	for i, word := range f[1:9] {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil
		}
		switch d := time.Duration(n) * tick; i {
		case 3, 4: // idle, and idle for want of a disk
		case 7:
			c.stolen += d
		default:
			c.busy += d
		}
	}
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + d.Name() + "/stat")
		if err != nil {
			continue // it has ended meanwhile
		}
		if p, ok := parseProcess(string(text)); ok {
			c.processes[pid] = p
		}
	}
	return c
}

// parseProcess reads a line of /proc/PID/stat. The name stands in parentheses and
// may have any character in it.
func parseProcess(line string) (process, bool) {
	from, to := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if from < 0 || to < from {
		return process{}, false
	}
	f := strings.Fields(line[to+1:])
	if len(f) < 13 {
		return process{}, false
	}
	parent, err1 := strconv.Atoi(f[1])
	user, err2 := strconv.ParseInt(f[11], 10, 64)
	system, err3 := strconv.ParseInt(f[12], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return process{}, false
	}
	return process{line[from+1 : to], parent, time.Duration(user+system) * tick}, true
}

// ours says whether a process is this one or descends from it.
func (c *census) ours(pid int) bool {
	self := os.Getpid()
	for range 64 { // deeper than any real tree; a list that was read while it changed may have a loop
		if pid == self {
			return true
		}
		p, ok := c.processes[pid]
		if !ok || pid <= 1 {
			return false
		}
		pid = p.parent
	}
	return false
}

// children is what the descendants of this process have used, itself left out.
func (c *census) children() (used time.Duration) {
	if c == nil {
		return 0
	}
	for pid, p := range c.processes {
		if pid != os.Getpid() && c.ours(pid) {
			used += p.used
		}
	}
	return used
}

// since says how busy others were between two censuses. used is what this process
// and its descendants took of that.
func (c *census) since(before *census, used time.Duration) Busy {
	b := Busy{Load: firstField("/proc/loadavg", 3)}
	if c == nil || before == nil || !c.at.After(before.at) {
		return b
	}
	took := c.at.Sub(before.at).Seconds()
	b.Known = true
	b.Others = max(0, (c.busy-before.busy-used).Seconds()/took)
	b.Stolen = max(0, (c.stolen-before.stolen).Seconds()/took)
	type share struct {
		name string
		of   float64
	}
	byName := make(map[string]float64)
	for pid, p := range c.processes {
		if !c.ours(pid) {
			byName[p.name] += (p.used - before.processes[pid].used).Seconds() / took
		}
	}
	var shares []share
	for name, of := range byName {
		if of >= 0.05 {
			shares = append(shares, share{name, of})
		}
	}
	slices.SortFunc(shares, func(x, y share) int { return cmp.Or(cmp.Compare(y.of, x.of), strings.Compare(x.name, y.name)) })
	for _, s := range shares[:min(3, len(shares))] {
		b.Names = append(b.Names, fmt.Sprintf("%s %.2f", s.name, s.of))
	}
	return b
}
