package log

import "fmt"

// free returns the number of free bytes on the disk, ok false if the file system
// cannot tell.
func (l *Log) free() (n uint64, ok bool) {
	u, err := l.opts.FS.GetDiskUsage(l.dir)
	return u.AvailBytes, err == nil
}

// checkDisk notes whether there is enough room. The sequencer calls it after
// each group; one call costs about a microsecond.
func (l *Log) checkDisk() {
	if l.opts.MinFree < 0 {
		return
	}
	n, ok := l.free()
	low := ok && n < uint64(l.opts.MinFree)
	if low != l.low.Swap(low) {
		if low {
			l.opts.Logger.Error("too little free space, refusing appends", "free", n, "want", l.opts.MinFree)
		} else {
			l.opts.Logger.Info("enough free space again", "free", n)
		}
	}
}

// checkFree looks again while there was too little room. Appends stop first;
// what is urgent goes on longer, because an erasure must not wait for a bigger disk.
func (l *Log) checkFree(urgent bool) error {
	l.checkDisk()
	n, ok := l.free()
	want := uint64(l.opts.MinFree)
	if urgent {
		want /= 4
	}
	if ok && n < want {
		return fmt.Errorf("%w: %d bytes, want %d", ErrDiskFull, n, want)
	}
	return nil
}

// checkDiskBeforeOpen refuses to open for writing when the disk is all but full:
// the engine must write the replayed log into tables, and would retry for ever.
func (l *Log) checkDiskBeforeOpen() error {
	if l.opts.MinFree < 0 || l.opts.ReadOnly {
		return nil
	}
	if n, ok := l.free(); ok && n < uint64(l.opts.MinFree)/8 {
		return fmt.Errorf("%w: %d bytes; make room, or open it for reading only", ErrDiskFull, n)
	}
	return nil
}

// Space returns about how many bytes the rows of some ranges take on the disk, but for
// those still in memory, and how many are free beyond what appends need. ok is false
// where the file system cannot tell.
func (l *Log) Space(ranges [][2][]byte) (taken, left uint64, ok bool, err error) {
	if err := l.readable(); err != nil {
		return 0, 0, false, err
	}
	for _, r := range ranges {
		if err := l.spaces.hasRange(r[0], r[1]); err != nil {
			return 0, 0, false, err
		}
		n, err := l.engine.db.EstimateDiskUsage(r[0], r[1])
		if err != nil {
			return 0, 0, false, readError(err)
		}
		taken += n
	}
	left, ok = l.free()
	if reserve := uint64(max(l.opts.MinFree, 0)); ok {
		left -= min(left, reserve)
	}
	return taken, left, ok, nil
}
