package ledger

import (
	"encoding/binary"
	"testing"
	"time"
)

func tagNumber(i uint64) (tag [16]byte) {
	binary.BigEndian.PutUint64(tag[:], i)
	return tag
}

// Tags are forgotten a day later, a group at a time, and only rows are dropped
// whose tags are all forgotten.
func TestTagsExpire(t *testing.T) {
	start := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	ts := &tags{pending: make(map[[16]byte]*Submission), durable: make(map[[16]byte]durableTag)}
	const each = 100_000
	index := uint64(0)
	for hour := range 48 {
		at := start.Add(time.Duration(hour) * time.Hour)
		for range each / 24 {
			ts.add(tagNumber(index), [16]byte{1}, index, minuteOf(at))
			index++
		}
	}
	if _, _, ok := ts.expire(start.Add(tagWindow)); ok {
		t.Fatal("drops what is a day old to the minute")
	}
	now := start.Add(tagWindow + 12*time.Hour)
	from, to, ok := ts.expire(now)
	if ok {
		// Twelve hours are gone, but less than the most that one group has.
		t.Fatalf("drops rows from %x to %x although one group may span them", from, to)
	}
	wantFirst := uint64(12 * (each / 24))
	for i := range index {
		_, found, _ := ts.find(tagNumber(i), [16]byte{1})
		if found != (i >= wantFirst) {
			t.Fatalf("tag %d: found is %v", i, found)
		}
	}
	now = start.Add(tagWindow + 40*time.Hour)
	if from, to, ok = ts.expire(now); !ok {
		t.Fatal("drops nothing")
	}
	wantEnd := uint64(40*(each/24)) - groupMost
	if f, e := binary.BigEndian.Uint64(from[1:]), binary.BigEndian.Uint64(to[1:]); f != 0 || e != wantEnd {
		t.Errorf("drops rows %d to %d, want 0 to %d", f, e, wantEnd)
	}
	if _, _, ok := ts.expire(now); ok {
		t.Error("drops the same rows twice")
	}
}

// However many come in a day, memory is bounded.
func TestTagsMost(t *testing.T) {
	ts := &tags{pending: make(map[[16]byte]*Submission), durable: make(map[[16]byte]durableTag)}
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	dropped := uint64(0)
	for i := range uint64(2 * tagMost) {
		ts.add(tagNumber(i), [16]byte{1}, i, minuteOf(now))
		if i%1000 == 0 {
			if from, to, ok := ts.expire(now); ok {
				if f := binary.BigEndian.Uint64(from[1:]); f != dropped {
					t.Fatalf("a hole between %d and %d", dropped, f)
				}
				dropped = binary.BigEndian.Uint64(to[1:])
			}
		}
		if len(ts.durable) > tagMost+tagSlackMost+1001 {
			t.Fatalf("%d tags in memory", len(ts.durable))
		}
	}
	if dropped == 0 {
		t.Error("no row was dropped")
	}
	if _, found, _ := ts.find(tagNumber(2*tagMost-1), [16]byte{1}); !found {
		t.Error("the newest tag is forgotten")
	}
}
