package keystore

import (
	"bytes"
	"testing"
)

// What is read back from a store, a backup or a page target is read strictly:
// whatever parses is written again as the same bytes.

func FuzzImage(f *testing.F) {
	children := new([slots]Secret)
	for i := range children {
		children[i] = Secret(bytesFrom(byte(i), 32))
	}
	sys := newSystem(3)
	sys.names = []string{"marketing"}
	seed := func(k kind, at addr, bits uint8, text []byte) []byte {
		key := pageKey(children, at, bits)
		m := newMAC(key[:])
		return sealImage(&m, header{kind: k, at: at, bits: bits, epoch: 4, version: 2}, text)
	}
	leaf := seed(kindLeaf, addr{1, 0}, 0, leafPlaintext([]entry{{comp: 1, state: Active}}))
	f.Add(leaf)
	f.Add(leaf[:imageOver])
	f.Add(seed(kindInterior, addr{1, 5 << 58}, 6, childrenPlaintext(children)))
	f.Add(seed(kindSystem, systemAddr, 6, sys.plaintext()))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, sealed, err := parseHeader(raw)
		if err != nil {
			return
		}
		if b := append(h.append(nil), sealed...); !bytes.Equal(b, raw) {
			t.Fatal("a header is not written as it was read")
		}
		if h.at.level == 0 {
			return
		}
		key := pageKey(children, h.at, h.bits)
		m := newMAC(key[:])
		text, err := openImage(&m, raw)
		if err != nil {
			return
		}
		if h.kind == kindLeaf {
			parseLeaf(text)
		}
	})
}

func FuzzLeaf(f *testing.F) {
	f.Add(leafPlaintext(nil))
	f.Add(leafPlaintext([]entry{{comp: 1, state: Active}, {comp: 2, cohort: 2024, state: Erasing, flags: flagHeld}}))
	f.Add(make([]byte, entrySize))
	f.Fuzz(func(t *testing.T, text []byte) {
		es, err := parseLeaf(text)
		if err == nil && !bytes.Equal(leafPlaintext(es), text) {
			t.Fatal("a leaf page is not written as it was read")
		}
	})
}

func FuzzSystem(f *testing.F) {
	s := newSystem(1)
	f.Add(s.plaintext())
	s.names = []string{"marketing", "consent-evidence"}
	s.gens = append(s.gens, newGeneration(2))
	f.Add(s.plaintext())
	f.Add(make([]byte, systemPad))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseSystem(text)
		if err == nil && !bytes.Equal(s.plaintext(), text) {
			t.Fatal("a system page is not written as it was read")
		}
	})
}

func FuzzDelta(f *testing.F) {
	key := Secret(bytesFrom(1, 32))
	m := newMAC(key[:])
	tree, before := TreeID{1}, [32]byte{2}
	raw := sealDeltaSalted(&m, &tree, addr{1, 0}, 3, 1, &before, &entry{comp: 1, state: Active}, [saltLen]byte{7})
	f.Add(raw, uint32(1), byte(1))
	f.Add(raw, uint32(2), byte(1))
	f.Add(raw[:saltLen], uint32(1), byte(1))
	f.Fuzz(func(t *testing.T, b []byte, n uint32, level byte) {
		var e entry
		err := openDelta(&m, &tree, addr{level, 0}, 3, n, &before, b, &e)
		if err == nil && (n != 1 || level != 1 || !bytes.Equal(b, raw)) {
			t.Fatal("opened a delta that nobody sealed")
		}
	})
}

func FuzzRowKey(f *testing.F) {
	f.Add(rowKey{gen: 1, at: addr{2, 5 << 58}, epoch: 9, version: 1, n: 3}.bytes())
	f.Add([]byte{rowSpace})
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := parseRowKey(b)
		if err == nil && !bytes.Equal(k.bytes(), b) {
			t.Fatal("a row key is not written as it was read")
		}
	})
}

func FuzzRef(f *testing.F) {
	f.Add(Ref{keyID{tag: [16]byte{1}, comp: 2, cohort: 3, alias: true}}.Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRef(b)
		if err == nil && !bytes.Equal(r.Bytes(), b) {
			t.Fatal("a reference is not written as it was read")
		}
	})
}
