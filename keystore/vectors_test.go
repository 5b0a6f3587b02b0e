package keystore

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/lacunalog/lacuna/docs/spec/vectors"
)

// The vectors of docs/spec/key-tree.md. Every input is in them, so that another
// implementation can run them.
type allVectors struct {
	About    []string        `json:"about"`
	Tags     []tagVector     `json:"tags"`
	Routes   []routeVector   `json:"routes"`
	Roots    []rootVector    `json:"roots"`
	Children []hexed         `json:"children"`
	Pages    []pageKeyVector `json:"page_keys"`
	Rows     []rowVector     `json:"row_keys"`
	Entries  []entryVector   `json:"entries"`
	Systems  []systemVector  `json:"system_pages"`
	Images   []imageVector   `json:"images"`
	Deltas   []deltaVector   `json:"deltas"`
	Keys     []keyVector     `json:"keys"`
	Secrets  []secretVector  `json:"system_secrets"`
	Trees    []treeVector    `json:"pages_roots"`
}

type (
	tagVector   struct{ KIdx, Subject, Tag hexed }
	routeVector struct {
		KRoute, Tag hexed
		Ctr         int
		Route       hexed
	}
	rootVector struct {
		Tree    hexed
		Epoch   uint64
		Attempt hexed
		Shares  []shareVector
		Root    hexed
	}
	shareVector   struct{ Holder, Share hexed }
	pageKeyVector struct {
		Level       int
		Start       hexed
		Bits        int
		First, Last int
		Key         hexed
	}
	rowVector struct {
		Generation uint32
		Level      int
		Start      hexed
		Epoch      uint64
		Version, N uint32
		Key        hexed
	}
	entryVector struct {
		Valid                            bool
		Tag, DEK                         hexed `json:",omitempty"`
		Compartment, Cohort              uint16
		State, Flags                     uint8
		CreatedDay, ExpiryDay, ReviewDay uint16
		Bytes                            hexed
	}
	generationVector struct {
		G          uint32
		KEnv, KEsc hexed
	}
	systemVector struct {
		Name                string
		Valid               bool
		KIdx, KRoute, KTags hexed              `json:",omitempty"`
		Generations         []generationVector `json:",omitempty"`
		Compartments        []string           `json:",omitempty"`
		Plaintext           hexed
	}
	imageVector struct {
		Name                   string
		Valid                  bool
		Key, Tree, Chain, Salt hexed
		Kind, Level, Bits      int
		Start                  hexed
		Epoch                  uint64
		Version                uint32
		Plaintext, KC, AEADKey hexed
		Image                  hexed
	}
	deltaVector struct {
		Valid            bool
		Key, Tree        hexed
		Level            int
		Start            hexed
		Epoch            uint64
		N                uint32
		Before, Salt     hexed
		Entry, AD, Delta hexed
	}
	keyVector struct {
		DEK, PRK, KRows hexed
		Suite           int
		E, EventSecret  hexed
		G               uint32
		Seq             uint64
		RowName         hexed
		Name, Plaintext hexed
		Sealed          hexed
		ListText        hexed
		ListSealed      hexed
	}
	secretVector struct {
		KTags, ID, RequestTag, Content, ContentMAC hexed
		KEnv, Leaf, Envelope, Masked               hexed
		KEsc                                       hexed
		I                                          uint64
		Blind                                      hexed
	}
	treeVector struct{ Images, Root any }
)

type hexed []byte

func (h hexed) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// bytesFrom gives n bytes that count up.
func bytesFrom(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func u64(n uint64) hexed { return hexed(fmt.Appendf(nil, "%016x", n)).decode() }

func (h hexed) decode() hexed {
	b, err := hex.DecodeString(string(h))
	if err != nil {
		panic(err)
	}
	return b
}

func makeVectors(t *testing.T) *allVectors {
	v := &allVectors{About: []string{
		"Test vectors for docs/spec/key-tree.md. Bytes are lower-case hex; starts and routes are 64 bits in hex. Keys are for tests only.",
		"children: the 64 child keys from which all of page_keys are derived; first and last are the children a page covers.",
		"valid false: a reader refuses these bytes. Level, start and bits say where a page lies.",
	}}
	sys := &system{kIdx: Secret(bytesFrom(1, 32)), kRoute: Secret(bytesFrom(2, 32)), kTags: Secret(bytesFrom(3, 32))}
	sys.gens = []generation{{g: 7, env: Secret(bytesFrom(4, 32)), esc: Secret(bytesFrom(5, 32))}}
	sys.names = []string{"contract", "marketing", "consent-evidence"}
	sys.prepare()

	for _, s := range []string{"", "4711", "jane@example.org"} {
		tag := sys.tag(Subject(s))
		v.Tags = append(v.Tags, tagVector{sys.kIdx[:], hexed(s), tag[:]})
	}
	for i, again := 0, false; i < 3 || !again; i++ {
		tag := [16]byte(bytesFrom(byte(i), 16))
		tag[15] = byte(i >> 8)
		ctr := 0
		for ; ; ctr++ {
			h := hmac.New(sha256.New, sys.kRoute[:])
			h.Write([]byte{byte(ctr)})
			h.Write(tag[:])
			if h.Sum(nil)[0]>>2 != 63 {
				break
			}
		}
		if i < 3 || ctr > 0 {
			again = again || ctr > 0
			v.Routes = append(v.Routes, routeVector{sys.kRoute[:], tag[:], ctr, u64(sys.routeOf(&tag))})
		}
	}

	tree := TreeID(bytesFrom(0x10, 16))
	for _, n := range []int{1, 2, 3} {
		shares := make(map[HolderID]Secret)
		var list []shareVector
		for i := range n {
			id := HolderID(bytesFrom(byte(0x90-0x30*i), 16)) // falling: sorting matters
			shares[id] = Secret(bytesFrom(byte(0x20+i), 32))
			list = append(list, shareVector{id[:], bytesFrom(byte(0x20+i), 32)})
		}
		at := Attempt(bytesFrom(0x70, 16))
		r := deriveRoot(tree, 5, at, shares)
		v.Roots = append(v.Roots, rootVector{tree[:], 5, at[:], list, r[:]})
	}

	children := new([slots]Secret)
	for i := range children {
		children[i] = Secret(bytesFrom(byte(i*3), 32))
		v.Children = append(v.Children, children[i][:])
	}
	for _, c := range []struct {
		at   addr
		bits uint8
	}{
		{addr{1, 0}, 0}, {addr{1, 0}, 1}, {addr{1, 1 << 63}, 1}, {addr{1, 62 << 58}, 5}, {addr{1, 5 << 58}, 6}, {systemAddr, 6},
		{addr{2, 5<<58 | 12<<52}, 10}, {addr{2, 5<<58 | 63<<52}, 12}, {addr{2, 5 << 58}, 6},
	} {
		key := pageKey(children, c.at, c.bits)
		first, end := slotRange(c.at, c.bits)
		v.Pages = append(v.Pages, pageKeyVector{int(c.at.level), u64(c.at.start), int(c.bits), first, end, key[:]})
	}

	for _, k := range []rowKey{
		{gen: 1, at: topAddr, epoch: 1}, {gen: 1, at: systemAddr, epoch: 9, version: 3},
		{gen: 2, at: addr{2, 5<<58 | 12<<52}, epoch: 1 << 40, version: 17, n: 32}, {gen: housekeeping},
	} {
		v.Rows = append(v.Rows, rowVector{k.gen, int(k.at.level), u64(k.at.start), k.epoch, k.version, k.n, k.bytes()})
	}

	entries := []entry{
		{tag: [16]byte(bytesFrom(0x30, 16)), dek: Secret(bytesFrom(0x40, 32)), comp: 1, cohort: 2024, state: Active, created: 20779, expiry: 24431},
		{tag: [16]byte(bytesFrom(0x30, 16)), dek: Secret(bytesFrom(0x50, 32)), comp: 2, cohort: 10650, state: Erasing, created: 20780},
		{tag: [16]byte(bytesFrom(0x31, 16)), dek: Secret(bytesFrom(0x60, 32)), comp: 3, state: Active, flags: flagHeld | flagRestricted, created: 20781, review: 21000},
		{tag: [16]byte(bytesFrom(0x32, 16)), dek: Secret(bytesFrom(0x70, 32)), comp: 1, state: Active, flags: flagAlias, created: 20781},
	}
	for i := range entries {
		e := &entries[i]
		b := make([]byte, entrySize)
		e.put(b)
		v.Entries = append(v.Entries, entryVector{true, e.tag[:], e.dek[:], e.comp, e.cohort, uint8(e.state), e.flags, e.created, e.expiry, e.review, b})
		for _, at := range []struct {
			i int
			b byte
		}{{52, 0}, {52, 3}, {53, 8}, {63, 1}} {
			bad := bytes.Clone(b)
			bad[at.i] = at.b
			if i == 0 {
				v.Entries = append(v.Entries, entryVector{Bytes: bad})
			}
		}
	}

	text := sys.plaintext()
	v.Systems = append(v.Systems, systemVector{
		"one generation", true, sys.kIdx[:], sys.kRoute[:], sys.kTags[:],
		[]generationVector{{7, sys.gens[0].env[:], sys.gens[0].esc[:]}}, sys.names, text,
	})
	for _, c := range []struct {
		name string
		at   int
	}{{"another version", 0}, {"padding that is not zero", len(text) - 1}, {"too many generations", 97}} {
		bad := bytes.Clone(text)
		bad[c.at] ^= 0x80
		v.Systems = append(v.Systems, systemVector{Name: c.name, Plaintext: bad})
	}
	generations := func(name string, valid bool, gens ...generation) {
		s := sys.clone()
		s.gens = gens
		x := systemVector{Name: name, Valid: valid, Plaintext: s.plaintext()}
		if valid {
			x.KIdx, x.KRoute, x.KTags, x.Compartments = s.kIdx[:], s.kRoute[:], s.kTags[:], s.names
			for i := range gens {
				x.Generations = append(x.Generations, generationVector{gens[i].g, gens[i].env[:], gens[i].esc[:]})
			}
		}
		v.Systems = append(v.Systems, x)
	}
	gen := func(g uint32) generation {
		return generation{g: g, env: Secret(bytesFrom(byte(g)<<4, 32)), esc: Secret(bytesFrom(byte(g)<<4|8, 32))}
	}
	kept := func(g uint32) generation { return generation{g: g, env: gen(g).env} }
	generations("the next one, which a sweep fills", true, gen(7), gen(8))
	generations("an earlier one, of the newest backup", true, kept(6), gen(7))
	generations("one that is older than the sweep before", true, kept(3), gen(7))
	generations("all three", true, kept(6), gen(7), gen(8))
	generations("none", false)
	generations("only an earlier one", false, kept(6))
	generations("two earlier ones", false, kept(5), kept(6), gen(7))
	generations("an earlier one with its K_esc", false, gen(6), gen(7), gen(8))
	generations("an earlier one behind the current", false, gen(7), kept(6))
	generations("the current one twice", false, gen(7), gen(7))
	generations("not the next one", false, gen(7), gen(9))
	generations("generation zero", false, gen(0))

	image := func(name string, key Secret, h header, text []byte) {
		h.tree, h.chain, h.salt = tree, [32]byte(bytesFrom(0x80, 32)), [32]byte(bytesFrom(0xa0, 32))
		m := newMAC(key[:])
		raw := sealImageSalted(&m, h, text)
		sum := sha256.Sum256(raw[:headerLen])
		k, err := hkdf.Expand(sha256.New, key[:], labelImage+string(sum[:]), 64)
		if err != nil {
			t.Fatal(err)
		}
		x := imageVector{
			Name: name, Valid: true, Key: key[:], Tree: h.tree[:], Chain: h.chain[:], Salt: h.salt[:],
			Kind: int(h.kind), Level: int(h.at.level), Bits: int(h.bits), Start: u64(h.at.start),
			Epoch: h.epoch, Version: h.version, Plaintext: text, AEADKey: k[:32], KC: k[32:], Image: raw,
		}
		v.Images = append(v.Images, x)
		if name != "leaf page" {
			return
		}
		for what, i := range map[string]int{"header": 36, "salt": 80, "key commitment": headerLen, "ciphertext": headerLen + 40} {
			x.Valid, x.Name = false, "leaf page, one bit of the "+what+" changed"
			x.Image = bytes.Clone(raw)
			x.Image[i] ^= 1
			v.Images = append(v.Images, x)
		}
		x.Name, x.Key, x.Image = "leaf page, another key", bytesFrom(0xee, 32), raw
		v.Images = append(v.Images, x)
	}
	image("leaf page", pageKey(children, addr{1, 0}, 0), header{kind: kindLeaf, at: addr{1, 0}, epoch: 5, version: 2}, leafPlaintext(entries))
	image("empty leaf page", pageKey(children, addr{1, 62 << 58}, 5), header{kind: kindLeaf, at: addr{1, 62 << 58}, bits: 5, epoch: 5}, leafPlaintext(nil))
	image("interior page", pageKey(children, addr{1, 5 << 58}, 6), header{kind: kindInterior, at: addr{1, 5 << 58}, bits: 6, epoch: 5}, childrenPlaintext(children))
	image("system page", pageKey(children, systemAddr, 6), header{kind: kindSystem, at: systemAddr, bits: 6, epoch: 5}, text)
	image("top page", Secret(bytesFrom(9, 32)), header{kind: kindTop, at: topAddr, epoch: 5}, childrenPlaintext(children))
	sortInvalid(v.Images)

	key := pageKey(children, addr{1, 0}, 0)
	m := newMAC(key[:])
	before := sha256.Sum256(v.Images[0].Image)
	for n := uint32(1); n <= 2; n++ {
		salt := [saltLen]byte(bytesFrom(byte(n), saltLen))
		raw := sealDeltaSalted(&m, &tree, addr{1, 0}, 5, n, &before, &entries[n], salt)
		ad := deltaAD(&tree, addr{1, 0}, 5, n, &before)
		text := make([]byte, entrySize)
		entries[n].put(text)
		b := before
		x := deltaVector{true, key[:], tree[:], 1, u64(0), 5, n, b[:], salt[:], text, ad[:], raw}
		v.Deltas = append(v.Deltas, x)
		bad := x
		bad.Valid, bad.N = false, n+1
		v.Deltas = append(v.Deltas, bad)
		before = sha256.Sum256(raw)
	}

	var d derived
	dek := Secret(bytesFrom(0x40, 32))
	d.load(&dek)
	e := [16]byte(bytesFrom(0xc0, 16))
	var s, row [32]byte
	d.eventSecret(1, &e, &s)
	d.rows.numbered(&row, 1, 7, 42)
	said := [ListedSize]byte(bytesFrom(0x10, ListedSize))
	listed := d.sealListed(7, 42, &said)
	prk, err := hkdf.Extract(sha256.New, dek[:], []byte(labelExtract))
	if err != nil {
		t.Fatal(err)
	}
	v.Keys = append(v.Keys, keyVector{
		dek[:], prk, d.kRows[:], 1, e[:], s[:], 7, 42, row[:],
		row[:], []byte("a row"), d.sealRow(row[:], []byte("a row")), said[:], listed[:],
	})

	tr := &Tree{}
	tr.sys.Store(sys)
	id, content := []byte("request-1"), []byte(`{"type":"consent.given"}`)
	tag, mac := tr.RequestTag(id), tr.ContentMAC(content)
	leaf := bytesFrom(0, 34)
	env := []byte("an envelope")
	masked := bytes.Clone(env)
	tr.Mask(7).Envelope(leaf, masked)
	blind, err := tr.Blind(7, 123456)
	if err != nil {
		t.Fatal(err)
	}
	v.Secrets = append(v.Secrets, secretVector{
		sys.kTags[:], id, tag[:], content, mac[:], sys.gens[0].env[:], leaf, env, masked, sys.gens[0].esc[:], 123456, blind[:],
	})

	for _, n := range []int{1, 2, 3, 7} {
		var images []hexed
		var hashes [][32]byte
		for i := range n {
			images = append(images, bytesFrom(byte(i), 5))
			hashes = append(hashes, sha256.Sum256(images[i]))
		}
		r := merkleRoot(hashes)
		v.Trees = append(v.Trees, treeVector{images, hexed(r[:])})
	}
	return v
}

// sortInvalid puts what a map gave in no order into one.
func sortInvalid(all []imageVector) {
	for i := range all {
		for j := i; j > 0 && !all[j].Valid && !all[j-1].Valid && all[j].Name < all[j-1].Name; j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
}

func TestVectors(t *testing.T) {
	v := makeVectors(t)
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	vectors.Same(t, "key-tree.json", json.RawMessage(lower(text)))
	// And the code reads what is valid and refuses what is not.
	for _, x := range v.Entries {
		var e entry
		if err := e.parse(x.Bytes); (err == nil) != x.Valid {
			t.Errorf("entry %x: %v", x.Bytes[48:], err)
		}
	}
	for i, x := range v.Systems {
		if _, err := parseSystem(x.Plaintext); (err == nil) != x.Valid {
			t.Errorf("system page %d: %v", i, err)
		}
	}
	for _, x := range v.Images {
		m := newMAC(x.Key)
		h, _, err := parseHeader(x.Image)
		if err == nil {
			_, err = openImage(&m, x.Image)
		}
		if (err == nil) != x.Valid {
			t.Errorf("%s: %v", x.Name, err)
		}
		if x.Valid && (int(h.kind) != x.Kind || h.epoch != x.Epoch) {
			t.Errorf("%s: header %+v", x.Name, h)
		}
	}
	for _, x := range v.Deltas {
		m := newMAC(x.Key)
		tree, before := TreeID(x.Tree), [32]byte(x.Before)
		var e entry
		if err := openDelta(&m, &tree, addr{1, 0}, x.Epoch, x.N, &before, x.Delta, &e); (err == nil) != x.Valid {
			t.Errorf("delta %d: %v", x.N, err)
		}
	}
}

// lower writes member names as a_b instead of AB, as the rest of our JSON has them.
func lower(b []byte) []byte {
	var out []byte
	inName := false
	for i, c := range b {
		if c == '"' && i > 0 && (b[i-1] == ' ' || b[i-1] == '\n') {
			end := bytes.IndexByte(b[i+1:], '"') + i + 1
			inName = end+1 < len(b) && b[end+1] == ':'
		} else if c == '"' {
			inName = false
		}
		if inName && c >= 'A' && c <= 'Z' {
			prev, next := b[i-1], b[i+1]
			if prev != '"' && (prev >= 'a' || next >= 'a' && next <= 'z') {
				out = append(out, '_')
			}
			c += 'a' - 'A'
		}
		out = append(out, c)
	}
	return out
}
