package jsonv1

// Witness is what `lacuna witness init --json` prints, with the folder, and
// `lacuna witness --json` when it listens, with the address.
type Witness struct {
	Name string   `json:"name"`
	Keys []string `json:"keys"` // public, in the text form of C2SP signed-note
	Dir  string   `json:"dir,omitempty"`
	URL  string   `json:"url,omitempty"`
}
