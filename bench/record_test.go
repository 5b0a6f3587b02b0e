package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// A record is read as it was written, and its name says what was measured.
func TestRecords(t *testing.T) {
	r := &Result{Name: "Append/path=whole/size=256", N: 7, Busy: Busy{Known: true, Load: "1 2 3", Others: 0.25, Names: []string{"compile 0.25"}},
		Metrics: []Metric{{UnitRate, 123.5}, {UnitP50, 0}}}
	want := NewRecord(r, ThisMachine(t.TempDir()))
	var b bytes.Buffer
	for range 2 {
		if err := WriteRecord(&b, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadRecords(bytes.NewReader(b.Bytes()))
	if err != nil || len(got) != 2 || !reflect.DeepEqual(got[1], want) {
		t.Fatalf("%v\n%+v\n%+v", err, got, want)
	}
	if got[0].Kind() != "Append" || got[0].Label("size") != "256" || got[0].Label("Append") != "" || got[0].Label("none") != "" {
		t.Errorf("%+v", got[0])
	}
	file := filepath.Join(t.TempDir(), "r.jsonl")
	if err := os.WriteFile(file, append(b.Bytes(), "{\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadRecordFiles(file); err == nil || !strings.Contains(err.Error(), "r.jsonl: line 3") {
		t.Errorf("a broken line: %v", err)
	}
}

func FuzzReadRecords(f *testing.F) {
	f.Add([]byte(`{"format":"lacuna-bench/1","time":"2026-11-22T12:00:00Z","machine":{"cores":2,"os":"","go":"","cgo":true},"name":"Open/after=kill/leaves=9","n":1,"figures":{"open-ms":1.5},"busy":{"known":true,"others":0,"stolen":0}}` + "\n"))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		recs, err := ReadRecords(bytes.NewReader(text))
		if err != nil {
			return
		}
		var b bytes.Buffer
		for _, r := range recs {
			if err := WriteRecord(&b, r); err != nil {
				t.Skip(err) // a year that JSON cannot say
			}
		}
		again, err := ReadRecords(&b)
		if err != nil || len(again) != len(recs) {
			t.Errorf("%d records, and %d when they are written: %v", len(recs), len(again), err)
		}
	})
}
