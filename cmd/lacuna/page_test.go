package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

var update = flag.Bool("update", false, "write docs/reference/commands.md anew")

// TestCommandsPage holds docs/reference/commands.md against the commands. Write it
// anew with: go test ./cmd/lacuna -run CommandsPage -update
func TestCommandsPage(t *testing.T) {
	const page = "../../docs/reference/commands.md"
	var b strings.Builder
	b.WriteString("# Commands\n\n<!-- written by go test ./cmd/lacuna -run CommandsPage -update -->\n\n" +
		"Flags may stand before and behind arguments; what stands behind `--` is an argument. A flag that has an environment variable takes its value\n" +
		"from there where it is not given. Data goes to stdout, talk to stderr; [exit codes](exit-codes.md) are the same for all.\n")
	app := newApp(nil, io.Discard, io.Discard)
	for _, c := range app.Commands {
		if c.Name == "help" {
			continue
		}
		describeCommand(&b, "lacuna "+c.Name, c)
		for _, sub := range c.Subcommands {
			describeCommand(&b, "lacuna "+c.Name+" "+sub.Name, sub)
		}
	}
	b.WriteString("\n## lacuna-verify\n\nThe same as `lacuna verify`, as a program of its own that imports no storage.\n")
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Errorf("%s is not what the commands say; run go test ./cmd/lacuna -run CommandsPage -update", page)
	}
}

func describeCommand(b *strings.Builder, name string, c *cli.Command) {
	if len(c.Subcommands) > 0 && len(c.Flags) == 0 {
		return // it does nothing by itself
	}
	fmt.Fprintf(b, "\n## %s\n\n%s.\n", strings.TrimSpace(name+" "+c.ArgsUsage), strings.ToUpper(c.Usage[:1])+c.Usage[1:])
	if c.Description != "" {
		fmt.Fprintf(b, "%s\n", strings.ReplaceAll(c.Description, "\n", " "))
	}
	rows := 0
	for _, f := range c.Flags {
		d, ok := f.(cli.DocGenerationFlag)
		if !ok || f.Names()[0] == "help" {
			continue
		}
		if rows++; rows == 1 {
			b.WriteString("\n| flag | |\n| --- | --- |\n")
		}
		var names []string
		for _, n := range f.Names() {
			dash := "--"
			if len(n) == 1 {
				dash = "-"
			}
			names = append(names, "`"+dash+n+"`")
		}
		usage := d.GetUsage()
		if env := d.GetEnvVars(); len(env) > 0 {
			usage += " (`" + strings.Join(env, "`, `") + "`)"
		}
		fmt.Fprintf(b, "| %s | %s |\n", strings.Join(names, ", "), usage)
	}
}
