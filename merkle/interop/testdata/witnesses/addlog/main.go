// Command addlog tells litewitness of a log: addlog DATABASE ORIGIN VKEY…. The
// program that comes with litewitness for this needs a module that is not
// everywhere to be had.
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run writes into the tables that litewitness has made when it was started first.
func run(database, origin string, vkeys []string) error {
	db, err := sqlite.OpenConn(database, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	defer db.Close()
	empty := sha256.Sum256(nil)
	if err := sqlitex.Execute(db, "INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)",
		&sqlitex.ExecOptions{Args: []any{origin, base64.StdEncoding.EncodeToString(empty[:])}}); err != nil {
		return err
	}
	for _, k := range vkeys {
		if err := sqlitex.Execute(db, "INSERT INTO key (origin, key) VALUES (?, ?)", &sqlitex.ExecOptions{Args: []any{origin, k}}); err != nil {
			return err
		}
	}
	return nil
}
