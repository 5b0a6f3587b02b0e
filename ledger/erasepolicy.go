package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
)

// ErasePolicy says what an erasure has to wait for. It lies in lacuna.json and is as
// strong as that file: whoever can write it can erase. What was approved can be
// verified by strangers all the same, because the signatures are in the certificates.
type ErasePolicy struct {
	// Approvers are the verifier keys of those who may approve (lacuna approve key).
	Approvers []string `json:"approvers,omitempty"`
	// Approvals is how many of them every erasure of a person needs.
	Approvals int `json:"approvals,omitempty"`
	// Everything is how many an erasure of what has a reason to stay needs; where
	// there are approvers, at least one.
	Everything int `json:"everything,omitempty"`
	// CoolingOff is how long a request waits before it can begin, ISO 8601: P3D.
	CoolingOff string `json:"cooling_off,omitempty"`
	// SubjectsPerEpoch is how many people's keys one epoch destroys at most.
	SubjectsPerEpoch int `json:"subjects_per_epoch,omitempty"`
	// EpochPause is how many milliseconds apart two epochs begin at least while more than
	// a thousand events a second are recorded: so long requests gather, and so much room
	// appends have. 20 if 0, at most 10,000; -1 for none.
	EpochPause int `json:"epoch_pause,omitempty"`
	// Dependents are told of erasures before anything is destroyed.
	Dependents []DependentCommand `json:"dependents,omitempty"`
}

// DependentCommand is a command that erases a person elsewhere: in a search index, a
// read model. It gets one JSON object on its standard input (job, subject, scope,
// erased) and reports by exit code 0 that it has erased. It may be told twice.
type DependentCommand struct {
	Name    string   `json:"name"`
	Command []string `json:"command"`
	// Must: nothing is destroyed before it has reported.
	Must bool `json:"must,omitempty"`
	// Seconds after which it is given up; 30 if 0.
	Seconds int `json:"seconds,omitempty"`
}

// check reads what has to be read of a policy.
func (p *ErasePolicy) check() (approvers []merkle.Verifier, coolingOff event.Period, err error) {
	if p == nil {
		return nil, event.Period{}, nil
	}
	seen := make(map[uint32]bool)
	for i, text := range p.Approvers {
		v, err := merkle.NewVerifier(text)
		if err != nil {
			return nil, coolingOff, badConfig("erasing.approvers[%d]: %w", i, err)
		}
		if seen[v.KeyHash()] {
			return nil, coolingOff, badConfig("erasing.approvers[%d]: the key is there already", i)
		}
		seen[v.KeyHash()] = true
		approvers = append(approvers, v)
	}
	if n := max(p.Approvals, p.Everything); n > len(approvers) || p.Approvals < 0 || p.Everything < 0 {
		return nil, coolingOff, badConfig("erasing: %d approvals, and %d approvers", n, len(approvers))
	}
	if p.CoolingOff != "" {
		if coolingOff, err = event.ParsePeriod(p.CoolingOff); err != nil {
			return nil, coolingOff, badConfig("erasing.cooling_off: %w", err)
		}
	}
	if p.SubjectsPerEpoch < 0 {
		return nil, coolingOff, badConfig("erasing.subjects_per_epoch: %d", p.SubjectsPerEpoch)
	}
	if p.EpochPause < -1 || p.EpochPause > 10_000 {
		return nil, coolingOff, badConfig("erasing.epoch_pause: %d", p.EpochPause)
	}
	names := make(map[string]bool)
	for i, d := range p.Dependents {
		if d.Name == "" || len(d.Command) == 0 || d.Seconds < 0 || names[d.Name] {
			return nil, coolingOff, badConfig("erasing.dependents[%d]: a name of its own and a command are needed", i)
		}
		names[d.Name] = true
	}
	return approvers, coolingOff, nil
}

// Need is how many approvals an erasure of a person needs.
func (p *ErasePolicy) Need(everything bool) int {
	switch {
	case p == nil:
		return 0
	case !everything:
		return p.Approvals
	}
	return max(p.Approvals, p.Everything, min(1, len(p.Approvers)))
}

// options gives the engine what the policy asks for.
func (p *ErasePolicy) options(o *erasure.Options) error {
	approvers, coolingOff, err := p.check()
	if err != nil || p == nil {
		return err
	}
	o.Approvers, o.Approvals, o.MaxSubjects = approvers, p.Need, p.SubjectsPerEpoch
	o.Pause = time.Duration(p.EpochPause) * time.Millisecond
	if !coolingOff.IsZero() {
		o.NotBefore = coolingOff.After
	}
	for _, d := range p.Dependents {
		o.Dependents = append(o.Dependents, erasure.Dependent{Name: d.Name, Must: d.Must, Erase: d.erase})
	}
	return nil
}

// erase runs the command. What it prints is not passed on: it may name the person.
func (d *DependentCommand) erase(ctx context.Context, t erasure.Told) error {
	seconds := d.Seconds
	if seconds == 0 {
		seconds = 30
	}
	ctx, stop := context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
	defer stop()
	person, ok := personOf(t.Subject)
	if !ok {
		return errors.New("not a person")
	}
	in, err := json.Marshal(struct {
		Job     string         `json:"job"`
		Subject string         `json:"subject"`
		Scope   string         `json:"scope"`
		Erased  []erasure.Part `json:"erased"`
	}{t.Job.String(), person, t.Scope, t.Erased})
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, d.Command[0], d.Command[1:]...)
	cmd.Stdin, cmd.WaitDelay = bytes.NewReader(in), time.Second
	if cmd.Run() != nil {
		return errors.New("the command did not end with 0")
	}
	return nil
}

// SetErasePolicy writes the policy of a ledger that nobody has open.
func SetErasePolicy(dir string, p ErasePolicy) error {
	if _, _, err := p.check(); err != nil {
		return err
	}
	c, err := ReadConfig(dir)
	if err != nil {
		return err
	}
	c.Erasing = &p
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, configFile), append(text, '\n'), 0o644)
}

// WaitingError says that an erasure is written down and has not begun.
type WaitingError struct {
	ID        erasure.ID
	Need      int       // approvals that it waits for
	NotBefore time.Time // zero: at once
}

func (e *WaitingError) Error() string {
	text := "nothing is erased yet: request " + e.ID.String() + " is written down"
	if e.Need > 0 {
		text += fmt.Sprintf(", and needs %d more to approve it", e.Need)
	}
	if !e.NotBefore.IsZero() {
		text += ", and waits until " + e.NotBefore.UTC().Format(time.RFC3339)
	}
	return text
}
