package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// RestoreOptions say where a backup goes.
type RestoreOptions struct {
	From       string            // the backup, or a folder of backups, of which the newest is taken
	Dir        string            // the new ledger; must not exist
	Root       []string          // the root holder as it is now
	Passphrase holder.Passphrase // opens a sealed root
	SigningKey string            // the log's signing key (log.skey)
	SecondKey  string            // the log's second signing key (log.mldsa.skey), if it has one
	Pages      string            // folder that received key pages since; "" for none
	// Custodians are invitations of custodians that the backup does not know of, or
	// that knew the ledger by another signing key. Those that it names are asked anyway.
	Custodians []string
	Progress   func(done, total int64)
	Warn       func(string)

	custody *custody
	drill   bool                                        // no custodian is asked, and the signing keys are linked
	holders func() ([]keystore.Holder, error)           // nil: the files of Root
	rows    func(ctx context.Context, l *log.Log) error // sees the store as the backup has it
}

// Restored says what a restored ledger can do.
type Restored struct {
	Manifest Manifest
	From     string   // folder of the backup
	Known    uint64   // size of the newest head known beside the root; above Size the ledger only reads
	Imported int      // key pages taken from the page folder
	Missing  []string // key pages that are missing, by path; their people cannot be opened
	Swept    bool     // a sweep came since the backup; then, too, the ledger only reads
}

// Restore makes a ledger from a backup, under the root as it is now. Erased
// people stay erased: the root that would open them is gone. Where the log had
// gone on since the backup the restored ledger is for reading only, because what
// it would sign next contradicts what was shown to others.
func Restore(ctx context.Context, o RestoreOptions) (_ *Restored, err error) {
	if err := keystore.Usable(); err != nil {
		return nil, err
	}
	if o.From, err = NewestBackup(o.From); err != nil {
		return nil, err
	}
	m, err := readManifest(o.From)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(o.Dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s exists already", o.Dir)
	}
	c, err := ReadConfig(o.From)
	if err != nil {
		return nil, err
	}
	skey, err := os.ReadFile(o.SigningKey)
	if err != nil {
		return nil, fmt.Errorf("reading the log's signing key: %w", err)
	}
	signer, err := merkle.NewSigner(strings.TrimSpace(string(skey)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.SigningKey, err)
	}
	second, err := o.secondKey(c)
	if err != nil {
		return nil, err
	}
	if o.drill {
		c.Custodians = nil
	}
	if o.custody, err = newCustody(c.Custodians, skey); err != nil {
		return nil, err
	}
	if err := o.custody.enrol(ctx, o.Custodians); err != nil {
		o.custody.close()
		return nil, err
	}
	c.Custodians = o.custody.configs()
	tmp := o.Dir + partial
	if err := os.RemoveAll(tmp); err != nil {
		return nil, err
	}
	defer removeUnless(&err, tmp) // it has the signing key
	if err := m.copyTo(ctx, tmp, o); err != nil {
		return nil, err
	}
	if err := o.signingKeys(tmp, skey, second); err != nil {
		return nil, err
	}
	places := len(c.Root)
	c.Root, c.Pages = nil, relativeTo(o.Dir, o.Pages)
	for _, root := range o.Root {
		c.Root = append(c.Root, relativeTo(o.Dir, root))
	}
	if !filepath.IsAbs(c.Backups) || inside(o.Dir, c.Backups) {
		c.Backups, c.BackupHours = "", 0 // it lay relative to another folder, or beside the one where the ledger was
	}
	if err := c.write(tmp); err != nil {
		return nil, err
	}
	r := &Restored{Manifest: m, From: o.From}
	if known, err := headCopy(o.Root).Load(); err == nil {
		r.Known = headSize(known)
	}
	r.Known = max(r.Known, o.custody.headSize(ctx))
	if err := r.pages(ctx, filepath.Join(tmp, storeDir), log.Options{Origin: c.Origin, Signer: signer, Spaces: spaces}, o); err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, o.Dir); err != nil {
		return nil, err
	}
	if reads := r.Known > m.Size || r.Swept; len(o.Root) < places && !reads && !o.drill && o.Warn != nil {
		o.Warn(fmt.Sprintf("the backup knows %d places of the root, and this ledger has %d: what lies in the others opens what is erased from now on, until a sweep; destroy it",
			places, len(o.Root)))
	}
	return r, syncDir(filepath.Dir(filepath.Clean(o.Dir)))
}

// signingKeys puts the log's keys into the new ledger.
func (o *RestoreOptions) signingKeys(dir string, skey, second []byte) error {
	if o.drill {
		err := os.Symlink(o.SigningKey, filepath.Join(dir, skeyFile))
		if err == nil && second != nil {
			err = os.Symlink(o.SecondKey, filepath.Join(dir, secondKeyFile))
		}
		return err
	}
	err := writeFile(filepath.Join(dir, skeyFile), []byte(strings.TrimSpace(string(skey))+"\n"), 0o600)
	if err == nil && second != nil {
		err = writeFile(filepath.Join(dir, secondKeyFile), second, 0o600)
	}
	return err
}

// secondKey reads the log's second signing key, nil if it has none.
func (o *RestoreOptions) secondKey(c Config) ([]byte, error) {
	if !c.MLDSA {
		if o.SecondKey != "" {
			return nil, badConfig("the backup is of a log without a second key")
		}
		return nil, nil
	}
	if o.SecondKey == "" {
		return nil, badConfig("the log has a second signing key, %s, and backups hold none: name it", secondKeyFile)
	}
	if _, err := readSecondKey(o.From, o.SecondKey); err != nil {
		return nil, err
	}
	return os.ReadFile(o.SecondKey)
}

// pages brings the key pages that were written since the backup into the store
// and says which are still missing. It is the one place that opens a log without
// asking for the newest known head: only key pages are written, no leaf.
func (r *Restored) pages(ctx context.Context, store string, lo log.Options, o RestoreOptions) error {
	lg, err := log.Open(ctx, store, lo)
	if err != nil {
		return fmt.Errorf("opening the backup's log: %w", err)
	}
	defer lg.Close()
	root, err := lg.RootAt(ctx, r.Manifest.Size)
	if err != nil {
		return fmt.Errorf("reading the backup's root: %w", err)
	}
	if root.String() != r.Manifest.Root {
		return &VerifyError{Problems: []string{fmt.Sprintf("the backup's log has root %s, its manifest says %s", root, r.Manifest.Root)}}
	}
	rows := treeRows{lg}
	if o.rows != nil {
		if err := o.rows(ctx, lg); err != nil {
			return err
		}
	}
	if o.Pages != "" {
		pages, err := holder.ReadPages(o.Pages, r.Manifest.Epoch)
		if err != nil {
			return fmt.Errorf("reading key pages: %w", err)
		}
		if err := keystore.ImportPages(ctx, rows, pages); err != nil {
			return fmt.Errorf("importing key pages: %w", err)
		}
		r.Imported = len(pages)
	}
	warn := o.Warn
	if warn == nil {
		warn = func(string) {}
	}
	if o.holders == nil {
		o.holders = func() ([]keystore.Holder, error) { return openHolders(o.Root, o.Passphrase, warn) }
	}
	local, err := o.holders()
	if err != nil {
		return err
	}
	hs, next := o.custody.sets(local)
	tree, err := keystore.Open(ctx, rows, hs, keystore.Options{Next: next})
	if err != nil {
		closeAll(local)
		o.custody.close()
		return err
	}
	defer tree.Close()
	if err := checkRootIsNewest(tree.Info().Epoch, o.Pages); err != nil {
		return err
	}
	if g := tree.Generation(); g != r.Manifest.Generation && tree.Restorable() != r.Manifest.Generation {
		return &SweptError{Backup: r.Manifest.Generation, Ledger: g}
	} else if g != r.Manifest.Generation {
		r.Swept = true
	}
	r.Missing, err = tree.MissingPages(ctx)
	return err
}

// checkRootIsNewest refuses a root that is older than the key pages: a copy of the
// root file from before an erasure, together with a backup from before it, brings
// erased people back. Without a page folder nobody can tell.
func checkRootIsNewest(epoch uint64, pages string) error {
	if pages == "" {
		return nil
	}
	later, err := holder.ReadPages(pages, epoch)
	if err != nil {
		return fmt.Errorf("reading key pages: %w", err)
	}
	if len(later) > 0 {
		return &VerifyError{Problems: []string{fmt.Sprintf("the root is of epoch %d, and the page folder has later epochs: an old copy of the root would bring erased people back (if the last epoch never came to its end, take its file out of the folder)", epoch)}}
	}
	return nil
}

// removeUnless removes a folder that was not finished.
func removeUnless(err *error, dir string) {
	if *err != nil {
		_ = os.RemoveAll(dir) // the first error is the one that helps
	}
}

// SweptError says that a sweep came after a backup, and that it was not the newest then. What masked its sealed
// events was destroyed with the generation, for the living too: only the log itself,
// with its proofs, is in it.
type SweptError struct{ Backup, Ledger uint32 } // generations

func (e *SweptError) Error() string {
	return fmt.Sprintf("the backup has generation %d, and the ledger was swept since, up to generation %d: the masks of the backup's sealed events were destroyed, those of living people too", e.Backup, e.Ledger)
}

// copyTo copies the files of a backup, and refuses what is not as it was written.
func (m *Manifest) copyTo(ctx context.Context, to string, o RestoreOptions) error {
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if err := os.MkdirAll(filepath.Join(to, storeDir), 0o700); err != nil {
		return err
	}
	var done int64
	for _, f := range m.Files {
		name := filepath.FromSlash(f.Name)
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700); err != nil {
			return err
		}
		got, err := copyFile(ctx, filepath.Join(o.From, name), filepath.Join(to, name))
		if errors.Is(err, fs.ErrNotExist) {
			return &VerifyError{Problems: []string{fmt.Sprintf("the backup lacks its file %s", f.Name)}}
		}
		if err != nil {
			return fmt.Errorf("copying %s: %w", f.Name, err)
		}
		if got.Name = f.Name; got != f {
			return &VerifyError{Problems: []string{fmt.Sprintf("the backup's file %s is not as it was written", f.Name)}}
		}
		done += f.Size
		o.Progress(done, m.bytes())
	}
	return syncDir(filepath.Join(to, storeDir))
}
