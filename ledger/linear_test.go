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
)

// The model of what one compartment of one person is to callers: a set of events.
// Recording adds one, erasing empties it, reading returns it, and each of these
// happens at one moment between its call and its answer.
//
// The model is of one compartment because that is what is promised: an erasure
// takes the keys that it found, and an event that is recorded while it runs may
// begin a new one in another compartment.
type setCall struct {
	op     string // record, erase, timeline
	person string
	id     string
}

type setAnswer struct {
	busy    bool     // nothing was done
	nothing bool     // there is nothing to erase
	ids     []string // timeline
}

var setModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[string][]porcupine.Operation{}
		for _, op := range history {
			p := op.Input.(setCall).person
			by[p] = append(by[p], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range by {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "" }, // ids in the order of recording, with a blank behind each
	Step: func(state, input, output any) (bool, any) {
		have, call, answer := state.(string), input.(setCall), output.(setAnswer)
		switch {
		case answer.busy:
			return true, have
		case call.op == "record":
			return true, have + call.id + " "
		case call.op == "erase" && answer.nothing:
			return have == "", have
		case call.op == "erase":
			return true, ""
		}
		return have == strings.Join(append(answer.ids, ""), " "), have
	},
	Equal: func(a, b any) bool { return a == b },
	DescribeOperation: func(input, output any) string {
		call, answer := input.(setCall), output.(setAnswer)
		return fmt.Sprintf("%s %s %s -> %v %v", call.op, call.person, call.id, answer.ids, answer.busy)
	},
}

// TestLinearizable records the calls and answers of concurrent callers and checks
// that there is an order in which a ledger without concurrency gives the same.
func TestLinearizable(t *testing.T) {
	for seed := range histories(t, 3) {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			l := w.open()
			declare(t, l)
			history := observe(t, l, uint64(seed))
			if r := porcupine.CheckOperationsTimeout(setModel, history, 4*time.Minute); r != porcupine.Ok {
				t.Errorf("the history of %d calls is %s", len(history), r)
			}
		})
	}
}

// TestLinearizableControl swaps two answers: then there is no such order.
func TestLinearizableControl(t *testing.T) {
	at := func(i int64, call setCall, answer setAnswer) porcupine.Operation {
		return porcupine.Operation{Input: call, Output: answer, Call: 2 * i, Return: 2*i + 1}
	}
	for want, history := range map[porcupine.CheckResult][]porcupine.Operation{
		porcupine.Ok: {
			at(1, setCall{"record", "p", "a"}, setAnswer{}), at(2, setCall{"timeline", "p", ""}, setAnswer{ids: []string{"a"}}),
			at(3, setCall{"erase", "p", ""}, setAnswer{}), at(4, setCall{"timeline", "p", ""}, setAnswer{}),
		},
		porcupine.Illegal: {
			at(1, setCall{"record", "p", "a"}, setAnswer{}), at(2, setCall{"timeline", "p", ""}, setAnswer{}),
			at(3, setCall{"erase", "p", ""}, setAnswer{}), at(4, setCall{"timeline", "p", ""}, setAnswer{ids: []string{"a"}}),
		},
	} {
		if got := porcupine.CheckOperations(setModel, history); got != (want == porcupine.Ok) {
			t.Errorf("%s: %v", want, got)
		}
	}
}

// observe lets six callers do random things to two people.
func observe(t testing.TB, l *ledger.Ledger, seed uint64) []porcupine.Operation {
	t.Helper()
	began := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	var wg sync.WaitGroup
	for client := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(client)))
			for n := range 40 {
				call := setCall{op: []string{"record", "record", "record", "erase", "timeline", "timeline"}[rng.IntN(6)], person: fmt.Sprintf("p-%d", rng.IntN(2))}
				if call.op == "record" {
					call.id = fmt.Sprintf("%d.%d", client, n)
				}
				start := time.Since(began)
				answer, err := perform(t.Context(), l, call)
				op := porcupine.Operation{ClientId: client, Input: call, Output: answer, Call: start.Nanoseconds(), Return: time.Since(began).Nanoseconds()}
				if err != nil {
					t.Error(explain(err))
					return
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

func perform(ctx context.Context, l *ledger.Ledger, call setCall) (setAnswer, error) {
	var err error
	var answer setAnswer
	switch call.op {
	case "record":
		_, err = l.Record(ctx, mustParse(`{"type":"processing.performed","id":%q,"subject":%q,"purpose":"chat-service","operation":"answer"}`, call.id, call.person))
	case "erase":
		_, _, err = l.Erase(ctx, ledger.EraseRequest{Subject: call.person})
	default:
		var entries []ledger.Entry
		entries, err = l.Timeline(ctx, call.person)
		for _, e := range entries {
			answer.ids = append(answer.ids, e.Event.Str("id"))
		}
	}
	busy := (*ledger.BusyError)(nil)
	answer.busy = errors.As(err, &busy)
	answer.nothing = isNotFound(err)
	if answer.busy || answer.nothing {
		err = nil
	}
	answer.ids = slices.Clip(answer.ids)
	return answer, err
}
