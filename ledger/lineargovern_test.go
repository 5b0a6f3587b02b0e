package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/consent"
)

// The model of one compartment of one person with holds and restrictions on it: a list
// of events, the holds and the restrictions that are on. Nothing is erased while a
// hold is on, and May denies while a restriction is.
type governCall struct{ op, person, id string }

type governAnswer struct {
	what string // ok, busy, held, nothing, refused, restricted
	ids  string // timeline
}

type governState struct{ ids, holds, restrictions string }

// with and without change a set of ids that is written one behind the other.
func with(set, id string) string    { return set + id + " " }
func without(set, id string) string { return strings.Replace(set, id+" ", "", 1) }

var governModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[string][]porcupine.Operation{}
		for _, op := range history {
			p := op.Input.(governCall).person
			by[p] = append(by[p], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range by {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return governState{} },
	Step: func(state, input, output any) (bool, any) {
		s, call, answer := state.(governState), input.(governCall), output.(governAnswer)
		if answer.what == "busy" {
			return true, s
		}
		ok := answer.what == "ok"
		switch call.op {
		case "record":
			s.ids = with(s.ids, call.id)
		case "erase":
			switch answer.what {
			case "held":
				return s.holds != "", s
			case "nothing":
				return s.holds == "" && s.ids == "", s
			}
			ok = ok && s.holds == "" && s.ids != ""
			s.ids = ""
		case "timeline":
			ok = answer.ids == s.ids
		case "may":
			ok = (answer.what == "restricted") == (s.restrictions != "")
		case "hold":
			s.holds = with(s.holds, call.id)
		case "restrict":
			s.restrictions = with(s.restrictions, call.id)
		case "release", "lift":
			set := &s.holds
			if call.op == "lift" {
				set = &s.restrictions
			}
			if answer.what == "refused" {
				return !strings.Contains(*set, call.id+" "), s
			}
			ok = ok && strings.Contains(*set, call.id+" ")
			*set = without(*set, call.id)
		}
		return ok, s
	},
	Equal: func(a, b any) bool { return a == b },
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%v -> %v", input, output)
	},
}

// TestLinearizableHolds lets callers create, seal, read, erase, hold, release, restrict
// and lift at once, and looks for an order in which a ledger without concurrency
// gives the same answers.
func TestLinearizableHolds(t *testing.T) {
	for seed := range histories(t, 3) {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			l := w.open()
			declare(t, l)
			history := govern(t, l, uint64(seed))
			if r := porcupine.CheckOperationsTimeout(governModel, history, 4*time.Minute); r != porcupine.Ok {
				t.Errorf("the history of %d calls is %s", len(history), r)
			}
			checkFsck(t, l)
		})
	}
}

// TestLinearizableHoldsControl has histories in which something was erased under a
// hold, and was used under a restriction: there is no such order.
func TestLinearizableHoldsControl(t *testing.T) {
	at := func(i int64, op, id, what string) porcupine.Operation {
		return porcupine.Operation{Input: governCall{op, "p", id}, Output: governAnswer{what: what}, Call: 2 * i, Return: 2*i + 1}
	}
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"held":             {[]porcupine.Operation{at(1, "record", "a", "ok"), at(2, "hold", "h", "ok"), at(3, "erase", "", "held"), at(4, "release", "h", "ok"), at(5, "erase", "", "ok")}, true},
		"erased though":    {[]porcupine.Operation{at(1, "record", "a", "ok"), at(2, "hold", "h", "ok"), at(3, "erase", "", "ok")}, false},
		"held for nothing": {[]porcupine.Operation{at(1, "record", "a", "ok"), at(2, "erase", "", "held")}, false},
		"restricted":       {[]porcupine.Operation{at(1, "restrict", "r", "ok"), at(2, "may", "", "restricted"), at(3, "lift", "r", "ok"), at(4, "may", "", "ok")}, true},
		"used though":      {[]porcupine.Operation{at(1, "restrict", "r", "ok"), at(2, "may", "", "ok")}, false},
	} {
		if got := porcupine.CheckOperations(governModel, c.history); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func govern(t testing.TB, l *ledger.Ledger, seed uint64) []porcupine.Operation {
	t.Helper()
	began := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	var wg sync.WaitGroup
	for client := range 5 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(client)))
			var holds, restrictions []governCall // of this caller, that are on
			for n := range 24 {
				ops := []string{"record", "record", "record", "erase", "erase", "timeline", "may", "hold", "restrict", "release", "release", "lift"}
				call := governCall{ops[rng.IntN(len(ops))], fmt.Sprintf("p-%d", rng.IntN(2)), fmt.Sprintf("%d.%d", client, n)}
				mine := &holds
				if call.op == "lift" {
					mine = &restrictions
				}
				if call.op == "release" || call.op == "lift" {
					if len(*mine) == 0 {
						continue
					}
					first := (*mine)[0]
					call.person, call.id, *mine = first.person, first.id, (*mine)[1:]
				}
				start := time.Since(began)
				answer, err := performGovern(t.Context(), l, call)
				op := porcupine.Operation{ClientId: client, Input: call, Output: answer, Call: start.Nanoseconds(), Return: time.Since(began).Nanoseconds()}
				if err != nil {
					t.Errorf("%s: %s", call.op, explain(err))
					return
				}
				switch {
				case call.op == "hold" && answer.what == "ok":
					holds = append(holds, call)
				case call.op == "restrict" && answer.what == "ok":
					restrictions = append(restrictions, call)
				case answer.what == "busy" && (call.op == "release" || call.op == "lift"):
					*mine = append(*mine, call)
				}
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return history
}

func performGovern(ctx context.Context, l *ledger.Ledger, call governCall) (answer governAnswer, err error) {
	answer.what = "ok"
	record := func(text string, args ...any) {
		_, err = l.Record(ctx, mustParse(text, args...))
	}
	switch call.op {
	case "record":
		record(`{"type":"processing.performed","id":%q,"subject":%q,"purpose":"chat-service","operation":"answer"}`, call.id, call.person)
	case "hold":
		record(`{"type":"hold.placed","id":%q,"subject":%q,"compartment":"chat","reason_iri":"eu-gdpr:JustificationA17LegalClaims","review_at":"2027-03-01T00:00:00Z"}`, call.id, call.person)
	case "release":
		record(`{"type":"hold.released","subject":%q,"hold":%q}`, call.person, call.id)
	case "restrict":
		record(`{"type":"restriction.applied","id":%q,"subject":%q,"compartment":"chat","ground":"accuracy"}`, call.id, call.person)
	case "lift":
		record(`{"type":"restriction.lifted","subject":%q,"restriction":%q,"notified_subject_at":"2026-05-04T00:00:00Z"}`, call.person, call.id)
	case "erase":
		_, _, err = l.Erase(ctx, ledger.EraseRequest{Subject: call.person})
	case "may":
		var a consent.Answer
		if a, err = l.May(ctx, call.person, question("chat-service", "")); err == nil && slices.ContainsFunc(a.Reasons, func(r consent.Reason) bool { return r.Code == consent.Restricted }) {
			answer.what = "restricted"
		}
	case "timeline":
		var entries []ledger.Entry
		entries, err = l.Timeline(ctx, call.person)
		for _, e := range entries {
			if e.Event.Type() == "processing.performed" {
				answer.ids = with(answer.ids, e.Event.Str("id"))
			}
		}
		if isNotFound(err) {
			err = nil
		}
	}
	var kept *ledger.KeptError
	busy := (*ledger.BusyError)(nil)
	switch {
	case err == nil:
		return answer, nil
	case errors.As(err, &busy):
		answer.what = "busy"
	case heldBy(err) != nil:
		answer.what = "held"
	case call.op == "erase" && (isNotFound(err) || errors.As(err, &kept)):
		answer.what = "nothing"
	case (call.op == "release" || call.op == "lift") && refusedWith(err, "bad_transition"):
		answer.what = "refused"
	default:
		return answer, err
	}
	return answer, nil
}
