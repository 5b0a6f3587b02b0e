package ledger_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/merkle/log"
)

// TestJobRowDamaged damages every row of erasures and sweeps, one at a time: one is swept, one is not. Whatever it is,
// the ledger opens, the check tells what is lost or finds nothing, others are erased, and a sweep ends once what is
// lost is stated. Its record follows the one before.
func TestJobRowDamaged(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	declare(t, l)
	for _, who := range []string{"p", "q", "r", "s"} {
		must(t, l, `{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"answer"}`, who)
	}
	erase := func(l *ledger.Ledger, who string) {
		t.Helper()
		if _, _, err := l.Erase(t.Context(), ledger.EraseRequest{Subject: who}); err != nil {
			t.Fatal(err)
		}
	}
	erase(l, "p")
	last := sweepOnce(t, l)
	erase(l, "q")
	rows := rowsOf(t, l, 'j')
	w.close(l)
	n := 0
	for k, v := range rows {
		for _, damage := range []string{"flip", "cut"} {
			n++
			name := fmt.Sprintf("%s of %q", damage, k[:2])
			c := w.crashNow(100, nil)
			l := c.open()
			value := bytes.Clone(v)
			if damage == "cut" {
				value = value[:len(value)-1]
			} else {
				value[len(value)/2] ^= 0x11
			}
			if err := l.Log().Apply(t.Context(), log.Change{Set: []log.Row{{Key: []byte(k), Value: value}}}); err != nil {
				t.Fatal(err)
			}
			c.close(l)
			l, err := c.tryOpen(t.Context())
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if _, err := l.Fsck(t.Context(), nil); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			erase(l, "r")
			if x := stateLoss(t, l); x.Entries > 1 {
				t.Errorf("%s: %+v", name, x)
			}
			done := sweepOnce(t, l)
			if p := done.Record.PreviousSweep; p == nil || *p != certificate.LeafHash(last.Statement) || done.Record.EpochsFrom != last.Record.EpochsTo+1 {
				t.Errorf("%s: the sweep follows another: %+v", name, done.Record)
			}
			if p := done.Record.Previous; p == nil || *p == certificate.LeafHash(last.Statement) {
				t.Errorf("%s: the record follows that of the last sweep, and there were others: %+v", name, done.Record)
			}
			erase(l, "s")
			checkFsck(t, l)
			c.close(l)
		}
	}
	if n < 20 {
		t.Errorf("only %d rows", n)
	}
}
