package event

// Grounds on which data is held against an erasure: the exceptions of Art. 17(3),
// as terms of the Data Privacy Vocabulary's GDPR extension.
var holdGrounds = []string{
	"eu-gdpr:JustificationA17Archiving", "eu-gdpr:JustificationA17FreedomOfExpression", "eu-gdpr:JustificationA17LegalClaims",
	"eu-gdpr:JustificationA17LegallyRequired", "eu-gdpr:JustificationA17OfficialAuthority", "eu-gdpr:JustificationA17PublicHealth",
}

// HoldGrounds returns the grounds on which data may be held.
func HoldGrounds() []string { return append([]string(nil), holdGrounds...) }

// RestrictionGrounds are those of Art. 18(1)(a) to (d), in their order.
var restrictionGrounds = []string{"accuracy", "unlawful", "claims", "objection"}

// RestrictionGrounds returns the grounds on which processing is restricted.
func RestrictionGrounds() []string { return append([]string(nil), restrictionGrounds...) }

// Everywhere stands for every compartment of a person.
const Everywhere = "*"

func fCompartment() Field {
	return Field{Name: "compartment", Short: kPurposeRef, Full: kPurposeRef, Must: true, Fixed: true, By: ByWriter, Doc: `a compartment, or "*" for all that the person has or will have`}
}

// preservationType is the hold of a whole ledger: a court or an authority wants
// nothing of a kind to be lost, whoever it is about.
func preservationType() *Type {
	return &Type{Name: "preservation.ordered", Area: AreaRegister, idField: "preservation_id",
		Doc: "Nothing of the named compartments, or of any, may be erased for now, whoever it is about (Art. 17(3)); never public.",
		Fields: []Field{
			{Name: "preservation_id", Short: kName, Full: kName, Must: true, Fixed: true, By: ByWriter, Doc: "its name"},
			{Name: "reason_iri", Short: kEnum, Full: kEnum, Must: true, Fixed: true, By: ByWriter, Values: holdGrounds, Doc: "the exception of Art. 17(3)"},
			{Name: "review_at", Short: kTime, Full: kTime, Must: true, Fixed: true, By: ByWriter, Doc: "when somebody looks whether it is still needed"},
			{Name: "compartments", Short: kNameList, Full: kNameList, By: ByWriter, Doc: "absent: all"},
			{Name: "case_ref", Short: kID, Full: kID, By: ByWriter, Doc: "the case it is for, in the controller's own terms"},
			{Name: "active", Short: kBool, Full: kBool, By: ByWriter, Doc: "false: it has ended; absent means yes"},
		}}
}

func holdTypes() []*Type {
	return []*Type{
		{Name: "hold.placed", Area: AreaRights,
			Doc: "Data of a person may not be erased for now (Art. 17(3)), until the hold is released. Its keys refuse to be destroyed.",
			Fields: []Field{
				fCompartment(),
				{Name: "reason_iri", Short: kEnum, Full: kEnum, Must: true, Fixed: true, By: ByWriter, Values: holdGrounds, Doc: "the exception of Art. 17(3)"},
				{Name: "review_at", Short: kTime, Full: kTime, Must: true, Fixed: true, By: ByWriter, Doc: "when somebody looks whether it is still needed"},
				{Name: "case_ref", Short: kID, Full: kID, By: ByWriter, Doc: "the case it is for, in the controller's own terms"},
			}},
		{Name: "hold.released", Area: AreaRights,
			Doc: "A hold ended.",
			Fields: []Field{
				{Name: "hold", Short: kID, Full: kID, Must: true, Fixed: true, By: ByWriter, Doc: "id of the hold.placed"},
				{Name: "reason", Short: kText, Full: kText, By: ByWriter, Doc: "why it is no longer needed"},
			}},
		{Name: "restriction.applied", Area: AreaRights,
			Doc: "Data of a person is stored and not used (Art. 18(1)). May denies every purpose of the compartment, and retention leaves it alone.",
			Fields: []Field{
				fCompartment(),
				{Name: "ground", Short: kEnum, Full: kEnum, Must: true, Fixed: true, By: ByWriter, Values: restrictionGrounds, Doc: "Art. 18(1)(a) to (d)"},
				{Name: "review_at", Short: kTime, Full: kTime, By: ByWriter, Doc: "when somebody looks whether it is still needed"},
				{Name: "request", Short: kID, Full: kID, By: ByWriter, Doc: "id of the right.requested"},
			}},
		{Name: "restriction.lifted", Area: AreaRights,
			Doc: "A restriction ended; the person was told before (Art. 18(3)).",
			Fields: []Field{
				{Name: "restriction", Short: kID, Full: kID, Must: true, Fixed: true, By: ByWriter, Doc: "id of the restriction.applied"},
				{Name: "notified_subject_at", Short: kTime, Full: kTime, Must: true, Fixed: true, By: ByWriter, Doc: "when the person was told"},
			}},
		{Name: "suppression.requested", Area: AreaRights,
			Doc: "A person asked to be left alone for good, also after an erasure. Sealed in compartment suppression, which is kept openly until it is lifted; nobody is remembered without having asked.",
			Fields: []Field{
				fChannel(false, ByWriter), fContact(ByWriter, "from where"),
				{Name: "identity", Short: kID, Full: kID, By: ByWriter, Doc: "why we believe it is the person"},
			}},
		{Name: "suppression.lifted", Area: AreaRights,
			Doc: "The person no longer asks to be left alone.",
			Fields: []Field{
				fChannel(false, ByWriter), fContact(ByWriter, "from where"),
				{Name: "identity", Short: kID, Full: kID, By: ByWriter, Doc: "why we believe it is the person"},
			}},
	}
}
