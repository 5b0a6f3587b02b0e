package erasure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
)

// A Request asks for keys to be destroyed. The ledger decides which: everything of a person that has no
// declared reason to stay.
type Request struct {
	Subject keystore.Subject
	// Name is how the subject's copy of the certificate calls the person; Subject if empty.
	Name string
	// Keys are destroyed.
	Keys []keystore.KeyInfo
	// Kept is what stays of the person, and why; it stands in the certificate.
	Kept   []Kept
	Reason Reason
	// Scope is what was asked for, in words: if empty, that everything without a declared reason to
	// stay was, or everything.
	Scope string
	// NotBefore: the request is written down and does not begin before. Approvals is how many approvers
	// have to sign it first. Where either is set, [Engine.Start] begins it.
	NotBefore time.Time
	Approvals int
	// Everything says that what has a declared reason to stay was not spared.
	Everything bool
	// Keep, which may be nil, receives the certificate before the request counts as recorded. What it
	// keeps has to be durable when it returns: behind RECORDED nobody makes the opening again. An error
	// after it was called means that the request will be resumed, and its certificate then is unclaimed.
	// A request that waits is begun by [Engine.Start], which has one of its own.
	Keep func(*Certificate)
}

// ScopeEverything is the scope of a request that spares nothing.
const ScopeEverything = "everything"

// Kept is a part that an erasure leaves, and why.
type Kept struct {
	Compartment string
	Cohort      string // "", "2021" or "2021-03"
	Reason      string // "proof of consent, Art. 17(3)(e)"
	// Until is the day, counted from 1970-01-01, from which the key may be destroyed: the day after the
	// last day of keeping. 0 where none is set yet.
	Until uint16
}

// ErrHeld says that a key may not be destroyed until a hold on it is lifted.
var ErrHeld = errors.New("the key is held")

// A RequestError says why a request was refused.
type RequestError struct{ Why string }

func (e *RequestError) Error() string { return "erasure request: " + e.Why }

// wellFormed checks what can be checked without the tree.
func (e *Engine) wellFormed(r *Request) error {
	switch {
	case !r.Reason.Valid():
		return &RequestError{"the reason is none that we know"}
	case (r.Subject == "") != (r.Reason == ReasonRetention):
		return &RequestError{"only retention erases keys without saying whose"}
	case len(r.Keys) == 0:
		return &RequestError{"no key to destroy"}
	case len(r.Keys) > e.o.MaxKeys:
		return fmt.Errorf("%w: %d, at most %d", ErrTooMany, len(r.Keys), e.o.MaxKeys)
	case r.Approvals > len(e.o.Approvers):
		return &RequestError{"it asks for more approvals than there are approvers"}
	}
	if n := subjects(r.Keys); e.o.MaxSubjects > 0 && n > e.o.MaxSubjects {
		return fmt.Errorf("%w: those of %d people, at most %d", ErrTooMany, n, e.o.MaxSubjects)
	}
	refs := make(map[keystore.Ref]bool, len(r.Keys))
	for _, k := range r.Keys {
		if refs[k.Ref] {
			return &RequestError{"a key is named twice"}
		}
		refs[k.Ref] = true
	}
	going := parts(r.Keys)
	for _, k := range r.Kept {
		if k.Reason == "" {
			return &RequestError{"a part is kept without a reason"}
		}
		if err := certificate.CheckPart(k.Compartment, k.Cohort); err != nil {
			return &RequestError{err.Error()}
		}
		if slices.Contains(going, Part{Compartment: k.Compartment, Cohort: k.Cohort}) {
			return &RequestError{"a part is to be kept and erased"}
		}
	}
	return nil
}

// check holds a request to the tree: its keys exist, belong to the subject and are not being erased.
func (e *Engine) check(ctx context.Context, r *Request) error {
	if err := e.wellFormed(r); err != nil {
		return err
	}
	if r.Subject == "" {
		if err := e.ledger.Guard(ctx, r.Keys); err != nil {
			return fmt.Errorf("checking an erasure request: %w", err)
		}
		return nil // nobody can say whose the keys are; the fence refuses one that is not there
	}
	have, err := e.tree.Keys(ctx, r.Subject)
	if err != nil {
		return fmt.Errorf("checking an erasure request: %w", err)
	}
	for _, k := range r.Keys {
		i := slices.IndexFunc(have, func(h keystore.KeyInfo) bool { return h.Ref == k.Ref })
		if i < 0 {
			return fmt.Errorf("checking an erasure request: %w", keystore.ErrNoKey)
		}
		if have[i].State == keystore.Erasing {
			return fmt.Errorf("checking an erasure request: %w", keystore.ErrErasing)
		}
		if held(have[i], r.Reason) {
			return fmt.Errorf("checking an erasure request: %w", ErrHeld)
		}
	}
	if err := e.ledger.Guard(ctx, r.Keys); err != nil {
		return fmt.Errorf("checking an erasure request: %w", err)
	}
	return nil
}

// held says whether a key may not be destroyed. A restriction keeps data for the person (Art. 18(1)(b) and
// (c)), so it stands against the end of a period, but not against the person's own request.
func held(k keystore.KeyInfo, reason Reason) bool {
	return k.Held || k.Restricted && reason == ReasonRetention
}

// members are what is committed to.
func (r *Request) members(asked string) map[string]any {
	m := map[string]any{
		certificate.MemberErase:  parts(r.Keys),
		certificate.MemberReason: r.Reason,
		certificate.MemberAsked:  asked,
		certificate.MemberScope:  r.scope(),
	}
	if r.Subject != "" {
		m[certificate.MemberSubject] = r.name()
	}
	return m
}

func (r *Request) name() string {
	if r.Name != "" {
		return r.Name
	}
	return string(r.Subject)
}

func (r *Request) scope() string {
	switch {
	case r.Scope != "":
		return r.Scope
	case r.Everything:
		return ScopeEverything
	case r.Reason == ReasonRetention:
		return "keys whose last day of keeping has passed"
	}
	return "everything without a declared reason to stay"
}

// parts lists the parts that keys belong to, sorted, each once.
func parts(keys []keystore.KeyInfo) []Part {
	ps := make([]Part, 0, len(keys))
	for _, k := range keys {
		ps = append(ps, Part{Compartment: k.Compartment, Cohort: k.Cohort.String()})
	}
	slices.SortFunc(ps, func(a, b Part) int {
		if c := strings.Compare(a.Compartment, b.Compartment); c != 0 {
			return c
		}
		return strings.Compare(a.Cohort, b.Cohort)
	})
	return slices.Compact(ps)
}

func stays(kept []Kept) []Stay {
	ss := make([]Stay, 0, len(kept))
	for _, k := range kept {
		s := Stay{Compartment: k.Compartment, Cohort: k.Cohort, Reason: k.Reason}
		if k.Until != 0 {
			last := certificate.Date(k.Until - 1)
			s.Until = &last
		}
		ss = append(ss, s)
	}
	return ss
}

// sortedOnce returns names in order, each once.
func sortedOnce(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

func sortByEpoch(certs []*Certificate) {
	slices.SortStableFunc(certs, func(a, b *Certificate) int { return cmp.Compare(a.Terms.Epoch, b.Terms.Epoch) })
}
