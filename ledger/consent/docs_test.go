package consent

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

	"github.com/lacunalog/lacuna/ledger/event"
)

var update = flag.Bool("update", false, "rewrite docs/reference/may.md from the code")

// TestReferencePage keeps the page about answers equal to the code.
func TestReferencePage(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "reference", "may.md")
	want := page(t)
	if *update {
		if err := os.WriteFile(path, want, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code says (%v); run go test ./ledger/consent -run ReferencePage -update", path, err)
	}
}

func page(t *testing.T) []byte {
	var b bytes.Buffer
	b.WriteString("# May I?\n\n<!-- Written by \"go test ./ledger/consent -run ReferencePage -update\". Do not edit. -->\n\n")
	b.WriteString("`lacuna may --subject S --purpose P [--channel C] [--contact A] [--recipient R]` answers **allow** (exit 0), **deny** (20) or **gap** (21).\n" +
		"A gap says that something is not declared, so that nobody can tell; it is not an allow. The first reason decides, and all are listed.\n\n" +
		"| reason | answer | meaning |\n| --- | --- | --- |\n")
	f := file(t, "answer.go", parser.ParseComments)
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != gotoken.CONST || g.Doc == nil || !strings.HasPrefix(g.Doc.Text(), "Codes of the reasons") {
			continue
		}
		for i, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			decision := Deny
			if i < 3 {
				decision = Gap
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", codeOf(t, v.Values[0]), decision, strings.TrimSpace(v.Comment.Text()))
		}
	}
	b.WriteString("\nAn allow names the legal basis and the entries of the log that it rests on, and when it ends by itself if it does.\n" +
		"The Go library can be asked about the past too; see the end of this page.\n\n## States of a consent\n\n" +
		"A consent belongs to a person, a purpose, a channel and a contact.\n\n| state | W3C DPV term | processing may rest on it |\n| --- | --- | --- |\n")
	for s := Unknown; s <= Expired; s++ {
		rests := "no"
		if s.Valid() {
			rests = "yes"
		}
		fmt.Fprintf(&b, "| %s | `dpv:%s` | %s |\n", s, strings.TrimPrefix(s.IRI(), "https://w3id.org/dpv#"), rests)
	}
	// The rest is the package comment, from its first heading on.
	doc := file(t, "doc.go", parser.ParseComments).Doc.Text()
	doc = doc[strings.Index(doc, "\n# Consent\n"):]
	for _, line := range strings.Split(strings.TrimRight(doc, "\n"), "\n") {
		if h, ok := strings.CutPrefix(line, "# "); ok {
			line = "## " + map[string]string{"Consent": "Events and states", "Order": "Order"}[h]
		}
		if strings.HasPrefix(line, "\t") {
			line = "    " + strings.ReplaceAll(line[1:], "\t", "    ")
		}
		b.WriteString(strings.NewReplacer("[Question.At]", "`Question.At`", "[Answer.Then]", "`Answer.Then`", "Apply", "the ledger").Replace(line) + "\n")
	}
	return b.Bytes()
}

func file(t *testing.T, name string, mode parser.Mode) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, mode)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// codeOf is the value of a code, which may be one of package event's.
func codeOf(t *testing.T, x ast.Expr) string {
	switch x := x.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(x.Value)
		if err != nil {
			t.Fatal(err)
		}
		return s
	case *ast.SelectorExpr:
		return map[string]string{"PurposeUndeclared": event.PurposeUndeclared, "RecipientUnknown": event.RecipientUnknown,
			"PurposeInactive": event.PurposeInactive, "CategoryNotDeclared": event.CategoryNotDeclared}[x.Sel.Name]
	}
	t.Fatal("a code that is no string")
	return ""
}
