package event

import "testing"

func TestNormalContact(t *testing.T) {
	good := map[string]string{
		"mailto:leonekohler@surfeu.de":   "mailto:leonekohler@surfeu.de",
		"MAILTO:Leone.Kohler@SurfEU.DE":  "mailto:Leone.Kohler@surfeu.de",
		"mailto:müller@bücher.example":   "mailto:müller@bücher.example",
		"mailto:\"a@b\"@c.example":       "mailto:\"a@b\"@c.example",
		"tel:+497112842222":              "tel:+497112842222",
		"tel:+49 (711) 2842-222":         "tel:+497112842222",
		"Tel:+49.711/2842222":            "tel:+497112842222",
		"chat:WhatsApp:491701234567":     "chat:whatsapp:491701234567",
		"chat:matrix:@leonie:server.org": "chat:matrix:@leonie:server.org",
	}
	for in, want := range good {
		if got, err := NormalContact(in); err != nil || got != want {
			t.Errorf("NormalContact(%q) = %q, %v; want %q", in, got, err, want)
		}
		if again, err := NormalContact(want); err != nil || again != want {
			t.Errorf("NormalContact(%q) = %q, %v: not stable", want, again, err)
		}
	}
	for _, in := range []string{"", "leonie@surfeu.de", "mailto:", "mailto:leonie", "mailto:@surfeu.de", "mailto:a@", "mailto:a@b,c@d", "mailto:a@b?cc=c@d",
		"mailto:<a@b>", "mailto:a b@c", "tel:07112842222", "tel:+0711", "tel:+49x", "tel:+1234567890123456", "tel:+", "tel:++4971", "chat:whatsapp", "chat::x",
		"chat:whatsapp:", "https://x.example", "mailto:a@b\n"} {
		if got, err := NormalContact(in); err == nil {
			t.Errorf("NormalContact(%q) = %q, want an error", in, got)
		}
	}
}
