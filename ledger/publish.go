package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/merkle"
	"github.com/lacunalog/lacuna/merkle/log"
	"github.com/lacunalog/lacuna/merkle/witness"
)

// Files of a ledger whose heads others countersign. lacuna.json says whether they
// are there, so that one that is lost is missed, and not taken for a ledger whose
// every head may be shown.
const (
	policyFile     = "log.policy"
	secondKeyFile  = "log.mldsa.skey"
	secondVKeyFile = "log.mldsa.vkey"
)

// secondKeys makes the log's second key pair.
func secondKeys(origin string) (skey, vkey string, err error) {
	return merkle.GenerateCosigner(rand.Reader, origin, merkle.CosignatureMLDSA44)
}

// policyWithLog puts the log's own keys before a policy, so that the file says
// everything that a verifier needs.
func policyWithLog(text []byte, origin string, vkeys ...string) ([]byte, error) {
	p, err := merkle.ParsePolicy(text)
	if err != nil {
		return nil, badConfig("policy: %w", err)
	}
	for _, l := range p.Logs() {
		if l.Verifier.Name() == origin {
			return nil, badConfig("policy: it has a key of log %q, which is only made now; take that line out", origin)
		}
	}
	var b []byte
	for _, vkey := range vkeys {
		b = fmt.Appendf(b, "log %s\n", vkey)
	}
	b = append(b, text...)
	if _, err := merkle.ParsePolicy(b); err != nil {
		return nil, badConfig("policy: %w", err)
	}
	return b, nil
}

// writePublishing writes policy and second key into a new ledger, and removes what
// an interrupted init has left of them.
func writePublishing(dir string, policy []byte, second string, vkeys []string) error {
	for _, name := range []string{policyFile, secondKeyFile, secondVKeyFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if policy != nil {
		if err := writeFile(filepath.Join(dir, policyFile), policy, 0o644); err != nil {
			return err
		}
	}
	if second == "" {
		return nil
	}
	if err := writeFile(filepath.Join(dir, secondKeyFile), []byte(second+"\n"), 0o600); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, secondVKeyFile), []byte(vkeys[1]+"\n"), 0o644)
}

// readPublishing reads policy and second key of a ledger.
func (l *Ledger) readPublishing(warn func(string)) (p log.Publishing, err error) {
	for name, said := range map[string]bool{policyFile: l.config.Policy, secondKeyFile: l.config.MLDSA} {
		_, err := os.Lstat(filepath.Join(l.dir, name))
		switch there := err == nil; {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return p, err
		case there && !said:
			return p, badConfig(`%s is in the folder, and %s does not say so: add %s, or take the file away`, name, configFile, configMember(name))
		case !there && said:
			return p, badConfig("%s says that there is a %s, and it is missing: put it back", configFile, name)
		}
	}
	if l.config.Policy {
		name := filepath.Join(l.dir, policyFile)
		if p.Policy, err = os.ReadFile(name); err != nil {
			return p, err
		}
		if l.policy, err = merkle.ParsePolicy(p.Policy); err != nil {
			return p, badConfig("%s: %w", name, err)
		}
		p.Witnesses = witnesses(l.policy)
	}
	if l.config.MLDSA {
		if p.Cosigner, err = readSecondKey(l.dir, filepath.Join(l.dir, secondKeyFile)); err != nil {
			return p, err
		}
	}
	if err := l.checkPolicyLogs(p.Cosigner); err != nil {
		return p, err
	}
	p.Alarm = func(a log.Alarm) {
		// Whoever publishes once gets the same as an error.
		if a.Witness != "" || l.keeping.Load() {
			warn(alarmText(a))
		}
	}
	return p, nil
}

func configMember(file string) string {
	if file == policyFile {
		return `"policy": true`
	}
	return `"mldsa": true`
}

// readSecondKey reads the second key, and holds it against the public one that
// the ledger gives to verifiers.
func readSecondKey(dir, name string) (*merkle.Cosigner, error) {
	skey, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the log's second key: %w", err)
	}
	k, err := merkle.NewCosigner(strings.TrimSpace(string(skey)))
	if err != nil {
		return nil, badConfig("%s: %w", name, err)
	}
	vkey, err := os.ReadFile(filepath.Join(dir, secondVKeyFile))
	if err != nil {
		return nil, fmt.Errorf("reading the log's second public key: %w", err)
	}
	if have := strings.TrimSpace(string(vkey)); have != k.VKey() {
		return nil, badConfig("%s does not belong to %s", name, secondVKeyFile)
	}
	return k, nil
}

// checkPolicyLogs refuses a policy that takes another key for this log's.
func (l *Ledger) checkPolicyLogs(second *merkle.Cosigner) error {
	if l.policy == nil {
		return nil
	}
	for _, x := range l.policy.Logs() {
		if x.Verifier.Name() == l.origin && x.VKey != l.vkey && (second == nil || x.VKey != second.VKey()) {
			return badConfig("%s has another key of log %q than %s", policyFile, l.origin, vkeyFile)
		}
	}
	return nil
}

// witnesses are those of a policy who can be asked. One who has two keys stands in
// a policy twice, with the same URL, and is asked once.
func witnesses(p *merkle.Policy) []log.Witness {
	var out []log.Witness
	at := map[string]int{} // by URL
	for _, w := range p.Witnesses() {
		if w.URL == "" {
			continue
		}
		i, ok := at[w.URL]
		if !ok {
			i = len(out)
			at[w.URL] = i
			out = append(out, log.Witness{Name: w.Name})
		}
		out[i].Verifiers = append(out[i].Verifiers, w.Verifier)
		out[i].Ask = asker{&witness.Client{URL: w.URL, Verifiers: out[i].Verifiers}}
	}
	return out
}

// asker tells the log what a witness's client says.
type asker struct{ client *witness.Client }

func (a asker) Cosign(ctx context.Context, signed []byte, old uint64, prove func(context.Context, uint64) ([]merkle.Hash, error)) ([]byte, error) {
	lines, err := a.client.Cosign(ctx, signed, old, prove)
	if ahead, ok := errors.AsType[*witness.AheadError](err); ok {
		return nil, &log.AheadError{Size: ahead.Size, Signed: ahead.Signed}
	}
	if refused, ok := errors.AsType[*witness.RefusedError](err); ok {
		return nil, &log.RefusedError{Status: refused.Status, Shown: refused.Shown, Err: err}
	}
	return lines, err
}

func alarmText(a log.Alarm) string {
	switch {
	case a.Err == nil && a.Witness == "":
		return "heads satisfy the policy again"
	case a.Err == nil:
		return fmt.Sprintf("witness %q cosigns again", a.Witness)
	case a.Witness == "":
		return a.Err.Error() + "; an older one is shown"
	}
	return fmt.Sprintf("witness %q: %v", a.Witness, a.Err)
}

// Publishes reports whether strangers are shown only heads that satisfy a policy,
// or that have a second signature.
func (l *Ledger) Publishes() bool { return l.config.Policy || l.config.MLDSA }

// Publish has the newest head countersigned by the witnesses of the policy, and
// shows it once the policy is satisfied.
func (l *Ledger) Publish(ctx context.Context) (log.Head, error) {
	if err := l.gate.enter(); err != nil {
		return log.Head{}, err
	}
	defer l.gate.leave()
	if l.readOnly != nil {
		return log.Head{}, l.readOnly
	}
	if !l.Publishes() {
		return log.Head{}, badConfig("this ledger has no policy that says who countersigns its heads")
	}
	return l.log.Publish(ctx)
}

// maxPublishPause is how long a policy that cannot be satisfied is left alone at most.
const maxPublishPause = 5 * time.Minute

// KeepPublished publishes at once, and then as often as every says, until the
// context ends or nothing may be signed any more, which is the error. While heads
// do not satisfy the policy it tries less and less often, every five minutes at
// least; what is wrong was told to Options.Warn once.
func (l *Ledger) KeepPublished(ctx context.Context, every time.Duration) error {
	l.keeping.Store(true)
	defer l.keeping.Store(false)
	pause := every
	for {
		_, err := l.Publish(ctx)
		unwitnessed, ok := errors.AsType[*log.UnwitnessedError](err)
		switch {
		case errors.As(err, new(log.ErrRolledBack)):
			return err // also where the context has ended meanwhile: the alarm came before
		case ctx.Err() != nil:
			return nil
		case ok && unwitnessed != nil:
			pause = max(every, min(2*pause, maxPublishPause))
		case err != nil:
			return err
		default:
			pause = every
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil
		}
	}
}

// RolledBack says why this copy of the ledger is an old one, as the head beside
// the root or a witness shows, or its own keys. Nil if nothing shows it.
func (l *Ledger) RolledBack() error {
	if err := l.log.RolledBack(); err != nil {
		return err
	}
	return l.outdated()
}

// outdated says why this copy is older than what there was; nil where it is not, as far
// as the head beside the root and its own keys show.
func (l *Ledger) outdated() error {
	if rolled := (log.ErrRolledBack{}); errors.As(l.readOnly, &rolled) {
		return rolled
	}
	if swept := new(OutdatedError); errors.As(l.readOnly, &swept) {
		return swept
	}
	return nil
}

// headFor returns the head that a proof of an entry leads to. With a policy that
// is the oldest published one that covers it, because its cosignatures say best
// when the entry was there, and the witnesses are asked if there is none. If they
// do not suffice it is the newest head of the log's own, and why says so.
func (l *Ledger) headFor(ctx context.Context, index uint64) (h log.Head, why, err error) {
	if !l.Publishes() {
		return l.log.Head(), nil, nil
	}
	covering, _, err := l.log.Covering(ctx, index)
	if err != nil {
		return log.Head{}, nil, err
	}
	if covering.Signed != nil && l.satisfies(covering) {
		return covering, nil, nil
	}
	// The policy may be another one now than when the oldest was published.
	if h, ok := l.log.Published(); ok && h.Size > index {
		return h, nil, nil
	}
	if h, why = l.Publish(ctx); why == nil && h.Size > index {
		return h, nil, nil
	}
	if err := ctx.Err(); err != nil {
		return log.Head{}, nil, err
	}
	return l.log.Head(), why, nil
}

func (l *Ledger) satisfies(h log.Head) bool {
	if l.policy == nil {
		return true
	}
	v, err := merkle.NewVerifier(l.vkey)
	if err != nil {
		return false
	}
	_, _, err = l.policy.Check(h.Signed, l.origin, v)
	return err == nil
}

// A Cosignature is that of a witness, under the name that the policy has for it.
type Cosignature struct {
	Witness string
	merkle.Cosignature
}

// Cosignatures returns those of the policy's witnesses that a head has.
func (l *Ledger) Cosignatures(h log.Head) ([]Cosignature, error) {
	if l.policy == nil {
		return nil, nil
	}
	var keys []merkle.Verifier
	for _, w := range l.policy.Witnesses() {
		keys = append(keys, w.Verifier)
	}
	_, cs, err := merkle.Cosignatures(h.Signed, keys...)
	if err != nil {
		return nil, err
	}
	out := make([]Cosignature, len(cs))
	for i, c := range cs {
		out[i].Cosignature = c
		for _, w := range l.policy.Witnesses() {
			if w.Verifier.Name() == c.Name && w.Verifier.KeyHash() == c.KeyHash {
				out[i].Witness = w.Name
			}
		}
	}
	return out, nil
}

// examinePublishing says whether anybody but the operator vouches for times.
func (l *Ledger) examinePublishing(add func(s Severity, hint, text string, args ...any)) {
	if l.config.MLDSA {
		add(Fine, "", "published heads are signed with a second key, ML-DSA-44")
		if fi, err := os.Stat(filepath.Join(l.dir, secondKeyFile)); err == nil && fi.Mode().Perm()&0o077 != 0 {
			add(Warning, "chmod 600 "+secondKeyFile, "the log's second signing key can be read by other users")
		}
	}
	if l.policy == nil {
		add(Remark, "write a policy into the ledger: docs/howto/get-witnessed.md", "nobody but the operator vouches for times: no witness countersigns this log's heads")
		return
	}
	for _, w := range l.policy.Witnesses() {
		if w.URL == "" {
			add(Remark, "write its URL behind its key in "+policyFile, "witness %q cannot be asked: the policy has no URL for it", w.Name)
		}
	}
	size := l.log.Head().Size
	h, ok := l.log.Published()
	if !ok {
		add(Warning, "lacuna publish --ledger "+l.dir, "no head satisfies the policy yet: strangers are shown none")
		return
	}
	cs, err := l.Cosignatures(h)
	if err != nil {
		add(Warning, "lacuna fsck --ledger "+l.dir, "the published head: %v", err)
		return
	}
	var who []string
	for _, c := range cs {
		who = append(who, fmt.Sprintf("%q at %s", c.Witness, time.Unix(int64(c.Time), 0).UTC().Format(time.RFC3339)))
	}
	add(Fine, "", "%d of %d entries are under a head that satisfies the policy, cosigned by %s", h.Size, size, orNobody(who))
}

func orNobody(who []string) string {
	if len(who) == 0 {
		return "nobody: the policy asks for none"
	}
	return strings.Join(who, ", ")
}
