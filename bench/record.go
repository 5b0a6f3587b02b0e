package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// A Record is a result as it is kept: one line of JSON, with the machine it was
// measured on and what else the machine did.
//
//	{"format":"lacuna-bench/1","time":"…","machine":{…},"name":"Append/path=whole/…","n":16384,"figures":{"events/s":…},"busy":{…}}
//
// Tables and plots are made from these lines and from nothing else.
type Record struct {
	Format  string             `json:"format"`
	Time    time.Time          `json:"time"`
	Machine Machine            `json:"machine"`
	Name    string             `json:"name"`
	N       int                `json:"n"`
	Figures map[string]float64 `json:"figures"`
	Busy    Busy               `json:"busy"`
}

const recordFormat = "lacuna-bench/1"

// NewRecord makes a record of a result.
func NewRecord(r *Result, m Machine) Record {
	rec := Record{Format: recordFormat, Time: time.Now().UTC().Truncate(time.Second), Machine: m, Name: r.Name, N: r.N,
		Figures: make(map[string]float64, len(r.Metrics)), Busy: r.Busy}
	for _, f := range r.Metrics {
		rec.Figures[f.Unit] = f.Value
	}
	return rec
}

// Label returns one of the key=value pairs of the name, "" where it has none.
func (r *Record) Label(key string) string {
	for _, part := range strings.Split(r.Name, "/") {
		if k, v, ok := strings.Cut(part, "="); ok && k == key {
			return v
		}
	}
	return ""
}

// Kind is the first part of the name: Append, Erase, Proof, Grow, Open.
func (r *Record) Kind() string {
	kind, _, _ := strings.Cut(r.Name, "/")
	return kind
}

// WriteRecord writes a record as a line.
func WriteRecord(w io.Writer, r Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// ReadRecords reads what WriteRecord wrote.
func ReadRecords(r io.Reader) ([]Record, error) {
	var out []Record
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for line := 1; s.Scan(); line++ {
		var rec Record
		if err := json.Unmarshal(s.Bytes(), &rec); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if rec.Format != recordFormat {
			return nil, fmt.Errorf("line %d: format %q, this program reads %q", line, rec.Format, recordFormat)
		}
		out = append(out, rec)
	}
	return out, s.Err()
}

// ReadRecordFiles reads several files, one after the other.
func ReadRecordFiles(names ...string) ([]Record, error) {
	var out []Record
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		recs, err := ReadRecords(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("reading results from %s: %w", name, err)
		}
		out = append(out, recs...)
	}
	return out, nil
}
