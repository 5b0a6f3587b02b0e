package erasure

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestPrintedNamesNobody prints certificates in every way that a careless line of
// code does. The control is the certificate as it is handed out.
func TestPrintedNamesNobody(t *testing.T) {
	w := newWorld(t)
	w.people()
	c, err := w.e.Erase(t.Context(), w.erasing("s:ada"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("erased", "cert", c, "opening", c.Opening, "to", c.Notify, "first", c.Notify[0])
	for _, v := range []any{c, *c, c.Notify, c.Opening, *c.Opening, c.Notify[0]} {
		fmt.Fprintf(&b, "%v %+v %#v %s %q\n", v, v, v, v, v)
	}
	for _, secret := range append([]string{"m-ada"}, c.Opening.Disclosures...) {
		if strings.Contains(b.String(), secret) {
			t.Errorf("printing a certificate tells %q", secret)
		}
	}
	handed, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range c.Opening.Disclosures {
		if !bytes.Contains(handed, []byte(d)) {
			t.Error("control: the certificate itself does not open anything")
		}
	}
}
