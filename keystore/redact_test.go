package keystore_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/keystore/keytest"
)

// TestRedaction prints everything that has a key or a name in it in every way
// that Go knows.
func TestRedaction(t *testing.T) {
	const name = "jane.doe@example.org"
	rows := keytest.NewRows()
	tree, err := keystore.Create(ctx, rows, []keystore.Holder{holder.NewMem()}, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := tree.Use(ctx, name, "marketing", 2024)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, rows, l)
	dek, _ := tree.DEK(l.Ref())
	rk := l.RowsKey()
	tag := l.Ref().Tag()
	keys, err := tree.Keys(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Fence(ctx, nil); err != nil {
		t.Fatal(err)
	}
	epoch, err := tree.Prepare(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	share := keystore.Share{Tree: tree.Info().Tree, Epoch: 2, Secret: dek}
	needles := map[string][]byte{"name": []byte(name), "key": dek[:], "rows key": rk.Bytes(), "tag": tag[:]}
	values := map[string]any{
		"subject": keystore.Subject(name), "secret": dek, "pointer to secret": &dek,
		"rows key": rk, "pointer to rows key": &rk,
		"ref": l.Ref(), "kept": l.Key(), "lease": l, "lease by value": any(l), "key info": keys[0], "key infos": keys,
		"share": share, "pointer to share": &share, "shares": []keystore.Share{share},
		"tree": tree, "epoch": epoch, "info": tree.Info(), "record": epoch.Record(),
		"change": keystore.Change{Ref: l.Ref()},
		"map":    map[int]keystore.Secret{1: dek},
		"struct": struct {
			S keystore.Subject
			K keystore.Secret
		}{name, dek},
	}
	for what, v := range values {
		var printed []string
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%08v", "% x"} {
			printed = append(printed, fmt.Sprintf(verb, v))
		}
		printed = append(printed, fmt.Sprint(v), fmt.Sprintln(v))
		if b, err := json.Marshal(v); err == nil {
			printed = append(printed, string(b))
		}
		var buf bytes.Buffer
		slog.New(slog.NewTextHandler(&buf, nil)).Info("message", "value", v)
		slog.New(slog.NewJSONHandler(&buf, nil)).Info("message", "value", v)
		printed = append(printed, buf.String())
		for _, p := range printed {
			for n, needle := range needles {
				if in(p, needle) {
					t.Errorf("%s shows the %s: %.200s", what, n, p)
				}
			}
		}
	}
	// The control: what we search for is found where it is not hidden.
	for _, p := range []string{
		fmt.Sprintf("%v", [32]byte(dek)), fmt.Sprintf("%x", dek[:]), fmt.Sprintf("%d", dek[:]), fmt.Sprintf("%q", dek[:]),
		fmt.Sprintf("%#v", [32]byte(dek)), base64.StdEncoding.EncodeToString(dek[:]),
	} {
		if !in(p, dek[:]) {
			t.Errorf("the search does not find a key in %q", p)
		}
	}
	l.Done()
}

// in reports whether a text shows at least 8 bytes of a secret in a row, in one of
// the forms in which Go prints bytes.
func in(text string, secret []byte) bool {
	part := secret[:8]
	var dec, hx []string
	for _, b := range part {
		dec = append(dec, fmt.Sprint(b))
		hx = append(hx, fmt.Sprintf("0x%x", b))
	}
	var quoted []string // one of these does not end inside a character
	for n := range 4 {
		quoted = append(quoted, strings.Trim(fmt.Sprintf("%q", secret[:8+n]), `"`))
	}
	b64 := base64.StdEncoding.EncodeToString(secret[:6])
	lower := strings.ToLower(text)
	for _, form := range append(quoted,
		string(part), hex.EncodeToString(part), strings.Join(dec, " "), strings.Join(dec, ", "), strings.Join(hx, ", "),
		fmt.Sprintf("% x", part),
	) {
		if strings.Contains(lower, strings.ToLower(form)) {
			return true
		}
	}
	return strings.Contains(text, b64)
}
