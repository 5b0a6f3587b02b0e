package event

import "math/bits"

// Check holds an event in short form against the schema of its type: members
// that exist, values of the right kind, required members there. Full forms pass
// too, apart from what the ledger adds when it seals. It knows nothing of the
// register; [Fill] checks both. The error is a *[Refused] with every fault.
func Check(short *Event) error {
	var rs reasons
	if t := typeOf(short, &rs); t != nil {
		checkForm(t, short, false, &rs)
	}
	return rs.err()
}

// CheckFull holds an event in full form against the schema of its type, with or
// without what the ledger adds when it seals (_seq, _prev, _recorded).
func CheckFull(full *Event) error {
	var rs reasons
	if t := typeOf(full, &rs); t != nil {
		checkForm(t, full, true, &rs)
	}
	return rs.err()
}

func typeOf(e *Event, rs *reasons) *Type {
	if e.typ != nil {
		return e.typ
	}
	v, ok := e.Get("type")
	if !ok {
		rs.add(MissingMember, "/type", `"type":"consent.given", for example`)
		return nil
	}
	name, ok := inner(v)
	if !ok {
		rs.add(WrongType, "/type", "a string is wanted")
		return nil
	}
	rs.add(UnknownType, "/type", didYouMean(string(name), typeNames(), ""))
	return nil
}

// checkForm walks the members of an event and the fields of its type side by
// side; both are sorted by name.
func checkForm(t *Type, e *Event, full bool, rs *reasons) {
	wanted := t.must
	if full {
		wanted = t.fixed
	}
	if e.typ == t && e.fields != 0 && e.fields&wanted == wanted {
		// Each member has its field, and none is missing.
		i := 0
		for rest := e.fields; rest != 0; rest &= rest - 1 {
			t.Fields[bits.TrailingZeros64(rest)].check(e.members[i].Value, full, rs)
			i++
		}
		return
	}
	i := 0
	for k := range t.Fields {
		f := &t.Fields[k]
		for i < len(e.members) && nameBefore(e.members[i].Name, f.Name) {
			if !t.Open {
				unknownMember(t, e.members[i].Name, full, rs)
			}
			i++
		}
		if i < len(e.members) && e.members[i].Name == f.Name {
			f.check(e.members[i].Value, full, rs)
			i++
			continue
		}
		if wanted&(1<<k) != 0 {
			rs.add(MissingMember, f.path, f.Doc)
		}
	}
	for ; i < len(e.members) && !t.Open; i++ {
		unknownMember(t, e.members[i].Name, full, rs)
	}
}

// check holds a value of the field against its kind.
func (f *Field) check(v []byte, full bool, rs *reasons) {
	kind := f.Short
	if full {
		kind = f.Full
	}
	switch {
	case full && kind == kNothing:
		rs.add(UnknownMember, f.path, "not in the full form")
	case full && f.Name == "_prev" && string(v) == "null":
	default:
		checkValue(kind, f.Values, v, f.path, rs)
	}
}

func unknownMember(t *Type, name string, full bool, rs *reasons) {
	known := make([]string, 0, len(t.Fields))
	for _, f := range t.Fields {
		if full && f.Full != kNothing || !full && f.Short != kNothing {
			known = append(known, f.Name)
		}
	}
	hint := ""
	if s := suggest(name, known); s != "" {
		hint = "did you mean \"" + s + "\"?"
	} else {
		hint = t.Name + " has no such member"
	}
	rs.add(UnknownMember, pointer("", name), hint)
}
