// Command submit asks a witness for cosignatures with the client of omniwitness:
// submit URL OLD HASH…, with the signed checkpoint on standard input. It prints
// the signature lines, or what the client makes of another answer and the size
// that came with it.
package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"

	client "github.com/transparency-dev/witness/client/http"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(to, size string, hashes []string) error {
	u, err := url.Parse(to)
	if err != nil {
		return err
	}
	old, err := strconv.ParseUint(size, 10, 64)
	if err != nil {
		return err
	}
	var proof [][]byte
	for _, h := range hashes {
		b, err := base64.StdEncoding.DecodeString(h)
		if err != nil {
			return err
		}
		proof = append(proof, b)
	}
	checkpoint, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	lines, known, err := client.NewWitness(u, http.DefaultClient).Update(context.Background(), old, checkpoint, proof)
	if err != nil {
		fmt.Printf("%v %d\n", err, known)
		return nil
	}
	_, err = os.Stdout.Write(lines)
	return err
}
