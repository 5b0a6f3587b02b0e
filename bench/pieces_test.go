package bench_test

import (
	"testing"
	"time"

	"github.com/lacunalog/lacuna/bench"
	"github.com/lacunalog/lacuna/ledger/consent"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/event"
)

// The pieces of the whole path that need no disk, one after the other, so that
// one sees where its time goes: BenchmarkAppend at 1,024 callers is about their
// sum, plus the log's part (BenchmarkLog), plus handing over.

// parsed is a benchmark event, its register and its full form.
type parsed struct {
	line  []byte
	short *event.Event
	fill  event.Context
	full  *event.Event
}

func piece(tb testing.TB, size int) *parsed {
	tb.Helper()
	reg, err := bench.Register()
	if err != nil {
		tb.Fatal(err)
	}
	p := &parsed{
		line: append([]byte(nil), bench.NewEvents(size, 1000, 1).Next()...),
		fill: event.Context{Now: time.Now(), Register: reg, Actor: event.Actor{Role: "append", Service: "bench"}, Facts: consent.New()},
	}
	if p.short, err = event.Parse(p.line); err != nil {
		tb.Fatal(err)
	}
	full, _, err := event.Fill(p.fill, p.short)
	if err != nil {
		tb.Fatal(err)
	}
	p.full = full[0]
	return p
}

func eachSize(b *testing.B, f func(b *testing.B, p *parsed)) {
	for _, size := range []int{bench.Small, bench.Large} {
		b.Run(sizeName(size), func(b *testing.B) {
			b.ReportAllocs()
			f(b, piece(b, size))
		})
	}
}

func sizeName(size int) string {
	if size == bench.Small {
		return "size=256"
	}
	return "size=1024"
}

func BenchmarkParse(b *testing.B) {
	eachSize(b, func(b *testing.B, p *parsed) {
		for b.Loop() {
			if _, err := event.Parse(p.line); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkFill(b *testing.B) {
	eachSize(b, func(b *testing.B, p *parsed) {
		for b.Loop() {
			if _, _, err := event.Fill(p.fill, p.short); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFold applies an event to the state of a person who has one already.
func BenchmarkFold(b *testing.B) {
	eachSize(b, func(b *testing.B, p *parsed) {
		state, err := consent.New().Apply(p.full, 1)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := state.Apply(p.full, 2); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRoute(b *testing.B) {
	eachSize(b, func(b *testing.B, p *parsed) {
		for b.Loop() {
			if _, _, err := event.Route(p.fill.Register, consent.New(), p.full); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSeal seals under a key of a real key tree: derive, encrypt, commit.
func BenchmarkSeal(b *testing.B) {
	k, err := bench.NewKeys(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer closing(b, k)
	eachSize(b, func(b *testing.B, p *parsed) {
		var members []envelope.Member
		for _, m := range p.full.WithChain(1000, [32]byte{1}, time.Now()).Members() {
			members = append(members, envelope.Member{Name: m.Name, Value: m.Value})
		}
		for b.Loop() {
			if _, err := k.Seal(members); err != nil {
				b.Fatal(err)
			}
		}
	})
	// What else depends on the key: the name of the list row, the tag of the
	// request, the mask over the envelope.
	b.Run("lease", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := k.Lease(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("names", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.Names()
		}
	})
	env, leaf := make([]byte, 577), make([]byte, 34)
	b.Run("mask", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.Mask(leaf, env)
		}
	})
}
