package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/cmd/lacuna/jsonv1"
	"github.com/lacunalog/lacuna/ledger"
)

func initCommand() *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "create a ledger",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "ledger", Usage: "folder to create", EnvVars: []string{"LACUNA_LEDGER"}, Required: true},
			&cli.StringFlag{Name: "origin", Usage: "name of the log, a URL without scheme: log.example.com/crm", Required: true},
			&cli.StringSliceFlag{Name: "root", Usage: "file that holds the root of all keys, or an empty partition, or the URI of a PKCS #11 token; give it twice for a second place on another disk (default: LEDGER.root)"},
			&cli.StringFlag{Name: "pages", Usage: "folder on another disk that receives key pages before an old root is destroyed"},
			&cli.BoolFlag{Name: "passphrase", Usage: "seal the root by a passphrase, from --passphrase-file, LACUNA_PASSPHRASE, or asked for at the terminal"},
			passphraseFile(),
			&cli.StringFlag{Name: "policy", Usage: "file that says whose cosignatures a head needs before strangers see it, after C2SP tlog-policy; the log's own key is added"},
			&cli.BoolFlag{Name: "mldsa", Usage: "make a second key of the log, ML-DSA-44, that signs the heads which strangers see, for when Ed25519 falls"},
			&cli.IntFlag{Name: "suite", Usage: "1 ChaCha20-Poly1305, 2 AES-256-GCM", Value: 1},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			dir := c.String("ledger")
			roots := c.StringSlice("root")
			if len(roots) == 0 {
				roots = []string{filepath.Clean(dir) + ".root"}
			}
			var policy []byte
			if name := c.String("policy"); name != "" {
				var err error
				if policy, err = os.ReadFile(name); err != nil {
					return usage(fmt.Errorf("--policy: %w", err))
				}
				if policy == nil {
					policy = []byte{} // an empty file is a bad policy, not none
				}
			}
			pass, err := newPassphrase(c)
			if err != nil {
				return err
			}
			err = ledger.Init(c.Context, ledger.InitOptions{
				Passphrase: pass, Dir: dir, Origin: c.String("origin"), Root: roots, Pages: c.String("pages"), Suite: c.Int("suite"),
				Policy: policy, MLDSA: c.Bool("mldsa"),
			})
			if err != nil {
				return err
			}
			w := c.App.ErrWriter
			if len(roots) == 1 {
				warnOnePlace(w, dir, roots[0])
			}
			if c.String("pages") == "" {
				fmt.Fprintln(w, "lacuna: THERE IS NO SECOND PLACE FOR KEY PAGES. AFTER AN ERASURE NO OLDER BACKUP OPENS ANYBODY.")
				fmt.Fprintln(w, "hint: lacuna pages --ledger "+dir+" FOLDER-ON-ANOTHER-DISK")
			}
			out := jsonv1.Created{Ledger: dir, Origin: c.String("origin"), Root: roots, Key: filepath.Join(dir, "log.vkey")}
			give := out.Key
			if policy != nil {
				out.Policy = filepath.Join(dir, "log.policy")
				give += " and " + out.Policy
			}
			if c.Bool("json") {
				return printJSON(c.App.Writer, out)
			}
			fmt.Fprintf(c.App.Writer, "created %s; give %s to whoever verifies\n", dir, give)
			return nil
		},
	}
}

// warnOnePlace says in capitals that there is no second place for the root.
func warnOnePlace(w io.Writer, dir, root string) {
	fmt.Fprintf(w, "lacuna: THERE IS NO SECOND PLACE FOR THE ROOT. WHOEVER LOSES %s HAS ERASED EVERYBODY.\n", root)
	fmt.Fprintln(w, "hint: lacuna root add --ledger "+dir+" FILE-ON-ANOTHER-DISK")
}
