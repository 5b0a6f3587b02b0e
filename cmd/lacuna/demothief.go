package main

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/merkle/log"
)

// spoils is what a thief reads.
type spoils struct {
	marketed int // of Leonie's events in marketing
	others   int // other people of whom anything can be read
}

// thief has the ledger's folder with its write-ahead log, an older backup, the
// key pages that were shipped, and the root as it is now, and tries every key it
// can derive on every envelope it has.
func (d *demo) thief(backup string) (spoils, error) {
	var out spoils
	ctx := d.c.Context
	pages, err := holder.ReadPages(d.dir+".pages", 0)
	if err != nil {
		return out, err
	}
	envelopes := make(map[uint64][]sealed)
	for _, dir := range []string{d.dir, backup} {
		more, err := plunder(ctx, filepath.Join(dir, "log"), envelopes)
		if err != nil {
			return out, err
		}
		pages = append(pages, more...)
	}
	root, err := holder.OpenFiles(d.dir + ".root")
	if err != nil {
		return out, err
	}
	thief, err := keystore.Steal(ctx, pages, []keystore.Holder{root})
	if err = errors.Join(err, root.Close()); err != nil {
		return out, err
	}
	people := make(map[string]bool)
	for index, copies := range envelopes {
		who, ok := read(thief, copies)
		if !ok {
			continue
		}
		if who != d.leonie && who != "" {
			people[who] = true
		}
		for _, m := range d.marketed {
			if m == index {
				out.marketed++
			}
		}
	}
	out.others = len(people)
	return out, nil
}

// sealed is an envelope as it lies in a store, masked, with its leaf.
type sealed struct{ leaf, env []byte }

// plunder reads key pages and envelopes out of a stolen store.
func plunder(ctx context.Context, dir string, envelopes map[uint64][]sealed) (pages []keystore.KV, err error) {
	l, err := log.Open(ctx, dir, log.Options{ReadOnly: true, Spaces: []byte("ek")})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	err = l.Scan(ctx, []byte{'k'}, []byte{'k' + 1}, func(k, v []byte) error {
		pages = append(pages, keystore.KV{Key: append([]byte(nil), k...), Value: append([]byte(nil), v...)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return pages, l.Scan(ctx, []byte{'e'}, []byte{'e' + 1}, func(k, v []byte) error {
		var index uint64
		for _, b := range k[5:] { // 'e' || u32 generation || u64 index
			index = index<<8 | uint64(b)
		}
		leaf, err := l.Leaf(ctx, index)
		if err != nil {
			return err
		}
		envelopes[index] = append(envelopes[index], sealed{leaf, append([]byte(nil), v...)})
		return nil
	})
}

// read opens one of the copies of an envelope with any stolen key and returns
// whom it is about.
func read(t *keystore.Thief, copies []sealed) (who string, ok bool) {
	for _, c := range copies {
		for _, mask := range t.Masks() {
			mask.Envelope(c.leaf, c.env)
			for _, k := range t.Keys() {
				if !envelope.Opens(k, c.env) {
					continue
				}
				text, err := envelope.Open(k, c.env)
				var ev struct {
					Subject string `json:"subject"`
				}
				if err == nil && json.Unmarshal(text, &ev) == nil {
					return ev.Subject, true
				}
			}
			mask.Envelope(c.leaf, c.env)
		}
	}
	return "", false
}
