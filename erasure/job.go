package erasure

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
)

// A State is how far a job is.
type State uint8

// The states of a job, in their order. Fenced, Rooted and Destroyed have no rows: the key pages and the
// holders themselves remember them.
const (
	Requested State = 1 + iota
	Checked
	Fenced
	Collected
	Prepared
	Rooted
	Destroyed
	Scrubbed
	Recorded
	Cancelled State = 255
)

func (s State) String() string {
	switch s {
	case Cancelled:
		return "CANCELLED"
	case 0:
		return "NONE"
	}
	if s > Recorded {
		return fmt.Sprintf("state %d", uint8(s))
	}
	return [...]string{"REQUESTED", "CHECKED", "FENCED", "COLLECTED", "PREPARED", "ROOTED", "DESTROYED", "SCRUBBED", "RECORDED"}[s-1]
}

// MarshalText writes the state as its name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// open reports whether something is left to do.
func (s State) open() bool { return s < Recorded }

// Rows of this package:
//
//	'j' 'i' id16 rand16         → sealed under (id, "job-subject"): whose the job is
//	'j' 'r' id16 state rand16   → sealed under (id, "job"): a job in a state
//	'j' 'a' id16 state rand16   → sealed under (id, "job"): an approval
//	'j' 'b' id16 state rand16   → sealed under (id, "job"): an epoch in a state
//	'j' 'e' u64 epoch           → u64 index || leaf hash of the public record; sealed under nothing
//
// A row key is the name under which the row is sealed, so it must never be used twice: a crash can leave
// a row in the write-ahead log that was never acknowledged, and its successor would be sealed under the
// same key. Hence the random bytes.
const (
	space        = 'j'
	kindIdentity = 'i'
	kindJob      = 'r'
	kindEpoch    = 'b'
	kindRecorded = 'e'
	kindApproval = 'a'

	compartmentIdentity = "job-subject"
	compartmentJob      = "job"
)

// A job is one request on its way.
type job struct {
	id    ID
	state State
	who   *identity // nil once its key is gone
	what  particulars

	// In memory only.
	resumed   bool // read from rows: its keys may be fenced already
	unawaited bool // whoever asked does not wait any more: a crash or a failure came first
	keep      func(*Certificate)
	cancelled bool
	taken     bool // by an epoch that will not give it back
	told      bool // dependents know of it
	cert      *Certificate
	err       error
	done      chan struct{}
}

// identity is what of a job says whose it is.
type identity struct {
	Subject    []byte   `json:"subject"`
	Refs       [][]byte `json:"refs"`
	Disclosure string   `json:"disclosure"` // of the member "subject"
}

// particulars are the rest of a job. They hold no identifier of the subject and nothing that is computed from
// one: with the root as it is until the sweep, they can be read.
type particulars struct {
	Reason      Reason      `json:"reason"`
	Scope       string      `json:"scope"`
	RequestedAt string      `json:"requested_at"`
	Erased      []Part      `json:"erased"`
	Kept        []Stay      `json:"kept"`
	Subjects    int         `json:"subjects"`
	Opening     *Opening    `json:"opening"` // without the subject's disclosure
	Recipients  []Recipient `json:"recipients"`
	RowsKeys    [][]byte    `json:"rows_keys"` // K_rows of every key, for counting and for the sweep
	Epoch       *ID         `json:"epoch"`     // the epoch row that RECORDED it
	// Attempt is that of the epoch which it was collected for. One that was given up leaves rows, too.
	Attempt ID `json:"attempt,omitzero"`

	Dependents []certificate.Dependent `json:"dependents,omitzero"` // as they reported

	// Of a request that waits: see Waiting.
	NotBefore string     `json:"not_before,omitzero"`
	Need      int        `json:"need,omitzero"`
	Approvals []Approval `json:"approvals,omitzero"` // until CHECKED in rows of their own
}

// subjectOf is the key tree's name for a job.
func subjectOf(id ID) keystore.Subject { return keystore.Subject("j:" + string(id[:])) }

func newID() (id ID) {
	rand.Read(id[:])
	return id
}

// rowKey returns a fresh name for a row of a job.
func rowKey(kind byte, id ID, state State) []byte {
	k := append([]byte{space, kind}, id[:]...)
	if kind != kindIdentity {
		k = append(k, byte(state))
	}
	fresh := newID()
	return append(k, fresh[:]...)
}

// A rowName is a parsed row key.
type rowName struct {
	kind  byte
	id    ID
	state State
	key   []byte
}

// lastOfJobs returns a row of the last state of each job.
func lastOfJobs(names []rowName) map[ID]rowName {
	last := make(map[ID]rowName)
	for _, n := range names {
		if n.kind == kindJob && n.state > last[n.id].state {
			last[n.id] = n
		}
	}
	return last
}

var errRow = errors.New("a job row is damaged")

func parseRowKey(k []byte) (n rowName, err error) {
	if len(k) < 2 || k[0] != space {
		return n, errRow
	}
	n.kind, n.key = k[1], bytes.Clone(k)
	want := 2 + 16 + 16
	switch n.kind {
	case kindIdentity:
	case kindJob, kindEpoch, kindApproval:
		want++
	default:
		return n, errRow
	}
	if len(k) != want {
		return n, errRow
	}
	n.id = ID(k[2:18])
	if n.kind != kindIdentity {
		n.state = State(k[18])
	}
	return n, nil
}

// write makes rows durable, together with what leases still have to tell the tree. From the request on,
// a caller that gives up does not take the work back, so the end of ctx does not end the wait.
func (e *Engine) write(ctx context.Context, rows []keystore.KV, leases ...*keystore.Lease) error {
	wait, err := e.queueRows(rows, leases...)
	if err != nil {
		return err
	}
	return wait(context.WithoutCancel(ctx))
}

// queueRows is write without the wait. What is queued behind the rows is durable no earlier than they are, so
// who waits for that has waited for them.
func (e *Engine) queueRows(rows []keystore.KV, leases ...*keystore.Lease) (wait func(context.Context) error, err error) {
	e.o.Order.Lock()
	defer e.o.Order.Unlock()
	var set []keystore.KV
	var took *keystore.Lease
	for _, l := range leases {
		if l.Pending() { // at most once: the keys of a job share a page
			set, took = append(set, l.TakePending()...), l
		}
	}
	wait, err = e.rows.Enqueue(append(set, rows...), nil)
	if err != nil && took != nil {
		took.UntakePending()
	}
	return wait, err
}

// seal makes the row of a job or an epoch in a state.
func seal(l *keystore.Lease, kind byte, id ID, s State, v any) (keystore.KV, error) {
	text, err := certificate.Canonical(v)
	if err != nil {
		return keystore.KV{}, err
	}
	text = pad(text)
	defer clear(text)
	key := rowKey(kind, id, s)
	return keystore.KV{Key: key, Value: l.SealRow(key, text)}, nil
}

// padTo hides in the length of a row how long an identifier is and, for a person with a handful of keys,
// how many keys there are.
const padTo = 1024

// pad fills canonical JSON with spaces, which never end it.
func pad(text []byte) []byte {
	n := (len(text) + padTo - 1) / padTo * padTo
	padded := append(make([]byte, 0, n), text...)
	clear(text)
	return append(padded, bytes.Repeat([]byte{' '}, n-len(padded))...)
}

// find leases one of the keys of a job. It also finds one that is fenced, which Tree.Find would not.
func (e *Engine) find(ctx context.Context, id ID, compartment string) (*keystore.Lease, error) {
	ref, err := e.refOf(ctx, id, compartment)
	if err != nil {
		return nil, err
	}
	return e.tree.LeaseOf(ctx, ref)
}

func (e *Engine) refOf(ctx context.Context, id ID, compartment string) (keystore.Ref, error) {
	own, err := e.tree.Keys(ctx, subjectOf(id))
	if err != nil {
		return keystore.Ref{}, err
	}
	for _, k := range own {
		if k.Compartment == compartment {
			return k.Ref, nil
		}
	}
	return keystore.Ref{}, keystore.ErrNoKey
}

// unseal reads a row that seal made.
func unseal[T any](ctx context.Context, e *Engine, n rowName, v *T) error {
	compartment := compartmentJob
	if n.kind == kindIdentity {
		compartment = compartmentIdentity
	}
	l, err := e.find(ctx, n.id, compartment)
	if err != nil {
		return err
	}
	defer l.Done()
	sealed, err := e.rows.Get(ctx, n.key)
	if err != nil {
		return err
	}
	text, err := l.OpenRow(n.key, sealed)
	if err != nil {
		return fmt.Errorf("%w: %w", errRow, err)
	}
	defer clear(text)
	if err := certificate.ParseCanonical(bytes.TrimRight(text, " "), v); err != nil {
		return fmt.Errorf("%w: %w", errRow, err)
	}
	return nil
}

// advance writes the rows of jobs in a state, all in one write.
func (e *Engine) advance(ctx context.Context, s State, jobs ...*job) error {
	wait, err := e.queueJobs(ctx, s, jobs)
	if err == nil {
		err = wait(context.WithoutCancel(ctx))
	}
	if err != nil {
		return fmt.Errorf("writing the state %s of an erasure: %w", s, err)
	}
	return e.reached(s, jobs...)
}

// queueJobs is advance without the wait, and without telling anybody.
func (e *Engine) queueJobs(ctx context.Context, s State, jobs []*job) (wait func(context.Context) error, err error) {
	rows := make([]keystore.KV, 0, len(jobs))
	for _, j := range jobs {
		kv, err := e.sealJob(ctx, j, s)
		if err != nil {
			return nil, err
		}
		rows = append(rows, kv)
	}
	return e.queueRows(rows)
}

func (e *Engine) sealJob(ctx context.Context, j *job, s State) (keystore.KV, error) {
	l, err := e.find(ctx, j.id, compartmentJob)
	if err != nil {
		return keystore.KV{}, fmt.Errorf("the key of an erasure job: %w", err)
	}
	defer l.Done()
	return seal(l, kindJob, j.id, s, &j.what)
}

// refs are the keys of the person that are to die.
func (j *job) refs() ([]keystore.Ref, error) {
	refs := make([]keystore.Ref, 0, len(j.who.Refs))
	for _, b := range j.who.Refs {
		r, err := keystore.ParseRef(b)
		if err != nil {
			return nil, err
		}
		refs = append(refs, r)
	}
	return refs, nil
}

// recorded is the newest epoch record, as the next one refers to it.
type recorded struct {
	epoch, index uint64
	leaf         Digest
}

func (r *recorded) row() keystore.KV {
	return keystore.KV{
		Key:   binary.BigEndian.AppendUint64([]byte{space, kindRecorded}, r.epoch),
		Value: append(binary.BigEndian.AppendUint64(nil, r.index), r.leaf[:]...),
	}
}

// lastRecorded finds the newest record. Its row is sealed under nothing, and what it leads to has to be the record;
// where it is damaged, the record is looked for in the log.
func (e *Engine) lastRecorded(ctx context.Context) (*recorded, error) {
	var newest, row []byte
	err := e.rows.Scan(ctx, []byte{space, kindRecorded}, []byte{space, kindRecorded + 1}, func(k, v []byte) error {
		if len(k) == 2+8 {
			newest, row = bytes.Clone(k), bytes.Clone(v)
		}
		return nil
	})
	if err != nil || newest == nil {
		return nil, err
	}
	if len(row) == 8+32 {
		last := &recorded{epoch: binary.BigEndian.Uint64(newest[2:]), index: binary.BigEndian.Uint64(row), leaf: Digest(row[8:])}
		statement, err := e.ledger.Statement(ctx, last.index)
		if err == nil && certificate.LeafHash(statement) == last.leaf || err != nil && !errors.Is(err, ErrNoStatement) {
			return last, err
		}
	}
	var last *recorded
	err = e.ledger.Statements(ctx, func(index uint64, statement []byte) bool {
		if r, err := certificate.ParseRecord(statement); err == nil {
			last = &recorded{epoch: r.Epoch, index: index, leaf: certificate.LeafHash(statement)}
		} else if r, err := certificate.ParseSweepRecord(statement); err == nil {
			last = &recorded{epoch: r.Epoch, index: index, leaf: certificate.LeafHash(statement)}
		}
		return last == nil
	})
	if err == nil && last == nil {
		err = errRow
	}
	return last, err
}
