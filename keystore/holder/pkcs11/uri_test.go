package pkcs11_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/keystore/holder/pkcs11"
)

const vault = "pkcs11:token=vault;object=crm?module-path=/lib/vault.so&pin-source=file:/run/pin"

func TestURI(t *testing.T) {
	for s, want := range map[string]pkcs11.URI{
		vault: {Module: "/lib/vault.so", Token: "vault", Object: "crm", PIN: "/run/pin"},
		"PKCS11:serial=0a1b;object=a%20b%3B?module-path=/lib/vault.so":                       {Module: "/lib/vault.so", Serial: "0a1b", Object: "a b;"},
		"pkcs11:object=x;serial=1;token=v?pin-source=/run/pin&module-path=%2Flib%2Fvault.so": {Module: "/lib/vault.so", Token: "v", Serial: "1", Object: "x", PIN: "/run/pin"},
	} {
		got, err := pkcs11.ParseURI(s)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for s, want := range map[string]string{
		"crm.root": "no URI",
		"pkcs11:":  "names no token",
		"pkcs11:object=crm?module-path=/lib/vault.so":                         "names no token",
		"pkcs11:token=vault?module-path=/lib/vault.so":                        "object=NAME",
		"pkcs11:token=vault;object=crm":                                       "module-path",
		"pkcs11:token=vault;object=crm?module-path=vault.so":                  "absolute",
		"pkcs11:token=vault;object=crm?module-path=/v.so&pin-source=file:pin": "absolute",
		"pkcs11:token=vault;object=crm?module-path=/v.so&pin-source=file:":    "absolute",
		"pkcs11:token=vault;object=crm?module-path=/v.so&pin-source=":         "empty",
		"pkcs11:token=vault;object=crm?module-path=/v.so&pin-value=1234":      "does not belong here",
		"pkcs11:token=vault;pin-value=1234":                                   "does not belong here",
		"pkcs11:token=vault;token=other;object=crm?module-path=/v.so":         "twice",
		"pkcs11:token=vault;object=crm;slot-id=1?module-path=/v.so":           "not known",
		"pkcs11:token=vault;object=crm?module-path=/v.so&x":                   "not known",
		"pkcs11:token=%zz;object=crm?module-path=/v.so":                       "percent",
		"pkcs11:token=%00;object=crm?module-path=/v.so":                       "percent",
		"pkcs11:token=;object=crm?module-path=/v.so":                          "empty",
	} {
		_, err := pkcs11.ParseURI(s)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want something with %q", s, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "1234") {
			t.Errorf("%s: the PIN is in the error", s)
		}
	}
	other := strings.Replace(vault, "vault;", "safe;", 1)
	if !pkcs11.SameToken(vault, strings.Replace(vault, "crm", "hr", 1)) || pkcs11.SameToken(vault, other) || pkcs11.SameToken(vault, "root") || pkcs11.SameToken("root", "root") {
		t.Error("one token is not told from another")
	}
}

// FuzzURI: what is read says all that a holder needs, and is read back from how it
// would be written.
func FuzzURI(f *testing.F) {
	f.Add(vault)
	f.Add("pkcs11:serial=0a1b;object=a%20b?module-path=/lib/vault.so")
	f.Add("pkcs11:token=v;object=x?pin-value=1234")
	f.Add("pkcs11:?")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := pkcs11.ParseURI(s)
		if err != nil {
			return
		}
		if !pkcs11.IsURI(s) || u.Token+u.Serial == "" || u.Object == "" || u.Module == "" || strings.Contains(s, "pin-value=") {
			t.Fatalf("%q was read as %+v", s, u)
		}
		written := "pkcs11:object=" + url.PathEscape(u.Object)
		for name, value := range map[string]string{"token": u.Token, "serial": u.Serial} {
			if value != "" {
				written += ";" + name + "=" + url.PathEscape(value)
			}
		}
		written += "?module-path=" + escape(u.Module)
		if u.PIN != "" {
			written += "&pin-source=file:" + escape(u.PIN)
		}
		if again, err := pkcs11.ParseURI(written); err != nil || again != u {
			t.Fatalf("%q was read as %+v; written as %q that is %+v, %v", s, u, written, again, err)
		}
	})
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
