package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
)

func appendCommand() *cli.Command {
	return &cli.Command{
		Name:      "append",
		Usage:     "record events from JSON Lines",
		ArgsUsage: "FILE… (- for standard input)",
		Description: "Each line is one event, in short or full form. The first refused line stops, with what was recorded before it recorded;\n" +
			"the same file can be sent again: an event with an id is recorded once. Exit 16 where a line was refused.",
		Flags: ledgerFlags(
			&cli.BoolFlag{Name: "check", Usage: "record nothing; print the full form as it would be sealed, as if the lines before had been recorded"},
			&cli.BoolFlag{Name: "continue", Usage: "go on after a refused line"},
		),
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				return usage(errors.New("no file is named; - is standard input"))
			}
			return withLedger(c, func(l *ledger.Ledger) error {
				a := newAppender(c, l)
				var err error
				for _, name := range c.Args().Slice() {
					if err = a.file(name); err != nil {
						break
					}
				}
				if err := a.close(); err != nil {
					return err
				}
				if err == nil && a.refused {
					return &exitError{exitRefused}
				}
				return err
			})
		},
	}
}

// appender sends lines ahead of the disk: up to window requests are on their
// way. A second goroutine prints the answers, in the order of the lines and as
// soon as they are there.
type appender struct {
	c       *cli.Context
	ledger  *ledger.Ledger
	checker *ledger.Checker // of everything that --check is given
	out     *bufio.Writer
	queue   chan sent
	printed chan error // what stopped the printing, nil at the end
	refused bool
}

// sent is a request on its way, or a line that was refused.
type sent struct {
	file    string
	line    int
	s       *ledger.Submission
	refused *event.Refused
	full    []*event.Event // with --check
}

const (
	window   = 4096
	batch    = 512     // lines that are sent at once
	maxInput = 1 << 20 // bytes of one line; an event may have 65,535
)

func newAppender(c *cli.Context, l *ledger.Ledger) *appender {
	a := &appender{c: c, ledger: l, checker: l.Checker(), out: bufio.NewWriter(c.App.Writer), queue: make(chan sent, window), printed: make(chan error, 1)}
	go a.print()
	return a
}

// close waits for everything that is on its way.
func (a *appender) close() error {
	close(a.queue)
	return <-a.printed
}

func (a *appender) file(name string) error {
	in, dir, shown := a.c.App.Reader, ".", "standard input"
	var total uint64 // bytes; 0 where that is not known
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return usage(err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			total = uint64(info.Size())
		}
		in, dir, shown = f, filepath.Dir(name), name
	}
	step, end := progress(a.c.App.ErrWriter, "recording")
	defer end()
	ctx, stop := context.WithCancel(a.c.Context)
	lines := make(chan parsed, batch)
	go parse(ctx, in, dir, shown, lines)
	defer func() {
		stop()
		for range lines { // until it has ended, too
		}
	}()
	for p := range lines {
		ready := []parsed{p}
		for more := true; more && len(ready) < batch; {
			select {
			case p, ok := <-lines:
				if more = ok; ok {
					ready = append(ready, p)
				}
			default: // whoever types waits for an answer
				more = false
			}
		}
		if err := a.lines(ready, shown); err != nil {
			return err
		}
		step(ready[len(ready)-1].read, total)
	}
	return a.c.Context.Err()
}

// parsed is a line of a file, or why there is none.
type parsed struct {
	line int // 0 for an error that is not about a line
	ev   *event.Event
	err  error
	read uint64 // bytes of the file so far
}

// parse reads lines until the file or the context ends, and closes the channel.
func parse(ctx context.Context, in io.Reader, dir, shown string, out chan<- parsed) {
	defer close(out)
	lines := bufio.NewScanner(&interruptible{ctx: ctx, r: in})
	lines.Buffer(make([]byte, 64<<10), maxInput)
	var p parsed
	send := func() bool {
		select {
		case out <- p:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for lines.Scan() {
		text := lines.Bytes()
		p.line++
		p.read += uint64(len(text)) + 1
		if len(text) == 0 {
			continue
		}
		if p.ev, p.err = event.Parse(text); p.err == nil {
			p.ev, p.err = withFiles(p.ev, dir)
		}
		if !send() {
			return
		}
	}
	p.line++
	switch err := lines.Err(); {
	case err == nil:
		return
	case errors.Is(err, bufio.ErrTooLong):
		p.err = event.Refuse(event.TooLarge, "", "one event stands on one line, and has at most 65,535 bytes")
	default:
		p = parsed{err: fmt.Errorf("reading %s: %w", shown, err)}
	}
	send()
}

// lines sends lines on their way. With --continue they are filled and sealed on
// every processor; without, a line is only looked at when those before it have
// been accepted, because nothing behind a refused one may be recorded.
func (a *appender) lines(ready []parsed, file string) error {
	if !a.c.Bool("continue") || a.c.Bool("check") {
		for _, p := range ready {
			if err := a.c.Context.Err(); err != nil {
				return err
			}
			q := sent{file: file, line: p.line}
			if p.err == nil {
				p.err = a.submit(p, &q)
			}
			if err := a.pass(q, p.err); err != nil {
				return err
			}
		}
		return nil
	}
	events := make([]*event.Event, 0, len(ready))
	for _, p := range ready {
		if p.err == nil {
			events = append(events, p.ev)
		}
	}
	submitted := a.ledger.SubmitAll(a.c.Context, events)
	var first error // of a line that was neither accepted nor refused
	for _, p := range ready {
		q := sent{file: file, line: p.line}
		if p.err == nil {
			q.s, p.err = submitted[0].Submission, submitted[0].Err
			submitted = submitted[1:]
		}
		if err := a.pass(q, p.err); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// pass hands a line over for printing, err being what became of it.
func (a *appender) pass(q sent, err error) error {
	if errors.As(err, &q.refused) {
		a.refused = true
		if err := a.send(q); err != nil {
			return err
		}
		if !a.c.Bool("continue") {
			return &exitError{exitRefused}
		}
		return nil
	}
	switch {
	case err == nil:
		return a.send(q)
	case q.line == 0: // it is not about a line
		return err
	}
	return fmt.Errorf("%s:%d: %w", q.file, q.line, err)
}

// interruptible is a reader whose Read ends with its context, also while it waits
// for somebody to type. The read that was given up ends with the process.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	type result struct {
		b   []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		b := make([]byte, len(p))
		n, err := i.r.Read(b)
		done <- result{b[:n], err}
	}()
	select {
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	case r := <-done:
		return copy(p, r.b), r.err
	}
}

// submit sends one event on its way, or gets its full form.
func (a *appender) submit(p parsed, q *sent) (err error) {
	if !a.c.Bool("check") {
		q.s, err = a.ledger.Submit(a.c.Context, p.ev)
		return err
	}
	r, err := a.checker.Check(a.c.Context, p.ev)
	for _, w := range r.Warnings {
		fmt.Fprintf(a.c.App.ErrWriter, "line %d: warning: %s %s: %s\n", p.line, w.Reason, w.Path, w.Text)
	}
	if r.Replayed {
		fmt.Fprintf(a.c.App.ErrWriter, "line %d: recorded before, or further up\n", p.line)
	}
	q.full = r.Full
	return err
}

func (a *appender) send(q sent) error {
	select {
	case a.queue <- q:
		return nil
	case err := <-a.printed:
		a.printed <- err // for close
		return err
	}
}

// print prints answers until the queue is closed. Where nothing else is ready to
// be printed, what was printed goes out.
func (a *appender) print() {
	var err error
	for q := range a.queue {
		if err == nil {
			if err = a.one(q); err != nil {
				a.printed <- err
			}
		}
	}
	if err == nil {
		a.printed <- a.out.Flush()
	}
}

func (a *appender) one(q sent) error {
	if q.refused != nil {
		if err := a.out.Flush(); err != nil {
			return err
		}
		if err := a.refuse(q.file, q.line, q.refused); err != nil {
			return err
		}
		return a.out.Flush()
	}
	for _, f := range q.full {
		if _, err := fmt.Fprintf(a.out, "%s\n", f.Canonical()); err != nil {
			return err
		}
	}
	if q.s == nil {
		return a.out.Flush()
	}
	// What is on its way becomes durable whether or not somebody interrupts: its
	// answer is printed too.
	recorded, err := q.s.Wait(context.WithoutCancel(a.c.Context))
	if err != nil {
		return fmt.Errorf("%s:%d: %w", q.file, q.line, err)
	}
	for _, r := range recorded {
		if err := a.answer(q.line, r); err != nil {
			return err
		}
	}
	if len(a.queue) == 0 {
		return a.out.Flush()
	}
	return nil
}

func (a *appender) answer(line int, r ledger.Recorded) error {
	if a.c.Bool("json") {
		j := jsonv1.Recorded{Line: line, ID: r.ID, Type: r.Type, Purpose: r.Purpose, Time: event.FormatTime(r.Recorded), Replayed: r.Replayed, Unchanged: r.Unchanged}
		if !r.Unchanged {
			j.Index, j.LeafHash = &r.Index, r.Leaf.String()
		}
		for _, w := range r.Warnings {
			j.Warnings = append(j.Warnings, jsonv1.Reason{Reason: w.Reason, Path: w.Path, Hint: w.Text})
		}
		return printJSON(a.out, j)
	}
	for _, w := range r.Warnings {
		if w.Reason != "unchanged" {
			fmt.Fprintf(a.c.App.ErrWriter, "line %d: %s: %s\n", line, w.Reason, w.Text)
		}
	}
	switch {
	case r.Unchanged:
		fmt.Fprintf(a.out, "unchanged %s\n", r.Type)
	case r.Replayed:
		fmt.Fprintf(a.out, "recorded %d (before)\n", r.Index)
	default:
		fmt.Fprintf(a.out, "recorded %d\n", r.Index)
	}
	return nil
}

// refuse prints everything that is wrong with a line.
func (a *appender) refuse(file string, line int, r *event.Refused) error {
	if a.c.Bool("json") {
		j := jsonv1.Refused{File: file, Line: line, Column: r.Column, Retryable: r.Retryable}
		for _, reason := range r.Reasons {
			j.Refused = append(j.Refused, jsonv1.Reason{Reason: reason.Reason, Path: reason.Path, Hint: reason.Hint})
		}
		return printJSON(a.out, j)
	}
	printRefusal(a.c.App.ErrWriter, fmt.Sprintf("%s:%d", file, line), r)
	return nil
}

// printRefusal prints one line for each fault: place, reason, pointer, hint.
func printRefusal(w io.Writer, place string, r *event.Refused) {
	if r.Column > 0 {
		place = fmt.Sprintf("%s:%d", place, r.Column)
	}
	for _, reason := range r.Reasons {
		fmt.Fprintf(w, "%s: refused: %s", place, reason.Reason)
		if reason.Path != "" {
			fmt.Fprintf(w, " at %s", reason.Path)
		}
		if reason.Hint != "" {
			fmt.Fprintf(w, " (%s)", reason.Hint)
		}
		fmt.Fprintln(w)
	}
}
