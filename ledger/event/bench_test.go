package event

import "testing"

// benchLine is an event of 231 bytes as a service sends it.
const benchLine = `{"type":"consent.requested","subject":"c-2","form":"web-newsletter","contact":"mailto:leonekohler@surfeu.de","doi_token_sha256":"6f1ed002ab5595859014ebf0951522d9f6a5f1b1b3b9c2a1d7e0f4c8a9b3d2e1","event_time":"2026-05-04T14:20:00Z"}`

func BenchmarkParse(b *testing.B) {
	line := []byte(benchLine)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(line); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseAny is what a text with an escape costs.
func BenchmarkParseAny(b *testing.B) {
	line := []byte(benchLine)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseAny(line); err != nil {
			b.Fatal(err)
		}
	}
}
