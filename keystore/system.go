package keystore

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// The system page holds the secrets that belong to nobody. It is on every
// epoch's path: were it left out, what an epoch replaces in it would stay
// readable under an unchanged page key.
//
//	u8 1 | K_idx32 | K_route32 | K_tags32 | u8 n | n × (u32 g | K_env32 | K_esc32) | u16 n | n × (u8 len | name) | 0x00…
//
// padded to a multiple of 1,024. One of the generations is the current one. The next
// is beside it while a sweep fills it. An earlier one may stay, for backups: only its
// envelope mask, with zeros for K_esc. Compartments are numbered from 1 in the order of
// their names' first use.
type system struct {
	kIdx, kRoute, kTags Secret
	gens                []generation
	names               []string

	// derived
	idx, route, tags mac
	byName           map[string]uint16
}

// A generation is what masks the rows of one sweep interval.
type generation struct {
	g        uint32
	env, esc Secret
	escMAC   mac
	tagMAC   mac         // under esc, for request tags
	stream   cipher.AEAD // under env; see newStream
}

const (
	systemVersion  = 1
	systemPad      = 1024
	maxGenerations = 3
)

// A compartment's name is short, and there are few.
const (
	maxCompartmentName = 64
	maxCompartments    = 4096
)

func newSystem(g uint32) *system {
	s := &system{kIdx: newSecret(), kRoute: newSecret(), kTags: newSecret(), gens: []generation{newGeneration(g)}}
	s.prepare()
	return s
}

func newGeneration(g uint32) generation {
	n := generation{g: g, env: newSecret(), esc: newSecret()}
	n.prepare()
	return n
}

// labelTags is for the mask of request tags. It comes from K_esc, because K_env may
// outlive its generation.
const labelTags = "lacuna/v1/tags"

func (g *generation) prepare() {
	g.escMAC, g.stream = newMAC(g.esc[:]), newStream(&g.env)
	var k [32]byte
	g.escMAC.expand(k[:], labelTags, nil)
	g.tagMAC = newMAC(k[:])
	clear(k[:])
}

func (s *system) prepare() {
	s.idx, s.route, s.tags = newMAC(s.kIdx[:]), newMAC(s.kRoute[:]), newMAC(s.kTags[:])
	for i := range s.gens {
		s.gens[i].prepare()
	}
	s.byName = make(map[string]uint16, len(s.names))
	for i, n := range s.names {
		s.byName[n] = uint16(i + 1)
	}
}

// clone copies a system page, so that one who reads it needs no lock.
func (s *system) clone() *system {
	c := *s
	c.gens = slices.Clone(s.gens)
	c.names = slices.Clone(s.names)
	c.byName = maps.Clone(s.byName)
	return &c
}

// open is the system page with the generation beside it that a sweep fills.
func (s *system) open() *system {
	c := s.clone()
	c.gens = append(c.gens, newGeneration(s.generation()+1))
	return c
}

// kept reports whether only the envelopes of a generation can still be read.
func (g *generation) kept() bool { return g.esc == (Secret{}) }

// at is where the current generation is among gens.
func (s *system) at() int {
	if s.gens[0].kept() {
		return 1
	}
	return 0
}

// opened is the generation that a sweep fills, nil where there is none.
func (s *system) opened() *generation {
	if at := s.at() + 1; at < len(s.gens) {
		return &s.gens[at]
	}
	return nil
}

// swept is the system page after a sweep: everything that masks or routes is
// new. K_idx and K_tags stay: tags stand only inside sealed pages, and the
// subject ids that new ones would need are not known here.
//
// The envelopes of one earlier generation may stay readable. Whoever compares them with
// those of the new one sees all that is erased at once, and that is what the living
// show anyway; with two of them they would see what was erased in between.
func (s *system) swept(keep uint32) *system {
	if s.opened() == nil {
		s = s.open()
	}
	c := s.clone()
	c.kRoute = newSecret()
	c.gens = nil
	if old := s.gen(keep); old != nil && keep <= s.generation() {
		c.gens = append(c.gens, generation{g: old.g, env: old.env})
	}
	c.gens = append(c.gens, *s.opened())
	c.prepare()
	return c
}

// generation is the current one.
func (s *system) generation() uint32 { return s.gens[s.at()].g }

func (s *system) gen(g uint32) *generation {
	for i := range s.gens {
		if s.gens[i].g == g {
			return &s.gens[i]
		}
	}
	return nil
}

func (s *system) name(comp uint16) string {
	if i := int(comp) - 1; i >= 0 && i < len(s.names) {
		return s.names[i]
	}
	return ""
}

// tag finds all keys of a subject; it stands only inside sealed pages.
func (s *system) tag(subject Subject) (t [16]byte) {
	var out [32]byte
	s.idx.sum(&out, []byte(subject), nil)
	copy(t[:], out[:])
	return t
}

// routeOf says where the keys of a tag lie: the first 64 bits of
// HMAC(K_route, u8 ctr || tag) for the first ctr whose result does not begin
// with six ones, where the system page lies.
func (s *system) routeOf(tag *[16]byte) uint64 {
	var out [32]byte
	for ctr := byte(0); ; ctr++ {
		s.route.sum(&out, []byte{ctr}, tag[:])
		if r := binary.BigEndian.Uint64(out[:]); r < systemStart {
			return r
		}
	}
}

// appendPlaintext makes room first: what grows leaves copies behind.
func (s *system) appendPlaintext(b []byte) []byte {
	n := 1 + 3*32 + 1 + len(s.gens)*(4+2*32) + 2
	for _, name := range s.names {
		n += 1 + len(name)
	}
	n = (n + systemPad - 1) / systemPad * systemPad
	b = slices.Grow(b, n)
	end := len(b) + n
	b = append(b, systemVersion)
	b = append(b, s.kIdx[:]...)
	b = append(b, s.kRoute[:]...)
	b = append(b, s.kTags[:]...)
	b = append(b, byte(len(s.gens)))
	for i := range s.gens {
		b = binary.BigEndian.AppendUint32(b, s.gens[i].g)
		b = append(b, s.gens[i].env[:]...)
		b = append(b, s.gens[i].esc[:]...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.names)))
	for _, name := range s.names {
		b = append(b, byte(len(name)))
		b = append(b, name...)
	}
	clear(b[len(b):end])
	return b[:end]
}

func parseSystem(b []byte) (*system, error) {
	bad := func(what string) error { return fmt.Errorf("the system page's %s: %w", what, errCorrupt) }
	if len(b) == 0 || len(b)%systemPad != 0 || b[0] != systemVersion {
		return nil, bad("frame")
	}
	b = b[1:]
	s := new(system)
	for _, k := range []*Secret{&s.kIdx, &s.kRoute, &s.kTags} {
		b = b[copy(k[:], b):]
	}
	n := int(b[0])
	b = b[1:]
	if n < 1 || n > maxGenerations || len(b) < n*68+2 {
		return nil, bad("generations")
	}
	for i := range n {
		g := generation{g: binary.BigEndian.Uint32(b)}
		copy(g.env[:], b[4:])
		copy(g.esc[:], b[36:])
		b = b[68:]
		if g.g == 0 || g.g == housekeeping || i > 0 && (g.kept() || g.g <= s.gens[i-1].g) {
			return nil, bad("generations")
		}
		s.gens = append(s.gens, g)
	}
	if rest := s.gens[min(s.at(), n-1):]; rest[0].kept() || len(rest) > 2 || len(rest) == 2 && rest[1].g != rest[0].g+1 {
		return nil, bad("generations")
	}
	n = int(binary.BigEndian.Uint16(b))
	b = b[2:]
	if n > maxCompartments {
		return nil, bad("compartments")
	}
	seen := make(map[string]bool, n)
	for range n {
		if len(b) == 0 || b[0] == 0 || b[0] > maxCompartmentName || len(b) < 1+int(b[0]) {
			return nil, bad("compartments")
		}
		name := string(b[1 : 1+b[0]])
		if seen[name] {
			return nil, bad("compartments")
		}
		seen[name] = true
		s.names = append(s.names, name)
		b = b[1+len(name):]
	}
	if len(b) >= systemPad {
		return nil, bad("padding")
	}
	for _, c := range b {
		if c != 0 {
			return nil, bad("padding")
		}
	}
	s.prepare()
	return s, nil
}
