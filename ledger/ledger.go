// Package ledger is the product: it records events about people, answers "may
// I?", proves what was recorded and erases it.
//
// It joins three packages that do not know each other. merkle/log is an
// append-only Merkle log that cannot decrypt anything; keystore is a tree of
// keys, one for each (subject, compartment, cohort), that can be destroyed one by
// one; erasure is the state machine that destroys them. An event is parsed
// strictly, filled from the register (ledger/event), checked against the person's
// state (ledger/consent), sealed under its key (ledger/envelope) and queued; the
// log holds a 34-byte commitment, and the sealed event lies beside it.
//
//	led, err := ledger.Open(ctx, ledger.Options{Dir: "crm"})
//	rec, err := led.Record(ctx, ev)            // durable, integrated, under a signed head
//	ans, err := led.May(ctx, consent.Question{Subject: "c-2", Purpose: "newsletter", Channel: "email"})
//	file, err := led.Prove(ctx, rec[0].Index, ledger.ProveOptions{})
//	cert, err := led.Erase(ctx, ledger.EraseRequest{Subject: "c-2"})
//
// A folder holds
//
//	lacuna.json   origin, suite, where the root holders are
//	log.vkey      the log's public key; give it to everybody
//	log.skey      the log's signing key; not in backups
//	log.policy    whose cosignatures a head needs before strangers see it, if any are asked for
//	log.mldsa.*   a second key of the log, if it has one
//	log/          the store: leaves, sealed events, key pages
//
// and the root of the key tree lies outside, by default in DIR.root. Whoever
// loses every copy of the root has erased everybody.
//
// Methods of a Ledger may be called from several goroutines, also while another
// one closes it. Nothing here puts a
// subject identifier or a payload into an error or a log line.
package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lacunalog/lacuna/erasure"
	"github.com/lacunalog/lacuna/keystore"
	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/ledger/envelope"
	"github.com/lacunalog/lacuna/ledger/event"
	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
)

// Config is the file lacuna.json of a ledger. Unknown members are refused.
type Config struct {
	Format string   `json:"format"`          // "lacuna/v1"
	Origin string   `json:"origin"`          // name of the log, as checkpoints carry it
	Suite  int      `json:"suite"`           // 1 ChaCha20-Poly1305, 2 AES-256-GCM
	Root   []string `json:"root"`            // files of the root holder, relative to the folder, or URIs of tokens; all with the same share
	Pages  string   `json:"pages,omitempty"` // folder that receives key pages before an old root dies
	// Custodians keep further shares of the root, on other machines.
	Custodians []Custodian `json:"custodians,omitempty"`
	// Policy: only heads that satisfy log.policy are shown to strangers.
	Policy bool `json:"policy,omitempty"`
	// MLDSA: heads that are shown to strangers are also signed with log.mldsa.skey.
	MLDSA bool `json:"mldsa,omitempty"`
	// SweepDays is how long after an erasure its traces may last; 0 for 7 days.
	SweepDays int `json:"sweep_days,omitempty"`
	// SweepAtOnce: up to so many entries a sweep follows every erasure; 0 for 10,000, -1
	// for never.
	SweepAtOnce int `json:"sweep_at_once,omitempty"`
	// Erasing: what an erasure has to wait for; nil: nothing.
	Erasing *ErasePolicy `json:"erasing,omitempty"`
	// Certificates is the folder that receives the officer's copies of certificates before
	// a sweep; "" for DIR.certificates.
	Certificates string `json:"certificates,omitempty"`
	// Backups is the folder of backups in which one is made behind each sweep; "" for none.
	Backups string `json:"backups,omitempty"`
	// BackupHours is the age at which the newest backup there is followed by another even
	// if nothing was swept; 0 for never.
	BackupHours int `json:"backup_hours,omitempty"`
}

const (
	format     = "lacuna/v1"
	configFile = "lacuna.json"
	vkeyFile   = "log.vkey"
	skeyFile   = "log.skey"
	storeDir   = "log"
)

// Options say how a ledger is opened. Only Dir is needed.
type Options struct {
	Dir string
	// Root is instead of Config.Root. A ledger of which not every place is named is open for
	// reading: an erasure has to reach all.
	Root []string
	// Passphrase is asked for the words that open a sealed root, where it is sealed.
	Passphrase holder.Passphrase
	Actor      event.Actor
	Now        func() time.Time // nil: the system's clock

	// ReadOnly opens a ledger for reading. Nothing is signed or appended.
	ReadOnly bool
	// Warn is told, in one line each, what an operator should know: a holder on a
	// file system that copies on write, say. Nil: not told.
	Warn func(string)
	// KeyPages is how many pages of the key tree are kept in memory, about 6 KiB each;
	// a page has the keys of some forty people. Below 1: 1,536. Who brings many new people at
	// once, and has the memory, spares reading each page again for nearly each of them.
	KeyPages int
	// Erasing is told of every state that an erasure reaches, for somebody who
	// waits for it. It must return soon. Nil: not told.
	Erasing func(erasure.ID, erasure.State)

	pages string // instead of Config.Pages
	fewer bool   // Root leaves out a place that is being given up
	hooks hooks
}

// Ledger is an open ledger.
type Ledger struct {
	dir        string
	config     Config
	origin     string
	originHash [32]byte
	suite      envelope.Suite
	vkey       string
	actor      event.Actor
	now        func() time.Time
	readOnly   error
	policy     *merkle.Policy // nil: none
	keeping    atomic.Bool    // KeepPublished runs

	log     *log.Log
	tree    *keystore.Tree
	erasure *erasure.Engine

	pace         pace
	retireMost   int // keys in one epoch of a retention run
	retirePeople int // people in it; 0: no bound of its own

	writing atomic.Pointer[writing]
	sealing sync.RWMutex // held by who seals, until what is sealed is queued

	order      sync.Mutex // deltas of the key tree reach the queue in the order in which they were taken
	subjects   *subjects
	tags       *tags
	feeds      *feeds
	register   atomic.Pointer[event.Register]
	registerMu sync.Mutex // one register event at a time
	registers  chain      // the organisation's sealed register events
	publics    chain      // the list of public statements

	custody   *custody
	custodyMu sync.Mutex // around the members of custody

	backingUp sync.Mutex
	behind    sync.Mutex // of BackUpBehind

	workers  chan struct{} // of batches, one for each processor
	keeper   *keeper
	days     cohortDays
	lengths  *lengths
	purposes atomic.Pointer[purposes]
	settler  *settler
	sweeper  *sweeper
	life     context.Context // ends when Close begins
	end      context.CancelFunc
	gate     *gate
	closed   sync.Once
}

// InitOptions say how a ledger is created.
type InitOptions struct {
	Dir    string
	Origin string   // a schemeless URL without spaces and plus, say "log.example.com/crm"
	Root   []string // files of the root holder, or URIs of tokens; default Dir + ".root"
	Pages  string   // folder on another disk that receives key pages; "" for none
	Suite  int      // 0: suite 1
	Policy []byte   // text of a policy (https://c2sp.org/tlog-policy) without the log's own key; nil for none
	MLDSA  bool     // make a second key, ML-DSA-44, that signs the heads which strangers see
	// Passphrase seals the root, where it is not nil.
	Passphrase holder.Passphrase
	Now        func() time.Time

	hooks hooks
}

// Init creates a ledger. It fails where one is already, and leaves nothing that
// would stop a second try.
func Init(ctx context.Context, o InitOptions) (err error) {
	if err := keystore.Usable(); err != nil {
		return err
	}
	if err := checkOrigin(o.Origin); err != nil {
		return badConfig("origin: %w", err)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, configFile)); err == nil {
		return fmt.Errorf("%s already holds a ledger", o.Dir)
	}
	if o.Suite == 0 {
		o.Suite = int(envelope.ChaCha20Poly1305)
	}
	if err := checkSuite(o.Suite); err != nil {
		return err
	}
	if len(o.Root) == 0 {
		o.Root = []string{filepath.Clean(o.Dir) + ".root"}
	}
	for _, root := range o.Root {
		if err := checkRoot(o.Dir, root); err != nil {
			return err
		}
		if _, err := os.Lstat(root); !errors.Is(err, fs.ErrNotExist) && !alone(root) {
			return fmt.Errorf("root %s exists already: it may hold the only root of another ledger; remove it if an interrupted init left it", root)
		}
	}
	if o.Pages != "" && inside(o.Dir, o.Pages) {
		return badConfig("the folder for key pages lies inside the ledger: it would be lost with it")
	}
	if err := makeDir(o.Dir, 0o700); err != nil {
		return err
	}
	skey, vkey, err := merkle.GenerateKey(rand.Reader, o.Origin)
	if err != nil {
		return err
	}
	signer, err := merkle.NewSigner(skey)
	if err != nil {
		return err
	}
	c := Config{Format: format, Origin: o.Origin, Suite: o.Suite, Pages: relativeTo(o.Dir, o.Pages), Policy: o.Policy != nil, MLDSA: o.MLDSA}
	vkeys := []string{vkey}
	var second string
	if o.MLDSA {
		var vkey2 string
		if second, vkey2, err = secondKeys(o.Origin); err != nil {
			return err
		}
		vkeys = append(vkeys, vkey2)
	}
	if c.Policy {
		if o.Policy, err = policyWithLog(o.Policy, o.Origin, vkeys...); err != nil {
			return err
		}
	}
	for _, root := range o.Root {
		c.Root = append(c.Root, relativeTo(o.Dir, root))
	}

	// Crash order: the configuration is written last. Without it the folder is
	// not a ledger yet, and the remains of an earlier try are removed here.
	store := filepath.Join(o.Dir, storeDir)
	if err := os.RemoveAll(store); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(o.Dir, skeyFile), []byte(skey+"\n"), 0o600); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(o.Dir, vkeyFile), []byte(vkey+"\n"), 0o644); err != nil {
		return err
	}
	if err := writePublishing(o.Dir, o.Policy, second, vkeys); err != nil {
		return err
	}
	lo := log.Options{Origin: o.Origin, Signer: signer, VKey: vkey, Spaces: spaces}
	o.hooks.logOptions(&lo)
	if err := log.Create(store, lo); err != nil {
		return err
	}
	lg, err := log.Open(ctx, store, lo)
	if err != nil {
		return err
	}
	h, err := o.hooks.createHolders(o.Root, o.Passphrase)
	if err != nil {
		lg.Close()
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, discardAll(o.Root)) // made here, and no ledger's
		}
	}()
	to := keystore.Options{Now: o.Now}
	if o.Pages != "" {
		to.PageTarget = holder.PageDir(o.Pages)
	}
	o.hooks.treeOptions(&to)
	tree, err := keystore.Create(ctx, treeRows{lg}, h, to)
	if err != nil {
		closeAll(h)
		lg.Close()
		return fmt.Errorf("creating the key tree: %w", err)
	}
	tree.Close()
	closeAll(h)
	head := lg.Head().Signed
	if err := lg.Close(); err != nil {
		return err
	}
	// A head that lies beside a root that is gone belongs to a ledger that is gone.
	if err := headCopy(o.Root).Store(head); err != nil {
		return err
	}
	return c.write(o.Dir)
}

// write makes the configuration durable.
func (c Config) write(dir string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, configFile), append(text, '\n'), 0o644)
}

// ReadConfig reads a ledger's configuration.
func ReadConfig(dir string) (Config, error) {
	var c Config
	text, err := os.ReadFile(filepath.Join(dir, configFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, &NotFoundError{What: "no ledger in " + dir}
	}
	if err != nil {
		return c, err
	}
	if c, err = parseConfig(text); err != nil {
		return c, fmt.Errorf("%s: %w", filepath.Join(dir, configFile), err)
	}
	if c.Backups != "" && inside(dir, absoluteIn(dir, c.Backups)) {
		return c, fmt.Errorf("%s: %w", filepath.Join(dir, configFile), badConfig("backups %q lies inside the ledger", c.Backups))
	}
	if c.BackupHours < 0 || c.BackupHours > maxBackupHours || c.BackupHours > 0 && c.Backups == "" {
		return c, fmt.Errorf("%s: %w", filepath.Join(dir, configFile), badConfig("backup_hours %d: want 1 to %d, and a folder for backups beside it", c.BackupHours, maxBackupHours))
	}
	return c, nil
}

func parseConfig(text []byte) (c Config, err error) {
	if err := parseFile(text, &c); err != nil {
		return c, badConfig("%w", err)
	}
	if c.Format != format {
		return c, badConfig("format %q, this program reads %q", c.Format, format)
	}
	if err := c.checkSweeps(); err != nil {
		return c, err
	}
	return c, checkSuite(c.Suite)
}

// parseFile reads one JSON object with known members, and nothing behind it.
func parseFile(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something stands behind the object")
	}
	return nil
}

func checkSuite(n int) error {
	if s := envelope.Suite(n); s != envelope.ChaCha20Poly1305 && s != envelope.AES256GCM {
		return badConfig("suite %d: want 1 (ChaCha20-Poly1305) or 2 (AES-256-GCM)", n)
	}
	return nil
}

// Open opens a ledger and finishes what a crash interrupted: the log's last
// group, an epoch of the key tree, an erasure.
func Open(ctx context.Context, o Options) (_ *Ledger, err error) {
	if err := keystore.Usable(); err != nil {
		return nil, err
	}
	c, err := ReadConfig(o.Dir)
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		dir: o.Dir, config: c, origin: c.Origin, originHash: envelope.Origin(c.Origin), suite: envelope.Suite(c.Suite),
		actor: o.Actor, subjects: newSubjects(), lengths: newLengths(),
		settler: newSettler(), gate: newGate(), workers: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	l.sweeper = &sweeper{l: l, lists: listRowsMost}
	l.life, l.end = context.WithCancel(context.Background())
	if o.Now == nil {
		o.Now = time.Now
	}
	// Events are sealed with milliseconds. Nothing finer is judged or answered, or
	// an answer would name another time than the event it is about.
	l.now = func() time.Time { return o.Now().Truncate(time.Millisecond) }
	if l.actor == (event.Actor{}) {
		l.actor = event.Actor{Role: "append", Service: "cli"}
	}
	warn := o.Warn
	if warn == nil {
		warn = func(string) {}
	}
	vkey, err := os.ReadFile(filepath.Join(o.Dir, vkeyFile))
	if err != nil {
		return nil, fmt.Errorf("reading the log's public key: %w", err)
	}
	l.vkey = strings.TrimSpace(string(vkey))
	skey, err := os.ReadFile(filepath.Join(o.Dir, skeyFile))
	if err != nil {
		return nil, fmt.Errorf("reading the log's signing key: %w", err)
	}
	signer, err := merkle.NewSigner(strings.TrimSpace(string(skey)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(o.Dir, skeyFile), err)
	}
	roots := o.Root
	if len(roots) == 0 {
		roots = l.roots()
	}
	pub, err := l.readPublishing(warn)
	if err != nil {
		return nil, err
	}
	if l.custody, err = newCustody(c.Custodians, skey); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.custody.close()
		}
	}()
	heads := &guardedHeads{headFiles: headCopy(roots), custodians: l.remoteHeads(warn)}
	lo := log.Options{Origin: c.Origin, Signer: signer, VKey: l.vkey, Spaces: spaces, HeadCopy: heads, Publishing: pub, ReadOnly: o.ReadOnly}
	o.hooks.logOptions(&lo)
	store := filepath.Join(o.Dir, storeDir)
	l.log, err = log.Open(ctx, store, lo)
	if rolled := (log.ErrRolledBack{}); errors.As(err, &rolled) && !o.ReadOnly {
		// A restored copy that is older than what was shown to others may be read,
		// but what it signed next would fork the log.
		warn(err.Error() + "; reading only")
		lo.ReadOnly = true
		l.readOnly = &ReadOnlyError{Why: err}
		l.log, err = log.Open(ctx, store, lo)
	}
	if n := len(o.Root); err == nil && n > 0 && n < len(c.Root) && l.readOnly == nil && !o.ReadOnly && !o.fewer {
		// An erasure would leave the old root in the places that are not named.
		why := keystore.Hinted("name every place, --root for each; or give up one that is lost: lacuna root remove --lost FILE",
			"%d of %d places of the root named; the others would keep a root that opens what is erased", n, len(c.Root))
		warn(why.Error() + "; reading only")
		lo.ReadOnly = true
		l.readOnly = &ReadOnlyError{Why: why}
		if err = l.log.Close(); err == nil {
			l.log, err = log.Open(ctx, store, lo)
		}
	}
	if err != nil {
		return nil, err
	}
	if o.ReadOnly {
		l.readOnly = &ReadOnlyError{Why: errors.New("it was asked to be")}
	}
	if err := l.start(ctx, roots, warn, &o); err != nil {
		l.log.Close()
		return nil, err
	}
	heads.ours.Store(true)
	if l.readOnly == nil {
		_ = os.RemoveAll(filepath.Join(o.Dir, stageDir)) // of a backup that was interrupted; the next one removes it, too
	}
	return l, nil
}

// start opens what lies on top of the log.
func (l *Ledger) start(ctx context.Context, roots []string, warn func(string), o *Options) (err error) {
	local, err := o.hooks.openHolders(roots, o.Passphrase, warn)
	if err != nil {
		return err
	}
	holders, next := l.custody.sets(local)
	if l.readOnly != nil {
		for _, set := range [][]keystore.Holder{holders, next} {
			for i, h := range set {
				set[i] = readOnlyHolder{h}
			}
		}
	}
	to := keystore.Options{Order: &l.order, Now: o.Now, Next: next, CachePages: o.KeyPages}
	switch {
	case o.pages != "":
		to.PageTarget = holder.PageDir(o.pages)
	case l.config.Pages != "":
		to.PageTarget = holder.PageDir(absoluteIn(l.dir, l.config.Pages))
	}
	to.PageTarget = l.custody.targets(to.PageTarget)
	o.hooks.treeOptions(&to)
	if l.tree, err = keystore.Open(ctx, l.treeRows(), holders, to); err != nil {
		closeAll(holders)
		return err
	}
	if l.readOnly == nil {
		if err := l.settleCustodians(warn); err != nil {
			l.tree.Close()
			return err
		}
	}
	if err := l.startWriting(ctx); err != nil {
		l.tree.Close()
		return err
	}
	if outdated := new(OutdatedError); errors.As(l.readOnly, &outdated) {
		warn(outdated.Error() + "; reading only")
	}
	l.tags = loadTags(l.life, l)
	defer func() {
		if err != nil {
			l.end()
			<-l.tags.loaded
		}
	}()
	if l.feeds, err = loadFeeds(ctx, l.log); err != nil {
		l.tree.Close()
		return err
	}
	if err := l.loadRegister(ctx); err != nil {
		l.tree.Close()
		return err
	}
	l.keeper = newKeeper(l.tree)
	go l.settle()
	eo := erasure.Options{Now: o.Now, Order: &l.order, Busy: l.busy, Progress: o.Erasing, MaxKeys: retireMost, Sweeper: l.sweeper, Unclaimed: func(c *erasure.Certificate) { l.keepUnclaimed(c, warn) }}
	if err := l.config.Erasing.options(&eo); err != nil {
		l.stopSettling()
		l.tree.Close()
		return err
	}
	o.hooks.erasureOptions(&eo)
	l.retireMost, l.retirePeople = eo.MaxKeys, eo.MaxSubjects
	l.erasure, err = erasure.Open(ctx, l.tree, erasureLedger{l}, l.treeRows(), eo)
	if err == nil && l.readOnly == nil {
		err = l.resume(ctx, warn)
	}
	if err != nil {
		l.stopSettling()
		l.tree.Close()
		return fmt.Errorf("finishing an interrupted erasure: %w", err)
	}
	return nil
}

// resume finishes erasures that were interrupted. One that cannot be finished now
// (its page folder is away, say) stays written down, and does not keep anybody
// from withdrawing.
func (l *Ledger) resume(ctx context.Context, warn func(string)) error {
	done, err := l.erasure.Resume(ctx)
	for _, c := range done {
		warn(fmt.Sprintf("an interrupted erasure was finished: %d entries, epoch %d, record is entry %d", c.Entries, c.Terms.Epoch, c.Record.Index))
	}
	var pending *erasure.PendingError
	if errors.As(err, &pending) {
		warn(err.Error())
		return nil
	}
	return err
}

// Close waits for calls that have begun and for what is queued, and closes the
// ledger. From its start on, calls return [ErrClosed].
func (l *Ledger) Close() error {
	var err error
	l.closed.Do(func() {
		l.end()
		l.gate.shut()
		err = l.erasure.Close()
		l.stopSettling()
		<-l.tags.loaded
		err = errors.Join(err, l.tree.Close(), l.log.Close())
	})
	return err
}

func (l *Ledger) stopSettling() {
	l.settler.stop()
	l.keeper.stop()
}

// Origin is the name of the log.
func (l *Ledger) Origin() string { return l.origin }

// VerifierKey is the log's public key in the form of signed notes.
func (l *Ledger) VerifierKey() string { return l.vkey }

// Log gives the log's read side: tiles, proofs, the HTTP handler.
func (l *Ledger) Log() *log.Log { return l.log }

// fillContext is what the ledger knows besides the event itself.
func (l *Ledger) fillContext(now time.Time, facts event.Facts) event.Context {
	return event.Context{Now: now, Register: l.register.Load(), Actor: l.actor, Facts: facts}
}
