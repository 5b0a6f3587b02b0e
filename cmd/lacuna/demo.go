package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lacunalog/lacuna/ledger"
)

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "show the whole path on real data, in a ledger that stays for you to explore",
		Description: "Every verdict is the exit status of a command that the demo runs and that you can paste, or a check with a control;\n" +
			"the demo fails where one differs. It needs no network and no service.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "folder of the demo's ledger", Value: "lacuna-demo"},
			&cli.BoolFlag{Name: "pace", Usage: "stop between the acts"},
		},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return newDemo(c).run()
		},
	}
}

// demoMark is a file that says: this folder is a demo's, the demo may replace it.
const demoMark = "demo"

// demo is one run. Paths are as the reader would type them: from the folder that
// the demo was started in.
type demo struct {
	c     *cli.Context
	w     io.Writer
	dir   string // the ledger
	work  string // proofs, backup, copies: dir + ".files"
	self  string // this program
	start time.Time
	data  *demoData

	leonie   string   // her subject id
	proof    string   // her proof file
	proven   uint64   // the entry that it proves
	marketed []uint64 // her entries in marketing
	size     uint64
	proved   bool // act 2 is over
}

func newDemo(c *cli.Context) *demo {
	dir := filepath.Clean(c.String("dir"))
	return &demo{c: c, w: c.App.Writer, dir: dir, work: dir + ".files", start: time.Now(), leonie: fmt.Sprintf("c-%d", leonie)}
}

func (d *demo) run() error {
	var err error
	if d.self, err = os.Executable(); err != nil {
		return err
	}
	if err := d.clear(); err != nil {
		return err
	}
	for _, act := range []func() error{d.record, d.consent, d.prove, d.erase, d.expire, d.close} {
		if err := act(); err != nil {
			return err
		}
		d.pause()
	}
	return nil
}

// pause waits for the return key, with --pace only.
func (d *demo) pause() {
	if d.c.Bool("pace") {
		fmt.Fprint(d.c.App.ErrWriter, "[return] ")
		bufio.NewReader(&interruptible{ctx: d.c.Context, r: d.c.App.Reader}).ReadString('\n')
	}
}

// clear removes what an earlier demo left, and nothing else.
func (d *demo) clear() error {
	names := []string{d.dir, d.work, d.dir + ".root", d.dir + ".root.head", d.dir + ".pages"}
	if _, err := os.Stat(filepath.Join(d.work, demoMark)); err != nil {
		for _, name := range names {
			if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
				return withHint(fmt.Errorf("%s exists and is no demo's", name), "name another folder: lacuna demo --dir FOLDER")
			}
		}
	}
	for _, name := range names {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(d.work, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.work, demoMark), nil, 0o600)
}

// record fills the ledger.
func (d *demo) record() error {
	var err error
	if d.data, err = newDemoData(time.Now()); err != nil {
		return err
	}
	d.say("\nLacuna demo: %d customers, %d countries, %d invoices (Chinook). Ledger: %s", len(d.data.customers), d.data.countries, len(d.data.invoices), shown(d.dir))
	if _, err := d.child(exitOK, "", "init", "--ledger", d.dir, "--origin", "demo.lacuna.test", "--pages", d.dir+".pages"); err != nil {
		return err
	}
	register, events := d.file("register.jsonl"), d.file("events.jsonl")
	if err := os.WriteFile(register, []byte(strings.Join(d.data.register, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(events, []byte(strings.Join(d.data.events, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	start := time.Now()
	if _, err := d.child(exitOK, "", "append", register, events); err != nil {
		return err
	}
	took := time.Since(start)
	err = d.inspect(func(l *ledger.Ledger) error {
		d.size = l.Log().Head().Checkpoint.Size
		entries, err := l.Timeline(d.c.Context, d.leonie)
		for _, e := range entries {
			if e.Compartment == "marketing" {
				d.marketed = append(d.marketed, e.Index)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	public, err := d.publicSize()
	if err != nil {
		return err
	}
	d.say("%s events recorded and provable in %.1f s. Public part of the log: %d KB, names nobody.", thousands(d.size), took.Seconds(), (public+512)/1024)
	return nil
}

// publicSize exports what the world may read of the log, and looks for a customer
// in it: none may be there.
func (d *demo) publicSize() (int64, error) {
	tiles := d.file("public")
	if _, err := d.child(exitOK, "", "export", "tiles", "-o", tiles); err != nil {
		return 0, err
	}
	var size int64
	err := filepath.WalkDir(tiles, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		size += int64(len(b))
		for _, c := range d.data.customers {
			for _, name := range []string{c.Email, c.LastName, `"` + c.subject() + `"`} {
				if bytes.Contains(b, []byte(name)) {
					return fmt.Errorf("the public part of the log names somebody: %s", path)
				}
			}
		}
		return nil
	})
	return size, err
}

// consent: act 1.
func (d *demo) consent() error {
	d.title("1  A CONSENT GOES IN")
	if err := d.show(exitDeny, "", "may", "--subject", d.leonie, "--purpose", "newsletter", "--channel", "email"); err != nil {
		return err
	}
	event := fmt.Sprintf(`{"type":"consent.given","subject":%s,"form":"web-newsletter","token":%s}`, quoteString(d.leonie), quoteString(d.data.token))
	d.command("echo '" + event + "' | lacuna append -")
	out, err := d.child(exitOK, event+"\n", "append", "--json", "--ledger", d.dir, "-")
	if err != nil {
		return err
	}
	var recorded struct {
		Index *uint64 `json:"index"`
	}
	if err := json.Unmarshal(out, &recorded); err != nil || recorded.Index == nil {
		return fmt.Errorf("lacuna append --json printed no index: %s", out)
	}
	d.proven = *recorded.Index
	d.say("   recorded %d", d.proven)
	if err := d.show(exitOK, "", "may", "--subject", d.leonie, "--purpose", "newsletter", "--channel", "email"); err != nil {
		return err
	}
	return d.show(exitDeny, "", "may", "--subject", d.leonie, "--purpose", "newsletter", "--channel", "phone")
}

// prove: act 2.
func (d *demo) prove() error {
	d.title("2  LEONIE KÖHLER GETS A PROOF. NOBODY HAS TO BELIEVE US")
	d.proof = d.file("leonie.tlog-proof")
	if err := d.show(exitOK, "", "prove", "--index", fmt.Sprint(d.proven), "-o", d.proof); err != nil {
		return err
	}
	if err := d.verify(exitOK, d.proof); err != nil {
		return err
	}
	vkey, err := os.ReadFile(filepath.Join(d.dir, "log.vkey"))
	if err != nil {
		return err
	}
	changed := d.file("leonie-one-bit-changed.tlog-proof")
	if err := oneBitChanged(d.proof, changed, strings.TrimSpace(string(vkey))); err != nil {
		return err
	}
	return d.verify(exitVerify, changed)
}

// erase: act 3.
func (d *demo) erase() error {
	d.title("3  SHE ASKS TO BE FORGOTTEN")
	backup := d.file("yesterday.backup")
	if _, err := d.child(exitOK, "", "backup", backup); err != nil {
		return err
	}
	before, err := d.thief(backup)
	if err != nil {
		return err
	}
	if err := d.show(exitOK, "", "erase", "--subject", d.leonie, "--yes"); err != nil {
		return err
	}
	after, err := d.thief(backup)
	if err != nil {
		return err
	}
	n := len(d.marketed)
	d.say("\n   A thief takes the disk, the write-ahead log, yesterday's backup and today's root:")
	d.say("     before the erasure   %2d of %d marketing events read       (control: the thief is able)", before.marketed, n)
	d.say("     after                %2d of %d                              %d of %d other customers still readable", after.marketed, n, after.others, len(d.data.customers)-1)
	switch {
	case before.marketed != n || before.others != len(d.data.customers)-1:
		return errors.New("the control failed: before the erasure the thief has to read everything")
	case after.marketed != 0:
		return errors.New("the thief reads erased events")
	case after.others != len(d.data.customers)-1:
		return errors.New("the erasure took somebody else with it")
	}
	restored := d.file("restored")
	if _, err := d.child(exitOK, "", "restore", "--ledger", restored, "--root", d.dir+".root", "--signing-key", filepath.Join(d.dir, "log.skey"), "--pages", d.dir+".pages", backup); err != nil {
		return err
	}
	// Not exit 11: the restored copy does not know of the erasure, only that no key opens the entry.
	if _, err := d.child(exitFailure, "", "get", "--ledger", restored, fmt.Sprint(d.marketed[0])); err != nil {
		return err
	}
	if _, err := d.child(exitOK, "", "subject", "timeline", "--ledger", restored, "c-1"); err != nil {
		return err
	}
	d.say("   Yesterday's backup restored: %s's marketing stays unreadable.", d.leonie)
	return nil
}

// expire: act 4, in a copy.
func (d *demo) expire() error {
	d.title("4  2033: THE LAST RETENTION PERIOD ENDS   (clock moved, in a copy)")
	future := d.file("in-2033")
	if err := copyFolder(d.dir, future); err != nil {
		return err
	}
	for _, ext := range []string{".root", ".root.head"} {
		if err := copyOne(d.dir+ext, future+ext); err != nil {
			return err
		}
	}
	if err := copyFolder(d.dir+".pages", future+".pages"); err != nil {
		return err
	}
	d.command("lacuna retention run --now 2033-01-01")
	out, err := d.child(exitOK, "", "retention", "run", "--ledger", future, "--root", future+".root", "--now", "2033-01-01", "--yes") // at a terminal it would ask
	if err != nil {
		return err
	}
	if _, err := d.child(exitNotFound, "", "subject", "timeline", "--ledger", future, "--root", future+".root", d.leonie); err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	d.say("   %s: every key destroyed. %s", d.leonie, lines[len(lines)-1])
	if err := d.verify(exitOK, d.proof); err != nil {
		return err
	}
	d.say("   ok     as in step 2: her proof outlives our copy")
	return nil
}

func (d *demo) close() error {
	d.say("\nNOT REACHED by any of this: Leonie's own proof file; the CRM and the mailer, which must erase for themselves;")
	d.say("an operator who copied keys in secret beforehand. Traces of which erased entries belonged together were swept at once;")
	d.say("in a large ledger they last until the next sweep.")
	d.say("Destroyed with the root file %s.root: everybody. It must not be in a backup, so keep a second one elsewhere:", shown(d.dir))
	d.say("  lacuna root add FILE-ON-ANOTHER-DISK · lacuna custodian add …")
	d.say("\nExplore  export LACUNA_LEDGER=%s", shown(d.dir))
	d.say("         lacuna subject timeline %s · lacuna get %d (erased, exit 11) · lacuna audit sample --seed 42 -n 20 · lacuna fsck", d.leonie, d.marketed[0])
	sample := d.file("sample.json")
	if _, err := d.child(exitOK, "", "audit", "sample", "--seed", "42", "-n", "20", "-o", sample); err != nil {
		return err
	}
	if err := d.offline(exitOK, sample, func([]byte) {}); err != nil {
		return err
	}
	if _, err := d.child(exitErased, "", "get", fmt.Sprint(d.marketed[0])); err != nil {
		return err
	}
	if _, err := d.child(exitOK, "", "fsck"); err != nil {
		return err
	}
	d.say("%.1f s", time.Since(d.start).Seconds())
	return nil
}

// inspect looks into the ledger between two commands.
func (d *demo) inspect(f func(l *ledger.Ledger) error) error {
	l, err := ledger.Open(d.c.Context, ledger.Options{Dir: d.dir})
	if err != nil {
		return err
	}
	return errors.Join(f(l), l.Close())
}

// show prints a command, runs it and prints what it says and how it ended.
func (d *demo) show(want int, stdin string, args ...string) error {
	d.command("lacuna " + strings.Join(args, " "))
	out, err := d.child(want, stdin, args...)
	d.echo(out, want)
	return err
}

// verify shows what the offline verifier says of a proof.
func (d *demo) verify(want int, proof string) error {
	d.command("lacuna-verify --key log.vkey " + filepath.Base(proof))
	return d.offline(want, proof, func(out []byte) {
		if !d.proved { // what it says is the same the second time
			d.echo(out, want)
		}
		d.proved = d.proved || want == exitVerify
	})
}

// offline runs the offline verifier as a program of its own in a folder that holds
// the two files it is given and nothing else.
func (d *demo) offline(want int, proof string, said func(out []byte)) error {
	room, err := os.MkdirTemp(d.work, "verifier-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(room)
	if err := copyOne(proof, filepath.Join(room, filepath.Base(proof))); err != nil {
		return err
	}
	if err := copyOne(filepath.Join(d.dir, "log.vkey"), filepath.Join(room, "log.vkey")); err != nil {
		return err
	}
	cmd := exec.CommandContext(d.c.Context, d.self, "--key", "log.vkey", filepath.Base(proof))
	cmd.Args[0] = verifierName
	cmd.Dir = room
	cmd.Env = []string{}
	out, err := d.result(cmd, want)
	said(out)
	return err
}

// child runs this program with a command and fails where it ends otherwise.
func (d *demo) child(want int, stdin string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(d.c.Context, d.self, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "LACUNA_LEDGER="+d.dir)
	return d.result(cmd, want)
}

func (d *demo) result(cmd *exec.Cmd, want int) ([]byte, error) {
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		return out.Bytes(), fmt.Errorf("the demo fails: %s ended with exit %d, not %d: %s", strings.Join(cmd.Args, " "), got, want, strings.TrimSpace(talk.String()))
	}
	return out.Bytes(), nil
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.w, format+"\n", args...) }
func (d *demo) title(text string)              { d.say("\n%s", text) }
func (d *demo) command(text string) {
	d.say("   $ %s", strings.ReplaceAll(text, d.work+string(filepath.Separator), ""))
}

// echo prints a command's output, with its exit status behind the last line.
func (d *demo) echo(out []byte, code int) {
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	for i, line := range lines {
		if i == len(lines)-1 && (code != exitOK || strings.HasPrefix(line, "ALLOW")) {
			line = fmt.Sprintf("%-74s exit %d", line, code)
		}
		if line != "" {
			d.say("   %s", line)
		}
	}
}

func (d *demo) file(name string) string { return filepath.Join(d.work, name) }

func shown(dir string) string {
	if filepath.IsAbs(dir) {
		return dir
	}
	return "." + string(filepath.Separator) + dir
}

func thousands(n uint64) string {
	s := fmt.Sprint(n)
	if len(s) > 3 {
		s = s[:len(s)-3] + "," + s[len(s)-3:]
	}
	return s
}
