package jsonv1

// What the member "lacuna" of [AuditSample], [AuditOpened] and [Lost] says.
const (
	LostVersion        = "lost/v1"
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

// Lost is what `lacuna lost --json` prints.
type Lost struct {
	Version   string   `json:"lacuna"`                // lost/v1
	Entries   uint64   `json:"entries"`               // lost, and not stated before
	Size      uint64   `json:"size"`                  // entries that were looked at
	Missing   []string `json:"missing_pages"`         // key pages
	Epochs    []uint64 `json:"epochs_lost,omitempty"` // of which it is lost what they erased, all or a part
	Statement *uint64  `json:"statement,omitempty"`   // entry that states it, once that is done
}

// AuditEntry is one entry; either it has a file or an error.
type AuditEntry struct {
	Index uint64 `json:"index"`
	File  string `json:"file,omitempty"`
	Error string `json:"error,omitempty"`
}
