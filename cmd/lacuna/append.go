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
			&cli.BoolFlag{Name: "check", Usage: "record nothing; print the full form as it would be sealed"},
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
	maxInput = 1 << 20 // bytes of one line; an event may have 65,535
)

func newAppender(c *cli.Context, l *ledger.Ledger) *appender {
	a := &appender{c: c, ledger: l, out: bufio.NewWriter(c.App.Writer), queue: make(chan sent, window), printed: make(chan error, 1)}
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
			return err
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			total = uint64(info.Size())
		}
		in, dir, shown = f, filepath.Dir(name), name
	}
	step, end := progress(a.c.App.ErrWriter, "recording")
	defer end()
	lines := bufio.NewScanner(&interruptible{ctx: a.c.Context, r: in})
	lines.Buffer(make([]byte, 64<<10), maxInput)
	var read uint64
	line := 0
	for lines.Scan() {
		line++
		text := lines.Bytes()
		read += uint64(len(text)) + 1
		if len(text) == 0 {
			continue
		}
		if err := a.c.Context.Err(); err != nil {
			return err
		}
		err := a.line(text, shown, line, dir)
		var refused *event.Refused
		switch {
		case errors.As(err, &refused):
			a.refused = true
			if err := a.send(sent{file: shown, line: line, refused: refused}); err != nil {
				return err
			}
			if !a.c.Bool("continue") {
				return &exitError{exitRefused}
			}
		case err != nil:
			return fmt.Errorf("%s:%d: %w", shown, line, err)
		}
		step(read, total)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		a.refused = true
		return a.send(sent{file: shown, line: line + 1, refused: event.Refuse(event.TooLarge, "", "one event stands on one line, and has at most 65,535 bytes")})
	} else if err != nil {
		return fmt.Errorf("reading %s: %w", shown, err)
	}
	return nil
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

// line sends one event on its way, or prints its full form.
func (a *appender) line(text []byte, file string, line int, dir string) error {
	ev, err := event.Parse(text)
	if err != nil {
		return err
	}
	if ev, err = withFiles(ev, dir); err != nil {
		return err
	}
	if a.c.Bool("check") {
		full, warnings, err := a.ledger.Check(a.c.Context, ev)
		if err != nil {
			return err
		}
		for _, w := range warnings {
			fmt.Fprintf(a.c.App.ErrWriter, "line %d: warning: %s %s: %s\n", line, w.Reason, w.Path, w.Text)
		}
		return a.send(sent{file: file, line: line, full: full})
	}
	s, err := a.ledger.Submit(a.c.Context, ev)
	if err != nil {
		return err
	}
	return a.send(sent{file: file, line: line, s: s})
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
		j := jsonv1.Recorded{Line: line, ID: r.ID, Type: r.Type, Purpose: r.Purpose, Time: r.Recorded.UTC(), Replayed: r.Replayed, Unchanged: r.Unchanged}
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
