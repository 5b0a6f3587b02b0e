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
}

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
	catalogue   = buildCatalogue()
	typesByName = func() map[string]*Type {
		m := make(map[string]*Type, len(catalogue))
		for _, t := range catalogue {
			m[t.Name] = t
		}
		return m
	}()
	knownNames = func() map[string]string {
		m := make(map[string]string)
		for _, t := range catalogue {
			for _, f := range t.Fields {
				m[f.Name] = f.Name
			}
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

// buildCatalogue adds the members that all types of an area share and sorts.
func buildCatalogue() []*Type {
	ts := slices.Concat(registerTypes(), consentTypes(), processingTypes(), rightsTypes(), holdTypes(), logTypes())
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
		for i := 1; i < len(t.Fields); i++ {
			if t.Fields[i].Name == t.Fields[i-1].Name {
				panic("event: catalogue: " + t.Name + " has " + t.Fields[i].Name + " twice")
			}
		}
		for i := range t.Fields {
			t.Fields[i].path = "/" + t.Fields[i].Name
		}
	}
	return ts
}
