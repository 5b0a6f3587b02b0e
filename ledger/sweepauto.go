package ledger

import (
	"context"
	"path/filepath"
	"time"
)

// What lacuna.json may say of sweeps, where it says nothing.
const (
	defaultSweepDays   = 7
	defaultSweepAtOnce = 10_000
	maxSweepDays       = 365
)

// checkSweeps refuses what cannot be meant.
func (c *Config) checkSweeps() error {
	if c.SweepDays < 0 || c.SweepDays > maxSweepDays {
		return badConfig("sweep_days %d: want 1 to %d, or nothing for %d", c.SweepDays, maxSweepDays, defaultSweepDays)
	}
	if c.SweepAtOnce < -1 {
		return badConfig("sweep_at_once %d: want a number of entries, -1 for never, or nothing for %d", c.SweepAtOnce, defaultSweepAtOnce)
	}
	return nil
}

// SweepInterval is how long after an erasure its traces may last.
func (c *Config) SweepInterval() time.Duration {
	days := c.SweepDays
	if days == 0 {
		days = defaultSweepDays
	}
	return time.Duration(days) * 24 * time.Hour
}

// CertificatesDir is the folder that receives the officer's copies of certificates
// before a sweep: afterwards they cannot be written again.
func (l *Ledger) CertificatesDir() string {
	if l.config.Certificates == "" {
		return filepath.Clean(l.dir) + ".certificates"
	}
	return absoluteIn(l.dir, l.config.Certificates)
}

// A SweepDue says whether there is something to sweep.
type SweepDue struct {
	Unswept     int       // erasures that wait for it
	By          time.Time // when the first of them has to be swept; zero where none waits
	Now         bool      // it is time to begin
	Interrupted bool      // a sweep was begun and has not ended
}

// SweepDue says whether there is something to sweep. It is time to begin when a
// seventh of the interval is left, so that the interval holds although a sweep takes
// its time and the program may not run always; at once where the ledger is small.
func (l *Ledger) SweepDue(ctx context.Context) (d SweepDue, err error) {
	if err := l.gate.enter(); err != nil {
		return d, err
	}
	defer l.gate.leave()
	var first time.Time
	if d.Unswept, first, err = l.erasure.Unswept(ctx); err != nil {
		return d, err
	}
	d.Interrupted = l.tree.Opened() != 0
	if d.Unswept > 0 {
		interval := l.config.SweepInterval()
		d.By = first.Add(interval)
		d.Now = l.SweepsAtOnce() || !l.now().Before(d.By.Add(-interval/7))
	}
	d.Now = d.Now || d.Interrupted
	return d, nil
}

// SweepsAtOnce reports whether the ledger is so small that it is swept after every
// erasure.
func (l *Ledger) SweepsAtOnce() bool {
	most := l.config.SweepAtOnce
	if most == 0 {
		most = defaultSweepAtOnce
	}
	return most > 0 && l.log.Head().Size <= uint64(most)
}

// gentleRate is how many bytes a sweep that nobody waits for writes in a second.
const gentleRate = 16 << 20

// KeepSwept sweeps when it is due, and goes on with a sweep that was interrupted,
// until the context ends or the ledger is closed. done is told how each came out, and
// looked is called each time that it has looked; they must return soon.
func (l *Ledger) KeepSwept(ctx context.Context, o SweepOptions, done func(*SweepResult, error), looked func()) {
	if o.Rate == 0 {
		o.Rate = gentleRate
	}
	for {
		due, err := l.SweepDue(ctx)
		var r *SweepResult
		if err == nil && due.Now && l.readOnly == nil {
			r, err = l.Sweep(ctx, o)
		}
		if ctx.Err() != nil || l.life.Err() != nil {
			return
		}
		if r != nil || err != nil {
			done(r, err)
		}
		looked()
		if !l.pause(ctx, lookEvery) {
			return
		}
	}
}
