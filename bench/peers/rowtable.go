package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/lacunalog/lacuna/bench"
)

// rowTable is a row with a key for each person, which is what most products do: to
// erase is to delete the row.
type rowTable struct {
	conn *pgx.Conn
	data string // folder of the cluster
}

// rowKey is the key of a person: it can be computed, so that a search of the files
// needs no list.
func rowKey(i int) []byte {
	h := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("a key in a row"), uint64(i)))
	return h[:]
}

func newRowTable(ctx context.Context, p *postgres, name string, people int) (*rowTable, error) {
	if err := p.database(ctx, name, "CREATE TABLE person (id bigint PRIMARY KEY, key bytea NOT NULL)"); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, p.uri(name, ""))
	if err != nil {
		return nil, err
	}
	t := &rowTable{conn: conn}
	i := -1
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"person"}, []string{"id", "key"}, pgx.CopyFromFunc(func() ([]any, error) {
		if i++; i == people {
			return nil, nil
		}
		return []any{int64(i), rowKey(i)}, nil
	}))
	if err == nil {
		_, err = conn.Exec(ctx, "VACUUM ANALYZE person")
	}
	if err == nil {
		err = conn.QueryRow(ctx, "SHOW data_directory").Scan(&t.data)
	}
	if err != nil {
		conn.Close(ctx)
		return nil, err
	}
	return t, nil
}

func (t *rowTable) Name() string { return "postgres" }

func (t *rowTable) Erase(ctx context.Context, from, n int) (*bench.Result, error) {
	return timeEach(n, func(i int) error {
		tag, err := t.conn.Exec(ctx, "DELETE FROM person WHERE id = $1", int64(from+i))
		if err == nil && tag.RowsAffected() != 1 {
			err = fmt.Errorf("%d rows were deleted", tag.RowsAffected())
		}
		return err
	})
}

// Left lets PostgreSQL tidy up as thoroughly as it can, and then searches every file
// of the cluster, of which no copy was ever made.
func (t *rowTable) Left(ctx context.Context, n int) (int, error) {
	for _, sql := range []string{"VACUUM FULL person", "CHECKPOINT"} {
		if _, err := t.conn.Exec(ctx, sql); err != nil {
			return 0, err
		}
	}
	first := make(map[[4]byte]int, n)
	for i := range n {
		first[[4]byte(rowKey(i))] = i
	}
	found := make(map[int]bool)
	err := filepath.WalkDir(t.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for at := range max(0, len(b)-31) {
			if i, ok := first[[4]byte(b[at:])]; ok && bytes.Equal(b[at:at+32], rowKey(i)) {
				found[i] = true
			}
		}
		return nil
	})
	return len(found), err
}

func (t *rowTable) Close() error { return t.conn.Close(context.Background()) }
