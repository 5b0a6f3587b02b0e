package keystore

import (
	"fmt"
	"io"
)

// A tree and an epoch have every key in reach: fmt would follow their fields, past
// the types that hide what they hold, because it calls no methods on unexported
// fields.

func (t *Tree) Format(f fmt.State, _ rune)    { fmt.Fprintf(f, "[key tree %s]", t.id) }
func (t *Tree) MarshalJSON() ([]byte, error)  { return []byte(`"[key tree]"`), nil }
func (e *Epoch) Format(f fmt.State, _ rune)   { io.WriteString(f, "[epoch]") }
func (e *Epoch) MarshalJSON() ([]byte, error) { return []byte(`"[epoch]"`), nil }
