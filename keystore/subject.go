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
// Two ways cannot be closed from here. fmt calls no methods on unexported struct
// fields, so a struct with a Subject in it needs a Format method of its own before
// it may be printed. And encoding/json writes the keys of a map that are strings
// as they are, so a map by Subject must not be marshalled.
type Subject string

const redactedSubject = "[subject]"

func (Subject) String() string               { return redactedSubject }
func (Subject) GoString() string             { return redactedSubject }
func (Subject) LogValue() slog.Value         { return slog.StringValue(redactedSubject) }
func (Subject) MarshalText() ([]byte, error) { return []byte(redactedSubject), nil }
func (Subject) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedSubject + `"`), nil }

// Format implements [fmt.Formatter], so that no verb reaches the bytes.
func (Subject) Format(f fmt.State, _ rune) { io.WriteString(f, redactedSubject) }
