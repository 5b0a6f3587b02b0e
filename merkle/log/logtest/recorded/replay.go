package recorded

import (
	"fmt"
	"path/filepath"
	"strings"
)

// A replay makes the calls of a recording again, on nodes.
type replay struct {
	dir    string
	deaf   func(path string) bool
	root   *node
	files  map[int64]*handle
	syncs  map[*call]syncing
	output []byte
}

type handle struct {
	n      *node
	path   string
	at     int64
	append bool
	dsync  bool // O_DSYNC or O_SYNC
}

type syncing struct {
	n     *node
	until int
}

func newReplay(r *Recording) *replay {
	return &replay{dir: r.dir, deaf: r.deaf, root: r.start.clone(), files: map[int64]*handle{}, syncs: map[*call]syncing{}}
}

// arguments is how many a call has at least, as strace prints it.
var arguments = map[string]int{
	"openat": 3, "close": 1, "write": 3, "pwrite64": 4, "fsync": 1, "fdatasync": 1, "ftruncate": 2, "lseek": 3,
	"mkdirat": 3, "unlinkat": 3, "renameat": 4, "renameat2": 4, "linkat": 5, "copy_file_range": 6,
}

// most is the size of the largest file that is replayed.
const most = 1 << 30

// apply makes one event happen. It returns what that was, or "" if it changed
// nothing.
func (d *replay) apply(e event) (string, error) {
	if e.name == "" || e.ret < 0 {
		return "", nil
	}
	if len(e.args) < arguments[e.name] {
		return "", fmt.Errorf("%s with %d arguments", e.name, len(e.args))
	}
	what, err := d.event(e)
	if err != nil {
		return "", fmt.Errorf("replaying %s(%.200s): %w", e.name, strings.Join(e.args, ", "), err)
	}
	if what == "" {
		return "", nil
	}
	if e.end {
		return "after " + e.name + " " + what, nil
	}
	return "during " + e.name + " " + what, nil
}

// inside returns the path below the folder, ok false for paths outside of it.
func (d *replay) inside(path string) (string, bool) {
	if path = filepath.Clean(path); path == d.dir {
		return "", true
	}
	return strings.CutPrefix(path, d.dir+"/")
}

func (d *replay) lookup(path string) *node {
	n := d.root
	if path == "" {
		return n
	}
	for name := range strings.SplitSeq(path, "/") {
		if n == nil {
			return nil
		}
		n = n.names[name]
	}
	return n
}

// parent returns the folder of a path, and the name in it.
func (d *replay) parent(path string) (*node, string) {
	dir, name := filepath.Split(path)
	if n := d.lookup(strings.TrimSuffix(dir, "/")); n != nil && n.names != nil {
		return n, name
	}
	return nil, name
}

// path reads a path relative to a directory's handle.
func (d *replay) path(dirfd, arg string) (string, bool, error) {
	b, err := text(arg)
	if err != nil {
		return "", false, err
	}
	path := string(b)
	if !filepath.IsAbs(path) && dirfd == "AT_FDCWD" {
		path = filepath.Join(d.dir, path)
	}
	if !filepath.IsAbs(path) {
		fd, err := number(dirfd)
		if err != nil {
			return "", false, err
		}
		h := d.files[fd]
		if h == nil {
			return "", false, nil
		}
		path = filepath.Join(d.dir, h.path, path)
	}
	rel, ok := d.inside(path)
	return rel, ok, nil
}

func (d *replay) event(e event) (string, error) {
	a := e.args
	switch e.name {
	case "openat":
		if e.end {
			return d.open(e, a[0], a[1], a[2])
		}
	case "close":
		if fd, err := number(a[0]); err != nil || !e.end {
			delete(d.files, fd)
			return "", err
		}
	case "write", "pwrite64":
		return d.write(e)
	case "fsync", "fdatasync":
		return d.sync(e)
	case "mkdirat", "unlinkat", "renameat", "renameat2", "linkat":
		if e.end {
			return d.names(e)
		}
	case "ftruncate", "lseek":
		if e.end {
			return d.move(e)
		}
	case "copy_file_range":
		if e.end {
			return d.copy(e)
		}
	case "sync", "syncfs":
		return "", fmt.Errorf("it is not replayed")
	default: // those of which no program of ours has a use: only outside of the folder
		if e.end {
			return "", d.foreign(e)
		}
	}
	return "", nil
}

// foreign refuses a call on our files that is not replayed.
func (d *replay) foreign(e event) error {
	for _, arg := range e.args {
		if b, err := text(arg); err == nil {
			if _, ok := d.inside(string(b)); ok {
				return fmt.Errorf("it is not replayed")
			}
		}
		if fd, err := number(arg); err == nil && d.files[fd] != nil && strings.Contains("dup dup2 dup3 writev pwritev pwritev2 sendfile splice", e.name) {
			return fmt.Errorf("it is not replayed")
		}
	}
	return nil
}

func (d *replay) handle(arg string) (*handle, error) {
	fd, err := number(arg)
	if err != nil {
		return nil, err
	}
	return d.files[fd], nil
}

// move sets the end of a file, or where it is written next.
func (d *replay) move(e event) (string, error) {
	h, err := d.handle(e.args[0])
	if err != nil || h == nil {
		return "", err
	}
	if e.name == "lseek" {
		h.at = e.ret
		return "", nil
	}
	size, err := number(e.args[1])
	if err != nil || size < 0 || size > most || h.n.names != nil {
		return "", fmt.Errorf("of size %s: %w", e.args[1], err)
	}
	h.n.change(change{size: size})
	return h.path, nil
}

func (d *replay) open(e event, dirfd, path, flags string) (string, error) {
	delete(d.files, e.ret)
	rel, ok, err := d.path(dirfd, path)
	if !ok || err != nil {
		return "", err
	}
	has := func(flag string) bool {
		for f := range strings.SplitSeq(flags, "|") {
			if f == flag {
				return true
			}
		}
		return false
	}
	n, what := d.lookup(rel), ""
	if n == nil {
		dir, name := d.parent(rel)
		if dir == nil || !has("O_CREAT") {
			return "", fmt.Errorf("%s is not there", rel)
		}
		n, what = &node{}, rel
		dir.name(naming{name: n})
	}
	if has("O_TRUNC") && len(n.now) > 0 {
		n.change(change{size: 0})
		what = rel
	}
	d.files[e.ret] = &handle{n: n, path: rel, append: has("O_APPEND"), dsync: has("O_DSYNC") || has("O_SYNC")}
	return what, nil
}

func (d *replay) write(e event) (string, error) {
	fd, err := number(e.args[0])
	if err != nil {
		return "", err
	}
	h := d.files[fd]
	if h == nil && fd != 1 {
		return "", nil
	}
	b, err := text(e.args[1])
	if err != nil {
		return "", err
	}
	if int64(len(b)) < e.ret {
		return "", fmt.Errorf("%d bytes are recorded, %d were written", len(b), e.ret)
	}
	b = b[:e.ret]
	if h == nil {
		if e.end {
			return "", nil
		}
		d.output = append(d.output, b...) // somebody may see it as soon as it begins
		return "output", nil
	}
	if e.end {
		if h.dsync && !d.deaf(h.path) {
			h.n.sync(h.n.changes())
			return h.path, nil
		}
		return "", nil
	}
	at := h.at
	if e.name == "pwrite64" {
		if at, err = number(e.args[3]); err != nil {
			return "", err
		}
	} else {
		if h.append {
			at = int64(len(h.n.now))
		}
		h.at = at + e.ret
	}
	if at < 0 || at+e.ret > most || h.n.names != nil {
		return "", fmt.Errorf("at %d", at)
	}
	h.n.change(change{at: at, b: b, size: -1})
	return h.path, nil
}

// sync makes durable, when it ends, what was written when it began.
func (d *replay) sync(e event) (string, error) {
	h, err := d.handle(e.args[0])
	if err != nil || h == nil || d.deaf(h.path) {
		return "", err
	}
	if !e.end {
		d.syncs[e.call] = syncing{h.n, h.n.changes()}
		return "", nil
	}
	if s, ok := d.syncs[e.call]; ok {
		s.n.sync(s.until)
	}
	return h.path, nil
}

func (d *replay) names(e event) (string, error) {
	a := e.args
	path, ok, err := d.path(a[0], a[1])
	if err != nil {
		return "", err
	}
	if e.name == "mkdirat" || e.name == "unlinkat" {
		if !ok {
			return "", nil
		}
		dir, name := d.parent(path)
		if dir == nil {
			return "", fmt.Errorf("%s is not there", path)
		}
		var n *node
		if e.name == "mkdirat" {
			n = newDir()
		}
		dir.name(naming{name: n})
		return path, nil
	}
	to, ok2, err := d.path(a[2], a[3])
	if err != nil {
		return "", err
	}
	if !ok && !ok2 {
		return "", nil
	}
	if !ok || !ok2 {
		return "", fmt.Errorf("into the folder or out of it")
	}
	n := d.lookup(path)
	from, name := d.parent(path)
	dir, newName := d.parent(to)
	if n == nil || from == nil || dir == nil {
		return "", fmt.Errorf("%s is not there", path)
	}
	switch {
	case e.name == "linkat":
		dir.name(naming{newName: n})
	case from == dir:
		dir.name(naming{name: nil, newName: n})
	default:
		return "", fmt.Errorf("from one folder to another")
	}
	return to, nil
}

// copy is a copy that the kernel made.
func (d *replay) copy(e event) (string, error) {
	from, err := d.handle(e.args[0])
	if err != nil {
		return "", err
	}
	to, err := d.handle(e.args[2])
	if err != nil || to == nil {
		return "", err
	}
	if from == nil || to.n.names != nil || e.args[1] != "NULL" || e.args[3] != "NULL" ||
		from.at < 0 || from.at+e.ret > int64(len(from.n.now)) || to.at < 0 || to.at+e.ret > most {
		return "", fmt.Errorf("from somewhere else, or from within")
	}
	b := from.n.now[from.at : from.at+e.ret]
	to.n.change(change{at: to.at, b: append([]byte(nil), b...), size: -1})
	from.at += e.ret
	to.at += e.ret
	return to.path, nil
}
