package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/erasure/certificate"
)

// UnclaimedDir is the folder of subjects' copies that nobody waited for. They may name
// people, so it lies where no backup of the ledger takes it along.
func (l *Ledger) UnclaimedDir() string {
	folder := l.CertificatesDir()
	if inside(l.dir, folder) {
		folder = filepath.Clean(l.dir) + ".certificates"
	}
	return filepath.Join(folder, "unclaimed")
}

// keepUnclaimed writes a subject's copy that nobody waited for into a file. Where that
// fails, the ledger opens all the same: the erasure is done, and others want to withdraw.
func (l *Ledger) keepUnclaimed(c *erasure.Certificate, warn func(string)) {
	if c.Copy != certificate.CopySubject || c.Opening == nil {
		return // an officer's copy can be written again
	}
	name, err := writeUnclaimed(l.UnclaimedDir(), c)
	if err != nil {
		warn(fmt.Sprintf("the subject's copy of the certificate of epoch %d, place %d, could not be kept, and cannot be written again: %v", c.Terms.Epoch, c.Place, err))
		return
	}
	warn(fmt.Sprintf("the subject's copy of its certificate is %s; give it to whoever asked, and delete it", name))
}

// writeUnclaimed writes a certificate into a new file of a folder. It never replaces one:
// after a restore, another erasure may have had the same epoch and place. A certificate
// that a crash gives again is there already, and may open more than now.
func writeUnclaimed(folder string, c *erasure.Certificate) (name string, err error) {
	text, err := c.Marshal()
	if err != nil {
		return "", err
	}
	if err := makeDir(folder, 0o700); err != nil {
		return "", err
	}
	base := fmt.Sprintf("epoch-%d-%d", c.Terms.Epoch, c.Place)
	if name, err := findUnclaimed(folder, base, c); name != "" || err != nil {
		return name, err
	}
	f, err := os.OpenFile(filepath.Join(folder, base+".json"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		f, err = os.CreateTemp(folder, base+"-*.json") // as exclusive, and for its owner alone
	}
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	return f.Name(), syncDir(folder)
}

// WaitedFile is the name of the subject's copy of the certificate of a request that has waited. The file is made
// before anybody knows the epoch.
func WaitedFile(id erasure.ID) string { return waitedFile + id.String() + ".json" }

const waitedFile = "erasure-"

// findUnclaimed looks for a certificate of the same request among the files of an epoch and place, and those of
// requests that have waited, which a server writes here: where a crash came between its copy and the end of the erasure, there is one already.
func findUnclaimed(folder, base string, c *erasure.Certificate) (name string, err error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	for _, f := range files {
		rest, ours := strings.CutPrefix(f.Name(), base)
		ours = ours && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "-"))
		if !ours && (!strings.HasPrefix(f.Name(), waitedFile) || filepath.Ext(f.Name()) != ".json") {
			continue
		}
		name := filepath.Join(folder, f.Name())
		text, err := os.ReadFile(name)
		if err != nil {
			continue // a second copy is better than none
		}
		if len(text) == 0 && ours { // from before a crash
			if err := os.Remove(name); err != nil {
				return "", err
			}
			continue
		}
		// One that a crash tore does not count.
		if there, err := certificate.Parse(text); err == nil && there.Commitment == c.Commitment && there.Record == c.Record && there.Opening != nil {
			return name, syncDir(folder)
		}
	}
	return "", nil
}
