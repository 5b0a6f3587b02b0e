package report

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lacunalog/lacuna/bench"
)

// machineTable says where and when, and how busy others were: figures of a busy
// machine are marked by it.
func machineTable(b *bytes.Buffer, recs []bench.Record) error {
	type run struct{ what, machine string }
	var order []run
	of := make(map[run][]bench.Record)
	for _, r := range recs {
		m := r.Machine
		c := "cgo"
		if !m.CGO {
			c = "pure Go"
		}
		k := run{r.Kind(), fmt.Sprintf("%s, %d processors, %s, %s %s, %s, %s", m.CPU, m.Cores, m.FileSystem, m.OS, m.Kernel, m.Go, c)}
		if of[k] == nil {
			order = append(order, k)
		}
		of[k] = append(of[k], r)
	}
	b.WriteString("| what | when (UTC) | machine | processors that others used: median, most |\n| --- | --- | --- | --- |\n")
	for _, k := range order {
		rs := of[k]
		busy := "not known"
		if s := spreadOf(rs, bench.UnitOthers); s != (bench.Spread{}) || rs[0].Busy.Known {
			worst := slices.MaxFunc(rs, func(x, y bench.Record) int { return cmp.Compare(x.Busy.Others, y.Busy.Others) })
			busy = fmt.Sprintf("%.2f, %.2f", s.Median, s.Most)
			if len(worst.Busy.Names) > 0 {
				busy += " (" + strings.Join(worst.Busy.Names, ", ") + ")"
			}
		}
		fmt.Fprintf(b, "| %s, %d runs | %s to %s | %s | %s |\n", k.what, len(rs),
			rs[0].Time.Format("2006-01-02 15:04"), rs[len(rs)-1].Time.Format("15:04"), k.machine, busy)
	}
	return nil
}

// leaves is the size of the log that a record speaks of.
func leaves(r bench.Record) float64 {
	n, _ := strconv.ParseFloat(r.Label("leaves"), 64)
	return n
}

func build(r bench.Record) string {
	if r.Machine.CGO {
		return "cgo"
	}
	return "pure Go"
}

// of returns the records of a kind.
func of(recs []bench.Record, kind string) (out []bench.Record) {
	for _, r := range recs {
		if r.Kind() == kind {
			out = append(out, r)
		}
	}
	return out
}

func growTable(b *bytes.Buffer, recs []bench.Record) error {
	b.WriteString("| build | leaves | events/s | CPU µs/event | compaction debt MiB | L0 sublevels | resident MiB | highest MiB | bytes/event | above the padded plaintext |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range of(recs, "Grow") {
		f := r.Figures
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %.0f | %.0f | %.0f | %.0f | %.0f |\n", build(r), group(leaves(r)), group(f[bench.UnitRate]), figure(f[bench.UnitCPU]),
			figure(f[bench.UnitDebt]), f[bench.UnitLevels], f[bench.UnitMemory], f[bench.UnitPeak], f[bench.UnitDisk], f[bench.UnitAbove])
	}
	return nil
}

// askTable is asking whether something may be done.
func askTable(b *bytes.Buffer, recs []bench.Record) error {
	b.WriteString("| events about somebody | people | in memory, p50 µs | not in memory, p50 µs | p99 |\n| --- | --- | --- | --- | --- |\n")
	for _, r := range of(recs, "Ask") {
		f := r.Figures
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", label(r, "events"), label(r, "people"), figure(f[bench.UnitAskCached]), figure(f[bench.UnitAskCold]), figure(f[bench.UnitAskColdP99]))
	}
	return nil
}

func openTable(b *bytes.Buffer, recs []bench.Record) error {
	b.WriteString("| build | after | leaves | times | opened after ms | first event after ms | resident MiB then |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, c := range []string{"cgo", "pure Go"} {
		for _, after := range []string{"clean", "kill"} {
			var rs []bench.Record
			for _, r := range of(recs, "Open") {
				if build(r) == c && r.Label("after") == after {
					rs = append(rs, r)
				}
			}
			if len(rs) == 0 {
				continue
			}
			how := "a clean stop"
			if after == "kill" {
				how = "`kill -9`"
			}
			fmt.Fprintf(b, "| %s | %s | %s | %d | %s | %s | %.0f |\n", c, how, group(leaves(rs[0])), len(rs),
				spreadCell(rs, bench.UnitOpen), spreadCell(rs, bench.UnitFirst), spreadOf(rs, bench.UnitMemory).Median)
		}
	}
	return nil
}

// spreadCell is a median with its range, or nothing where nothing was measured.
func spreadCell(rs []bench.Record, unit string) string {
	s := spreadOf(rs, unit)
	if s.Most == 0 {
		return ""
	}
	return fmt.Sprintf("%s [%s–%s]", figure(s.Median), figure(s.Least), figure(s.Most))
}

func proofTable(b *bytes.Buffer, recs []bench.Record) error {
	b.WriteString("| build | leaves | prove p50 µs | p99 | verify p50 µs | p99 |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, r := range of(recs, "Proof") {
		f := r.Figures
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", build(r), group(leaves(r)),
			figure(f[bench.UnitProveP50]), figure(f[bench.UnitProveP99]), figure(f[bench.UnitVerifyP50]), figure(f[bench.UnitVerifyP99]))
	}
	return nil
}

// sweepTable says how long sweeps take, and what is left of a load meanwhile.
func sweepTable(b *bytes.Buffer, recs []bench.Record) error {
	b.WriteString("| entries | people | may write MB/s | s per million entries | of that, listing | copying | CPU s per million | events/s meanwhile | of what there were before |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range of(recs, "Sweep") {
		f := r.Figures
		number := func(label string) float64 {
			n, _ := strconv.ParseFloat(r.Label(label), 64)
			return n
		}
		writes, events, kept := "", "", ""
		if rate := number("rate"); rate > 0 {
			writes = figure(rate / 1e6)
		}
		if number("load") > 0 {
			events, kept = group(f[bench.UnitRate]), fmt.Sprintf("%.0f %%", 100*f[bench.UnitKept])
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", group(number("entries")), group(number("people")), writes,
			figure(f[bench.UnitSweep]), figure(f[bench.UnitCut]), figure(f[bench.UnitCopy]), figure(f[bench.UnitSweepCPU]), events, kept)
	}
	return nil
}

// waysTable compares ways to erase one of many people: the medians of all rounds, how
// often ours goes into them, and what a search finds afterwards.
func waysTable(b *bytes.Buffer, recs []bench.Record) error {
	b.WriteString("| way | people | destroyed p50 ms | p99 | ÷ Lacuna | erased keys found in its files afterwards |\n| --- | --- | --- | --- | --- | --- |\n")
	ways := map[string]string{"lacuna": "Lacuna, the whole erasure", "flat": "one table, sealed anew", "postgres": "PostgreSQL, one row deleted"}
	type run struct{ people, way string }
	var order []run
	by := make(map[run][]bench.Record)
	for _, r := range of(recs, "EraseBy") {
		k := run{r.Label("people"), r.Label("way")}
		if by[k] == nil {
			order = append(order, k)
		}
		by[k] = append(by[k], r)
	}
	for _, k := range order {
		rs := by[k]
		ratio, left := "", ""
		if mine := by[run{k.people, "lacuna"}]; k.way != "lacuna" && len(mine) == len(rs) {
			var quotients []float64
			for i := range rs {
				quotients = append(quotients, rs[i].Figures[bench.UnitDestroyedP50]/mine[i].Figures[bench.UnitDestroyedP50])
			}
			ratio = spread(bench.SpreadOf(quotients))
		}
		if s := spreadOf(rs, bench.UnitLeft); s != (bench.Spread{}) {
			left = fmt.Sprintf("%.0f %%, after `VACUUM FULL` and a checkpoint", 100*s.Most)
		}
		people, _ := strconv.ParseFloat(k.people, 64)
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", ways[k.way], group(people), spread(spreadOf(rs, bench.UnitDestroyedP50)),
			figure(spreadOf(rs, bench.UnitDestroyedP99).Median), ratio, left)
	}
	return nil
}

// spread writes a median with its range.
func spread(s bench.Spread) string {
	return fmt.Sprintf("%s [%s–%s]", figure(s.Median), figure(s.Least), figure(s.Most))
}

// profileTable says where the CPU time of an event goes, the largest pieces first.
func profileTable(b *bytes.Buffer, recs []bench.Record) error {
	rs := of(recs, "Profile")
	if len(rs) == 0 {
		return nil
	}
	type piece struct {
		what string
		cost float64
	}
	var ps []piece
	sum := 0.0
	for _, p := range bench.Pieces {
		cost := spreadOf(rs, bench.PieceUnit(p.Name)).Median
		ps, sum = append(ps, piece{p.What, cost}), sum+cost
	}
	slices.SortStableFunc(ps, func(x, y piece) int { return cmp.Compare(y.cost, x.cost) })
	b.WriteString("| piece | CPU µs/event | share |\n| --- | --- | --- |\n")
	for _, p := range ps {
		if p.cost > 0 {
			fmt.Fprintf(b, "| %s | %s | %.0f %% |\n", p.what, figure(p.cost), 100*p.cost/sum)
		}
	}
	fmt.Fprintf(b, "| **together** | %s | |\n", figure(sum))
	return nil
}

func sealTable(b *bytes.Buffer, recs []bench.Record) error {
	b.WriteString("| event | members | SHA-256 blocks | of these, µs | with encryption and encoding, µs | sealing as it is, µs |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, r := range of(recs, "Seal") {
		f := r.Figures
		fmt.Fprintf(b, "| %s B | %s | %.0f | %s | %s | %s |\n", r.Label("size"), r.Label("members"), f[bench.UnitBlocks],
			figure(f[bench.UnitHashes]), figure(f[bench.UnitPrimitives]), figure(f[bench.UnitSeal]))
	}
	return nil
}
