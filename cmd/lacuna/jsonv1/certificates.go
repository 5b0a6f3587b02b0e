package jsonv1

// CertificatesVersion is what the member "lacuna" of [Certificates] says.
const CertificatesVersion = "certificates/v1"

// Certificates is what `lacuna certificates --json` prints.
type Certificates struct {
	Version      string        `json:"lacuna"`       // certificates/v1
	Certificates []Certificate `json:"certificates"` // in the order of their epochs
}

// Certificate is the officer's copy of one erasure certificate.
type Certificate struct {
	File string `json:"file"` // name of its file, where it is written to a folder
	// Text is the certificate itself, as docs/spec/certificate.md describes it: a text
	// in a text, because only its exact bytes verify.
	Text string `json:"text"`
	// When the traces of its epoch were swept, and the entry that says so; absent as long
	// as they are not.
	TracesSweptAt string  `json:"traces_swept_at,omitempty"`
	Sweep         *uint64 `json:"sweep,omitempty"`
}
