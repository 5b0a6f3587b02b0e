package jsonv1

import "time"

// BackupVersion, RestoredVersion and DrillVersion are what the member "lacuna" of
// [Backup], [Restored] and [Drill] says.
const (
	BackupVersion   = "backup/v1"
	RestoredVersion = "restored/v1"
	DrillVersion    = "drill/v1"
)

// Backup is what `lacuna backup --json` prints.
type Backup struct {
	Version    string    `json:"lacuna"` // backup/v1
	Folder     string    `json:"folder"`
	Made       time.Time `json:"made"`
	Size       uint64    `json:"size"` // entries
	Root       string    `json:"root"` // base64
	Epoch      uint64    `json:"epoch"`
	Generation uint32    `json:"generation"`
	Files      int       `json:"files"`
	Bytes      int64     `json:"bytes"`
	Copied     int64     `json:"copied"` // bytes that were new to the disk of the backup
}

// Restored is what `lacuna restore --json` prints.
type Restored struct {
	Version   string   `json:"lacuna"` // restored/v1
	Ledger    string   `json:"ledger"`
	Backup    string   `json:"backup"`
	Size      uint64   `json:"size"`
	KnownSize uint64   `json:"known_size"` // of the newest head known beside the root
	ReadOnly  bool     `json:"read_only"`
	Imported  int      `json:"pages_imported"`
	Missing   []string `json:"missing_pages"`
}

// Drill is what `lacuna drill --json` prints.
type Drill struct {
	Version  string   `json:"lacuna"` // drill/v1
	Backup   string   `json:"backup"`
	Serves   bool     `json:"serves"` // nothing is wrong
	Size     uint64   `json:"size"`
	Imported int      `json:"pages_imported"`
	Opened   uint64   `json:"opened"` // sealed events that open
	Erased   uint64   `json:"erased"` // events that do not open
	Tried    int      `json:"tried"`  // keys that somebody derives who has all key pages and the root
	Problems []string `json:"problems"`
}
