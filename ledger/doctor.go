package ledger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
)

// Severity of a finding of Examine.
type Severity string

const (
	Fine    Severity = "ok"
	Remark  Severity = "note"
	Warning Severity = "WARN"
)

// Finding is one thing that an operator should know about a ledger.
type Finding struct {
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`
	Hint     string   `json:"hint,omitempty"`
}

// Examine says how well this ledger can keep and erase: how surely an old root is
// destroyed, whether a lost disk erases everybody, whether keys may reach swap.
func (l *Ledger) Examine() []Finding {
	if err := l.gate.enter(); err != nil {
		return []Finding{{Severity: Warning, Text: err.Error()}}
	}
	defer l.gate.leave()
	var out []Finding
	add := func(s Severity, hint, text string, args ...any) {
		out = append(out, Finding{s, fmt.Sprintf(text, args...), hint})
	}
	info := l.tree.Info()
	head := l.log.Head().Checkpoint
	add(Fine, "", "log %s: %d entries, root %s", l.origin, head.Size, head.Root)
	if l.readOnly != nil {
		add(Warning, "go on with the newest copy of the log", "%s", l.readOnly)
	} else if err := l.log.RolledBack(); err != nil {
		add(Warning, "go on with the newest copy of the log", "%s", err)
	}
	for _, h := range info.Holders {
		if h.Sealed {
			add(Fine, "", "the root is sealed by a passphrase: whoever loses it has erased everybody")
		}
		switch {
		case h.Level == keystore.L0 && h.Kind == "pkcs11":
			add(Warning, "what its maker vouches for counts for you, and not here; a custodian on another machine does: docs/howto/run-a-custodian.md", "destruction level L0: %s", h.Warning)
		case h.Level == keystore.L0:
			add(Warning, "put the root on ext4 (data=ordered) or XFS, or on a partition of its own: docs/howto/protect-the-root.md", "destruction level L0: %s", h.Warning)
		case h.Warning != "":
			add(Warning, "", "destruction level %s: %s", h.Level, h.Warning)
		default:
			add(Fine, "", "destruction level %s: an old root is overwritten in place (%s)", h.Level, h.Kind)
		}
	}
	l.examineCustodians(add)
	l.examinePlaces(add)
	l.examineBackups(context.Background(), add)
	if info.SecretMode {
		add(Fine, "", "keys are derived in memory that the runtime wipes")
	} else {
		add(Remark, "build with GOEXPERIMENT=runtimesecret", "this build cannot promise that no copy of a key stays in memory until the process ends")
	}
	if swaps, err := os.ReadFile("/proc/swaps"); err == nil && strings.Count(string(swaps), "\n") > 1 {
		add(Warning, "switch swap off, or encrypt it with a key that is new at each start", "swap is on: pages of memory with keys may be written to it")
	}
	if fi, err := os.Stat(filepath.Join(l.dir, skeyFile)); err == nil && fi.Mode().Perm()&0o077 != 0 {
		add(Warning, "chmod 600 "+skeyFile, "the log's signing key can be read by other users")
	}
	l.examinePublishing(add)
	return out
}

// Level is how thoroughly an old root is destroyed by all holders together, and, where
// it is L0, why it is no more.
func (l *Ledger) Level() (level keystore.Level, why string) {
	info := l.tree.Info()
	for _, h := range info.Holders {
		if why == "" {
			why = h.Warning
		}
	}
	return info.Level, why
}

// examinePlaces says what a lost disk would take away.
func (l *Ledger) examinePlaces(add func(s Severity, hint, text string, args ...any)) {
	roots := l.roots()
	if len(roots) < 2 {
		add(Warning, "lacuna root add FILE-ON-ANOTHER-DISK", "the root is in one place: whoever loses it has erased everybody")
	} else {
		add(Fine, "", "the root is in %d places", len(roots))
	}
	if len(headCopy(roots)) == 0 {
		hint := "lacuna root add FILE, on another disk; or have heads countersigned, docs/howto/get-witnessed.md"
		if slices.ContainsFunc(roots, holder.IsToken) { // a file would be another way to the root
			hint = "have heads countersigned, docs/howto/get-witnessed.md"
		}
		add(Remark, hint, "beside a root on a partition or in a token lies no copy of the newest head: an old copy of the log is not noticed from there")
	}
	for i, root := range roots {
		for _, other := range roots[:i] {
			if holder.SameVolume(root, other) {
				where := "to another disk"
				if holder.IsToken(root) {
					where = "into another token"
				}
				add(Remark, "move one of them "+where+": lacuna root remove, lacuna root add", "%s and %s lie on one file system or in one token: who loses it has erased everybody", other, root)
			}
		}
	}
	if name, ok := l.pagesAtCustodian(); ok {
		add(Fine, "", "key pages are also kept by custodian %s", name)
		if l.config.Pages == "" {
			return
		}
	}
	if l.config.Pages == "" {
		add(Warning, "lacuna pages FOLDER-ON-ANOTHER-DISK", "key pages go to no second place: after an erasure no older backup opens anybody")
		return
	}
	pages := absoluteIn(l.dir, l.config.Pages)
	if _, err := os.Stat(pages); err != nil {
		add(Warning, "mount it, or name another with lacuna pages FOLDER; until then nobody can be erased", "the folder for key pages cannot be reached: %v", err)
		return
	}
	add(Fine, "", "key pages are also written to %s", pages)
	if holder.SameVolume(pages, l.dir) {
		add(Remark, "lacuna pages FOLDER-ON-ANOTHER-DISK", "the folder for key pages lies on the file system of the ledger, and is lost with it")
	}
}
