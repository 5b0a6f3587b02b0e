// Command peers measures other people's logs beside ours, in one process, in
// rounds that take turns:
//
//	cd bench/peers && go run . -callers 1,64,1024 -rounds 5 -for 2s -o results.jsonl
//
// It is a module of its own, so that what the others need is not needed by the
// product. The paths, all of them with every sync:
//
//	whole              our whole product: parse, fill, fold, seal, queue, commit, sign
//	log                our log with bare leaves, which compares like with like
//	loop               a bare loop: seal, leaf hash, compact range, one batch of the same rows, one sync
//	tessera-indexed    Tessera on the POSIX driver, until it returns the index: durable and integrated
//	tessera-published  the same until a published checkpoint covers the entry, as our answers are
//	trillian           Trillian on a private PostgreSQL, until the entry is integrated
//
// The last three take leaves of the size of our events: random bytes without rows,
// without keys and without any meaning; so the first path does far more for each
// of its events than they do.
//
// With -erase it measures, instead, how long it takes to erase one of many people:
// by our whole ledger, by one table under a root that is replaced, and by deleting a
// row in PostgreSQL; and searches what PostgreSQL leaves.
//
//	cd bench/peers && go run . -erase 64 -people 300000 -o erase.jsonl
//
// Every run goes to stdout as a line that benchstat reads; the table of medians,
// ranges and ratios goes to stderr; with -o, records for "lacuna bench report" go
// to a file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lacunalog/lacuna/bench"
	"github.com/lacunalog/lacuna/ledger"
)

func main() {
	ledger.TuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

type options struct {
	callers []int
	windows []int
	paths   []string
	size    int
	people  int
	batch   int
	erase   int
	rounds  int
	each    time.Duration
	dir     string
	out     string
}

func parse(args []string) (*options, error) {
	o := new(options)
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	callers := f.String("callers", "1,64,1024", "numbers of callers, each in a closed loop")
	windows := f.String("window", "1", "numbers of events that a caller submits before it waits for all")
	paths := f.String("paths", strings.Join(pathNames, ","), "what to measure; the first one's rate is divided by the others'")
	f.IntVar(&o.size, "size", bench.Small, "bytes of an event, and of a leaf: 256 or 1024")
	f.IntVar(&o.people, "people", 10_000, "people that our events are about")
	f.IntVar(&o.batch, "batch", 0, "Tessera's largest batch; 0: as many as are in flight, at most 1,024")
	f.IntVar(&o.erase, "erase", 0, "measure erasures, so many in each turn; 0: appends")
	f.IntVar(&o.rounds, "rounds", 5, "rounds of turns")
	f.DurationVar(&o.each, "for", 2*time.Second, "length of a turn")
	f.StringVar(&o.dir, "dir", "", "where to make the logs; default: a temporary folder")
	f.StringVar(&o.out, "o", "", "file for the records, which is written anew")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	var err error
	if o.callers, err = numbers("callers", *callers); err != nil {
		return nil, err
	}
	if o.windows, err = numbers("window", *windows); err != nil {
		return nil, err
	}
	for _, p := range strings.Split(*paths, ",") {
		if !slices.Contains(pathNames, p) || slices.Contains(o.paths, p) {
			return nil, fmt.Errorf("-paths: %q; paths are %s, each once", p, strings.Join(pathNames, ", "))
		}
		o.paths = append(o.paths, p)
	}
	if o.erase < 0 || o.erase*o.rounds > o.people {
		return nil, fmt.Errorf("-erase: %d in each of %d rounds, and there are %d people", o.erase, o.rounds, o.people)
	}
	if f.NArg() > 0 || o.rounds < 1 || o.people < 1 || o.size != bench.Small && o.size != bench.Large {
		return nil, errors.New("there are no arguments, no number is below 1, and a size is 256 or 1024")
	}
	return o, nil
}

func numbers(name, list string) (out []int, err error) {
	for _, s := range strings.Split(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-%s: %q is not a number from 1 up", name, s)
		}
		out = append(out, n)
	}
	return out, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.dir, err = os.MkdirTemp(o.dir, "lacuna-peers-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	records := io.Discard
	if o.out != "" {
		f, err := os.Create(o.out)
		if err != nil {
			return err
		}
		defer f.Close()
		records = f
	}
	s := &stage{options: o}
	defer func() { err = errors.Join(err, s.close()) }()
	if o.erase > 0 || slices.Contains(o.paths, "trillian") {
		if s.postgres, err = startPostgres(ctx, o.dir); err != nil {
			return err
		}
	}
	if o.erase > 0 {
		return s.eraseAll(ctx, stdout, records)
	}
	for _, window := range o.windows {
		for _, callers := range o.callers {
			if err := s.compare(ctx, callers, window, stdout, stderr, records); err != nil {
				return err
			}
		}
	}
	return nil
}
