package jsonv1

// Created is what `lacuna init --json` prints.
type Created struct {
	Ledger string   `json:"ledger"`
	Origin string   `json:"origin"`
	Root   []string `json:"root"`
	Key    string   `json:"key"`              // file with the log's public key
	Policy string   `json:"policy,omitempty"` // file for whoever verifies
}

// Places is what `lacuna root add --json`, `root remove --json`, `root passphrase --json`
// and `pages --json` print: where the root and key pages are from now on, as lacuna.json
// says it, relative to the ledger's folder.
type Places struct {
	Root   []string `json:"root"`
	Pages  string   `json:"pages,omitempty"`
	Wiped  *bool    `json:"wiped,omitempty"`  // of a place that was given up
	Sealed *bool    `json:"sealed,omitempty"` // by a passphrase, where that was changed
}

// Approver is what `lacuna approve key --json` prints.
type Approver struct {
	Key  string `json:"key"`  // verifier key, for the policy
	File string `json:"file"` // with the secret key
}

// Checked is what `lacuna fsck --json` prints.
type Checked struct {
	Size     uint64   `json:"size"`
	Root     string   `json:"root"` // base64
	Public   uint64   `json:"public"`
	Opened   uint64   `json:"opened"`
	Erased   uint64   `json:"erased"`
	Lost     uint64   `json:"lost"`
	Keys     uint64   `json:"keys"` // living ones
	Missing  []string `json:"missing_pages"`
	Problems []string `json:"problems"`
}

// Exported is what `lacuna export tiles --json` prints.
type Exported struct {
	Folder string `json:"folder"`
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   string `json:"root"` // base64
}

// Served is what `lacuna serve --json` prints when it answers.
type Served struct {
	URL    string `json:"url"`
	Origin string `json:"origin"`
}
