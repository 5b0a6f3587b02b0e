package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func tagNumber(i uint64) (tag [16]byte) {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, i))
	return [16]byte(sum[:])
}

// remembers reports whether a tag is known to stand at an index.
func remembers(ts *tags, i, index uint64) bool {
	at, ok := ts.durable.find(tagNumber(i), nil)
	return ok && at == index
}

// Tags are forgotten a day later, a group at a time, and only rows are dropped
// whose tags are all forgotten.
func TestTagsExpire(t *testing.T) {
	start := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	ts := new(tags)
	const each = 100_000
	index := uint64(0)
	for hour := range 48 {
		at := start.Add(time.Duration(hour) * time.Hour)
		for range each / 24 {
			ts.add(tagNumber(index), index, minuteOf(at))
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
		if found := remembers(ts, i, i); found != (i >= wantFirst) {
			t.Fatalf("tag %d: found is %v", i, found)
		}
	}
	now = start.Add(tagWindow + 40*time.Hour)
	if from, to, ok = ts.expire(now); !ok {
		t.Fatal("drops nothing")
	}
	wantEnd := uint64(40*(each/24)) - groupMost
	if from != 0 || to != wantEnd {
		t.Errorf("drops rows %d to %d, want 0 to %d", from, to, wantEnd)
	}
	if _, _, ok := ts.expire(now); ok {
		t.Error("drops the same rows twice")
	}
}

// However many come in a day, memory is bounded.
func TestTagsMost(t *testing.T) {
	ts := new(tags)
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	dropped := uint64(0)
	for i := range uint64(2 * tagMost) {
		ts.add(tagNumber(i), i, minuteOf(now))
		if i%1000 == 0 {
			if from, to, ok := ts.expire(now); ok {
				if from != dropped {
					t.Fatalf("a hole between %d and %d", dropped, from)
				}
				dropped = to
			}
		}
		if ts.count > tagMost+tagSlackMost+1001 || len(ts.durable.slots) > 4*tagMost {
			t.Fatalf("%d tags in %d slots", ts.count, len(ts.durable.slots))
		}
	}
	if dropped == 0 {
		t.Error("no row was dropped")
	}
	if !remembers(ts, 2*tagMost-1, 2*tagMost-1) {
		t.Error("the newest tag is forgotten")
	}
}

// The table against a map: of tags that are alike as far as the table holds them it
// names each, one after the other, and of a new one none.
func TestTagTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var table tagTable
	want := map[[16]byte][]uint64{}
	index := uint64(1 << 40)
	for range 60_000 {
		tag := tagNumber(rng.Uint64N(30_000))
		index += rng.Uint64N(3) + 1
		table.add(tag, index)
		want[tag] = append(want[tag], index)
		if rng.IntN(20_000) == 0 {
			table.floor = index - 30_000
		}
	}
	for i := range uint64(40_000) {
		var got []uint64
		for {
			at, ok := table.find(tagNumber(i), got)
			if !ok {
				break
			}
			got = append(got, at)
		}
		slices.Sort(got)
		live := slices.DeleteFunc(want[tagNumber(i)], func(at uint64) bool { return at < table.floor })
		if !slices.Equal(got, live) {
			t.Fatalf("tag %d: at %v, want %v", i, got, live)
		}
	}
	// Far behind: the newest are kept.
	table.add(tagNumber(1), index+2*tagIndexMask)
	if at, ok := table.find(tagNumber(1), nil); !ok || at != index+2*tagIndexMask {
		t.Errorf("the newest tag: %d, %v", at, ok)
	}
	table.add(tagNumber(2), index)
	if at, ok := table.find(tagNumber(2), nil); ok {
		t.Errorf("a tag of %d is held beside one so much newer", at)
	}
}
