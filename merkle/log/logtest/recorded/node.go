package recorded

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// A node is a file or a folder, as programs see it and as it is on the disk.
type node struct {
	now, disk []byte // of a file
	unsynced  []change

	names, onDisk map[string]*node // of a folder
	unnamed       []naming

	synced int // how many changes are durable
}

func newDir() *node { return &node{names: map[string]*node{}, onDisk: map[string]*node{}} }

// A change of a file's data.
type change struct {
	at   int64
	b    []byte
	size int64 // if not negative: the file is cut or extended to it
}

// A naming gives names to nodes, or takes them away. It is whole or not there.
type naming map[string]*node

func (f *node) change(c change) {
	f.now = c.apply(f.now, nil)
	f.unsynced = append(f.unsynced, c)
}

// changes is how many there ever were.
func (f *node) changes() int { return f.synced + len(f.unsynced) + len(f.unnamed) }

// sync makes the first n changes of a file, or of the names in a folder, durable.
func (f *node) sync(n int) {
	for ; f.synced < n; f.synced++ {
		if f.names != nil {
			f.unnamed[0].apply(f.onDisk)
			f.unnamed = f.unnamed[1:]
		} else {
			f.disk = f.unsynced[0].apply(f.disk, nil)
			f.unsynced = f.unsynced[1:]
		}
	}
}

func (d *node) name(c naming) {
	c.apply(d.names)
	d.unnamed = append(d.unnamed, c)
}

func (c naming) apply(to map[string]*node) {
	for name, n := range c {
		if n == nil {
			delete(to, name)
		} else {
			to[name] = n
		}
	}
}

const sector = 512

// apply returns b with the change made, or those sectors of it that survive.
func (c change) apply(b []byte, survives func() bool) []byte {
	grow := func(size int64) {
		if n := size - int64(len(b)); n > 0 {
			b = append(b, make([]byte, n)...)
		}
	}
	if c.size >= 0 {
		if survives == nil || survives() {
			grow(c.size)
			b = b[:c.size]
		}
		return b
	}
	for from := c.at; from < c.at+int64(len(c.b)); {
		to := min((from/sector+1)*sector, c.at+int64(len(c.b)))
		if survives == nil || survives() {
			grow(to)
			copy(b[from:to], c.b[from-c.at:to-c.at])
		}
		from = to
	}
	return b
}

// crash writes what is left of a folder.
func (d *node) crash(to string, survives func() bool) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	left := maps.Clone(d.onDisk)
	lost := map[string]bool{} // names whose later changes are lost too
	for _, c := range d.unnamed {
		keep := survives()
		for name := range c {
			keep = keep && !lost[name]
		}
		if keep {
			c.apply(left)
			continue
		}
		for name := range c {
			lost[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		n, path := left[name], filepath.Join(to, name)
		if n.names != nil {
			if err := n.crash(path, survives); err != nil {
				return err
			}
			continue
		}
		b := slices.Clone(n.disk)
		for _, c := range n.unsynced {
			b = c.apply(b, survives)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}
