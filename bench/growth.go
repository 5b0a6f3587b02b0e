package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"time"
)

// A Growth says how large a ledger becomes, and how.
type Growth struct {
	Events  uint64 `json:"events"`  // leaves in the end
	People  int    `json:"people"`  // everybody's first event comes before anybody's second
	Stay    int    `json:"stay"`    // events that a person who comes stays for, see [Events.Visits]
	Step    uint64 `json:"step"`    // leaves between two results
	Callers int    `json:"callers"` // goroutines
	Window  int    `json:"window"`  // events that each submits before it waits for all
}

// DefaultStay is how many events somebody who comes stays for, where nobody says.
const DefaultStay = 10

// A Grower runs a growth: it starts one process after the other, each of which
// opens the same ledger, and kills some.
type Grower struct {
	Growth
	// Dir is where the ledger is. If there is one already it goes on growing.
	Dir string
	// Proofs is how many proofs are made after the first step and at the end.
	Proofs int
	// Reopen is how often the ledger is opened after it was closed, and how often
	// after it was killed.
	Reopen int
	// Command starts this program again, so that it calls [GrowWorker].
	Command func(ctx context.Context) *exec.Cmd
	// Stderr takes what the processes say beside their results.
	Stderr io.Writer
	// Each is told every result. It may stop the growth by an error.
	Each func(*Result) error
	// Progress is told how many leaves are acknowledged. Nil: not told.
	Progress func(done uint64)
}

// Bytes on the disk that an event may take while the engine rewrites tables: what
// it takes in the end is told by the results.
const roomPerEvent = 2048

// Run grows the ledger and then opens it again and again. When the context ends
// it ends too, in good order: the next run with the same folder goes on.
func (g *Grower) Run(ctx context.Context) error {
	have := uint64(0)
	if n, err := DiskUse(g.Dir); err == nil {
		have = uint64(n)
	}
	if free, ok := freeBytes(g.Dir); ok && free+have < g.Events*roomPerEvent {
		return fmt.Errorf("growing to %d events takes up to %d MiB on the disk, and %d are free", g.Events, g.Events*roomPerEvent/mebibyte, free/mebibyte)
	}
	if err := g.work(ctx, task{Do: "grow", Proofs: g.Proofs}, nil); err != nil {
		return err
	}
	for range g.Reopen {
		if err := g.work(ctx, task{Do: "open", After: "clean"}, nil); err != nil {
			return err
		}
	}
	for range g.Reopen {
		if err := g.kill(ctx); err != nil {
			return err
		}
	}
	return nil
}

// kill lets a process append for a while, kills it, and opens the ledger again:
// everything that it had acknowledged must be there.
func (g *Grower) kill(ctx context.Context) error {
	// Enough to fill write-ahead logs, which is what opening has to read.
	enough := min(200_000, g.Events/10+1)
	var first, acknowledged uint64
	killed := false
	err := g.work(ctx, task{Do: "die"}, func(m message, worker *os.Process) error {
		if first == 0 {
			first = m.Done
		}
		acknowledged = max(acknowledged, m.Done)
		if !killed && acknowledged-first >= enough {
			killed = true
			return worker.Kill()
		}
		return nil
	})
	if !killed {
		return errors.Join(errors.New("the process that was to be killed ended before"), err)
	}
	var found uint64
	err = g.work(ctx, task{Do: "open", After: "kill"}, func(m message, _ *os.Process) error {
		found = max(found, m.Done)
		return nil
	})
	return errors.Join(err, stillThere(acknowledged, found))
}

// stillThere compares what a process that was killed had acknowledged with what
// the log has afterwards.
func stillThere(acknowledged, found uint64) error {
	if found < acknowledged {
		return fmt.Errorf("%d events were acknowledged before the process was killed, and the log has %d", acknowledged, found)
	}
	return nil
}

// work runs one task in a process of its own and hears what it says.
func (g *Grower) work(ctx context.Context, t task, hear func(message, *os.Process) error) error {
	t.Dir, t.Growth = g.Dir, g.Growth
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	cmd := g.Command(ctx)
	cmd.Env = append(cmd.Environ(), taskEnv+"="+string(text))
	cmd.Stderr = g.Stderr
	apart(cmd)
	// A worker that is interrupted finishes what it has begun, and closes its ledger.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting a process to grow a ledger: %w", err)
	}
	heard := g.hear(out, func(m message) error {
		if hear == nil {
			return nil
		}
		return hear(m, cmd.Process)
	})
	if heard != nil {
		_ = cmd.Process.Kill()
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		return errors.Join(heard, context.Cause(ctx))
	}
	if err != nil && heard == nil {
		err = fmt.Errorf("the process that was to %s: %w", t.Do, err)
	}
	return errors.Join(heard, err)
}

// hear passes a worker's messages on until it ends.
func (g *Grower) hear(out io.Reader, each func(message) error) error {
	lines := json.NewDecoder(out)
	for {
		var m message
		err := lines.Decode(&m)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, fs.ErrClosed) {
			return nil // how it ended is for Wait to say
		}
		if err != nil {
			return fmt.Errorf("reading what a worker says: %w", err)
		}
		if err := each(m); err != nil {
			return err
		}
		if m.Done > 0 && g.Progress != nil {
			g.Progress(m.Done)
		}
		if m.Result != nil {
			if err := g.Each(m.Result); err != nil {
				return err
			}
		}
	}
}
