package jsonv1

// SweepVersion is what the member "lacuna" of Swept says.
const SweepVersion = "sweep/v1"

// Swept is what `lacuna sweep --json` prints.
type Swept struct {
	Version string `json:"lacuna"` // sweep/v1
	// Swept is false where nothing was due.
	Swept bool `json:"swept"`

	// Of a sweep.
	Generation    uint32   `json:"generation,omitempty"`
	Size          uint64   `json:"size,omitempty"`   // of the log, as the sweep saw it
	Erased        uint64   `json:"erased,omitempty"` // entries of that
	EpochsFrom    uint64   `json:"epochs_from,omitempty"`
	EpochsTo      uint64   `json:"epochs_to,omitempty"`
	EpochsLost    []uint64 `json:"epochs_lost,omitempty"` // of those, of which it is lost what they erased, all or a part
	TracesSweptAt string   `json:"traces_swept_at,omitempty"`
	Record        uint64   `json:"record,omitempty"` // entry of the log that says so
	Statement     string   `json:"statement,omitempty"`

	// Unswept is how many erasures wait for a sweep, where nothing was due, and Due when
	// it is due, if any do.
	Unswept int    `json:"unswept,omitempty"`
	Due     string `json:"due,omitempty"`

	// Verified is there with --deep.
	Verified *SweptVerified `json:"verified,omitempty"`
}

// SweptVerified is what a search for traces found.
type SweptVerified struct {
	Tried    uint64   `json:"tried"` // erased events that were tried under every living key
	Problems []string `json:"problems"`
}
