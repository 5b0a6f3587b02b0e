package report

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/lacunalog/lacuna/bench"
)

func label(r bench.Record, name string) string {
	n, _ := strconv.ParseFloat(r.Label(name), 64)
	return group(n)
}

func eraseTable(b *bytes.Buffer, recs []bench.Record) error {
	b.WriteString("| people | at once | destroyed p50 ms | p99 | recorded p50 ms | p99 |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, r := range of(recs, "Erase") {
		if f := r.Figures; r.Label("load") == "" {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", label(r, "people"), r.Label("at-once"),
				figure(f[bench.UnitDestroyedP50]), figure(f[bench.UnitDestroyedP99]), figure(f[bench.UnitRecordedP50]), figure(f[bench.UnitRecordedP99]))
		}
	}
	return nil
}

// eraseLoadTable is erasing while events are recorded, and what of their rate was kept.
func eraseLoadTable(b *bytes.Buffer, recs []bench.Record) error {
	b.WriteString("| people | at once | events/s asked for | before | meanwhile | kept | destroyed p50 ms | p99 |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range of(recs, "Erase") {
		if f := r.Figures; r.Label("load") != "" {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %.0f %% | %s | %s |\n", label(r, "people"), r.Label("at-once"), label(r, "load"),
				figure(f[bench.UnitAlone]), figure(f[bench.UnitRate]), 100*f[bench.UnitKept], figure(f[bench.UnitDestroyedP50]), figure(f[bench.UnitDestroyedP99]))
		}
	}
	return nil
}

// togetherTable is one epoch for many.
func togetherTable(b *bytes.Buffer, recs []bench.Record) error {
	b.WriteString("| people | erased in one epoch | from PREPARED to DESTROYED, ms | from REQUESTED |\n| --- | --- | --- | --- |\n")
	for _, r := range of(recs, "EraseTogether") {
		f := r.Figures
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", label(r, "people"), label(r, "epoch"), figure(f[bench.UnitTogether]), figure(f[bench.UnitTogetherIn]))
	}
	return nil
}

// keysTable is looking keys up, and making them.
func keysTable(b *bytes.Buffer, recs []bench.Record) error {
	b.WriteString("| people | key loaded, µs | page in memory | page read |\n| --- | --- | --- | --- |\n")
	for _, r := range of(recs, "Lookup") {
		f := r.Figures
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", label(r, "people"), figure(f[bench.UnitLookupCached]), figure(f[bench.UnitLookupPage]), figure(f[bench.UnitLookupCold]))
	}
	b.WriteString("\n| people | first event of somebody, CPU µs | another one | ÷ |\n| --- | --- | --- | --- |\n")
	for _, r := range of(recs, "Creation") {
		f := r.Figures
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", label(r, "people"), figure(f[bench.UnitFirstEvent]), figure(f[bench.UnitNextEvent]), figure(f[bench.UnitCreate]))
	}
	return nil
}
