package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// The model of what one compartment of one person is to callers: a list of events, and
// the holds and the restrictions that are on. Recording adds to the list, erasing
// empties it unless a hold is on, May denies while a restriction is; a sweep changes
// nothing. Each of these happens at one moment between its call and its answer.
//
// The model is of one compartment because that is what is promised: an erasure takes
// the keys that it found, and an event that is recorded while it runs may begin a new
// one in another compartment.
type personCall struct{ op, person, id string }

type personAnswer struct {
	what  string // ok, busy, held, nothing, refused, restricted, erased
	ids   string // of a timeline
	index uint64 // of a record, in the log
}

type personState struct {
	ids, holds, restrictions string
	next                     uint64 // no event has a smaller index any more
}

// with and without change a list of ids that is written one behind the other.
func with(ids, id string) string    { return ids + id + " " }
func without(ids, id string) string { return strings.Replace(ids, id+" ", "", 1) }
func contains(ids, id string) bool  { return strings.Contains(" "+ids, " "+id+" ") }

var personModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		by := map[string][]porcupine.Operation{}
		for _, op := range history {
			if p := op.Input.(personCall).person; p != "" {
				by[p] = append(by[p], op)
			}
		}
		return slices.Collect(maps.Values(by))
	},
	Init: func() any { return personState{} },
	Step: func(state, input, output any) (bool, any) {
		s, call, answer := state.(personState), input.(personCall), output.(personAnswer)
		if answer.what == "busy" {
			return true, s
		}
		ok := answer.what == "ok"
		switch call.op {
		case "record":
			// Events of one person stand in the log in their order, so the log says in
			// which order concurrent ones happened. Without that there are too many.
			ok = ok && answer.index >= s.next
			s.ids, s.next = with(s.ids, call.id), answer.index+1
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
		case "get":
			ok = (answer.what == "erased") != contains(s.ids, call.id)
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
				return !contains(*set, call.id), s
			}
			ok = ok && contains(*set, call.id)
			*set = without(*set, call.id)
		}
		return ok, s
	},
	Equal: func(a, b any) bool { return a == b },
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%v -> %v", input, output)
	},
}

// A mix is who calls what, at once: each op as often as it is named.
type mix struct {
	callers, calls int
	ops            string
}

var mixes = map[string]mix{
	"erased":   {6, 40, "record record record erase timeline timeline get"},
	"swept":    {6, 30, "record record record erase timeline get sweep"},
	"governed": {5, 24, "record record record erase erase timeline may hold restrict release release lift sweep"},
}

// TestLinearizable lets callers create, seal, open, erase, hold, restrict and sweep at
// once, and looks for an order in which a ledger without concurrency gives the same
// answers.
func TestLinearizable(t *testing.T) {
	for name, m := range mixes {
		for seed := range histories(t, 3) {
			t.Run(name+"/"+strconv.Itoa(seed), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				l := w.open()
				declare(t, l)
				o := &observer{l: l, began: time.Now(), done: map[string]int{}}
				if err := o.run(t.Context(), m, uint64(seed)); err != nil {
					t.Fatal(explain(err))
				}
				if r := porcupine.CheckOperationsTimeout(personModel, o.history, time.Minute); r != porcupine.Ok {
					t.Errorf("the history of %d calls is %s", len(o.history), r)
				}
				for op := range strings.FieldsSeq(m.ops) {
					if o.done[op] == 0 && op != "release" && op != "lift" {
						t.Errorf("no %s was done: %v", op, o.done)
					}
				}
				if !strings.Contains(m.ops, "sweep") {
					checkFsck(t, l)
					return
				}
				if _, err := l.Sweep(t.Context(), ledger.SweepOptions{}); err != nil {
					t.Fatal(err)
				}
				r, err := l.VerifySwept(t.Context(), nil)
				if err != nil || len(r.Problems) > 0 || r.Erased != r.Swept {
					t.Errorf("after a sweep: %+v, %v", r, err)
				}
			})
		}
	}
}

// TestLinearizableControl has histories for which there is no such order: something was
// read after it was erased, erased under a hold, used under a restriction, or lost.
func TestLinearizableControl(t *testing.T) {
	at := func(i int64, op, id, what string) porcupine.Operation {
		answer := personAnswer{what: what}
		if op == "timeline" {
			answer = personAnswer{what: "ok", ids: what}
		}
		if op == "record" {
			answer.index = uint64(id[0])
		}
		return porcupine.Operation{Input: personCall{op, "p", id}, Output: answer, Call: 2 * i, Return: 2*i + 1}
	}
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"erased":           {[]porcupine.Operation{at(1, "record", "a", "ok"), at(2, "timeline", "", "a "), at(3, "erase", "", "ok"), at(4, "timeline", "", ""), at(5, "get", "a", "erased")}, true},
		"read though":      {[]porcupine.Operation{at(1, "record", "a", "ok"), at(2, "timeline", "", "a "), at(3, "erase", "", "ok"), at(4, "timeline", "", "a ")}, false},
		"opened though":    {[]porcupine.Operation{at(1, "record", "a", "ok"), at(2, "erase", "", "ok"), at(3, "get", "a", "ok")}, false},
		"out of order":     {[]porcupine.Operation{at(1, "record", "b", "ok"), at(2, "record", "a", "ok")}, false},
		"lost":             {[]porcupine.Operation{at(1, "record", "a", "ok"), at(2, "timeline", "", "")}, false},
		"erased unasked":   {[]porcupine.Operation{at(1, "record", "a", "ok"), at(2, "get", "a", "erased")}, false},
		"held":             {[]porcupine.Operation{at(1, "record", "a", "ok"), at(2, "hold", "h", "ok"), at(3, "erase", "", "held"), at(4, "release", "h", "ok"), at(5, "erase", "", "ok")}, true},
		"erased though":    {[]porcupine.Operation{at(1, "record", "a", "ok"), at(2, "hold", "h", "ok"), at(3, "erase", "", "ok")}, false},
		"held for nothing": {[]porcupine.Operation{at(1, "record", "a", "ok"), at(2, "erase", "", "held")}, false},
		"restricted":       {[]porcupine.Operation{at(1, "restrict", "r", "ok"), at(2, "may", "", "restricted"), at(3, "lift", "r", "ok"), at(4, "may", "", "ok")}, true},
		"used though":      {[]porcupine.Operation{at(1, "restrict", "r", "ok"), at(2, "may", "", "ok")}, false},
	} {
		if got := porcupine.CheckOperations(personModel, c.history); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// An observer notes the calls of several callers, and what they were answered.
type observer struct {
	l     *ledger.Ledger
	began time.Time

	mu      sync.Mutex
	history []porcupine.Operation
	done    map[string]int // calls by op, but for those that were turned away
}

// run lets callers do random things to two people, and reads them at the end.
func (o *observer) run(ctx context.Context, m mix, seed uint64) error {
	errs := make([]error, m.callers)
	var wg sync.WaitGroup
	for i := range m.callers {
		wg.Go(func() { errs[i] = o.call(ctx, m, i, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	wg.Wait()
	for _, person := range []string{"p-0", "p-1"} {
		_, err := o.observe(ctx, m.callers, personCall{op: "timeline", person: person}, 0)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// call is one caller. It reads what it recorded, and ends what it began.
func (o *observer) call(ctx context.Context, m mix, client int, rng *rand.Rand) error {
	ops := strings.Fields(m.ops)
	var holds, restrictions, records []personCall
	at := map[string]uint64{} // where its records are
	for n := range m.calls {
		c := personCall{ops[rng.IntN(len(ops))], fmt.Sprintf("p-%d", rng.IntN(2)), fmt.Sprintf("%d.%d", client, n)}
		mine := map[string]*[]personCall{"release": &holds, "lift": &restrictions, "get": &records}[c.op]
		if mine != nil {
			if len(*mine) == 0 {
				continue
			}
			i := rng.IntN(len(*mine))
			c.person, c.id = (*mine)[i].person, (*mine)[i].id
			if c.op != "get" {
				*mine = slices.Delete(*mine, i, i+1)
			}
		}
		answer, err := o.observe(ctx, client, c, at[c.id])
		if err != nil {
			return fmt.Errorf("%s: %w", c.op, err)
		}
		switch {
		case answer.what == "busy" && mine != nil && c.op != "get":
			*mine = append(*mine, c) // to be tried again
		case answer.what != "ok":
		case c.op == "hold":
			holds = append(holds, c)
		case c.op == "restrict":
			restrictions = append(restrictions, c)
		case c.op == "record":
			records = append(records, c)
			at[c.id] = answer.index
		}
	}
	return nil
}

func (o *observer) observe(ctx context.Context, client int, c personCall, index uint64) (personAnswer, error) {
	if c.op == "sweep" {
		c.person = "" // it concerns everybody, and nobody sees it
	}
	start := time.Since(o.began).Nanoseconds()
	answer, err := perform(ctx, o.l, c, index)
	end := time.Since(o.began).Nanoseconds()
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		o.history = append(o.history, porcupine.Operation{ClientId: client, Input: c, Output: answer, Call: start, Return: end})
	}
	if err == nil && answer.what != "busy" {
		o.done[c.op]++
	}
	return answer, err
}

// perform calls the ledger; index is where the entry is that a "get" reads.
func perform(ctx context.Context, l *ledger.Ledger, c personCall, index uint64) (answer personAnswer, err error) {
	answer.what = "ok"
	record := func(text string, args ...any) {
		var rec []ledger.Recorded
		if rec, err = l.Record(ctx, mustParse(text, args...)); err == nil {
			answer.index = rec[0].Index
		}
	}
	switch c.op {
	case "record":
		record(`{"type":"processing.performed","id":%q,"subject":%q,"purpose":"chat-service","operation":"answer"}`, c.id, c.person)
	case "hold":
		record(`{"type":"hold.placed","id":%q,"subject":%q,"compartment":"chat","reason_iri":"eu-gdpr:JustificationA17LegalClaims","review_at":"2027-03-01T00:00:00Z"}`, c.id, c.person)
	case "release":
		record(`{"type":"hold.released","subject":%q,"hold":%q}`, c.person, c.id)
	case "restrict":
		record(`{"type":"restriction.applied","id":%q,"subject":%q,"compartment":"chat","ground":"accuracy"}`, c.id, c.person)
	case "lift":
		record(`{"type":"restriction.lifted","subject":%q,"restriction":%q,"notified_subject_at":"2026-05-04T00:00:00Z"}`, c.person, c.id)
	case "erase":
		_, _, err = l.Erase(ctx, ledger.EraseRequest{Subject: c.person})
	case "sweep":
		_, err = l.Sweep(ctx, ledger.SweepOptions{})
	case "get":
		var e ledger.Entry
		if e, err = l.Get(ctx, index); err == nil && e.Event.Str("id") != c.id {
			err = fmt.Errorf("entry %d is another event", index)
		}
	case "may":
		var a consent.Answer
		if a, err = l.May(ctx, c.person, question("chat-service", "")); err == nil && slices.ContainsFunc(a.Reasons, func(r consent.Reason) bool { return r.Code == consent.Restricted }) {
			answer.what = "restricted"
		}
	case "timeline":
		var entries []ledger.Entry
		entries, err = l.Timeline(ctx, c.person)
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
	case errors.As(err, &busy), errors.Is(err, ledger.ErrSweeping):
		answer.what = "busy"
	case heldBy(err) != nil:
		answer.what = "held"
	case c.op == "get" && isErased(err):
		answer.what = "erased"
	case c.op == "erase" && (isNotFound(err) || errors.As(err, &kept)):
		answer.what = "nothing"
	case (c.op == "release" || c.op == "lift") && refusedWith(err, "bad_transition"):
		answer.what = "refused"
	default:
		return answer, err
	}
	return answer, nil
}
