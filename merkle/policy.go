package merkle

import (
	"fmt"
	"slices"
	"strings"
)

// A Policy says whose signatures make a checkpoint acceptable: one of the logs
// and a quorum of the witnesses (https://c2sp.org/tlog-policy). It is what a
// verifier trusts, in one text file:
//
//	log log.example/lacuna+e0c4b6a2+AXm1Vi6P5lT5QHixEuipi6eQH4U65pW+1+DjkQutBJZk
//
//	witness press    press.example/w+5a0c1fd1+BGM0vPqd…  https://press.example/witness
//	witness union    union.example/w+0be97c41+BIO1uX9X…
//	witness regulator regulator.example/w+9f6e3f0a+Bv3V…
//
//	group two-of-three 2 press union regulator
//	quorum two-of-three
//
// A Policy is safe for concurrent use.
type Policy struct {
	logs      []PolicyLog
	witnesses []PolicyWitness
	// members are witnesses and groups in the order of their lines, so that
	// what a group counts stands before it.
	members []policyMember
	// quorum is the index of a member, or -1 for "quorum none".
	quorum int
}

// A PolicyLog is a log of a policy. Its origin is the name of its verifier.
type PolicyLog struct {
	Verifier Verifier
	// VKey is the key as the policy has it, URL what it says about where to ask,
	// or empty.
	VKey, URL string
}

// A PolicyWitness is a witness of a policy.
type PolicyWitness struct {
	// Name is what the policy calls the witness, and means nothing elsewhere. It
	// may hold any bytes above 0x20 but 0x7F: quote it where it is printed.
	Name     string
	Verifier Verifier
	// VKey is the key as the policy has it, URL what it says about where to ask
	// for cosignatures (the submission prefix of https://c2sp.org/tlog-witness),
	// or empty.
	VKey, URL string
}

// A policyMember is a witness, or a group with the indices of what it counts.
type policyMember struct {
	name     string
	witness  int // index in Policy.witnesses, or -1 for a group
	need     int
	children []int
}

// Logs returns the logs of the policy in the order of their lines.
func (p *Policy) Logs() []PolicyLog { return slices.Clone(p.logs) }

// Witnesses returns the witnesses of the policy in the order of their lines,
// also those that the quorum does not count.
func (p *Policy) Witnesses() []PolicyWitness { return slices.Clone(p.witnesses) }

// Check opens a signed checkpoint of the log with that origin. It must be
// signed by a log of the policy whose name is the origin, or by one of the
// given logs, which the caller knows from elsewhere; no signature of any log or
// witness of the policy may be wrong; and the quorum of witnesses must have
// cosigned. The cosignatures are those of witnesses, in the order of the lines.
//
// The error is an *[OriginError], a *[SignatureError] or a *[PolicyError].
func (p *Policy) Check(signed []byte, origin string, logs ...Verifier) (Checkpoint, []Cosignature, error) {
	c, cs, err := p.check(signed, origin, logs)
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("checking the policy: %w", err)
	}
	return c, cs, nil
}

func (p *Policy) check(signed []byte, origin string, logs []Verifier) (Checkpoint, []Cosignature, error) {
	logs = slices.Clone(logs)
	for _, l := range p.logs {
		// The name of a log's key is its origin: that one log of the policy
		// vouches for another is not what the policy says.
		if l.Verifier.Name() == origin {
			logs = append(logs, l.Verifier)
		}
	}
	if len(logs) == 0 {
		return Checkpoint{}, nil, &SignatureError{Reason: fmt.Sprintf("the policy has no log %q", origin)}
	}
	c, err := openCheckpoint(signed, origin, logs)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	witnesses := make([]Verifier, len(p.witnesses))
	for i, w := range p.witnesses {
		witnesses[i] = w.Verifier
	}
	_, cs, err := Cosignatures(signed, witnesses...)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	return c, cs, p.Satisfied(cs)
}

// Satisfied says whether the quorum has cosigned: nil, or a *[PolicyError]. The
// cosignatures must come from [Cosignatures] with the verifiers of this policy,
// and logs play no part: use it where something else has checked the log's own
// signature.
func (p *Policy) Satisfied(cs []Cosignature) error {
	if p.quorum < 0 {
		return nil
	}
	have := make([]int, len(p.members))
	ok := func(i int) bool { return have[i] >= p.members[i].need }
	for i, m := range p.members {
		if m.witness >= 0 {
			if p.witnesses[m.witness].cosigned(cs) {
				have[i] = 1
			}
			continue
		}
		for _, child := range m.children {
			if ok(child) {
				have[i]++
			}
		}
	}
	if ok(p.quorum) {
		return nil
	}
	e := &PolicyError{Quorum: p.members[p.quorum].name}
	for todo := []int{p.quorum}; len(todo) > 0; todo = todo[1:] {
		m := p.members[todo[0]]
		if m.witness >= 0 {
			continue
		}
		lack := PolicyLack{Group: m.name, Need: m.need, Have: have[todo[0]]}
		for _, child := range m.children {
			if !ok(child) {
				lack.Missing = append(lack.Missing, p.members[child].name)
				todo = append(todo, child)
			}
		}
		e.Lacks = append(e.Lacks, lack)
	}
	return e
}

func (w *PolicyWitness) cosigned(cs []Cosignature) bool {
	return slices.ContainsFunc(cs, func(c Cosignature) bool {
		return c.Name == w.Verifier.Name() && c.KeyHash == w.Verifier.KeyHash()
	})
}

// A PolicyError says that too few witnesses have cosigned.
type PolicyError struct {
	// Quorum is the name of the group or witness that the policy asks for.
	Quorum string
	// Lacks are the groups that fall short, the quorum first and then, level by
	// level, those of its members that do. Empty if the quorum is one witness.
	Lacks []PolicyLack
}

// A PolicyLack is a group that falls short.
type PolicyLack struct {
	Group string
	// Need is how many members must have witnessed the checkpoint, Have how
	// many have.
	Need, Have int
	// Missing are the members that have not, of which Need - Have would do.
	Missing []string
}

func (e *PolicyError) Error() string {
	var b strings.Builder
	if len(e.Lacks) == 0 {
		fmt.Fprintf(&b, "witness %q has not cosigned", e.Quorum)
	}
	for i, l := range e.Lacks {
		if i > 0 {
			b.WriteString("; ")
		}
		names := make([]string, len(l.Missing))
		for i, n := range l.Missing {
			names[i] = fmt.Sprintf("%q", n)
		}
		fmt.Fprintf(&b, "group %q has %d of %d, without %s", l.Group, l.Have, l.Need, strings.Join(names, ", "))
	}
	return "the quorum is not met: " + b.String()
}
