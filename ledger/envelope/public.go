package envelope

import "fmt"

// PublicLeaf returns the leaf of a public statement, 0x01 0x01 || JCS. The
// statement is a canonical JSON object with member names as [Split] wants
// them, and at most 65,533 bytes long. Everyone can read it for ever; nothing
// about a person belongs in one.
func PublicLeaf(statement []byte) (leaf []byte, err error) {
	if err := checkStatement(statement); err != nil {
		return nil, err
	}
	return append([]byte{leafVersion, leafPublic}, statement...), nil
}

// IsPublic reports whether a leaf is that of a public statement, by its first
// two bytes.
func IsPublic(leaf []byte) bool {
	return len(leaf) >= 2 && leaf[0] == leafVersion && leaf[1] == leafPublic
}

// PublicStatement returns the statement inside a public leaf, and false for
// the leaf of a sealed event and for anything malformed.
func PublicStatement(leaf []byte) (statement []byte, ok bool) {
	if !IsPublic(leaf) || checkStatement(leaf[2:]) != nil {
		return nil, false
	}
	return leaf[2:], true
}

func checkStatement(statement []byte) error {
	if len(statement) > MaxLeaf-2 {
		return fmt.Errorf("public statement: %w: more than %d bytes", ErrMembers, MaxLeaf-2)
	}
	var s spans
	if err := s.split(statement); err != nil {
		return fmt.Errorf("public statement: %w", err)
	}
	return nil
}
