package consent

import (
	"bytes"
	"testing"

	"github.com/lacunalog/lacuna/ledger/event"
)

// An event that is not Placed makes the same state at every index, before and
// after others.
func TestPlaced(t *testing.T) {
	unplaced := 0
	for _, text := range []string{
		`{"type":"processing.performed","id":"1","subject":"c-2","event_time":"2026-05-04T12:00:00Z","purpose":"invoices","operation":"store"}`,
		`{"type":"communication.sent","id":"2","subject":"c-2","event_time":"2026-05-04T12:00:00Z","purpose":"newsletter","channel":"email","contact":"mailto:a@b.example"}`,
		`{"type":"data.disclosed","id":"3","subject":"c-2","event_time":"2026-05-04T12:00:00Z","purpose":"newsletter","recipient":"mailer","attributes":["Name"]}`,
		`{"type":"consent.withdrawn","id":"4","subject":"c-2","event_time":"2026-05-04T12:00:00Z","purpose":"*"}`,
		`{"type":"notice.acknowledged","id":"5","subject":"c-2","event_time":"2026-05-04T12:00:00Z","notice":{"id":"privacy-de","version":1}}`,
	} {
		ev, err := event.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var at [2][]byte
		for i, index := range []uint64{7, 1<<64 - 1} {
			s, err := New().Apply(ev, index)
			if err != nil {
				t.Fatal(err)
			}
			if at[i], err = s.MarshalBinary(); err != nil {
				t.Fatal(err)
			}
		}
		if same := bytes.Equal(at[0], at[1]); !Placed(ev) && !same {
			t.Errorf("%s is not placed, and differs by its index", ev)
		} else if Placed(ev) && same {
			t.Errorf("the control does not differ: %s", ev)
		}
		if !Placed(ev) {
			unplaced++
		}
	}
	if unplaced == 0 {
		t.Error("every event is placed")
	}
}
