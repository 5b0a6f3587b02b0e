package audit

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatch(t *testing.T) {
	older := &ConflictError{Evidence: &Evidence{Kind: Older}}
	fork := &ConflictError{Evidence: &Evidence{Kind: Fork}}
	away := &UnreachableError{Source: "x", Path: "y", Err: errors.New("away")}
	wrong := &MismatchError{Place: "x", What: "y"}
	missing := &MismatchError{Place: "x", What: "y", Missing: true}
	for name, c := range map[string]struct {
		rounds []error // the last one repeats
		ends   error
		after  time.Duration
		told   int
	}{
		"fork at once":            {[]error{nil, fork}, fork, time.Minute, 0},
		"mismatch at once":        {[]error{wrong}, wrong, 0, 0},
		"older for too long":      {[]error{nil, older}, older, 6 * time.Minute, 5},
		"missing for too long":    {[]error{nil, missing}, missing, 6 * time.Minute, 5},
		"missing, then there":     {[]error{missing, older, nil}, context.Canceled, time.Hour, 2},
		"older, and then newer":   {[]error{older, older, older, older, nil, older}, older, 10 * time.Minute, 9},
		"older, away, older":      {[]error{older, away, away, away, away, older}, older, 5 * time.Minute, 5},
		"away for ever":           {[]error{away}, context.Canceled, time.Hour, 60},
		"older, then a fork":      {[]error{older, fork}, fork, time.Minute, 1},
		"nothing new, for an age": {[]error{nil}, context.Canceled, time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(time.Hour-time.Second, cancel)
				began, n, told := time.Now(), 0, 0
				w := &Watch{Every: time.Minute, TolerateStale: 5 * time.Minute,
					Round: func(context.Context) error {
						err := c.rounds[min(n, len(c.rounds)-1)]
						n++
						return err
					},
					Tell: func(error) { told++ },
				}
				err := w.Run(ctx)
				if !errors.Is(err, c.ends) {
					t.Errorf("ended with %v, want %v", err, c.ends)
				}
				if d := time.Since(began).Round(time.Minute); d != c.after {
					t.Errorf("ended after %v, want %v", d, c.after)
				}
				if told != c.told {
					t.Errorf("told %d errors, want %d", told, c.told)
				}
			})
		})
	}
}
