package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna-verify/verifier"
	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/audit"
)

// followFlags are what every command takes that follows a log from outside. url and
// key are not marked as required: a command below would need them, too.
func followFlags(more ...cli.Flag) []cli.Flag {
	return append(append([]cli.Flag{
		&cli.StringFlag{Name: "url", Usage: "the log: an http or https address, or a folder with a static copy"},
		&cli.StringFlag{Name: "key", Usage: "file with the log's public key; without it, the policy names the log"},
		&cli.StringFlag{Name: "origin", Usage: "origin of the log, where it is not the name of its key"},
		&cli.StringFlag{Name: "policy", Usage: "file that says whose cosignatures a head must carry, in the form of https://c2sp.org/tlog-policy"},
	}, more...),
		&cli.DurationFlag{Name: "every", Usage: "go on and look again after this time, such as 1m; without it, look once"},
		&cli.DurationFlag{Name: "tolerate-stale", Usage: "with --every: how long to wait out what caches do: an older head of the same history, or a file that is not there yet", Value: 5 * time.Minute},
		&cli.StringFlag{Name: "metrics", Usage: "with --every: serve metrics for Prometheus at this address; a port alone (:9100) is open to this machine only"},
		&cli.IntFlag{Name: "parallel", Usage: "files to fetch at once", Value: 16},
		&cli.DurationFlag{Name: "timeout", Usage: "longest time for one request", Value: 30 * time.Second},
		&cli.DurationFlag{Name: "patience", Usage: "how long to ask again for what a server does not answer", Value: 30 * time.Second},
		&cli.BoolFlag{Name: "json", Usage: "print JSON, one line for each round"},
	)
}

// openFollowed opens what the flags name.
func openFollowed(c *cli.Context) (audit.Source, *audit.Log, *auditMeter, error) {
	switch {
	case c.String("url") == "":
		return nil, nil, nil, usage(errors.New("--url is missing"))
	case c.String("key") == "" && c.String("policy") == "":
		return nil, nil, nil, usage(errors.New("--key is missing, and --policy, which may name the log, too"))
	}
	for _, name := range []string{"every", "tolerate-stale", "timeout", "patience"} {
		if c.Duration(name) < 0 {
			return nil, nil, nil, usage(fmt.Errorf("--%s is negative", name))
		}
	}
	if n := c.Int("parallel"); n < 1 || n > 256 {
		return nil, nil, nil, usage(errors.New("--parallel takes 1 to 256"))
	}
	if c.Duration("every") == 0 && (c.IsSet("metrics") || c.IsSet("tolerate-stale")) {
		return nil, nil, nil, usage(errors.New("--metrics and --tolerate-stale are for a log that is followed with --every"))
	}
	var policy *merkle.Policy
	if name := c.String("policy"); name != "" {
		b, err := readAtMost(name, 1<<20)
		if err != nil {
			return nil, nil, nil, usage(fmt.Errorf("reading the policy: %w", err))
		}
		if policy, err = merkle.ParsePolicy(b); err != nil {
			return nil, nil, nil, usage(fmt.Errorf("--policy %s: %w", name, err))
		}
	}
	l, err := followedLog(c, policy)
	if err != nil {
		return nil, nil, nil, err
	}
	meter := newAuditMeter(l.Origin)
	patience := c.Duration("patience")
	if patience == 0 {
		patience = -1 // ask once
	}
	src, err := audit.Open(c.String("url"), audit.Options{
		Timeout: c.Duration("timeout"), Patience: patience, UserAgent: "lacuna/" + verifier.Version(), OnAnswer: meter.answer,
	})
	if _, away := errors.AsType[*audit.UnreachableError](err); err != nil && !away {
		err = usage(fmt.Errorf("--url: %w", err))
	}
	return src, l, meter, err
}

// followedLog reads --key, which has one public key on a line. A log that signs in
// two ways has two of them.
func followedLog(c *cli.Context, policy *merkle.Policy) (*audit.Log, error) {
	name := c.String("key")
	if name == "" {
		return namedLog(policy, c.String("origin"))
	}
	b, err := readAtMost(name, 1<<20)
	if err != nil {
		return nil, &usageError{err: fmt.Errorf("reading the public key: %w", err), hint: "--key takes a file"}
	}
	var vkeys []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" {
			vkeys = append(vkeys, line)
		}
	}
	l, err := audit.NewLog(vkeys, c.String("origin"), policy)
	if err != nil {
		return nil, usage(fmt.Errorf("--key %s: %w", name, err))
	}
	return l, nil
}

// namedLog is the log that a policy names: by the first of its keys, one of which is enough
// there. A policy may name several logs; origin says which one is meant.
func namedLog(policy *merkle.Policy, origin string) (*audit.Log, error) {
	var vkey, name string
	for _, l := range policy.Logs() {
		switch named := l.Verifier.Name(); {
		case origin != "" && named != origin:
		case vkey == "":
			vkey, name = l.VKey, named
		case named != name:
			return nil, usage(errors.New("--policy names several logs: --origin says which one, or --key"))
		}
	}
	if vkey == "" {
		return nil, usage(errors.New("--policy does not name this log: give its public key with --key"))
	}
	return audit.NewLog([]string{vkey}, origin, policy)
}

// follow runs one round, or with --every one after the other, and prints what each
// has found. Evidence is written beside base, a state or a mirror.
func follow(c *cli.Context, src audit.Source, l *audit.Log, meter *auditMeter, base string, round func(context.Context) (audit.Report, error)) error {
	every := c.Duration("every")
	told := "" // what the last rounds met, which is said once
	once := func(ctx context.Context) error {
		r, err := round(ctx)
		if stopped := ctx.Err(); stopped != nil && err != nil && !verdict(err) {
			return stopped // what was interrupted has no other finding
		}
		if conflict, ok := errors.AsType[*audit.ConflictError](err); ok && (every == 0 || conflict.Evidence.Kind != audit.Older) {
			err = keepEvidence(err, base)
		}
		meter.round(r, err)
		if err == nil && told != "" {
			fmt.Fprintln(c.App.ErrWriter, "lacuna: everything is in order again")
			told = ""
		}
		if perr := printRound(c, src, l, r, err); perr != nil && err == nil {
			return perr
		}
		return err
	}
	if every == 0 {
		return once(c.Context)
	}
	ctx, stop := context.WithCancel(c.Context)
	defer stop()
	wait, err := meter.serve(ctx, c)
	if err != nil {
		return err
	}
	w := &audit.Watch{Every: every, TolerateStale: c.Duration("tolerate-stale"), Round: once,
		Tell: func(err error) {
			if text := err.Error(); text != told {
				fmt.Fprintf(c.App.ErrWriter, "lacuna: warning: %v; looking again every %v\n", err, every)
				told = text
			}
		}}
	err = w.Run(ctx)
	stop()
	// An older head is kept once it was shown for too long.
	err = keepEvidence(err, base)
	if werr := wait(); err == nil {
		err = werr
	}
	if stopped := c.Context.Err(); stopped != nil && !verdict(err) {
		return stopped
	}
	return err
}

// keepEvidence writes the evidence of a conflict beside a state or a mirror.
func keepEvidence(err error, base string) error {
	conflict, ok := errors.AsType[*audit.ConflictError](err)
	if !ok || base == "" || conflict.File != "" {
		return err
	}
	file, werr := conflict.Evidence.Write(base)
	if werr != nil {
		// The finding matters more than its file.
		return errors.Join(err, werr)
	}
	conflict.File = file
	return err
}

// verdict reports whether an error says something about the log.
func verdict(err error) bool {
	_, mismatch := errors.AsType[*audit.MismatchError](err)
	_, conflict := errors.AsType[*audit.ConflictError](err)
	return mismatch || conflict
}

func printRound(c *cli.Context, src audit.Source, l *audit.Log, r audit.Report, err error) error {
	w := c.App.Writer
	mirrored := c.Command.Name == "mirror"
	if c.Bool("json") {
		j := jsonv1.Audited{Version: jsonv1.AuditVersion, Source: src.String(), Origin: l.Origin}
		if err != nil {
			if j.Failure = auditFailure(err); j.Failure == nil {
				return nil // nothing is known about the log
			}
			return printJSON(w, j)
		}
		j.Verified, j.Size, j.Root, j.New = true, &r.Head.Size, r.Head.Root.String(), &r.New
		if mirrored {
			j.Written = &r.Written
		}
		return printJSON(w, j)
	}
	if err != nil || c.Duration("every") > 0 && r.New == 0 && r.Written == 0 {
		return nil // an error is printed elsewhere, and nothing new is no news
	}
	fmt.Fprintf(w, "%s: %d entries, root %s\n", l.Origin, r.Head.Size, r.Head.Root)
	_, perr := fmt.Fprintln(w, roundLine(r, mirrored))
	return perr
}

// roundLine says what was done.
func roundLine(r audit.Report, mirrored bool) string {
	switch {
	case mirrored && r.New == 0:
		return "nothing new"
	case mirrored:
		return fmt.Sprintf("verified %d entries, wrote %d files", r.New, r.Written)
	case r.New == 0 && r.Head.Size > 0:
		return "nothing new"
	case !r.Follows:
		return fmt.Sprintf("verified all %d entries, every tile and the head", r.New)
	}
	return fmt.Sprintf("verified %d entries, their tiles and the head; it follows what was seen before", r.New)
}

func auditFailure(err error) *jsonv1.AuditFailure {
	if conflict, ok := errors.AsType[*audit.ConflictError](err); ok {
		return &jsonv1.AuditFailure{Kind: string(conflict.Evidence.Kind), What: conflict.Evidence.Summary(), Evidence: conflict.File}
	}
	if mismatch, ok := errors.AsType[*audit.MismatchError](err); ok {
		return &jsonv1.AuditFailure{Kind: "mismatch", Place: mismatch.Place, What: mismatch.What}
	}
	return nil
}

// classifyAudit gives the errors of following a log their exit codes.
func classifyAudit(err error) (code int, hint string, ok bool) {
	if conflict, is := errors.AsType[*audit.ConflictError](err); is {
		switch {
		case conflict.Evidence.Kind == audit.Older:
			hint = "look again in a minute; --every tolerates it for a while"
		case conflict.File != "":
			hint = "keep the file and show it to others: lacuna audit evidence --key VKEYFILE " + conflict.File
		default:
			hint = "with --state FILE the two signed heads are kept as evidence"
		}
		return exitVerify, hint, true
	}
	if verdict(err) {
		return exitVerify, "", true
	}
	if _, is := errors.AsType[*notVerified](err); is {
		return exitVerify, "", true
	}
	if _, is := errors.AsType[*audit.StateError](err); is {
		return exitVerify, "it is damaged or of another log; name another file or folder, and everything is read again", true
	}
	if _, is := errors.AsType[*audit.UnreachableError](err); is {
		return exitBusy, "run it again: it goes on where it was", true
	}
	if _, is := errors.AsType[*audit.LockedError](err); is {
		return exitBusy, "wait for the other to end", true
	}
	return 0, "", false
}
