package receipt

import "fmt"

// A Check is one thing that was looked at, in words: what was compared with what. The
// checks of a report stand in the order in which they were made, from the outside of
// the file to its inside; where one fails, it is the last.
type Check struct {
	Stage  Stage
	Passed bool
	Text   string // one line
}

func (c Check) String() string {
	if !c.Passed {
		return fmt.Sprintf("FAILED %s", c.Text)
	}
	return fmt.Sprintf("check  %s: %s", c.Stage, c.Text)
}

func passed(checks *[]Check, stage Stage, format string, args ...any) {
	*checks = append(*checks, Check{stage, true, printable(fmt.Sprintf(format, args...))})
}

func failed(checks *[]Check, f *Failure) {
	*checks = append(*checks, Check{f.Stage, false, f.Text})
}
