package certificate

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A request is committed member by member, in the form that events have (RFC 9901 disclosures), so that
// the person can later show the scope and the time of what was asked without showing a name:
//
//	D_i      = base64url(JCS([base64url(salt_i), name_i, value_i]))       salt_i: 16 random bytes
//	digest_i = SHA-256(D_i)
//	d_P      = SHA-256("lacuna/v1/members" || u16 n || for each: u8 len || name_i || digest_i)
//	c        = HMAC-SHA256(rho, "lacuna/v1/request" || SHA-256(origin) || d_P)       rho: 32 random bytes
//
// The salts are independent of rho: whoever is shown one member learns nothing that helps to guess another.

// The members of a request, in the order of their names.
const (
	MemberErase   = "erase"        // the keys: [[compartment, cohort], …]
	MemberReason  = "reason"       // request, retention or closure
	MemberAsked   = "requested_at" // when
	MemberScope   = "scope"        // what was asked for, in words
	MemberSubject = "subject"      // whose data; absent where nobody asked, as in retention
)

// An Opening opens the commitment to one request. It is handed to the person once. Members whose
// disclosure is withheld stay hidden.
type Opening struct {
	Rho         Digest         `json:"rho"`
	Members     []MemberDigest `json:"members"`
	Disclosures []string       `json:"disclosures"`
}

// A MemberDigest names a member of a request and commits to its value.
type MemberDigest struct {
	Name   string `json:"name"`
	Digest Digest `json:"digest"`
}

// NewOpening commits to members, given as name and value.
func NewOpening(members map[string]any) (*Opening, error) {
	o := new(Opening)
	rand.Read(o.Rho[:])
	for name := range members {
		o.Members = append(o.Members, MemberDigest{Name: name})
	}
	slices.SortFunc(o.Members, func(a, b MemberDigest) int { return strings.Compare(a.Name, b.Name) })
	for i, m := range o.Members {
		var salt [16]byte
		rand.Read(salt[:])
		triple, err := Canonical([]any{b64.EncodeToString(salt[:]), m.Name, members[m.Name]})
		if err != nil {
			return nil, err
		}
		d := b64.EncodeToString(triple)
		o.Members[i].Digest = sha256.Sum256([]byte(d))
		o.Disclosures = append(o.Disclosures, d)
	}
	return o, nil
}

// Commitment is c, as the requests tree of the epoch holds it.
func (o *Opening) Commitment(origin string) Digest {
	h := sha256.New()
	h.Write([]byte("lacuna/v1/members"))
	h.Write(binary.BigEndian.AppendUint16(nil, uint16(len(o.Members))))
	for _, m := range o.Members {
		h.Write([]byte{byte(len(m.Name))})
		h.Write([]byte(m.Name))
		h.Write(m.Digest[:])
	}
	members := h.Sum(nil)

	originHash := sha256.Sum256([]byte(origin))
	mac := hmac.New(sha256.New, o.Rho[:])
	mac.Write([]byte("lacuna/v1/request"))
	mac.Write(originHash[:])
	mac.Write(members)
	return Digest(mac.Sum(nil))
}

// Withhold returns a copy of the opening that does not show the named members. It opens the same
// commitment.
func (o *Opening) Withhold(names ...string) *Opening {
	c := &Opening{Rho: o.Rho, Members: slices.Clone(o.Members), Disclosures: []string{}}
	for _, d := range o.Disclosures {
		if name, _, err := readDisclosure(d); err == nil && !slices.Contains(names, name) {
			c.Disclosures = append(c.Disclosures, d)
		}
	}
	return c
}

// Show returns a copy of the opening with one more disclosure, in its place.
func (o *Opening) Show(disclosure string) *Opening {
	name, _, err := readDisclosure(disclosure)
	c := &Opening{Rho: o.Rho, Members: slices.Clone(o.Members), Disclosures: slices.Clone(o.Disclosures)}
	i := slices.IndexFunc(c.Disclosures, func(d string) bool {
		n, _, _ := readDisclosure(d)
		return n > name
	})
	if i < 0 {
		i = len(c.Disclosures)
	}
	if err == nil {
		c.Disclosures = slices.Insert(c.Disclosures, i, disclosure)
	}
	return c
}

var errOpening = errors.New("opening")

// Disclosed checks the form of the opening and returns the members it shows, as canonical JSON.
func (o *Opening) Disclosed() (map[string][]byte, error) {
	if len(o.Members) == 0 || len(o.Members) > 255 {
		return nil, fmt.Errorf("%w: %d members, want 1 to 255", errOpening, len(o.Members))
	}
	digest := make(map[string]Digest, len(o.Members))
	for i, m := range o.Members {
		if len(m.Name) == 0 || len(m.Name) > 255 || i > 0 && o.Members[i-1].Name >= m.Name {
			return nil, fmt.Errorf("%w: names of members are not strictly increasing", errOpening)
		}
		digest[m.Name] = m.Digest
	}
	shown := make(map[string][]byte, len(o.Disclosures))
	last := ""
	for _, d := range o.Disclosures {
		name, value, err := readDisclosure(d)
		if err != nil {
			return nil, err
		}
		if len(shown) > 0 && last >= name {
			return nil, fmt.Errorf("%w: disclosures are not in the order of their names", errOpening)
		}
		want, ok := digest[name]
		got := sha256.Sum256([]byte(d))
		if !ok || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			return nil, fmt.Errorf("%w: a disclosure is not the member that was committed to", errOpening)
		}
		shown[name], last = value, name
	}
	return shown, nil
}

// readDisclosure returns name and value of one D_i. It refuses every form but the canonical one.
func readDisclosure(d string) (name string, value []byte, err error) {
	fail := fmt.Errorf("%w: a disclosure is not base64url of the canonical [salt, name, value]", errOpening)
	text := make([]byte, b64.DecodedLen(len(d)))
	if decodeText(text, []byte(d)) != nil {
		return "", nil, fail
	}
	again := jsontext.Value(bytes.Clone(text))
	if again.Canonicalize() != nil || !bytes.Equal(again, text) {
		return "", nil, fail
	}
	var triple []jsontext.Value
	if json.Unmarshal(text, &triple) != nil || len(triple) != 3 {
		return "", nil, fail
	}
	var salt string
	var raw [16]byte
	if json.Unmarshal(triple[0], &salt) != nil || decodeText(raw[:], []byte(salt)) != nil || json.Unmarshal(triple[1], &name) != nil {
		return "", nil, fail
	}
	return name, triple[2], nil
}
