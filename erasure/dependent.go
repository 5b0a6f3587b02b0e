package erasure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
)

// A Dependent holds data of the same people outside the ledger: a search index, a read model, an export. It
// is told of every erasure that a person asked for, while there still is a name to tell, and the certificate
// says which dependents reported that they erased, and which did not. Of the end of a period nobody is told:
// no name is known then, and dependents have periods of their own.
type Dependent struct {
	Name string
	// Must says that nothing is destroyed before it has reported. The request stays open and is tried again.
	Must bool
	// Erase returns nil when the dependent has erased. It may be told of one erasure more than once. No other
	// epoch runs meanwhile, so it has to heed ctx and give up by itself.
	Erase func(ctx context.Context, t Told) error
}

// Told is what a dependent is told.
type Told struct {
	Job     ID
	Subject keystore.Subject
	Erased  []Part
	Scope   string
}

// ErrDependent says that a dependent did not report without which nothing is destroyed.
var ErrDependent = errors.New("a dependent did not report that it has erased")

// tell tells the dependents about jobs that nobody can cancel any more, and returns the jobs that go on.
func (e *Engine) tell(ctx context.Context, jobs []*job) (on []*job) {
	for _, j := range jobs {
		if err := e.tellOf(ctx, j); err != nil {
			e.release([]*job{j}, err)
			continue
		}
		on = append(on, j)
	}
	return on
}

func (e *Engine) tellOf(ctx context.Context, j *job) error {
	if len(j.who.Subject) == 0 {
		return nil
	}
	if e.checked != nil && len(e.o.Dependents) > 0 {
		// A request that had waited would wait again after a crash, and could be cancelled.
		if err := e.checked(ctx); err != nil {
			return fmt.Errorf("writing the state %s of an erasure: %w", Checked, err)
		}
	}
	var reports []certificate.Dependent
	for _, d := range e.o.Dependents {
		r := certificate.Dependent{Name: d.Name}
		e.mu.Lock()
		j.told = true
		e.mu.Unlock()
		err := d.Erase(ctx, Told{Job: j.id, Subject: j.subject(), Erased: slices.Clone(j.what.Erased), Scope: j.what.Scope})
		switch {
		case err == nil:
			at := certificate.Instant(e.o.Now())
			r.ReportedAt = &at
		case d.Must:
			return fmt.Errorf("%w: %s", ErrDependent, d.Name) // its own error may name the person
		}
		reports = append(reports, r)
	}
	slices.SortFunc(reports, func(a, b certificate.Dependent) int { return strings.Compare(a.Name, b.Name) })
	j.what.Dependents = reports
	return nil
}
