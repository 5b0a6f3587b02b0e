package custodian

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
)

// The files of a custodian. The share lies in the root files, which are overwritten in
// place; everything else is replaced by renaming and holds nothing that has to die.
const (
	configFile = "custodian.json"
	keyFile    = "custodian.key"
	markFile   = "epoch" // the newest epoch for which others were destroyed
	headFile   = "head"
	pagesDir   = "pages"
	format     = "lacuna/custodian/v1"
)

type config struct {
	Format string   `json:"format"`
	Host   string   `json:"address"`          // where ledgers reach it
	Root   []string `json:"root"`             // root files, relative to the folder, or URIs of tokens; all with the same share
	Ledger string   `json:"ledger,omitempty"` // key of the ledger that is served
	// Invitation is the SHA-256 of a secret that lets a ledger enrol, once.
	Invitation string `json:"invitation,omitempty"`
}

// A Custodian is a folder with a share of a root. Its methods are for one goroutine
// at a time, which [Server] sees to.
type Custodian struct {
	dir    string
	key    ed25519.PrivateKey
	config config
	holder keystore.Holder
	// failed says why the root files could not be opened again, nil while they are open.
	// Nobody holds the lock then, so every method returns it and changes nothing.
	failed error
	mark   uint64
	// Machine names the machine that it runs on.
	Machine [16]byte
}

// Options of a new custodian.
type Options struct {
	Dir  string
	Host string   // HOST:PORT under which ledgers reach it
	Root []string // root files; default Dir/root
}

// Create makes a custodian and invites a ledger.
func Create(o Options) (*Invitation, error) {
	if err := checkHost(o.Host); err != nil {
		return nil, keystore.Hinted("lacuna custodian init --dir "+o.Dir+" --address HOST:PORT", "making a custodian: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(filepath.Join(o.Dir, configFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil, keystore.Hinted("a new custodian needs a folder of its own", "there is a custodian in %s: %w", o.Dir, keystore.ErrExists)
	}
	if len(o.Root) == 0 {
		o.Root = []string{filepath.Join(o.Dir, "root")}
	}
	c := config{Format: format, Host: o.Host}
	for _, r := range o.Root {
		if holder.IsToken(r) {
			c.Root = append(c.Root, r)
			continue
		}
		name, err := filepath.Abs(r)
		if err != nil {
			return nil, err
		}
		if rel, err := filepath.Rel(o.Dir, r); err == nil && filepath.IsLocal(rel) {
			name = rel
		}
		c.Root = append(c.Root, name)
	}
	h, err := holder.CreateFiles(o.Root...)
	if err != nil {
		return nil, err
	}
	if err := h.Close(); err != nil {
		return nil, err
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := replace(filepath.Join(o.Dir, keyFile), []byte(base64.StdEncoding.EncodeToString(key.Seed())+"\n"), 0o600); err != nil {
		return nil, err
	}
	// The configuration goes last: without it this is no custodian yet.
	return c.invite(o.Dir, public)
}

// Invite lets a ledger enrol once more, in place of the one that is served: after the
// ledger got another signing key, say. The custodian may be running.
func Invite(dir string) (*Invitation, error) {
	c, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	key, err := readKey(dir)
	if err != nil {
		return nil, err
	}
	return c.invite(dir, key.Public().(ed25519.PublicKey))
}

func (c *config) invite(dir string, public ed25519.PublicKey) (*Invitation, error) {
	i := &Invitation{Custodian: Address{c.Host, public}}
	rand.Read(i.Secret[:])
	sum := sha256.Sum256(i.Secret[:])
	c.Invitation = hex.EncodeToString(sum[:])
	return i, c.write(dir)
}

func (c *config) write(dir string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, configFile), append(text, '\n'), 0o600)
}

func readConfig(dir string) (c config, err error) {
	text, err := os.ReadFile(filepath.Join(dir, configFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, keystore.Hinted("lacuna custodian init --dir "+dir+" --address HOST:PORT", "there is no custodian in %s: %w", dir, keystore.ErrHolderMissing)
	}
	if err != nil {
		return c, err
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("%s: %w", filepath.Join(dir, configFile), err)
	}
	if c.Format != format || len(c.Root) == 0 {
		return c, fmt.Errorf("%s: not in the format %s", filepath.Join(dir, configFile), format)
	}
	return c, nil
}

func readKey(dir string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, fmt.Errorf("reading the custodian's key: %w", err)
	}
	seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s is not the key of a custodian", filepath.Join(dir, keyFile))
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// Open opens a custodian. Only one program can have it open.
func Open(dir string) (*Custodian, error) {
	c := &Custodian{dir: dir, Machine: thisMachine()}
	var err error
	if c.config, err = readConfig(dir); err != nil {
		return nil, err
	}
	if c.key, err = readKey(dir); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, markFile))
	if err == nil {
		c.mark, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the newest epoch of the custodian: %w", err)
	}
	if err := c.openRoot(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Custodian) openRoot() error {
	var roots []string
	for _, r := range c.config.Root {
		if !filepath.IsAbs(r) && !holder.IsToken(r) {
			r = filepath.Join(c.dir, r)
		}
		roots = append(roots, r)
	}
	h, err := holder.OpenFiles(roots...)
	if err != nil {
		return err
	}
	c.holder = h
	return nil
}

// reopen closes the root files and opens them again. If it fails, somebody else may have
// the folder by now and go on with it, so what this program remembers of it counts no
// more: it has to be started anew, and stays as it is until then.
func (c *Custodian) reopen() error {
	err := c.holder.Close()
	if err == nil {
		err = c.openRoot()
	}
	if err != nil {
		c.failed = keystore.Hinted("start the custodian anew", "the custodian's root files could not be opened again: %w", err)
	}
	return c.failed
}

// Address is how ledgers reach it.
func (c *Custodian) Address() Address {
	return Address{c.config.Host, c.key.Public().(ed25519.PublicKey)}
}

// Close closes the root files.
func (c *Custodian) Close() error {
	if c.failed != nil {
		return nil // they are closed
	}
	return c.holder.Close()
}

// Status tells of the custodian what is no secret.
func (c *Custodian) Status(ctx context.Context) (Status, error) {
	if c.failed != nil {
		return Status{}, c.failed
	}
	shares, err := c.holder.Current(ctx)
	defer clear(shares)
	caps := c.holder.Caps()
	s := Status{Level: caps.Level, Copies: caps.Copies, Machine: c.Machine, Mark: c.mark, Warning: caps.Warning}
	for _, x := range shares {
		s.Epochs = append(s.Epochs, x.Epoch)
	}
	switch {
	case err != nil:
	case !c.current(shares):
		s.Warning = ErrRolledBack.Error()
	case len(shares) == 0:
		s.Warning = "" // it is new, and was not tested yet
	}
	head, herr := c.Head()
	s.Head = headSize(head)
	return s, errors.Join(err, herr)
}

// serves reports whether a key is that of the ledger that is served.
func (c *Custodian) serves(peer ed25519.PublicKey) bool {
	return c.config.Ledger != "" && subtle.ConstantTimeCompare([]byte(c.config.Ledger), []byte(KeyText(peer))) == 1
}

// Enrol makes the ledger with a key the one that is served, if it has the secret of an
// open invitation. If we stop before the answer, the ledger enrols again and is told yes.
func (c *Custodian) Enrol(peer ed25519.PublicKey, secret [16]byte) error {
	if c.failed != nil {
		return c.failed
	}
	now, err := readConfig(c.dir) // an invitation may have been made meanwhile
	if err != nil {
		return err
	}
	c.config = now
	sum := sha256.Sum256(secret[:])
	if now.Invitation == "" || subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(now.Invitation)) != 1 {
		if c.serves(peer) {
			return nil
		}
		return fmt.Errorf("this invitation is not open: %w", ErrNotEnrolled)
	}
	now.Ledger, now.Invitation = KeyText(peer), ""
	if err := now.write(c.dir); err != nil {
		return err
	}
	c.config = now
	return nil
}

// current reports whether what lies in the root files is what was last left there. If
// everything is older than the mark, somebody has put an old copy back, or a new file.
func (c *Custodian) current(shares []keystore.Share) bool {
	newest := uint64(0)
	for i := range shares {
		newest = max(newest, shares[i].Epoch)
	}
	return newest >= c.mark
}

// Shares returns what it keeps.
func (c *Custodian) Shares(ctx context.Context) ([]keystore.Share, error) {
	if c.failed != nil {
		return nil, c.failed
	}
	shares, err := c.holder.Current(ctx)
	if err != nil {
		return nil, err
	}
	if !c.current(shares) {
		clear(shares)
		return nil, fmt.Errorf("it destroyed others for epoch %d and keeps none so new: %w", c.mark, ErrRolledBack)
	}
	return shares, nil
}

// Prepare is as that of a [keystore.Holder].
func (c *Custodian) Prepare(ctx context.Context, s keystore.Share) error {
	shares, err := c.Shares(ctx)
	clear(shares)
	if err == nil {
		err = c.holder.Prepare(ctx, s)
	}
	if err != nil || len(shares) > 0 {
		return err
	}
	// What its medium does with overwritten blocks is found out when a file with a
	// share in it is opened, and until now there was none.
	return c.reopen()
}

// Destroy is as that of a [keystore.Holder]; the statement is signed. The mark is
// written before anything is overwritten: if we stop in between, the same Destroy is
// still taken, and one that would go back is not.
func (c *Custodian) Destroy(ctx context.Context, k kept) (s keystore.Statement, err error) {
	shares, err := c.Shares(ctx)
	if err != nil {
		return s, err
	}
	defer clear(shares)
	held := false
	for i := range shares {
		if shares[i].Tree != k.tree {
			return s, keystore.ErrWrongTree
		}
		held = held || shares[i].Epoch == k.epoch && shares[i].Attempt == k.attempt
	}
	switch {
	case !held:
		return s, keystore.ErrNotHeld
	case k.epoch < c.mark:
		return s, fmt.Errorf("it destroyed others for epoch %d: %w", c.mark, ErrRolledBack)
	case k.epoch > c.mark:
		if err := replace(filepath.Join(c.dir, markFile), fmt.Appendf(nil, "%d\n", k.epoch), 0o600); err != nil {
			return s, err
		}
		c.mark = k.epoch
	}
	if s, err = c.holder.Destroy(ctx, k.tree, k.epoch, k.attempt); err != nil {
		return s, err
	}
	s.Kind = kind
	s.Sign(c.key)
	return s, nil
}

// Head returns the newest signed head of the log that it was given, nil if none.
func (c *Custodian) Head() ([]byte, error) {
	if c.failed != nil {
		return nil, c.failed
	}
	b, err := os.ReadFile(filepath.Join(c.dir, headFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// PutHead keeps a signed head, unless it has one of a longer log. Whether it is signed
// is for the ledger to say, which compares it with its own.
func (c *Custodian) PutHead(checkpoint []byte) error {
	have, err := c.Head()
	if err != nil {
		return err
	}
	if n := headSize(checkpoint); n < headSize(have) {
		return fmt.Errorf("the head is of %d entries, and one of %d is known: %w", n, headSize(have), ErrRolledBack)
	}
	return replace(filepath.Join(c.dir, headFile), checkpoint, 0o600)
}

// headSize is the number in the second line of a checkpoint, 0 if there is none.
func headSize(checkpoint []byte) uint64 {
	lines := strings.SplitN(string(checkpoint), "\n", 3)
	if len(lines) < 3 {
		return 0
	}
	n, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// replace writes a file so that after a crash it has what it had, or what is written.
// Never for a share: a renamed file leaves the old one on the disk.
func replace(name string, b []byte, mode fs.FileMode) error {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.Write(b)
	return commit(f, name, mode, err)
}

// commit makes what was written into a temporary file durable under its name.
func commit(f *os.File, name string, mode fs.FileMode, err error) error {
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
