package bench

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"

	"github.com/google/pprof/profile"
)

// Where the time of an append goes. A sample of a CPU profile is a stack of
// functions; it belongs to the piece of the innermost function that is named here,
// so that a hash belongs to what is hashed, and an allocation to what allocates.
// A rule that ends with a dot is a whole package: a function of the same package
// further out, that is named for itself, goes before it. Nothing of a sample is
// counted twice, so the pieces add up to the whole.
var pieces = []struct{ function, piece string }{
	{"runtime.gcBgMarkWorker", "garbage"},
	{"runtime.gcAssistAlloc", "garbage"},
	{"runtime.gcDrain", "garbage"},
	{"runtime.bgsweep", "garbage"},
	{"runtime.bgscavenge", "garbage"},
	{"runtime.mcall", "scheduler"},
	{"runtime.mstart", "scheduler"},
	{"runtime.goready", "scheduler"},
	{"runtime.ready", "scheduler"},
	{"runtime.sysmon", "scheduler"},

	{"github.com/lacunalog/lacuna/bench.(*Events)", "bench"},
	{"github.com/lacunalog/lacuna/bench.LeafMaker", "bench"},
	{"github.com/lacunalog/lacuna/ledger/event.Parse", "parse"},
	{"github.com/lacunalog/lacuna/ledger/event.parse", "parse"},
	{"github.com/lacunalog/lacuna/ledger/event.Fill", "fill"},
	{"github.com/lacunalog/lacuna/ledger/event.Route", "route"},
	{"github.com/lacunalog/lacuna/ledger/consent.", "fold"},
	{"github.com/lacunalog/lacuna/ledger/envelope.", "seal"},
	{"github.com/lacunalog/lacuna/keystore.Mask.Envelope", "mask"},
	{"github.com/lacunalog/lacuna/keystore.(*Lease).RowName", "names"},
	{"github.com/lacunalog/lacuna/keystore.(*Tree).RequestTag", "names"},
	{"github.com/lacunalog/lacuna/keystore.(*Tree).ContentMAC", "names"},
	{"github.com/lacunalog/lacuna/keystore.(*Lease).EventSecret", "seal"},
	{"github.com/lacunalog/lacuna/keystore.", "keys"},
	{"github.com/lacunalog/lacuna/ledger.", "ledger"},
	{"github.com/lacunalog/lacuna/merkle/log.(*sequencer).ownRows", "tree"},
	{"github.com/lacunalog/lacuna/merkle/log.(*Log).sign", "sign"},
	{"github.com/lacunalog/lacuna/merkle/log.", "sequencer"},
	{"github.com/lacunalog/lacuna/merkle.", "tree"},

	{"github.com/cockroachdb/pebble/v2/record.", "wal"},
	{"github.com/cockroachdb/pebble/v2.(*DB).runCompaction", "compaction"},
	{"github.com/cockroachdb/pebble/v2.(*DB).compact", "compaction"},
	{"github.com/cockroachdb/pebble/v2.(*DB).flush", "flush"},
	{"github.com/cockroachdb/pebble/v2.(*memTable)", "memtable"},
	{"github.com/cockroachdb/pebble/v2.", "engine"},
}

// Pieces are what the rest of the functions are called by, in the order in which
// an event meets them.
var Pieces = []struct{ Name, What string }{
	{"bench", "making the event, which is bench's own work"},
	{"parse", "strict parsing"},
	{"fill", "filling from the register"},
	{"route", "finding compartment and cohort"},
	{"fold", "folding the person's state"},
	{"keys", "finding the key"},
	{"names", "row name, request tag, content MAC"},
	{"seal", "sealing: secrets, AEAD, digests of members, leaf"},
	{"mask", "masking the envelope"},
	{"ledger", "the rest of the ledger: cache, tags, chains, handing over"},
	{"sequencer", "queue, shuffle, building the batch"},
	{"tree", "leaf hash, compact range, bundles, tiles"},
	{"sign", "signing heads"},
	{"memtable", "engine: inserting into the memtable"},
	{"wal", "engine: write-ahead log and its syncs"},
	{"engine", "engine: the rest of a commit, reads"},
	{"flush", "engine: flushes"},
	{"compaction", "engine: compactions"},
	{"garbage", "collecting garbage"},
	{"scheduler", "Go's scheduler, waiting and waking"},
	{"other", "everything else"},
}

// PieceUnit is the unit of the CPU time of a piece.
func PieceUnit(piece string) string { return piece + "-cpu-µs/event" }

// Profile drives a path as [Append] does and says how much CPU time each piece
// took. The profile itself costs a few percent.
func Profile(ctx context.Context, p Path, l Load) (*Result, error) {
	var b bytes.Buffer
	if err := pprof.StartCPUProfile(&b); err != nil {
		return nil, err
	}
	r, err := Append(ctx, p, l)
	pprof.StopCPUProfile()
	if err != nil {
		return nil, err
	}
	prof, err := profile.Parse(&b)
	if err != nil {
		return nil, fmt.Errorf("reading the profile: %w", err)
	}
	r.Name = "Profile" + strings.TrimPrefix(r.Name, "Append")
	spent := byPiece(prof)
	for _, piece := range Pieces {
		r.add(PieceUnit(piece.Name), float64(spent[piece.Name])/1e3/float64(max(r.N, 1)))
	}
	return r, nil
}

// byPiece adds up nanoseconds.
func byPiece(p *profile.Profile) map[string]int64 {
	value := 0
	for i, t := range p.SampleType {
		if t.Unit == "nanoseconds" {
			value = i
		}
	}
	spent := make(map[string]int64)
	for _, s := range p.Sample {
		spent[pieceOf(s)] += s.Value[value]
	}
	return spent
}

// pieceOf walks outwards from the innermost function.
func pieceOf(s *profile.Sample) string {
	found, within := "other", ""
	for _, loc := range s.Location {
		for _, line := range loc.Line {
			if line.Function == nil {
				continue
			}
			name := line.Function.Name
			if !strings.HasPrefix(name, within) {
				return found // left the package whose rule was found
			}
			for _, rule := range pieces {
				if !strings.HasPrefix(name, rule.function) {
					continue
				}
				if !strings.HasSuffix(rule.function, ".") {
					return rule.piece
				}
				found, within = rule.piece, rule.function
				break
			}
		}
	}
	return found
}
