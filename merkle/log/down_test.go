package log

import (
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// What is moved out of level 0 has to meet nothing below: a table is moved only if it
// is large and begins behind all that was flushed of its kind.
func TestDescentFlushed(t *testing.T) {
	table := func(first, last string, size uint64) pebble.TableInfo {
		var i pebble.TableInfo
		i.Smallest.UserKey, i.Largest.UserKey, i.Size = []byte(first), []byte(last), size
		return i
	}
	d := newDescent()
	for _, flush := range [][]pebble.TableInfo{
		{table("a0", "a4", downFrom), table("r1", "r8", downFrom)}, // nothing is known yet
		{table("a5", "a6", downFrom), table("a7", "a9", downFrom), table("r2", "r9", downFrom)},
		{table("b0", "b1", downFrom), table("rA", "rB", downFrom-1)},
		{table("a9", "aA", downFrom), table("rB", "rC", downFrom)}, // the first key was there
		{table("aB", "aC", downFrom), table("b2", "b3", downFrom), table("rA", "rD", downFrom)},
	} {
		d.flushed(pebble.FlushInfo{Output: flush})
	}
	var got []string
	for len(d.spans) > 0 {
		s := <-d.spans
		got = append(got, string(s.first)+"-"+string(s.last))
	}
	if want := []string{"a5-a6", "a7-a9", "aB-aC", "b2-b3"}; !slices.Equal(got, want) {
		t.Errorf("moved %q, want %q", got, want)
	}
}
