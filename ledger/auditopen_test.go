package ledger_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
)

// TestAuditOpen opens entries whose people nobody names, and finds that it was recorded.
func TestAuditOpen(t *testing.T) {
	_, l, trust := audited(t)
	size := l.Log().Head().Size
	var entries []uint64
	for i := range min(size, ledger.MaxAuditOpen) {
		entries = append(entries, i)
	}
	opened, err := l.AuditOpen(t.Context(), entries, "supervisory authority, case 7", nil)
	if err != nil {
		t.Fatal(err)
	}
	erased, subjects := 0, 0
	for i, o := range opened {
		if o.Index != entries[i] {
			t.Fatalf("entry %d in the place of %d", o.Index, entries[i])
		}
		if _, ok := errors.AsType[*ledger.ErasedError](o.Err); ok {
			erased++
			continue
		}
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		r, err := trust.Verify(o.Proof)
		if err != nil || r.Index != o.Index {
			t.Fatalf("entry %d: %v", o.Index, err)
		}
		if r.Get("subject") != nil {
			subjects++
		}
		if r.Get("_prev") != nil || r.Get("_seq") != nil {
			t.Error("an opened entry names its neighbours")
		}
	}
	if erased != 10 || subjects != 20 {
		t.Errorf("%d of them erased, %d of people", erased, subjects)
	}
	e, err := l.Get(t.Context(), size)
	if err != nil || e.Public || e.Event.Type() != event.AuditOpened || e.Event.Str("reason") != "supervisory authority, case 7" {
		t.Errorf("nothing says that entries were opened: %v", err)
	}
	if opened, err = l.AuditOpen(t.Context(), []uint64{size - 20}, "again", []string{"type"}); err != nil || len(opened) != 1 {
		t.Fatal(err)
	}
	if o := opened[0]; o.Err == nil && bytes.Contains(o.Proof, []byte("a-2")) {
		t.Error("a member is shown that was not asked for")
	}
	for name, o := range map[string]struct {
		entries []uint64
		reason  string
	}{
		"no reason":    {[]uint64{1}, " "},
		"no entry":     {nil, "why"},
		"too many":     {make([]uint64, ledger.MaxAuditOpen+1), "why"},
		"beyond it":    {[]uint64{1 << 40}, "why"},
		"a long story": {[]uint64{1}, string(bytes.Repeat([]byte("a"), 1<<17))},
	} {
		before := l.Log().Head().Size
		if _, err := l.AuditOpen(t.Context(), o.entries, o.reason, nil); err == nil || l.Log().Head().Size != before {
			t.Errorf("%s: %v, %d entries more", name, err, l.Log().Head().Size-before)
		}
	}
	// Nobody else can say so.
	ev, err := event.Parse([]byte(`{"type":"audit.opened","audit_id":"x","reason":"y","entries":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Record(t.Context(), ev); err == nil {
		t.Error("a writer says that entries were opened")
	}
	checkFsck(t, l)
}
