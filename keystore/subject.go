package keystore

import (
	"fmt"
	"io"
	"log/slog"
)

// A Subject is the name by which a controller knows a person, exact bytes, no
// folding. It is personal data: every way of printing it prints "[subject]".
// Convert it to a string where the bytes themselves are wanted.
//
// fmt cannot call methods on unexported struct fields, so a struct with a
// Subject in it needs a Format method of its own before it may be printed.
type Subject string

const redactedSubject = "[subject]"

func (Subject) String() string               { return redactedSubject }
func (Subject) GoString() string             { return redactedSubject }
func (Subject) LogValue() slog.Value         { return slog.StringValue(redactedSubject) }
func (Subject) MarshalText() ([]byte, error) { return []byte(redactedSubject), nil }
func (Subject) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedSubject + `"`), nil }

// Format implements [fmt.Formatter], so that no verb reaches the bytes.
func (Subject) Format(f fmt.State, _ rune) { io.WriteString(f, redactedSubject) }
