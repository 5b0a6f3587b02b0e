package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/merkle/log"
)

// BackupInto makes a backup in a folder of backups, since the newest there, and returns
// its own folder, which has the time as its name. One that was interrupted is finished.
func (l *Ledger) BackupInto(ctx context.Context, into string, options ...BackupOption) (out string, m Manifest, err error) {
	since, err := NewestBackup(into)
	switch {
	case errors.As(err, new(*NotFoundError)):
		since = ""
	case err != nil:
		return "", m, err
	case since == filepath.Clean(into):
		return "", m, badConfig("%s is a backup, not a folder of backups", into)
	default:
		options = append(options, Since(since))
	}
	if out, err = begunIn(into); err != nil {
		return "", m, err
	}
	if out == "" {
		out = filepath.Join(into, time.Now().UTC().Format("2006-01-02T150405.000Z"))
	}
	m, err = l.Backup(ctx, out, options...)
	return out, m, err
}

// begunIn returns the folder of the backup that was interrupted last in a folder of
// backups, "" for none: the one whose name comes last.
func begunIn(into string) (string, error) {
	begun, err := filepath.Glob(filepath.Join(into, "*"+partial))
	if err != nil || len(begun) == 0 {
		return "", err
	}
	return strings.TrimSuffix(begun[len(begun)-1], partial), nil
}

// BackupsDir is the folder that receives a backup behind each sweep; "" for none.
func (l *Ledger) BackupsDir() string {
	if l.config.Backups == "" {
		return ""
	}
	return absoluteIn(l.dir, l.config.Backups)
}

// maxBackupHours is a year.
const maxBackupHours = 24 * 365

// BackUpBehind makes a backup into [Ledger.BackupsDir] where the newest one is older than
// the last sweep, or than the configuration allows, finishes one that was interrupted
// there, and otherwise returns "". A sweep keeps the mask of the newest backup for as long as that is the newest, so nothing
// is lost before it was made: only when it is there does the next sweep destroy the
// earlier mask.
//
// Who erases and who sweeps may both ask for it. Then one of them waits for the other's
// backup, and makes none.
func (l *Ledger) BackUpBehind(ctx context.Context, options ...BackupOption) (out string, err error) {
	dir := l.BackupsDir()
	if dir == "" || l.readOnly != nil {
		return "", nil
	}
	l.behind.Lock()
	defer l.behind.Unlock()
	g, err := l.backedUp(ctx)
	if err != nil {
		return "", err
	}
	// A backup is written down just before it gets its name, so one that was interrupted
	// in between is written down and there is none.
	begun, err := begunIn(dir)
	if err != nil {
		return "", err
	}
	if g == l.tree.Generation() && begun == "" {
		if aged, err := l.backupAged(dir); err != nil || !aged {
			return "", err
		}
	}
	// It was given by name. Where it is not there a disk is missing, and what would be
	// made in its place would not be on it.
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("the folder for backups cannot be reached: %w", err)
	}
	out, _, err = l.BackupInto(ctx, dir, options...)
	return out, err
}

// often says how often a backup is made although nothing was swept.
func (c *Config) often() string {
	if c.BackupHours == 0 {
		return ""
	}
	return fmt.Sprintf(", and when the newest is older than %d h,", c.BackupHours)
}

// backupAged reports whether the newest backup in a folder is older than the configuration
// allows. One that has all there is does not age.
func (l *Ledger) backupAged(dir string) (bool, error) {
	if l.config.BackupHours == 0 {
		return false, nil
	}
	newest, err := NewestBackup(dir)
	if errors.As(err, new(*NotFoundError)) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	m, err := readManifest(newest)
	if err != nil {
		return false, err
	}
	head := l.log.Head()
	if m.Origin == l.origin && m.Size == head.Size && m.Root == head.Root.String() && m.Epoch == l.tree.Info().Epoch {
		return false, nil
	}
	return time.Since(m.Made) >= time.Duration(l.config.BackupHours)*time.Hour, nil
}

// backedUp is the generation that the newest backup is of; 0 where none was made.
func (l *Ledger) backedUp(ctx context.Context) (uint32, error) {
	v, err := l.log.Get(ctx, sweepRowKey(backupGeneration, sweepRowBackup))
	switch {
	case errors.Is(err, log.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("looking for the newest backup: %w", err)
	case len(v) != 4:
		return 0, keystore.Hinted("make another one: lacuna backup", "looking for the newest backup: its row is malformed")
	}
	return binary.BigEndian.Uint32(v), nil
}

// examineBackups says whether the newest backup is as new as the last sweep. An old copy of
// a ledger makes none, and does not know which were made since.
func (l *Ledger) examineBackups(ctx context.Context, add func(s Severity, hint, text string, args ...any)) {
	if l.readOnly != nil {
		return
	}
	hint, begun := "lacuna backup --into FOLDER-ON-ANOTHER-DISK", ""
	if dir := l.BackupsDir(); dir != "" {
		hint = "lacuna backup"
		_, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			add(Warning, "mount it, or make it: until then no backup is made behind a sweep", "the folder for backups is not there: %s", dir)
		case err != nil:
			add(Warning, "", "the folder for backups cannot be reached: %v", err)
		default:
			add(Fine, "", "a backup is made behind each sweep%s into %s", l.config.often(), dir)
			begun, _ = begunIn(dir) // of which the pattern is right
		}
	}
	backup, err := l.backedUp(ctx)
	now, earlier := l.tree.Generation(), l.tree.Restorable()
	switch {
	case err != nil:
		add(Warning, "", "%v", err)
	case backup == 0:
		add(Remark, hint, "no backup was made of this ledger: whoever loses its disk has lost the log and everybody's events")
	case backup == now && begun != "":
		add(Warning, hint, "a backup was interrupted and not finished: %s", begun+partial)
	case backup == now:
		add(Fine, "", "the newest backup is as new as the last sweep")
	case backup == earlier:
		add(Warning, hint, "the newest backup is older than the last sweep: it is the only one that can still be restored, the earlier mask is kept for it until there is a newer one, and what was recorded since is in none")
	default:
		add(Warning, hint, "the newest backup is older than the last sweeps: nobody can restore it, nor any other")
	}
}
