package erasure

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/lacunalog/lacuna/erasure/certificate"
	"github.com/lacunalog/lacuna/keystore"
)

// An epoch is what several jobs share from PREPARED on. Its rows are sealed under the key of the first of
// its jobs.
type epoch struct {
	state State
	what  epochRow

	maybePublished bool // an earlier try may have published the record
}

// epochRow is everything that a crash must not forget about an epoch.
type epochRow struct {
	Jobs    []ID   `json:"jobs"`
	Places  []int  `json:"places"` // of the jobs among the leaves of the requests tree
	Size    int    `json:"size"`   // of that tree
	Seed    Digest `json:"seed"`   // of the leaves that no job needs
	Tree    ID     `json:"tree"`
	Epoch   uint64 `json:"epoch"`
	Attempt ID     `json:"attempt"`
	// PagesRoot is that of the pages as PREPARED.
	PagesRoot Digest `json:"pages_root"`

	// From DESTROYED on; written with SCRUBBED.
	KeysDestroyedAt string      `json:"keys_destroyed_at"`
	Level           string      `json:"level"`
	MemoryErased    bool        `json:"memory_erased"`
	Holders         []Statement `json:"holders"`

	// From SCRUBBED on. The statement is fixed before it is published: after a crash the same text is
	// looked for in the log, so it gets there once.
	Entries   []uint64 `json:"entries"` // of each job
	Statement string   `json:"statement"`

	// From RECORDED on.
	Index uint64 `json:"index"`
	Leaf  Digest `json:"leaf"`
}

func newEpoch(jobs []*job, info keystore.EpochInfo) *epoch {
	b := &epoch{what: epochRow{
		Size: certificate.SumSize(len(jobs)), Tree: ID(info.Tree), Epoch: info.Epoch, Attempt: ID(info.Attempt), PagesRoot: Digest(info.PagesRoot),
		Holders: []Statement{}, Entries: []uint64{},
	}}
	rand.Read(b.what.Seed[:])
	b.what.Places = places(len(jobs), b.what.Size)
	for _, j := range jobs {
		b.what.Jobs = append(b.what.Jobs, j.id)
	}
	return b
}

// places draws n different leaves out of size, so that the place of a request says nothing.
func places(n, size int) []int {
	all := make([]int, size)
	for i := range all {
		all[i] = i
	}
	for i := range n {
		r, _ := rand.Int(rand.Reader, big.NewInt(int64(size-i))) // crypto/rand does not fail
		k := i + int(r.Int64())
		all[i], all[k] = all[k], all[i]
	}
	return all[:n]
}

// queueEpoch queues the row of an epoch; with PREPARED what was collected for its jobs; with RECORDED
// their last rows and the one by which the next record finds this one. All of it is one write.
func (e *Engine) queueEpoch(ctx context.Context, s State, b *epoch, jobs []*job) (wait func(context.Context) error, err error) {
	lead := b.what.Jobs[0]
	l, err := e.find(ctx, lead, compartmentJob)
	if err != nil {
		return nil, fmt.Errorf("the key of an erasure job: %w", err)
	}
	defer l.Done()
	row, err := seal(l, kindEpoch, lead, s, &b.what)
	if err != nil {
		return nil, err
	}
	rows := []keystore.KV{row}
	ofJobs := State(0)
	switch s {
	case Prepared:
		ofJobs = Collected
		for _, j := range jobs {
			j.what.Attempt = b.what.Attempt
		}
	case Recorded:
		ofJobs = Recorded
		rows = append(rows, b.recorded().row())
		for _, j := range jobs {
			j.what.Epoch = &lead
		}
	}
	for _, j := range jobs {
		if ofJobs == 0 {
			break
		}
		kv, err := e.sealJob(ctx, j, ofJobs)
		if err != nil {
			return nil, err
		}
		rows = append(rows, kv)
	}
	if wait, err = e.queueRows(rows); err != nil {
		return nil, fmt.Errorf("writing the state %s of an epoch: %w", s, err)
	}
	return wait, nil
}

// recorded is how the next record finds this one.
func (b *epoch) recorded() *recorded {
	return &recorded{epoch: b.what.Epoch, index: b.what.Index, leaf: b.what.Leaf}
}

// epochReached waits for what queueEpoch queued, and says so.
func (e *Engine) epochReached(ctx context.Context, s State, wait func(context.Context) error, b *epoch, jobs []*job) error {
	if err := wait(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("writing the state %s of an epoch: %w", s, err)
	}
	b.state = s
	if s == Recorded {
		e.last = b.recorded()
	}
	return e.reached(s, jobs...)
}

// word counts what was erased and words the record.
func (e *Engine) word(ctx context.Context, b *epoch, jobs []*job) error {
	b.what.Entries = make([]uint64, len(jobs))
	n := make(map[Reason]int)
	for i, j := range jobs {
		n[j.what.Reason] += j.what.Subjects
		for _, raw := range j.what.RowsKeys {
			key, err := keystore.ParseRowsKey(raw)
			if err != nil {
				return err
			}
			count, err := e.ledger.CountEntries(ctx, key)
			if err != nil {
				return fmt.Errorf("counting erased entries: %w", err)
			}
			b.what.Entries[i] += count
		}
	}
	levels, err := b.requests(e.ledger.Origin(), jobs)
	if err != nil {
		return err
	}
	w := &b.what
	r := &Record{
		Type: certificate.RecordType, Schema: certificate.RecordSchema,
		Tree: w.Tree, Epoch: w.Epoch, Attempt: w.Attempt, PagesRoot: w.PagesRoot,
		KeysDestroyedAt: w.KeysDestroyedAt, Level: w.Level, Holders: w.Holders,
		Subjects:     Subjects{Closure: certificate.Bucket(n[ReasonClosure]), Request: certificate.Bucket(n[ReasonRequest]), Retention: certificate.Bucket(n[ReasonRetention])},
		RequestsRoot: levels[len(levels)-1][0].Hash, RequestsSize: w.Size,
		Approvers: approvers(jobs), Sweep: certificate.SweepPending,
	}
	if e.last != nil {
		r.Previous = &e.last.leaf
	}
	statement, err := r.Statement()
	w.Statement = string(statement)
	return err
}

// approvers lists the keys of those who approved any of the jobs, each once.
func approvers(jobs []*job) []string {
	keys := []string{}
	for _, j := range jobs {
		for _, a := range j.what.Approvals {
			keys = append(keys, a.Key)
		}
	}
	return sortedOnce(keys)
}

// requests builds the requests tree of an epoch.
func (b *epoch) requests(origin string, jobs []*job) ([][]SumNode, error) {
	leaves := make([]SumNode, b.what.Size)
	mac := hmac.New(sha256.New, b.what.Seed[:])
	for i := range leaves {
		mac.Reset()
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(i)))
		mac.Sum(leaves[i].Hash[:0])
	}
	for i, j := range jobs {
		terms := b.terms(origin, j)
		t, err := terms.Digest()
		if err != nil {
			return nil, err
		}
		leaves[b.what.Places[i]] = certificate.RequestLeaf(j.what.Opening.Commitment(origin), t, b.what.Entries[i])
	}
	return certificate.SumTree(leaves)
}

// terms are what a job's certificate says was done.
func (b *epoch) terms(origin string, j *job) Terms {
	to := make([]string, 0, len(j.what.Recipients))
	for _, r := range j.what.Recipients {
		to = append(to, r.ID)
	}
	return Terms{
		Origin: origin, Tree: b.what.Tree, Epoch: b.what.Epoch, Level: b.what.Level,
		Reason: j.what.Reason, Scope: j.what.Scope, RequestedAt: j.what.RequestedAt, KeysDestroyedAt: b.what.KeysDestroyedAt,
		Erased: j.what.Erased, Kept: j.what.Kept, Recipients: sortedOnce(to), Approvals: j.what.Approvals, Dependents: j.what.Dependents,
		MemoryErased: b.what.MemoryErased, NotCovered: certificate.NotCovered(b.what.Level, b.what.MemoryErased),
	}
}

// certificates writes the certificates of an epoch that is recorded: the subject's copy where somebody
// asked, with the identifier in its opening as long as we know it; otherwise the officer's.
func certificates(origin string, b *epoch, jobs []*job) ([]*Certificate, error) {
	levels, err := b.requests(origin, jobs)
	if err != nil {
		return nil, err
	}
	if levels[len(levels)-1][0].Hash != b.requestsRoot() {
		return nil, errors.New("an epoch's jobs are not those that its record commits to")
	}
	certs := make([]*Certificate, len(jobs))
	for i, j := range jobs {
		c := &Certificate{
			Type: certificate.Type, Schema: certificate.Schema, Copy: certificate.CopySubject,
			Terms: b.terms(origin, j), Record: RecordRef{Index: b.what.Index, Leaf: b.what.Leaf},
			Commitment: j.what.Opening.Commitment(origin), Entries: b.what.Entries[i],
			Place: b.what.Places[i], Path: certificate.SumPath(levels, b.what.Places[i]),
			Opening: j.opening(), Notify: j.what.Recipients,
		}
		if j.what.Reason == ReasonRetention {
			c = c.Officer()
		}
		certs[i] = c
	}
	return certs, nil
}

// opening is what the subject's copy opens.
func (j *job) opening() *Opening {
	if j.who == nil || j.who.Disclosure == "" {
		return j.what.Opening
	}
	return j.what.Opening.Show(j.who.Disclosure)
}

func (b *epoch) requestsRoot() Digest {
	r, err := certificate.ParseRecord([]byte(b.what.Statement))
	if err != nil {
		return Digest{}
	}
	return r.RequestsRoot
}

func holders(statements []keystore.Statement) []Statement {
	hs := make([]Statement, 0, len(statements))
	for _, s := range statements {
		hs = append(hs, Statement{
			Holder: ID(s.Holder), Kind: s.Kind, Level: s.Level.String(), Destroyed: append([]uint64{}, s.Destroyed...),
			Overwritten: s.Overwritten, Copies: s.Copies, Signature: base64.RawURLEncoding.EncodeToString(s.Signature),
		})
	}
	return hs
}
