// Command peers measures other people's logs beside ours, in one process, in
// rounds that take turns:
//
//	cd bench/peers && go run . -callers 1,64,1024 -rounds 5 -for 2s
//
// It is a module of its own, so that what the others need is not needed by the
// product. Tessera (github.com/transparency-dev/tessera, POSIX driver) takes
// leaves of the size of our events, random bytes without rows, without keys and
// without any meaning; so the first path, our whole product, does far more for
// each of its events. The path "log" is what compares like with like: our log,
// bare leaves.
//
// Every run goes to stdout as a line that benchstat reads; the table of medians,
// ranges and ratios goes to stderr.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/bench"
	"github.com/lacunalog/lacuna/ledger"
)

func main() {
	ledger.TuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

type options struct {
	callers   []int
	window    int
	size      int
	people    int
	batch     int
	rounds    int
	each      time.Duration
	dir       string
	published bool
}

func parse(args []string) (*options, error) {
	o := new(options)
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	callers := f.String("callers", "1,64,1024", "numbers of callers, each in a closed loop")
	f.IntVar(&o.window, "window", 1, "events that a caller submits before it waits for all")
	f.IntVar(&o.size, "size", bench.Small, "bytes of an event, and of a leaf")
	f.IntVar(&o.people, "people", 10_000, "people that our events are about")
	f.IntVar(&o.batch, "batch", 0, "Tessera's largest batch; 0: as many as are in flight, at most 1,024")
	f.IntVar(&o.rounds, "rounds", 5, "rounds of turns")
	f.DurationVar(&o.each, "for", 2*time.Second, "length of a turn")
	f.StringVar(&o.dir, "dir", "", "where to make the logs; default: a temporary folder")
	f.BoolVar(&o.published, "published", true, "also wait for Tessera's published checkpoints")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	for _, s := range strings.Split(*callers, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-callers: %q is not a number of callers", s)
		}
		o.callers = append(o.callers, n)
	}
	if f.NArg() > 0 || o.window < 1 || o.rounds < 1 || o.people < 1 {
		return nil, fmt.Errorf("there are no arguments, and no number is below 1")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "lacuna-peers-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.dir)
	}
	for _, n := range o.callers {
		if err := compare(ctx, o, n, stdout, stderr); err != nil {
			return err
		}
	}
	return nil
}

// compare runs all paths with so many callers.
func compare(ctx context.Context, o *options, callers int, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "callers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	whole, err := bench.NewSandbox(ctx, dir, o.people)
	if err != nil {
		return err
	}
	defer whole.Close()
	leaves, err := bench.NewLeaves(ctx, dir)
	if err != nil {
		return err
	}
	defer leaves.Close()
	tessera, err := newLog(ctx, dir, callers*o.window, o.batch)
	if err != nil {
		return err
	}
	defer func() {
		if e := tessera.close(context.WithoutCancel(ctx)); err == nil {
			err = e
		}
	}()
	paths := []bench.Path{whole, leaves, indexed{tessera}}
	if o.published {
		paths = append(paths, published{tessera})
	}
	if _, err := bench.ThisMachine(dir).WriteTo(stdout); err != nil {
		return err
	}
	load := bench.Load{Size: o.size, Callers: callers, Window: o.window, For: o.each}
	c, err := bench.Compare(ctx, paths, load, o.rounds, func(r *bench.Result) { fmt.Fprintln(stdout, r) })
	if err != nil {
		return err
	}
	return c.WriteTable(stderr)
}
