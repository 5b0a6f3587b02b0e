package event

import (
	"slices"
	"sort"
)

// Source says who supplies a member of the full form.
type Source string

const (
	ByWriter     Source = "writer"
	ByForm       Source = "form"
	ByPurpose    Source = "purpose"
	ByRegister   Source = "register"
	ByCredential Source = "credential"
	ByClock      Source = "clock, or writer"
	ByRequest    Source = "request" // the consent.requested that a token or a contact leads to
	ByLedger     Source = "ledger"
)

// Field is one member of a type of event.
type Field struct {
	Name  string
	Short Kind // what a writer may send; Nothing if it may not
	Full  Kind // what is sealed; Nothing if it never is
	Must  bool // a writer has to send it
	Fixed bool // the full form always has it
	By    Source
	// Values of an Enum or EnumList.
	Values []string
	Doc    string

	path string // JSON pointer of the member
}

// Area says what a type is about, and with it under whose key it is sealed.
type Area uint8

const (
	AreaRegister   Area = iota // the controller's own declarations: organisation key, or public
	AreaConsent                // proof of consent and of notices: compartment consent-evidence
	AreaProcessing             // what is done with data: the compartment of the purpose
	AreaRights                 // requests and assertions about rights: compartment rights
	AreaLog                    // public statements of the ledger about itself
)

// Compartments that every ledger has beside those that purposes declare.
const (
	ConsentEvidence  = "consent-evidence"
	RightsRecords    = "rights"
	Suppression      = "suppression"
	OrganisationKeys = "register" // internal register events, under the organisation's key
)

// Type is one type of event.
type Type struct {
	Name       string
	Area       Area
	Schema     int // newest version of the fields
	Doc        string
	Fields     []Field // sorted by name
	LedgerOnly bool    // writers may not send it
	Open       bool    // members beyond Fields are not checked
	idField    string  // register types: the member that defines the name
	quoted     []byte  // Name as JSON
	schema     []byte  // Schema as JSON

	places [maxNames]uint8 // in Fields, by the number of a name; noPlace where it is not there
	must   uint64          // places of the fields that a writer has to send, a bit each
	fixed  uint64          // of those that the full form always has
}

const (
	maxNames  = 128
	maxFields = 36 // of one type
	noPlace   = 63
)

// About says whether events of the type are about a person.
func (t *Type) About() bool {
	return t.Area == AreaConsent || t.Area == AreaProcessing || t.Area == AreaRights
}

// Register says whether events of the type change the register.
func (t *Type) Register() bool { return t.Area == AreaRegister }

// Field returns a member of the type.
func (t *Type) Field(name string) (*Field, bool) {
	i := sort.Search(len(t.Fields), func(i int) bool { return compareNames(t.Fields[i].Name, name) >= 0 })
	if i < len(t.Fields) && t.Fields[i].Name == name {
		return &t.Fields[i], true
	}
	return nil, false
}

// Lookup returns the type of that name.
func Lookup(name string) (*Type, bool) {
	t, ok := typesByName[name]
	return t, ok
}

// Types returns every type, in the order of the reference: register, consent,
// processing, rights, log. The caller may not change the slice.
func Types() []*Type { return catalogue }

var (
	catalogue, names = buildCatalogue()
	typesByName      = func() map[string]*Type {
		m := make(map[string]*Type, len(catalogue))
		for _, t := range catalogue {
			m[t.Name] = t
		}
		return m
	}()
)

func typeNames() []string {
	names := make([]string, len(catalogue))
	for i, t := range catalogue {
		names[i] = t.Name
	}
	return names
}

// buildCatalogue adds the members that all types of an area share, sorts, and
// gathers the names.
func buildCatalogue() (ts []*Type, names []string) {
	ts = slices.Concat(registerTypes(), consentTypes(), processingTypes(), rightsTypes(), holdTypes(), logTypes())
	for _, t := range ts {
		if t.Schema == 0 {
			t.Schema = 1
		}
		t.quoted, t.schema = quote(t.Name), intValue(t.Schema)
		if !t.Open {
			t.Fields = append(t.Fields, envelopeFields...)
		}
		switch {
		case t.Register():
			t.Fields = append(t.Fields, registerFields...)
		case t.About():
			t.Fields = append(t.Fields, subjectFields...)
		}
		slices.SortFunc(t.Fields, func(a, b Field) int { return compareNames(a.Name, b.Name) })
		for i := range t.Fields {
			f := &t.Fields[i]
			if i > 0 && f.Name == t.Fields[i-1].Name {
				panic("event: catalogue: " + t.Name + " has " + f.Name + " twice")
			}
			f.path = "/" + f.Name
			names = append(names, f.Name)
		}
	}
	slices.SortFunc(names, compareNames)
	names = slices.Compact(names)
	for _, t := range ts {
		t.number(names)
	}
	return ts, names
}

// number notes where the fields are.
func (t *Type) number(names []string) {
	if len(names) > maxNames || len(t.Fields) > maxFields {
		panic("event: catalogue: too many names")
	}
	for n := range t.places {
		t.places[n] = noPlace
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		n, _ := slices.BinarySearchFunc(names, f.Name, compareNames)
		t.places[n] = uint8(i)
		if f.Must {
			t.must |= 1 << i
		}
		if f.Fixed {
			t.fixed |= 1 << i
		}
	}
}
