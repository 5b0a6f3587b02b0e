package ledger_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lacunalog/lacuna/keystore/holder"
	"github.com/lacunalog/lacuna/ledger"
	"github.com/lacunalog/lacuna/ledger/event"
)

// recordedEnv tells a copy of the test binary to live in the folder where it is.
const recordedEnv = "LACUNA_TEST_RECORDED"

func TestMain(m *testing.M) {
	if os.Getenv(recordedEnv) != "" {
		if err := recordedLife(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// A house is a ledger with all that belongs to it, in folders of one folder: the
// root on two disks, key pages on a third.
type house string

func (h house) path(name ...string) string {
	return filepath.Join(append([]string{string(h)}, name...)...)
}
func (h house) ledger() string { return h.path("data", "crm") }
func (h house) roots() []string {
	return []string{h.path("one", "crm.root"), h.path("two", "crm.root")}
}

func (h house) init() error {
	return ledger.Init(context.Background(), ledger.InitOptions{
		Dir: h.ledger(), Origin: "house.lacuna.test", Root: h.roots(), Pages: h.path("pages"),
	})
}

func (h house) restore(to string) error {
	_, err := ledger.Restore(context.Background(), ledger.RestoreOptions{
		From: h.path("backup"), Dir: to, Root: h.roots(), SigningKey: h.path("data", "crm", "log.skey"), Pages: h.path("pages"),
	})
	return err
}

// recordedLife is what the recorded program does. Every line that it prints is a
// promise.
func recordedLife() error {
	ctx, h := context.Background(), house(".")
	if err := h.init(); err != nil {
		return err
	}
	fmt.Println("init")
	l, err := ledger.Open(ctx, ledger.Options{Dir: h.ledger()})
	if err != nil {
		return err
	}
	record := func(text string, args ...any) error {
		ev, err := event.Parse(fmt.Appendf(nil, text, args...))
		if err == nil {
			_, err = l.Record(ctx, ev)
		}
		return err
	}
	for _, text := range register {
		if err := record("%s", text); err != nil {
			return err
		}
	}
	for _, p := range []string{"p1", "p2", "p3", "p1"} {
		if err := record(`{"type":"processing.performed","subject":%q,"purpose":"chat-service","operation":"x"}`, p); err != nil {
			return err
		}
		fmt.Println("recorded", p)
	}
	if _, _, err := l.Erase(ctx, ledger.EraseRequest{Subject: "p2"}); err != nil {
		return err
	}
	fmt.Println("erased p2")
	if _, err := l.Backup(ctx, h.path("backup")); err != nil {
		return err
	}
	fmt.Println("backup")
	if err := l.Close(); err != nil {
		return err
	}
	if l, err = ledger.Open(ctx, ledger.Options{Dir: h.ledger()}); err != nil {
		return err
	}
	if err := record(`{"type":"processing.performed","subject":"p4","purpose":"chat-service","operation":"x"}`); err != nil {
		return err
	}
	fmt.Println("recorded p4")
	if _, _, err := l.Erase(ctx, ledger.EraseRequest{Subject: "p3"}); err != nil {
		return err
	}
	fmt.Println("erased p3")
	if err := l.Close(); err != nil {
		return err
	}
	fmt.Println("closed")
	if err := h.restore(h.path("data", "restored")); err != nil {
		return err
	}
	fmt.Println("restored")
	return nil
}

// keeps checks what a power failure has left against what was promised.
func (h house) keeps(promises string) error {
	ctx := context.Background()
	promised := strings.Fields(strings.ReplaceAll(promises, " ", "-"))
	l, err := ledger.Open(ctx, ledger.Options{Dir: h.ledger()})
	if !slices.Contains(promised, "init") {
		if err == nil {
			return l.Close()
		}
		if !isNotFound(err) {
			return fmt.Errorf("after an interrupted init: %w", err)
		}
		// As the error of Init says.
		for _, root := range h.roots() {
			os.Remove(root)
		}
		if err := h.init(); err != nil {
			return fmt.Errorf("init once more: %w", err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer l.Close()
	if pages, err := holder.ReadPages(h.path("pages"), 0); err != nil || len(pages) == 0 {
		return fmt.Errorf("%d key pages were shipped, %v", len(pages), err)
	}
	if slices.Contains(promised, "closed") {
		for _, root := range h.roots() {
			b, err := os.ReadFile(root + ".head")
			if err != nil || !bytes.Equal(b, l.Log().Head().Signed) {
				return fmt.Errorf("the head beside %s is another one: %q, %v", root, b, err)
			}
		}
	}
	want := map[string]int{}
	for _, p := range promised {
		if person, ok := strings.CutPrefix(p, "recorded-"); ok {
			want[person]++
		}
	}
	for person, n := range want {
		entries, err := l.Timeline(ctx, person)
		switch {
		case slices.Contains(promised, "erased-"+person):
			if !isErased(err) && !isNotFound(err) {
				return fmt.Errorf("%s was erased, and has %d entries: %v", person, len(entries), err)
			}
		case (isErased(err) || isNotFound(err)) && (person == "p2" || person == "p3"): // the erasure was under way
		case err != nil:
			return fmt.Errorf("%s: %w", person, err)
		case len(entries) < n:
			return fmt.Errorf("%s has %d entries, %d were recorded", person, len(entries), n)
		}
	}
	r, err := l.Fsck(ctx, nil)
	if err != nil {
		return err
	}
	if len(r.Problems)+len(r.Missing) > 0 {
		return fmt.Errorf("fsck: %v, missing: %v", r.Problems, r.Missing)
	}
	if err := l.Close(); err != nil {
		return err
	}
	if slices.Contains(promised, "backup") {
		if err := h.restore(h.path("again")); err != nil {
			return fmt.Errorf("restoring the backup: %w", err)
		}
	}
	if slices.Contains(promised, "restored") {
		l, err := ledger.Open(ctx, ledger.Options{Dir: h.path("data", "restored")})
		if err != nil {
			return fmt.Errorf("the restored ledger: %w", err)
		}
		return l.Close()
	}
	return nil
}
