package ledger_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
)

// TestAttack02PurgeList is the attack on a draft that removed the rows of an erased
// person: the tombstones in the write-ahead log, or the gap between two backups,
// list their records exactly. Between two backups, one before and one after an
// erasure, no row of an event and no row of a list goes or changes. The control
// removes the rows of one event, as the draft did.
func TestAttack02PurgeList(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	var mine []string
	for _, p := range []string{"p", "q"} {
		for _, space := range []byte{'e', 's'} {
			keys := madeBy(t, l, space, func() {
				must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, p)
			})
			if p == "p" {
				mine = append(mine, keys...)
			}
		}
	}
	backup := func() map[string][]byte {
		rows := rowsOf(t, l, 'e')
		for k, v := range rowsOf(t, l, 's') {
			rows[k] = v
		}
		return rows
	}
	gone := func(before map[string][]byte) (n int) {
		after := backup()
		for k, v := range before {
			if !bytes.Equal(after[k], v) {
				n++
			}
		}
		return n
	}
	before := backup()
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p", Everything: true}); err != nil {
		t.Fatal(err)
	}
	if n := gone(before); n != 0 {
		t.Errorf("%d rows are gone or changed: they are the erased person's", n)
	}
	for _, k := range mine {
		remove(t, l, k)
	}
	if n := gone(before); n != len(mine) || n == 0 {
		t.Errorf("control: %d rows are gone, %d were removed", n, len(mine))
	}
}

// TestAttack19Indexes is the attack on a draft whose events referred to others by
// their index in the log: what stays of a person then points by number at what was
// erased of them. References are random ids. The control is such an event.
func TestAttack19Indexes(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	// So many entries before, that no index is a number that something else has.
	for i := range 120 {
		must(t, l, `{"type":"processing.performed","subject":"other-%d","purpose":"chat-service","operation":"answer"}`, i)
	}
	first := l.Log().Head().Size
	tok, hash := token("p")
	must(t, l, `{"type":"consent.requested","subject":"p","form":"web-newsletter","contact":"mailto:p@shop.example","doi_token_sha256":%q}`, hash)
	given := must(t, l, `{"type":"consent.given","subject":"p","form":"web-newsletter","token":%q}`, tok)
	must(t, l, `{"type":"communication.sent","subject":"p","purpose":"newsletter","channel":"email"}`)
	must(t, l, `{"type":"data.disclosed","subject":"p","purpose":"newsletter","recipient":"mailer","attributes":["Name"],"recipient_ref":"m-1"}`)
	must(t, l, `{"type":"processing.performed","subject":"p","purpose":"chat-service","operation":"answer","supersedes":%q}`, given[0].ID)
	must(t, l, `{"type":"right.requested","subject":"p","right":"A17","channel":"email"}`)
	must(t, l, `{"type":"consent.given","subject":"p","form":"chat-start","contact":"tel:+497112842222","decisions":{"chat-service":"yes","newsletter":"no"}}`)
	if _, err := l.Prove(t.Context(), given[0].Index, ledger.ProveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "other-3"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: "p"}); err != nil {
		t.Fatal(err)
	}
	size := l.Log().Head().Size
	seen := map[string]int{}
	for index := range size {
		e, err := l.Get(t.Context(), index)
		if isErased(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		seen[e.Event.Type()]++
		if refs := references(e.Event, size); len(refs) > 0 {
			t.Errorf("entry %d, a %s, has numbers that could be an index: %v", index, e.Event.Type(), refs)
		}
	}
	for _, want := range []string{"consent.given", "consent.withdrawn", "right.requested", "chain.asserted", "erasure.epoch"} {
		if seen[want] == 0 {
			t.Errorf("no %s was looked at", want)
		}
	}
	draft := parse(t, fmt.Sprintf(`{"type":"consent.given","schema":1,"request_index":%d,"rests_on":[{"index":"%d"}]}`, first, first+1))
	if refs := references(draft, size); !slices.Equal(refs, []string{"/request_index", "/rests_on/0/index"}) {
		t.Errorf("control: %v", refs)
	}
}

// counts are members that are small numbers and no reference, by where they stand.
var counts = []string{"/schema", "/_seq", "/version", "/form/version", "/notice/version", "/chains/*/count", "/of", "/size", "/epoch",
	"/requests_size", "/holders/*/copies", "/holders/*/overwritten", "/holders/*/destroyed/*", "/subjects/closure", "/subjects/request", "/subjects/retention"}

// references lists the places in an event with a number, or the text of one, that
// an entry of the log could have.
func references(ev *event.Event, size uint64) (found []string) {
	var v any
	d := json.NewDecoder(bytes.NewReader(ev.Canonical()))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		panic(err)
	}
	var walk func(path, pattern string, v any)
	walk = func(path, pattern string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, x := range v {
				walk(path+"/"+name, pattern+"/"+name, x)
			}
		case []any:
			for i, x := range v {
				walk(fmt.Sprintf("%s/%d", path, i), pattern+"/*", x)
			}
		default:
			var n uint64
			text := fmt.Sprint(v)
			if _, err := fmt.Sscanf(text, "%d", &n); err != nil || fmt.Sprint(n) != strings.TrimSpace(text) || n >= size {
				return
			}
			if !slices.Contains(counts, pattern) {
				found = append(found, path)
			}
		}
	}
	walk("", "", v)
	slices.Sort(found)
	return found
}
