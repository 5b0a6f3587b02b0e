package bench

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/lacunalog/lacuna/ledger/event"
)

// Sizes of events that are measured, in bytes of their canonical full form.
const (
	Small = 256  // a message that was sent: what most events look like
	Large = 1024 // the same with hashes of ten attachments
)

// register is declared before a run. The newsletter keeps each month under a key
// of its own; what is known for the raffle is due long before.
var register = []string{
	`{"type":"controller.registered","controller_id":"bench","name":"Bench GmbH","contact":"privacy@bench.example","jurisdiction":"DE"}`,
	`{"type":"purpose.declared","purpose_id":"newsletter","description":{"en":"newsletter"},"legal_basis":"A6-1-a","categories":["EmailAddress"],"storage":["DE"],"retention":"P2Y","compartment":"marketing","advertising":true}`,
	`{"type":"purpose.declared","purpose_id":"raffle","description":{"en":"raffle"},"legal_basis":"A6-1-a","categories":["EmailAddress"],"storage":["DE"],"retention":"P1M","compartment":"raffle"}`,
}

// Register is what the events of this package refer to.
func Register() (*event.Register, error) {
	reg := new(event.Register)
	for _, line := range register {
		short, err := event.Parse([]byte(line))
		if err != nil {
			return nil, err
		}
		full, _, err := event.Fill(event.Context{Now: time.Now(), Register: reg}, short)
		if err != nil {
			return nil, err
		}
		if reg, err = reg.Apply(full[0], make([]byte, 32)); err != nil {
			return nil, err
		}
	}
	return reg, nil
}

// Events makes events in short form, as a service would send them. Its output
// depends on the seed alone. Each goroutine needs its own.
type Events struct {
	people uint64
	large  bool
	rng    *rand.Rand
	buf    []byte

	here []uint64 // who is here now, where people come for more than one event
	stay uint64   // events that somebody stays for, on average
}

// NewEvents returns a source of events of a size, about so many people.
func NewEvents(size, people int, seed uint64) *Events {
	return &Events{people: uint64(people), large: size > (Small+Large)/2, rng: rand.New(rand.NewPCG(seed, 1))}
}

// Person is the identifier of one of the people.
func Person(n int) string { return fmt.Sprintf("p-%07d", n) }

// Visits lets people come, stay for so many events on average, and go: at any time
// a thousand are here, and an event is about one of them. That is what a service
// sees. With 1, or without Visits, each event is about anybody, which is the worst
// that can happen to what a ledger keeps in memory.
func (e *Events) Visits(stay int) *Events {
	if stay > 1 {
		e.stay, e.here = uint64(stay), make([]uint64, 1000)
		for i := range e.here {
			e.here[i] = e.rng.Uint64N(e.people)
		}
	}
	return e
}

// Next returns an event about a person drawn at random. The bytes are valid until
// the next call.
func (e *Events) Next() []byte { return e.About(e.person()) }

func (e *Events) person() int {
	if e.here == nil {
		return int(e.rng.Uint64N(e.people))
	}
	i := e.rng.IntN(len(e.here))
	p := e.here[i]
	if e.rng.Uint64N(e.stay) == 0 {
		e.here[i] = e.rng.Uint64N(e.people)
	}
	return int(p)
}

// About returns an event about a person.
func (e *Events) About(person int) []byte { return e.about(person, "newsletter") }

func (e *Events) about(person int, purpose string) []byte {
	b := append(e.buf[:0], `{"type":"communication.sent","id":"`...)
	b = e.id(b)
	b = append(b, `","subject":"p-`...)
	b = appendPadded(b, person)
	b = append(b, `","purpose":"`...)
	b = append(b, purpose...)
	b = append(b, `","channel":"email","batch":"b-`...)
	b = strconv.AppendUint(b, e.rng.Uint64N(90)+10, 10)
	b = append(b, '"')
	if e.large {
		b = append(b, `,"evidence":[`...)
		for i := range 10 {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `"sha256:`...)
			for range 4 {
				b = appendHex(b, e.rng.Uint64())
			}
			b = append(b, '"')
		}
		b = append(b, ']')
	}
	e.buf = append(b, '}')
	return e.buf
}

// id appends a UUID of version 4. It only has to be new in its run.
func (e *Events) id(b []byte) []byte {
	at := len(b)
	b = appendHex(b, e.rng.Uint64()&^0xf000|0x4000)
	b = appendHex(b, e.rng.Uint64()&^(3<<62)|1<<63)
	h := b[at:]
	var u [36]byte
	copy(u[0:], h[0:8])
	copy(u[9:], h[8:12])
	copy(u[14:], h[12:16])
	copy(u[19:], h[16:20])
	copy(u[24:], h[20:32])
	u[8], u[13], u[18], u[23] = '-', '-', '-', '-'
	return append(b[:at], u[:]...)
}

func appendHex(b []byte, x uint64) []byte {
	var raw [8]byte
	for i := range raw {
		raw[i] = byte(x >> (56 - 8*i))
	}
	return hex.AppendEncode(b, raw[:])
}

// appendPadded appends a number with seven digits, or more where it has more.
func appendPadded(b []byte, n int) []byte {
	for most := 1_000_000; most > n && most > 1; most /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendUint(b, uint64(n), 10)
}
