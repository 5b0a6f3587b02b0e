package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// marshal writes the one form in which a file of ours may stand: JSON with two
// spaces of indentation, members in their order, a newline at the end.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

var errForm = errors.New("not in the one form that is written: unknown or missing members, another order, or other white space")

// unmarshal reads what marshal wrote and nothing else. Other JSON with the same
// meaning is refused, so that two readers cannot read two things in one file.
func unmarshal(b []byte, v any, format string) error {
	var f struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	if f.Format != format {
		return fmt.Errorf("format %q, this program reads %q", f.Format, format)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return err
	}
	again, err := marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return errForm
	}
	return nil
}
