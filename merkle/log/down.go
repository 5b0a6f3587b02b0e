package log

import (
	"bytes"
	"context"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// downFrom is how large a table has to be to be worth a change of the manifest, which
// is synced.
const downFrom = 1 << 20

// A span is what the keys of a table lie between, both included.
type span struct{ first, last []byte }

// descent moves tables of rows that come in the order of their keys out of level 0.
// They meet nothing below, so the engine only notes that they are somewhere else. By
// itself it never takes them: it begins where most tables lie above each other, and
// these lie side by side. Level 0 would grow with the log, and where it has five
// hundred tables the engine compacts the others after every flush.
//
// It hears of flushes, which the engine does one after the other. What it has not come
// to when the log is closed stays where it is.
type descent struct {
	highest map[byte][]byte // of each kind of row, the highest key that was flushed
	spans   chan span
	stop    context.CancelFunc
	stopped sync.WaitGroup
}

func newDescent() *descent {
	return &descent{highest: make(map[byte][]byte), spans: make(chan span, 1<<10)}
}

// flushed notes the tables that a flush made, of which those come in order that begin
// behind all that was flushed of their kind since the log was opened.
func (d *descent) flushed(i pebble.FlushInfo) {
	for _, t := range i.Output {
		first, last := t.Smallest.UserKey, t.Largest.UserKey
		if len(first) == 0 {
			continue
		}
		highest, known := d.highest[first[0]]
		if known && bytes.Compare(first, highest) > 0 && t.Size >= downFrom {
			select {
			case d.spans <- span{first, last}:
			default: // a thousand behind: it may stay
			}
		}
		if bytes.Compare(last, highest) > 0 {
			d.highest[first[0]] = last
		}
	}
}

// start moves tables of a database until close. An error is one of the engine's, which
// ears have heard, or the end.
func (d *descent) start(db *pebble.DB, fatal func(error)) {
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	d.stopped.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				fatal(panicked(r))
			}
		}()
		for {
			select {
			case s := <-d.spans:
				if err := db.Compact(ctx, s.first, s.last, false); err != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
}

// close returns when no table is moved any more.
func (d *descent) close() {
	if d.stop != nil {
		d.stop()
		d.stopped.Wait()
	}
}
