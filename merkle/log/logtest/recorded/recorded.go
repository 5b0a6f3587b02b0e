// Package recorded cuts the power of real programs. A program runs under strace,
// which writes down every call that changes files; from that the state of the disk
// is computed that a power failure would have left at any moment, where nothing is
// on the disk that was not synced, or all of it, or some.
//
//	r, err := recorded.Run(exec.Command("lacuna", "record", …), dir)
//	for _, m := range r.Moments() {
//		err := r.Crash(m, 50, rng, copyOfDir)
//		// m.Output is what the program had said by then
//	}
//
// It is for what does not go through a file system of ours: a root that is
// overwritten in place, key files, folders that are renamed. A file's data counts
// as durable when a sync of it has returned (or the write, if the file was opened
// with O_DSYNC), a name when its directory was synced. Until then each sector of
// 512 bytes and each name may be there or not; changes of one name keep their
// order. Real file systems keep more of the order than that.
//
// Only tests import this package.
package recorded

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNoStrace says what to install.
var ErrNoStrace = errors.New("strace is not installed (apt-get install strace)")

// traced are the calls that matter. One that changes files and is not known to the
// replay is an error there.
const traced = "openat,creat,close,dup,dup2,dup3,write,pwrite64,writev,pwritev,pwritev2,copy_file_range,sendfile,splice," +
	"fsync,fdatasync,sync,syncfs,ftruncate,truncate,lseek,rename,renameat,renameat2,link,linkat,symlink,symlinkat," +
	"unlink,unlinkat,rmdir,mkdir,mkdirat"

// A Recording is what one run of a program did to the files below a folder.
type Recording struct {
	dir    string
	events []event
	start  *node
	deaf   func(path string) bool
}

// A Moment is before, during or after a call.
type Moment struct {
	at     int    // how many events of the recording have happened
	What   string // the call and the path, below the folder, that it is about
	Output []byte // what the program had written to its standard output
}

// Run runs a program in a folder and records it. What is below dir before counts as
// durable. The program stays in the folder it is started in. Its output is in the
// moments; an exit status other than 0 is an error.
func Run(cmd *exec.Cmd, dir string) (*Recording, error) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		return nil, ErrNoStrace
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	start, err := load(dir)
	if err != nil {
		return nil, err
	}
	program, err := filepath.Abs(cmd.Path)
	if err != nil {
		return nil, err
	}
	out, err := os.CreateTemp("", "strace-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	args := []string{strace, "-f", "-qq", "-xx", "-s", "100000000", "-e", "signal=none", "-e", "trace=" + traced, "-o", out.Name(), "--", program}
	cmd.Args = append(args, cmd.Args[1:]...)
	cmd.Path, cmd.Dir = strace, dir
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, complaints.String())
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		return nil, err
	}
	events, err := parse(string(text))
	if err != nil {
		return nil, err
	}
	return &Recording{dir, events, start, func(string) bool { return false }}, nil
}

// Moments returns every moment at which something changes on the disk or in what
// the program has said.
func (r *Recording) Moments() ([]Moment, error) {
	var all []Moment
	d := newReplay(r)
	for i, e := range r.events {
		what, err := d.apply(e)
		if err != nil {
			return nil, err
		}
		if what != "" {
			all = append(all, Moment{i + 1, what, d.output[:len(d.output):len(d.output)]})
		}
	}
	return all, nil
}

// WithoutSyncs returns the recording of a program that does not sync some files and
// folders, which is how a test is tested.
func (r *Recording) WithoutSyncs(of func(path string) bool) *Recording {
	c := *r
	c.deaf = of
	return &c
}

// Seen returns a file as the program saw it at a moment, nil if there was none.
func (r *Recording) Seen(m Moment, path string) ([]byte, error) {
	d, err := r.until(m)
	if err != nil {
		return nil, err
	}
	if n := d.lookup(path); n != nil {
		return n.now, nil
	}
	return nil, nil
}

func (r *Recording) until(m Moment) (*replay, error) {
	d := newReplay(r)
	for _, e := range r.events[:m.at] {
		if _, err := d.apply(e); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Crash writes into a new folder what would be left of the files if the power
// failed at a moment, and of what was not synced so many percent survived.
func (r *Recording) Crash(m Moment, percent int, rng *rand.Rand, to string) error {
	d, err := r.until(m)
	if err != nil {
		return err
	}
	return d.root.crash(to, func() bool { return rng.IntN(100) < percent })
}

// load reads a folder.
func load(dir string) (*node, error) {
	n := newDir()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		var child *node
		if e.IsDir() {
			child, err = load(path)
		} else {
			var b []byte
			b, err = os.ReadFile(path)
			child = &node{now: b, disk: append([]byte(nil), b...)}
		}
		if err != nil {
			return nil, err
		}
		n.names[e.Name()], n.onDisk[e.Name()] = child, child
	}
	return n, nil
}

// clone copies a tree in which everything is durable.
func (n *node) clone() *node {
	if n.names == nil {
		return &node{now: append([]byte(nil), n.now...), disk: append([]byte(nil), n.disk...)}
	}
	c := newDir()
	for name, child := range n.names {
		k := child.clone()
		c.names[name], c.onDisk[name] = k, k
	}
	return c
}
