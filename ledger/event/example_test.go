package event_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
)

// A purpose is declared, and a message is recorded for it.
func Example() {
	now := time.Date(2026, 5, 6, 9, 0, 0, 0, time.UTC)
	register := event.NewRegister()
	for _, line := range []string{
		`{"type":"purpose.declared","purpose_id":"newsletter","description":{"de":"Newsletter mit Musiktipps"},"legal_basis":"A6-1-a","categories":["EmailAddress","Name"],"storage":["DE"],"retention":"P2Y","compartment":"marketing","advertising":true}`,
		`{"type":"communication.sent","id":"mail-42/c-2","subject":"c-2","purpose":"newsletter","channel":"email"}`,
		`{"type":"communication.sent","subject":"c-2","purpose":"newsleter","channel":"mail"}`,
	} {
		short, err := event.Parse([]byte(line))
		if err != nil {
			fmt.Println(err)
			return
		}
		full, _, err := event.Fill(event.Context{Now: now, Register: register, Actor: event.Actor{Role: "append", Service: "crm"}}, short)
		var refused *event.Refused
		if errors.As(err, &refused) {
			for _, r := range refused.Reasons {
				fmt.Println(r.Reason, r.Path, r.Hint)
			}
			return
		}
		key, keep, err := event.Route(register, nil, full[0])
		fmt.Println(full[0], key, keep, err)
		if event.IsRegister(full[0].Type()) {
			register, err = register.Apply(full[0], nil)
			if err != nil {
				fmt.Println(err)
				return
			}
			continue
		}
		fmt.Println(string(full[0].Canonical()))
	}
	// Output:
	// [event purpose.declared] [organisation register] no end <nil>
	// [event communication.sent] [subject marketing 2026-05] P2Y from last_event <nil>
	// {"actor":{"role":"append","service":"crm"},"advertising":true,"channel":"email","event_time":"2026-05-06T09:00:00Z","id":"mail-42/c-2","purpose":"newsletter","schema":1,"subject":"c-2","type":"communication.sent"}
	// value_out_of_range /channel one of: business_card, chat, email, paper, phone, wallet, web
	// purpose_undeclared /purpose did you mean "newsletter"?
}
