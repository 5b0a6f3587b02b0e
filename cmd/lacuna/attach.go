package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/lacunalog/lacuna/ledger/event"
)

// maxInlineText bounds the text of a notice that is recorded with it; a longer
// one is recorded by its hash.
const maxInlineText = 32 << 10

// withFiles replaces file names in an event by what the files hold: a notice by
// its text and hash, evidence by its hash. Names are as seen from the folder of
// the input.
func withFiles(ev *event.Event, dir string) (*event.Event, error) {
	if raw, ok := ev.Get("file"); ok && ev.Type() == "notice.published" {
		var name string
		if json.Unmarshal(raw, &name) != nil {
			return ev, nil // the schema says what is wrong with it
		}
		b, err := readEvidence(dir, name, "/file")
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		ev = ev.Without("file").With("sha256", quote(hex.EncodeToString(sum[:])))
		ev = ev.With("size", []byte(fmt.Sprint(len(b))))
		if len(b) <= maxInlineText && utf8.Valid(b) {
			ev = ev.With("text", quote(string(b)))
		}
	}
	for _, member := range []string{"contract", "picture"} {
		raw, ok := ev.Get(member)
		if !ok {
			continue
		}
		var name string
		if json.Unmarshal(raw, &name) != nil {
			continue
		}
		ref, err := evidenceRef(dir, name, "/"+member)
		if err != nil {
			return nil, err
		}
		ev = ev.With(member, quote(ref))
	}
	if raw, ok := ev.Get("evidence"); ok {
		var names []string
		if json.Unmarshal(raw, &names) != nil {
			return ev, nil
		}
		for i, name := range names {
			ref, err := evidenceRef(dir, name, fmt.Sprintf("/evidence/%d", i))
			if err != nil {
				return nil, err
			}
			names[i] = ref
		}
		list, err := json.Marshal(names)
		if err != nil {
			return nil, err
		}
		ev = ev.With("evidence", list)
	}
	return ev, nil
}

// evidenceRef gives "sha256:…" of a file; what is already a reference stays.
func evidenceRef(dir, name, path string) (string, error) {
	if strings.HasPrefix(name, "sha256:") {
		return name, nil
	}
	b, err := readEvidence(dir, name, path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

func readEvidence(dir, name, path string) ([]byte, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &event.Refused{Reasons: []event.Reason{{Reason: "file_not_found", Path: path, Hint: "file names are as seen from the folder of the input"}}}
	}
	return b, err
}

func quote(s string) []byte {
	b, _ := json.Marshal(s) // a string always has a JSON form; With makes it canonical
	return b
}
