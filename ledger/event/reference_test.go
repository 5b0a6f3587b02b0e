package event

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/reference/events.md from the catalogue")

// TestReference keeps the page about events equal to the catalogue.
func TestReference(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "reference", "events.md")
	want := reference()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, want, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the catalogue says; run go test ./ledger/event -run Reference -update", path)
	}
}

const referenceHead = `# Events

<!-- Written by "go test ./ledger/event -run Reference -update" from the catalogue. Do not edit. -->

Every type of event, with its members. The *short form* is what a service sends, the *full form* what is sealed;
` + "`lacuna append --check`" + ` prints the full form of an event without recording it.

In the tables, *sent* says whether a writer sends a member: **must**, may, or — (the ledger fills it; a writer may repeat
what the ledger would fill, and any other value is refused). *Sealed* says whether the full form has it: **always**, if it
was sent or filled, or — (it is dropped). *By* names where the value in the full form comes from.

JSON is read strictly: a name that stands twice, at whatever depth, invalid UTF-8, a byte order mark, half a surrogate pair,
a number that a double does not hold, more than 32 levels or 65,535 bytes are refused, and so is a member that is not in
the table. A refusal lists all faults with their places.

## In every event
`

func reference() []byte {
	var b bytes.Buffer
	b.WriteString(referenceHead)
	table(&b, envelopeFields)
	b.WriteString("\nEvents about a person also have:\n")
	table(&b, subjectFields)
	b.WriteString("\nRegister events also have:\n")
	table(&b, registerFields)
	areas := []struct {
		area Area
		head string
	}{
		{AreaRegister, "## Register\n\nWhat the controller declares. Sealed under the organisation's own key (compartment `register`), or a public statement with `\"public\":true`.\nIdentical content again records nothing; changed content becomes the next version.\n"},
		{AreaConsent, "## Consent and notices\n\nSealed in compartment `consent-evidence`, which outlives the purpose: three years from the end of the year in which the consent ended.\nA withdrawal by somebody of whom nothing is recorded goes to `suppression`, which is kept until lifted.\n"},
		{AreaProcessing, "## Processing and disclosure\n\nSealed in the compartment of the purpose and kept as long as the purpose says.\n"},
		{AreaRights, "## Rights\n\nSealed in compartment `rights`: three years from the end of the year.\n"},
		{AreaLog, "## The log itself\n\nPublic statements that the ledger makes. They name no one.\n"},
	}
	for _, a := range areas {
		b.WriteString("\n" + a.head)
		for _, typ := range Types() {
			if typ.Area != a.area {
				continue
			}
			fmt.Fprintf(&b, "\n### %s\n\n%s\n", typ.Name, typ.Doc)
			if typ.LedgerOnly {
				b.WriteString("\nOnly the ledger makes these.\n")
			}
			own := make([]Field, 0, len(typ.Fields))
			for _, f := range typ.Fields {
				if !shared(f.Name, typ) {
					own = append(own, f)
				}
			}
			table(&b, own)
		}
	}
	b.WriteString(referenceTail)
	b.WriteString("\n## Why an event is refused\n\n`lacuna append` exits with 16. Every fault of an event is named; of a fault of syntax only the first.\n\n| reason | meaning |\n| --- | --- |\n")
	for _, c := range codes() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", c[0], c[1])
	}
	return b.Bytes()
}

// codes reads the reason codes and what they mean from their declaration, so
// that none is missing here.
func codes() [][2]string {
	f, err := parser.ParseFile(gotoken.NewFileSet(), "refused.go", nil, parser.ParseComments)
	if err != nil {
		panic(err)
	}
	var out [][2]string
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != gotoken.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			code, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil || v.Comment == nil {
				panic("refused.go: " + v.Names[0].Name + " is not explained")
			}
			out = append(out, [2]string{code, strings.TrimSpace(v.Comment.Text())})
		}
	}
	return out
}

const referenceTail = `
## Ids and references

An id is defined as ` + "`purpose_id`, `notice_id`, `form_id`, `recipient_id`" + ` and referred to by the bare noun. ` + "`privacy-de@3`" + ` is
version 3; without @ it is the newest at ` + "`event_time`" + `. Events refer to each other by their random ids, never by log index.

## Contacts

` + "`mailto:`" + ` (the domain becomes lower case), ` + "`tel:`" + ` (becomes + and digits), ` + "`chat:service:name`" + `. A consent holds for one
purpose, one channel and one contact.

## Tokens

The token of a double opt-in is text with at least 128 random bits. ` + "`doi_token_sha256`" + ` is SHA-256 of its UTF-8 bytes exactly as
the link carries them, in lower-case hex; the token itself is compared when it comes back and then dropped.

## Withdrawals

` + "`consent.withdrawn`" + ` is refused only if its JSON cannot be read or it names no subject. A purpose, channel or contact that the
ledger does not know widens it to all of them, a time in the future becomes now, and ` + "`claimed_…`" + ` keeps what was written.
What else is faulty is left out, with a warning.
`

// shared: members that the tables at the top describe.
func shared(name string, t *Type) bool {
	has := func(fs []Field) bool {
		for _, f := range fs {
			if f.Name == name {
				return true
			}
		}
		return false
	}
	return !t.Open && has(envelopeFields) || t.About() && has(subjectFields) || t.Register() && has(registerFields)
}

func table(b *bytes.Buffer, fs []Field) {
	if len(fs) == 0 {
		return
	}
	b.WriteString("\n| member | value | sent | sealed | by | meaning |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, f := range fs {
		kind := f.Short
		if kind == kNothing {
			kind = f.Full
		}
		value := kind.String()
		if f.Values != nil {
			value += " " + strings.Join(f.Values, ", ")
		}
		sent, sealed := "may", "if there"
		switch {
		case f.Must:
			sent = "**must**"
		case f.Short == kNothing:
			sent = "—"
		}
		switch {
		case f.Full == kNothing:
			sealed = "—"
		case f.Fixed:
			sealed = "**always**"
		}
		esc := strings.NewReplacer("|", "\\|")
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s |\n", f.Name, esc.Replace(value), sent, sealed, f.By, esc.Replace(f.Doc))
	}
}

func TestSchema(t *testing.T) {
	for _, typ := range Types() {
		schema, ok := Schema(typ.Name)
		if !ok {
			t.Fatalf("no schema for %s", typ.Name)
		}
		e, err := Parse(schema)
		if err != nil {
			t.Fatalf("schema of %s: %v", typ.Name, err)
		}
		if e.Str("title") != typ.Name {
			t.Errorf("schema of %s has title %q", typ.Name, e.Str("title"))
		}
	}
	if _, ok := Schema("consent.gven"); ok {
		t.Error("a schema for a type that does not exist")
	}
}
