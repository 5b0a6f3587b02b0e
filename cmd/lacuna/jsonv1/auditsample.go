package jsonv1

// What the member "lacuna" of [AuditSample] and [AuditOpened] says.
const (
	AuditSampleVersion = "audit-sample/v1"
	AuditOpenedVersion = "audit-opened/v1"
)

// AuditSample is what `lacuna audit sample --json -o FILE` prints; the sample itself is in the file.
type AuditSample struct {
	Version string `json:"lacuna"` // audit-sample/v1
	File    string `json:"file"`
	Leaves  int    `json:"leaves"`
	Blocks  int    `json:"blocks"`
	Opened  int    `json:"opened"`
	Living  int    `json:"living"` // and not opened
	Erased  int    `json:"erased"`
	Lost    int    `json:"lost"`
}

// AuditOpened is what `lacuna audit open --json` prints.
type AuditOpened struct {
	Version string       `json:"lacuna"` // audit-opened/v1
	Entries []AuditEntry `json:"entries"`
}

// AuditEntry is one entry; either it has a file or an error.
type AuditEntry struct {
	Index uint64 `json:"index"`
	File  string `json:"file,omitempty"`
	Error string `json:"error,omitempty"`
}
