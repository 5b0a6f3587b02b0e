package merkle

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxPolicy is how many logs, witnesses and groups a policy may have, each: the
// text of https://c2sp.org/tlog-policy asks for 32 at least, and no checkpoint
// has more than 100 signatures.
const maxPolicy = 256

// noWitness is the name that stands for no quorum.
const noWitness = "none"

// errPolicy is wrapped by every refusal of a policy file.
var errPolicy = errors.New("malformed policy")

// ParsePolicy reads a policy file (https://c2sp.org/tlog-policy). Errors name
// the line. The last line must end in a newline like the others: what has been
// cut off could make the quorum another one.
//
// Comments stand on lines of their own. Some programs also accept one behind
// other words; here those are refused, because the text allows a URL or a name
// to contain the sign.
func ParsePolicy(text []byte) (*Policy, error) {
	p := &policyParser{names: make(map[string]int), quorumLine: 0}
	p.policy.quorum = -1
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if err := p.line(string(line), n); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", errPolicy, n, err)
		}
	}
	if p.quorumLine == 0 {
		return nil, fmt.Errorf("%w: no quorum line", errPolicy)
	}
	return &p.policy, nil
}

type policyParser struct {
	policy     Policy
	names      map[string]int // to indices of policy.members
	grouped    []bool         // whether a group counts this member
	quorumLine int
}

func (p *policyParser) line(line string, n int) error {
	line, ok := strings.CutSuffix(line, "\n")
	if !ok {
		return errors.New("does not end in a newline; is the file complete?")
	}
	for i := range len(line) {
		switch c := line[i]; {
		case c == '\r':
			return errors.New("carriage return")
		case c < 0x20 && c != '\t' || c == 0x7F:
			return fmt.Errorf("control character 0x%02x", c)
		}
	}
	// Not strings.Fields, which knows the spaces of Unicode: those may be part
	// of a name here.
	words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(words) == 0 || words[0][0] == '#' {
		return nil
	}
	keyword, words := words[0], words[1:]
	for _, w := range words {
		if w == "#" {
			return errors.New("comments stand on lines of their own")
		}
	}
	switch keyword {
	case "log":
		return p.log(words)
	case "witness":
		return p.witness(words)
	case "group":
		return p.group(words)
	case "quorum":
		return p.quorum(words, n)
	}
	return fmt.Errorf("%q is none of log, witness, group, quorum", keyword)
}

func (p *policyParser) log(words []string) error {
	if len(words) != 1 && len(words) != 2 {
		return errors.New("want: log <vkey> [<url>]")
	}
	v, url, err := p.key(words, Ed25519, CosignatureMLDSA44)
	if err != nil {
		return err
	}
	if len(p.policy.logs) == maxPolicy {
		return fmt.Errorf("more than %d logs", maxPolicy)
	}
	for _, l := range p.policy.logs {
		if samePublicKey(l.Verifier, v) {
			return errors.New("a log with this public key is there already")
		}
	}
	p.policy.logs = append(p.policy.logs, PolicyLog{v, words[0], url})
	return nil
}

func (p *policyParser) witness(words []string) error {
	if len(words) != 2 && len(words) != 3 {
		return errors.New("want: witness <name> <vkey> [<url>]")
	}
	v, url, err := p.key(words[1:], CosignatureEd25519, CosignatureMLDSA44)
	if err != nil {
		return err
	}
	if len(p.policy.witnesses) == maxPolicy {
		return fmt.Errorf("more than %d witnesses", maxPolicy)
	}
	for _, w := range p.policy.witnesses {
		if samePublicKey(w.Verifier, v) {
			return fmt.Errorf("witness %q has the same public key", w.Name)
		}
	}
	p.policy.witnesses = append(p.policy.witnesses, PolicyWitness{words[0], v, words[1], url})
	return p.define(policyMember{name: words[0], witness: len(p.policy.witnesses) - 1, need: 1})
}

// key reads a key of one of those algorithms, and the URL behind it.
func (p *policyParser) key(words []string, algorithms ...Algorithm) (*verifier, string, error) {
	v, err := parseVerifier(words[0])
	if err != nil {
		return nil, "", err
	}
	if !slices.Contains(algorithms, v.algorithm) {
		return nil, "", fmt.Errorf("an %s key; want %s or %s", v.algorithm, algorithms[0], algorithms[1])
	}
	// Two keys with one name and one id could not be told apart in a checkpoint.
	// The id is short enough to find such a pair on purpose.
	for _, o := range p.policy.verifiers() {
		if o.Name() == v.name && o.KeyHash() == v.hash && !sameKey(o, v) {
			return nil, "", errors.New("name and key id are those of another key")
		}
	}
	if len(words) == 1 {
		return v, "", nil
	}
	if words[1][0] == '#' {
		return nil, "", errors.New("comments stand on lines of their own")
	}
	return v, words[1], nil
}

func (p *policyParser) group(words []string) error {
	if len(words) < 3 {
		return errors.New("want: group <name> all|any|<k> <names>")
	}
	name, threshold, names := words[0], words[1], words[2:]
	m := policyMember{name: name, witness: -1}
	switch threshold {
	case "any":
		m.need = 1
	case "all":
		m.need = len(names)
	default:
		k, ok := parseDecimal(threshold)
		if !ok || k < 1 || k > uint64(len(names)) {
			return fmt.Errorf("threshold %q is not all, any or a number from 1 to %d", threshold, len(names))
		}
		m.need = int(k)
	}
	if len(p.policy.members)-len(p.policy.witnesses) == maxPolicy {
		return fmt.Errorf("more than %d groups", maxPolicy)
	}
	for _, child := range names {
		i, ok := p.names[child]
		if !ok {
			return fmt.Errorf("%q is not defined on a line before", child)
		}
		if p.grouped[i] {
			return fmt.Errorf("%q is a member of a group already", child)
		}
		p.grouped[i] = true
		m.children = append(m.children, i)
	}
	return p.define(m)
}

// define gives a witness or a group its name.
func (p *policyParser) define(m policyMember) error {
	if m.name == noWitness {
		return fmt.Errorf("%q is not a name: it stands for no quorum", m.name)
	}
	if _, ok := p.names[m.name]; ok {
		return fmt.Errorf("%q is defined already", m.name)
	}
	p.names[m.name] = len(p.policy.members)
	p.policy.members = append(p.policy.members, m)
	p.grouped = append(p.grouped, false)
	return nil
}

func (p *policyParser) quorum(words []string, n int) error {
	if len(words) != 1 {
		return errors.New("want: quorum <name>|none")
	}
	if p.quorumLine != 0 {
		return fmt.Errorf("the quorum is defined already, on line %d", p.quorumLine)
	}
	p.quorumLine = n
	if words[0] == noWitness {
		return nil
	}
	i, ok := p.names[words[0]]
	if !ok {
		return fmt.Errorf("%q is not defined on a line before", words[0])
	}
	p.policy.quorum = i
	return nil
}

// verifiers returns the keys of all logs and witnesses.
func (p *Policy) verifiers() []Verifier {
	var vs []Verifier
	for _, l := range p.logs {
		vs = append(vs, l.Verifier)
	}
	for _, w := range p.witnesses {
		vs = append(vs, w.Verifier)
	}
	return vs
}

// samePublicKey says whether two keys are the same but for name and algorithm.
func samePublicKey(a, b Verifier) bool {
	x, ok := a.(*verifier)
	y, ok2 := b.(*verifier)
	return ok && ok2 && bytes.Equal(x.public, y.public)
}
