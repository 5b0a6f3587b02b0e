package envelope

// Disclosed is what an opening shows of an event: every member's name, in
// order, and the values of those that are not held back.
type Disclosed struct {
	Members []DisclosedMember
}

// A DisclosedMember is one member; Value is canonical JSON, or nil where the
// member is held back.
type DisclosedMember struct {
	Name  string
	Value []byte
}

// Get returns the value of a member; it is nil if the member is held back or
// the event has none of that name, which Has tells apart.
func (d Disclosed) Get(name string) []byte {
	for _, m := range d.Members {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

// Has reports whether the event has a member of that name, shown or not.
// That it has none is proven too: the leaf commits to the list of names.
func (d Disclosed) Has(name string) bool {
	for _, m := range d.Members {
		if m.Name == name {
			return true
		}
	}
	return false
}

// HeldBack returns the names of the members that are not shown.
func (d Disclosed) HeldBack() []string {
	var names []string
	for _, m := range d.Members {
		if m.Value == nil {
			names = append(names, m.Name)
		}
	}
	return names
}

// Event returns the canonical JSON of what is shown: the whole event if
// nothing is held back, and otherwise an object with fewer members, which is
// not the one that was sealed.
func (d Disclosed) Event() []byte {
	event := []byte{'{'}
	for _, m := range d.Members {
		if m.Value == nil {
			continue
		}
		if len(event) > 1 {
			event = append(event, ',')
		}
		event = append(event, '"')
		event = append(event, m.Name...)
		event = append(event, '"', ':')
		event = append(event, m.Value...)
	}
	return append(event, '}')
}
