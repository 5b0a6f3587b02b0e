package witness_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/witness"
)

// saying is a network at whose other end one answer waits.
type saying struct {
	status int
	body   string
}

func (s saying) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: s.status, Header: http.Header{"Content-Type": {"text/x.tlog.size"}},
		Body: io.NopCloser(strings.NewReader(s.body)), Request: r,
	}, nil
}

// A disk forgets in a crash what was not synced, which a killed process never
// shows: the system writes its data all the same.
type disk struct {
	names map[string]*inode // as programs see them
	kept  map[string]*inode // as they are after a crash at the worst moment

	ops    int
	failAt int  // the number of the operation that goes wrong, from 1; 0 is none
	late   bool // it does what it should and then goes wrong
	crash  bool // going wrong is the end of the machine, not an error
	lying  string
}

type inode struct{ b, synced []byte }

func newDisk() *disk { return &disk{names: map[string]*inode{}, kept: map[string]*inode{}} }

var (
	_           witness.Files = (*disk)(nil)
	errDisk                   = errors.New("injected")
	errPowerOff               = errors.New("power off")
)

// op counts an operation that changes the disk.
func (d *disk) op(do func()) error {
	d.ops++
	if d.ops != d.failAt {
		do()
		return nil
	}
	if d.late {
		do()
	}
	if d.crash {
		panic(errPowerOff)
	}
	return errDisk
}

func (d *disk) Read(name string) ([]byte, error) {
	f := d.names[name]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(f.b), nil
}

func (d *disk) Write(name string, b []byte) error {
	// Half of it is there before anything else.
	if d.names[name] == nil {
		d.names[name] = &inode{}
	}
	f := d.names[name]
	f.b = bytes.Clone(b[:len(b)/2])
	return d.op(func() {
		f.b = bytes.Clone(b)
		if d.lying != "write" {
			f.synced = f.b
		}
	})
}

func (d *disk) Rename(from, to string) error {
	return d.op(func() {
		d.names[to] = d.names[from]
		delete(d.names, from)
	})
}

func (d *disk) Sync(name string) error {
	return d.op(func() { d.names[name].synced = d.names[name].b })
}

func (d *disk) SyncNames() error {
	return d.op(func() {
		if d.lying != "names" {
			d.kept = maps.Clone(d.names)
		}
	})
}

func (d *disk) Close() error { return nil }

// after returns the disk as it may be after a crash: with everything that was
// done, with nothing that was not synced, or with the new names but not what
// was written.
func (d *disk) after(outcome string) *disk {
	n := newDisk()
	from := d.kept
	if outcome != "least" {
		from = d.names
	}
	for name, f := range from {
		b := f.synced
		if outcome == "most" {
			b = f.b
		}
		i := &inode{b, b}
		n.names[name], n.kept[name] = i, i
	}
	return n
}

var outcomes = []string{"most", "least", "names"}

// plain is a witness with one key, of the kind that is quick.
func plain(tb testing.TB, log *tree) witness.Options {
	return witness.Options{
		Cosigners: []*merkle.Cosigner{cosigner(tb, witnessName, 2, merkle.CosignatureEd25519)},
		Logs:      []merkle.Verifier{log.verifier()}, Logger: quiet,
	}
}

// A story of a witness on a disk: what it answered, until the power went.
func story(tb testing.TB, log *tree, d *disk) (answered int, failed bool) {
	defer func() {
		if r := recover(); r != nil && r != errPowerOff {
			panic(r)
		}
	}()
	s, err := witness.NewServerOn(plain(tb, log), d)
	if err != nil {
		return 0, true
	}
	for size := 1; size <= 6; size++ {
		code, _ := post(s, log.add(answered, size))
		switch code {
		case http.StatusOK:
			answered = size
		case http.StatusInternalServerError:
			failed = true
		case http.StatusConflict:
			if !failed {
				tb.Errorf("%d to %d: conflict out of nothing", answered, size)
			}
		default:
			tb.Errorf("%d to %d: status %d", answered, size, code)
		}
	}
	return answered, failed
}

// forgets tells whether a witness that comes back on a disk can be brought to
// contradict what was answered before.
func forgets(tb testing.TB, log *tree, d *disk, answered int) error {
	s, err := witness.NewServerOn(plain(tb, log), d)
	if err != nil {
		return fmt.Errorf("does not open: %w", err)
	}
	code, b, _ := do(s, http.MethodGet, "/"+witness.FileName(origin)+"/checkpoint", nil)
	now := 0
	if code == http.StatusOK {
		c, err := merkle.ParseCheckpoint(b[:strings.LastIndex(b, "\n\n")+1])
		if err != nil {
			return err
		}
		now = int(c.Size)
		if c.Root != log.head(now).Root {
			return fmt.Errorf("at size %d it has another root", now)
		}
	}
	if now < answered {
		return fmt.Errorf("went back from %d to %d", answered, now)
	}
	if answered > 0 {
		fork := log.fork(answered - 1)
		for old := range now + 1 {
			if code, _ := post(s, fork.add(old, now)); code == http.StatusOK {
				return fmt.Errorf("cosigns two roots at size %d", now)
			}
		}
	}
	if code, answer := post(s, log.add(now, 8)); code != http.StatusOK {
		return fmt.Errorf("does not go on: status %d, %s", code, answer)
	}
	return nil
}

// At every operation, an error before it or after it, or a crash.
func TestDiskFaults(t *testing.T) {
	log := newTree(t, origin, 9)
	whole := newDisk()
	if answered, failed := story(t, log, whole); answered != 6 || failed {
		t.Fatalf("without a fault: %d, %v", answered, failed)
	}
	faults := 0
	for failAt := 1; failAt <= whole.ops; failAt++ {
		for _, late := range []bool{false, true} {
			for _, crash := range []bool{false, true} {
				d := newDisk()
				d.failAt, d.late, d.crash = failAt, late, crash
				answered, failed := story(t, log, d)
				if !crash && !failed {
					t.Errorf("operation %d fails, and nobody is told", failAt)
				}
				for _, outcome := range outcomes {
					if err := forgets(t, log, d.after(outcome), answered); err != nil {
						t.Errorf("operation %d (late %v, crash %v, then %s): %v", failAt, late, crash, outcome, err)
					}
					faults++
				}
			}
		}
	}
	if faults < 18*4*3 {
		t.Errorf("only %d faults", faults)
	}
}

// On a disk that only says that it has synced, the same test must find what is
// lost: otherwise it would find nothing.
func TestDiskFaultsControl(t *testing.T) {
	log := newTree(t, origin, 9)
	for _, lying := range []string{"write", "names"} {
		d := newDisk()
		d.lying = lying
		answered, _ := story(t, log, d)
		found := slices.ContainsFunc(outcomes, func(outcome string) bool {
			return forgets(t, log, d.after(outcome), answered) != nil
		})
		if !found {
			t.Errorf("a disk that does not sync %s is not noticed", lying)
		}
	}
}

// After an error from which either checkpoint may be on the disk, the witness
// shows nothing and cosigns nothing until it is opened again.
func TestDiskUnknown(t *testing.T) {
	log := newTree(t, origin, 9)
	for op, broken := range map[int]bool{1: false, 2: true, 3: true} {
		d := newDisk()
		s, err := witness.NewServerOn(options(t, log), d)
		if err != nil {
			t.Fatal(err)
		}
		if code, _ := post(s, log.add(0, 3)); code != http.StatusOK {
			t.Fatal(code)
		}
		d.failAt = d.ops + op
		if code, answer := post(s, log.add(3, 4)); code != http.StatusInternalServerError || strings.Contains(answer, witnessName) {
			t.Errorf("operation %d: status %d, %q", op, code, answer)
		}
		code, _ := post(s, log.add(3, 5))
		if shown := latest(t, s); broken != (code == http.StatusInternalServerError) || broken != (shown == nil) {
			t.Errorf("operation %d: then status %d, monitors get %q", op, code, shown)
		}
	}
}
