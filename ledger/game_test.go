package ledger_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
)

// The unlinkability game. The same leaves are divided among the same number of
// people in one of two ways, with the same first leaves, and all these people are
// erased within one sweep interval. The distinguisher gets every row that was ever
// written and deleted, as write-ahead logs and backups of any date have them, step by
// step, and the root as it is now. It says which way it was.

// divisions say whose each of the erased leaves is, in the order of the log. The first
// two are the worlds of the game: the same number of leaves for each of two people, and
// the same first leaves. In the third, a control, the first leaves are others.
var divisions = [][]int{
	{0, 1, 0, 0, 0, 1, 1, 1},
	{0, 1, 0, 1, 0, 1, 0, 1},
	{0, 0, 0, 0, 1, 1, 1, 1},
}

const (
	gamePeople = 2
	gameOthers = 6 // stay
)

// A game is one ledger's life as the distinguisher sees it.
type game struct {
	t     testing.TB
	w     *world
	l     *ledger.Ledger
	now   map[string]string // rows as they are
	ever  []keystore.KV
	trace []string // for each step, what rows of which size came and went
	union []uint64 // the erased leaves
}

// newGame returns a ledger that is watched.
func newGame(t testing.TB) *game {
	t.Helper()
	g := &game{t: t, w: newWorld(t), now: map[string]string{}}
	g.l = g.w.open()
	declare(t, g.l)
	g.look()
	return g
}

// event records an event about somebody under a request id.
func (g *game) event(who, id string) uint64 {
	g.t.Helper()
	return must(g.t, g.l, `{"type":"processing.performed","id":%q,"subject":%q,"purpose":"chat-service","operation":"answer"}`, id, who)[0].Index
}

func (g *game) erase(who string) *erasure.Certificate {
	g.t.Helper()
	_, cert, err := g.l.Erase(g.t.Context(), ledger.EraseRequest{Subject: who, Everything: true})
	if err != nil {
		g.t.Fatal(err)
	}
	return cert
}

func (g *game) sweep() {
	g.t.Helper()
	if _, err := g.l.Sweep(g.t.Context(), ledger.SweepOptions{}); err != nil {
		g.t.Fatal(err)
	}
	g.look()
}

// play lets a ledger live until everybody concerned is erased, the leaves divided in
// one of the ways.
func play(t testing.TB, seed uint64, division int) *game {
	t.Helper()
	g := newGame(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	var people []string
	for i := range gamePeople + gameOthers {
		people = append(people, fmt.Sprintf("person-%04d-%d", rng.IntN(10_000), i))
	}
	others := people[gamePeople:]
	for i, who := range divisions[division] {
		g.event(others[rng.IntN(len(others))], fmt.Sprintf("other-%d", i))
		g.look()
		g.union = append(g.union, g.event(people[who], fmt.Sprintf("mine-%d", i)))
		g.look()
	}
	for i, who := range people[:gamePeople] {
		g.erase(who)
		g.look()
		g.event(others[0], fmt.Sprintf("after-%d", i))
		g.look()
	}
	return g
}

// look copies every row, as a backup would, and notes what changed.
func (g *game) look() {
	g.t.Helper()
	rows := map[string]string{}
	for _, space := range ledger.Spaces {
		for k, v := range rowsOf(g.t, g.l, space) {
			rows[k] = string(v)
		}
	}
	var changes []string
	for k, v := range rows {
		old, had := g.now[k]
		if had && old == v {
			continue
		}
		g.ever = append(g.ever, keystore.KV{Key: []byte(k), Value: []byte(v)})
		changes = append(changes, fmt.Sprintf("%c%c %d %d", k[0], map[bool]rune{true: '~', false: '+'}[had], len(k), len(v)))
	}
	for k := range g.now {
		if _, has := rows[k]; !has {
			changes = append(changes, fmt.Sprintf("%c- %d", k[0], len(k)))
		}
	}
	slices.Sort(changes)
	g.trace = append(g.trace, strings.Join(changes, ", "))
	g.now = rows
}

func (g *game) thief() *keystore.Thief {
	g.t.Helper()
	thief, err := keystore.Steal(g.t.Context(), g.ever, []keystore.Holder{&memHolder{w: g.w}})
	if err != nil {
		g.t.Fatal(err)
	}
	return thief
}

// linked returns sets of erased leaves of which the distinguisher learns that they
// belong together: the lists that any key it derives names, and those named by what
// any of these keys opens.
func (g *game) linked() (sets [][]uint64) {
	thief := g.thief()
	var namers []keystore.RowsKey
	for _, key := range thief.Keys() {
		namers = append(namers, key.RowsKey())
		for _, kv := range g.ever {
			if kv.Key[0] != 'j' {
				continue
			}
			text, err := key.OpenRow(kv.Key, kv.Value)
			if err != nil {
				continue
			}
			var row struct {
				RowsKeys [][]byte `json:"rows_keys"`
			}
			if json.Unmarshal([]byte(strings.TrimRight(string(text), " ")), &row) != nil {
				continue
			}
			for _, raw := range row.RowsKeys {
				if k, err := keystore.ParseRowsKey(raw); err == nil {
					namers = append(namers, k)
				}
			}
		}
	}
	lists := map[string][]byte{}
	for _, kv := range g.ever {
		if kv.Key[0] == 's' {
			lists[string(kv.Key)] = kv.Value
		}
	}
	for _, n := range namers {
		var set []uint64
		for gen := range uint32(4) {
			for seq := range uint64(2 * len(divisions[0])) {
				name := n.RowName(gen, seq)
				key := append(binary.BigEndian.AppendUint32([]byte{'s'}, gen), name[:16]...)
				if v := lists[string(key)]; len(v) > 8 {
					i := binary.BigEndian.Uint64(v) ^ binary.BigEndian.Uint64(name[16:24])
					if slices.Contains(g.union, i) && !slices.Contains(set, i) {
						set = append(set, i)
					}
				}
			}
		}
		if len(set) > 1 {
			sets = append(sets, set)
		}
	}
	return sets
}

// guess is the distinguisher's answer, and whether it had a reason for it: the third
// and the fourth leaf are one person's in the first world alone.
func (g *game) guess() (division int, sure bool) {
	for _, set := range g.linked() {
		if slices.Contains(set, g.union[3]) {
			if slices.Contains(set, g.union[2]) {
				return 0, true
			}
			return 1, true
		}
	}
	return 0, false
}

// TestUnlinkability plays the game. Before the sweep the distinguisher has to win, or
// it would be no good. Afterwards nothing is linked, and there is no step whose rows
// came and went in other kinds, sizes or numbers in one world than in the other.
func TestUnlinkability(t *testing.T) {
	shapes := make([]map[string]int, len(divisions))
	rounds := histories(t, 6)
	for d := range divisions {
		shapes[d] = map[string]int{}
		for seed := range uint64(rounds) {
			g := play(t, seed, d)
			if got, sure := g.guess(); d < 2 && (!sure || got != d) {
				t.Fatalf("control: before the sweep the distinguisher says %d (%t), it was %d", got, sure, d)
			}
			g.sweep()
			if sets := g.linked(); len(sets) > 0 {
				t.Errorf("after the sweep the distinguisher links %v of the erased leaves %v", sets, g.union)
			}
			for step, shape := range g.trace {
				shapes[d][fmt.Sprintf("step %d: %s", step, shape)]++
			}
			g.w.close(g.l)
		}
	}
	if !maps.Equal(shapes[0], shapes[1]) {
		t.Errorf("the rows of a life have other shapes in one world than in the other:\n%v\n%v", shapes[0], shapes[1])
	}
	if maps.Equal(shapes[0], shapes[2]) {
		t.Error("control: the shapes do not even tell which leaves are somebody's first")
	}
}

// TestNameConfirmation: who guesses names and has the current root computes where their
// keys lie, and looks whether an epoch replaced just that page. Before the sweep this
// finds everybody who was erased, and few others. After it, those who were erased are
// among those that it finds as often as anybody else is, be it one of a million.
func TestNameConfirmation(t *testing.T) {
	const erased, living = 12, 1500
	g := newGame(t)
	var batch []*event.Event
	for i := range erased + living {
		batch = append(batch, parse(t, fmt.Sprintf(`{"type":"processing.performed","id":"r-%d","subject":"name-%07d","purpose":"chat-service","operation":"answer"}`, i, i)))
	}
	for _, o := range g.l.RecordAll(t.Context(), batch) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	g.look()
	name := func(i int) string { return fmt.Sprintf("name-%07d", i) }
	var epochs []uint64
	for i := range erased {
		epochs = append(epochs, g.erase(name(i)).Terms.Epoch)
		g.look()
	}
	guesses := 1_000_000
	if testing.Short() {
		guesses = 20_000
	}
	// found says how many of the erased are found in the epoch that erased them, and
	// which part of all guessed names is.
	found := func() (hits int, rate float64) {
		thief := g.thief()
		for i, epoch := range epochs {
			if thief.Rekeyed(g.ever, epoch, []keystore.Subject{ledger.Person(name(i))})[0] > 0 {
				hits++
			}
		}
		var all []keystore.Subject
		for i := range guesses {
			all = append(all, ledger.Person(name(i)))
		}
		n := 0
		for _, hit := range thief.Rekeyed(g.ever, epochs[0], all) {
			if hit > 0 {
				n++
			}
		}
		return hits, float64(n) / float64(guesses)
	}
	if hits, rate := found(); hits != erased || rate > 0.4 {
		t.Fatalf("control: before the sweep %d of %d are found, and so is a part of %.2f of all names", hits, erased, rate)
	}
	g.sweep()
	hits, rate := found()
	if rate > 0.4 {
		t.Fatalf("a part of %.2f of all names is found: this shows nothing", rate)
	}
	// So many of twelve are found by chance less often than once in a million times.
	if most := erased*rate + 5*math.Sqrt(erased*rate*(1-rate)); float64(hits) > most {
		t.Errorf("after the sweep %d of %d are found, and a part of %.2f of all names", hits, erased, rate)
	}
}

// TestRequestConfirmation: who guesses the id of a request and has the current root
// finds its tag before the sweep, also that of an erased person, and afterwards only if
// the person is living.
func TestRequestConfirmation(t *testing.T) {
	g := newGame(t)
	g.event("gone", "order-17-of-gone")
	g.event("here", "order-18-of-here")
	g.look()
	g.erase("gone")
	g.look()
	found := func(id string) (n int) {
		thief := g.thief()
		for _, tag := range thief.RequestTags([]byte(id)) {
			for _, row := range g.ever {
				if row.Key[0] != 'q' {
					continue
				}
				first := binary.BigEndian.Uint64(row.Key[len(row.Key)-8:])
				for i := 0; i+36 <= len(row.Value); i += 36 {
					leaf, err := g.l.Log().Leaf(t.Context(), first+uint64(i/36))
					if err != nil {
						t.Fatal(err)
					}
					for _, mask := range thief.Masks() {
						both := [32]byte(row.Value[i:])
						mask.Tag(leaf, &both)
						if [16]byte(both[:16]) == tag {
							n++
						}
					}
				}
			}
		}
		return n
	}
	if found("order-17-of-gone") == 0 {
		t.Fatal("control: before the sweep a guessed id is not found")
	}
	g.sweep()
	if n := found("order-17-of-gone"); n != 0 {
		t.Errorf("after the sweep the id of an erased person's request is found %d times", n)
	}
	if found("order-18-of-here") == 0 {
		t.Error("control: after the sweep the id of a living person's request is not found")
	}
}
