package event

import "time"

// held fills the events about holds, restrictions and suppression.
func (f *filler) held() {
	switch f.t.Name {
	case "hold.placed":
		f.emit(f.compartment(), f.pass(nReasonIRI), f.review(), f.pass(nCaseRef))
	case "hold.released":
		f.emit(f.pass(nHold), f.pass(nReason))
	case "restriction.applied":
		f.emit(f.compartment(), f.pass(nGround), f.review(), f.pass(nRequest))
	case "restriction.lifted":
		told := f.instant(nNotifiedSubjectAt)
		if told.After(f.at) {
			f.rs.add(OutOfRange, "/notified_subject_at", "the person is told before the restriction is lifted (Art. 18(3))")
		}
		f.emit(f.pass(nRestriction), timeMember(nNotifiedSubjectAt, told))
	case "suppression.requested", "suppression.lifted":
		// The contact says from where it came; it need not fit the channel.
		contact, _ := NormalContact(f.str(nContact))
		f.emit(stringMember(nChannel, f.str(nChannel)), stringMember(nContact, contact), f.pass(nIdentity))
	}
}

// compartment refuses one that nobody declared: a misspelt hold would hold nothing.
func (f *filler) compartment() filled {
	name := f.str(nCompartment)
	if _, known := f.r.RetentionOf(name); name != "" && name != Everywhere && !known {
		f.rs.add(ValueNotAllowed, "/compartment", didYouMean(name, f.r.compartments(), "no purpose declares such a compartment"))
	}
	return f.pass(nCompartment)
}

// review is when somebody looks again. A hold without an end in sight would be
// one that nobody remembers.
func (f *filler) review() filled {
	at := f.instant(nReviewAt)
	if !at.IsZero() && !at.After(f.at) {
		f.rs.add(OutOfRange, "/review_at", "a time after event_time")
	}
	return timeMember(nReviewAt, at)
}

func (f *filler) instant(n name) time.Time {
	t, _ := ParseTime(f.str(n)) // checkForm has said what is wrong with it
	return t
}

func timeMember(n name, t time.Time) filled {
	if t.IsZero() {
		return filled{name: n}
	}
	return filled{n, quotedTime(t)}
}

// preservation checks the order to keep a whole ledger.
func (f *filler) preservation(public bool) {
	if public {
		f.rs.add(NotPublic, "/public", "a case must not appear on public tiles")
	}
	if at := f.instant(nReviewAt); !at.IsZero() && !at.After(f.at) {
		// Not refused: the register is sent again as it is, and the order stands until it is ended.
		f.warn("review_due", "/review_at", "the review is due")
	}
	for i, name := range f.short.list("compartments") {
		if _, known := f.r.RetentionOf(name); !known && validName(name) {
			f.rs.add(ValueNotAllowed, "/compartments/"+string(intValue(i)), didYouMean(name, f.r.compartments(), "no purpose declares such a compartment"))
		}
	}
}

// compartments lists those that events about people can lie in.
func (r *Register) compartments() []string {
	list := []string{ConsentEvidence, RightsRecords, Suppression}
	for _, p := range r.Purposes() {
		list = append(list, p.Compartment)
	}
	return list
}
