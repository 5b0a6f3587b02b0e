package certificate

import (
	"fmt"
	"io"
	"log/slog"
)

// Format prints who received something and not how they know the person: a
// worklist gets printed while somebody looks for a fault. Whoever writes the
// notices reads the field.
func (r Recipient) Format(f fmt.State, _ rune) { io.WriteString(f, r.redacted()) }

// LogValue logs what Format prints.
func (r Recipient) LogValue() slog.Value { return slog.StringValue(r.redacted()) }

func (r Recipient) redacted() string { return "[recipient " + r.ID + "]" }

// Format prints that there is an opening: what it opens names the person.
func (o Opening) Format(f fmt.State, _ rune) { io.WriteString(f, redactedOpening) }

// LogValue logs what Format prints.
func (Opening) LogValue() slog.Value { return slog.StringValue(redactedOpening) }

const redactedOpening = "[opening]"
