package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
)

// batchOf makes requests about few people, of which some do not fit what was
// recorded before, some are sent twice, and some need a purpose that is declared
// in the middle of the batch.
func batchOf(t *testing.T, rng *rand.Rand, n int) []*event.Event {
	var texts []string
	open := map[string]int{}
	for i := range n {
		p := rng.IntN(12)
		who := fmt.Sprintf(`"subject":"p-%d","id":"e-%d","event_time":"2026-05-04T12:00:00.%03dZ"`, p, i, i%1000)
		switch rng.IntN(9) {
		case 0:
			texts = append(texts, `{"type":"consent.requested",`+who+fmt.Sprintf(`,"form":"web-newsletter","contact":"mailto:p%d@example.org","doi_token_sha256":"%s"}`, p, second(token(fmt.Sprint(i)))))
			open[fmt.Sprint(p)] = i
		case 1:
			texts = append(texts, `{"type":"consent.given",`+who+fmt.Sprintf(`,"token":"%s"}`, first(token(fmt.Sprint(open[fmt.Sprint(p)])))))
		case 2:
			texts = append(texts, `{"type":"consent.withdrawn",`+who+`,"purpose":"newsletter"}`)
		case 3:
			texts = append(texts, `{"type":"processing.performed",`+who+`,"purpose":"late","operation":"x"}`)
		case 4:
			if len(texts) > 0 && i != n/2 {
				texts = append(texts, texts[len(texts)-1])
				continue
			}
			fallthrough
		default:
			texts = append(texts, `{"type":"processing.performed",`+who+`,"purpose":"chat-service","operation":"answer"}`)
		}
	}
	texts[n/2] = `{"type":"purpose.declared","id":"declared","purpose_id":"late","description":{"de":"spät"},"legal_basis":"A6-1-b","categories":["Name"],"storage":["DE"],"retention":"P1Y","compartment":"late"}`
	var out []*event.Event
	for _, text := range texts {
		out = append(out, parse(t, text))
	}
	return out
}

func first(a, _ string) string  { return a }
func second(_, b string) string { return b }

// TestRecordAll: a batch has the outcomes of its requests recorded one by one, and
// leaves everybody with the same history.
func TestRecordAll(t *testing.T) {
	for seed := range uint64(3) {
		requests := batchOf(t, rand.New(rand.NewPCG(seed, 1)), 400)
		wa, wb := newWorld(t), newWorld(t)
		one, all := wa.open(), wb.open()
		declare(t, one)
		declare(t, all)
		got := all.RecordAll(t.Context(), requests)
		refused, replayed := 0, 0
		for i, ev := range requests {
			want, err := one.Record(t.Context(), ev)
			switch {
			case (err == nil) != (got[i].Err == nil):
				t.Fatalf("request %d, %s: one by one %v, in the batch %v", i, ev, err, got[i].Err)
			case err != nil:
				refused++
				if explain(err) != explain(got[i].Err) {
					t.Errorf("request %d: one by one %s, in the batch %s", i, explain(err), explain(got[i].Err))
				}
			case len(want) != len(got[i].Recorded) || want[0].ID != got[i].Recorded[0].ID || want[0].Replayed != got[i].Recorded[0].Replayed:
				t.Errorf("request %d: one by one %+v, in the batch %+v", i, want, got[i].Recorded)
			case want[0].Replayed:
				replayed++
			}
		}
		if refused < 10 || replayed < 5 {
			t.Fatalf("%d were refused and %d replayed: the batch tests too little", refused, replayed)
		}
		for p := range 12 {
			if a, b := idsOf(t, one, p), idsOf(t, all, p); !slices.Equal(a, b) {
				t.Errorf("person %d: one by one %v, in the batch %v", p, a, b)
			}
		}
		checkFsck(t, all)
	}
}

// idsOf returns the ids of a person's events, in the order of the log.
func idsOf(t *testing.T, l *ledger.Ledger, person int) (ids []string) {
	t.Helper()
	entries, err := l.Timeline(t.Context(), fmt.Sprintf("p-%d", person))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		ids = append(ids, e.Event.Str("id"))
	}
	return ids
}

// TestRecordAllTurns: a batch whose context ends before it has its turn is not begun,
// and says so for each of its requests; one that may wait is recorded afterwards.
func TestRecordAllTurns(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one processor works without turns")
	}
	l := newWorld(t).open()
	declare(t, l)
	var requests []*event.Event
	for i := range 100 {
		requests = append(requests, parse(t, fmt.Sprintf(`{"type":"processing.performed","subject":"p-%d","id":"e-%d","purpose":"chat-service","operation":"answer"}`, i, i)))
	}
	give := ledger.TakeTurns(l)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for i, o := range l.RecordAll(gone, requests) {
		if !errors.Is(o.Err, context.Canceled) {
			t.Fatalf("request %d of a batch without a turn: %v", i, o.Err)
		}
	}
	waited := make(chan []ledger.Outcome)
	go func() { waited <- l.RecordAll(t.Context(), requests) }()
	give()
	for i, o := range <-waited {
		if o.Err != nil || o.Recorded[0].Replayed {
			t.Fatalf("request %d: %+v, %v", i, o.Recorded, o.Err)
		}
	}
}
