package event

func processingTypes() []*Type {
	basis := Field{Name: "basis", Short: kEnum, Full: kEnum, Fixed: true, By: ByPurpose, Values: legalBases, Doc: "legal basis of the purpose"}
	return []*Type{
		{Name: "data.collected", Area: AreaProcessing,
			Doc: "Data came in, from the person or from elsewhere (Art. 13, 14).",
			Fields: []Field{
				fPurpose(ByForm, false), fForm(false), fChannel(false, ByForm), fNotice(ByForm, false),
				fContact(ByWriter, "the contact among it"),
				{Name: "purposes", Short: kNameList, By: ByWriter, Doc: "several purposes; one event each is sealed"},
				{Name: "categories", Short: kCategories, Full: kCategories, Fixed: true, By: ByForm, Doc: "names of what was collected; surplus is refused"},
				{Name: "source", Short: kEnum, Full: kEnum, Fixed: true, By: ByWriter, Values: []string{"subject", "third_party"}, Doc: "absent: the subject"},
				{Name: "collector", Short: kID, Full: kID, By: ByWriter, Doc: "who took it down"},
			}},
		{Name: "processing.performed", Area: AreaProcessing,
			Doc: "Data was used (Art. 5(2), 30).",
			Fields: []Field{
				fPurpose(ByWriter, true), basis,
				{Name: "operation", Short: kID, Full: kID, Must: true, Fixed: true, By: ByWriter, Doc: "what was done"},
				fChannel(false, ByWriter),
				{Name: "categories", Short: kCategories, Full: kCategories, By: ByWriter, Doc: "names of what was used"},
				{Name: "system", Short: kID, Full: kID, By: ByWriter, Doc: "where"},
				{Name: "batch", Short: kID, Full: kID, By: ByWriter, Doc: "a run of many"},
			}},
		{Name: "processing.denied", Area: AreaProcessing, LedgerOnly: true,
			Doc: "Something was asked for and not allowed: attempts are on record too.",
			Fields: []Field{
				fPurpose(ByLedger, true),
				{Name: "operation", Short: kID, Full: kID, Must: true, Fixed: true, By: ByLedger, Doc: "type of the event that was not recorded"},
				{Name: "reasons", Short: kNameList, Full: kNameList, Must: true, Fixed: true, By: ByLedger, Doc: "codes of the answer; the first decided"},
				{Name: "recipient", Short: kName, Full: kName, By: ByLedger, Doc: "who would have received it"},
				fChannel(false, ByLedger),
			}},
		{Name: "data.disclosed", Area: AreaProcessing,
			Doc: "Data was handed to a recipient: names of attributes, never values (Art. 13(1)(e)-(f), 15(1)(c), 19).",
			Fields: []Field{
				fPurpose(ByWriter, true), basis,
				{Name: "recipient", Short: kName, Full: kName, Must: true, Fixed: true, By: ByWriter, Doc: "recipient_id"},
				{Name: "attributes", Short: kCategories, Full: kCategories, Must: true, Fixed: true, By: ByWriter, Doc: "names of what was handed over"},
				{Name: "recipient_ref", Short: kID, Full: kID, By: ByWriter, Doc: "how the recipient knows the person; without it nobody can be told after an erasure whom to erase"},
				{Name: "batch", Short: kID, Full: kID, By: ByWriter, Doc: "a run of many"},
			}},
		{Name: "communication.sent", Area: AreaProcessing,
			Doc: "A message went out (§ 7 UWG, Art. 21(2)).",
			Fields: []Field{
				fPurpose(ByWriter, true), fChannel(true, ByWriter),
				fContact(ByRequest, "where to; absent: the contact of the consent"),
				{Name: "advertising", Short: kBool, Full: kBool, Fixed: true, By: ByPurpose, Doc: "whether it was advertising"},
				{Name: "template", Short: kHash, Full: kHash, By: ByWriter, Doc: "what was sent"},
				{Name: "batch", Short: kID, Full: kID, By: ByWriter, Doc: "a run of many"},
			}},
	}
}

func rightsTypes() []*Type {
	return []*Type{
		{Name: "right.requested", Area: AreaRights,
			Doc: "A person uses a right; starts the clock of one month (Art. 12(3), 15-22).",
			Fields: []Field{
				{Name: "right", Short: kEnum, Full: kEnum, Must: true, Fixed: true, By: ByWriter, Values: []string{"A15", "A16", "A17", "A18", "A20", "A21", "A22", "A7-3"}, Doc: "the article"},
				fChannel(false, ByWriter), fContact(ByWriter, "from where"),
				{Name: "identity", Short: kID, Full: kID, By: ByWriter, Doc: "why we believe it is the person: same_contact_as_consent, login, …"},
				{Name: "scope", Short: kScope, Full: kScope, By: ByWriter, Doc: "absent: everything"},
				{Name: "agent", Short: kID, Full: kID, By: ByWriter, Doc: "who acts for the person"},
				{Name: "due", Short: kTime, Full: kTime, Fixed: true, By: ByClock, Doc: "one month after event_time"},
			}},
		{Name: "chain.asserted", Area: AreaRights, LedgerOnly: true,
			Doc: "The ledger says that a chain of a person ends here: its count and its head. It is sealed under the key of that chain and dies with it.",
			Fields: []Field{
				{Name: "chains", Short: kChains, Full: kChains, Must: true, Fixed: true, By: ByLedger, Doc: "the one chain that it is about"},
				{Name: "of", Short: kNumber, Full: kNumber, Fixed: true, By: ByLedger, Doc: "how many chains the person has"},
			}},
	}
}

func logTypes() []*Type {
	common := func(fs ...Field) []Field {
		return append(fs,
			Field{Name: "type", Short: kID, Full: kID, Must: true, Fixed: true, By: ByLedger, Doc: "type of the statement"})
	}
	return []*Type{
		{Name: "erasure.epoch", Area: AreaLog, LedgerOnly: true, Open: true, Fields: common(),
			Doc: "Keys were destroyed; names no one. Its members are described with the erasure state machine."},
		{Name: "log.key", Area: AreaLog, LedgerOnly: true, Open: true,
			Doc: "The log has a signing key, or a new one.",
			Fields: common(
				Field{Name: "key", Short: kText, Full: kText, By: ByLedger, Doc: "verifier key of the C2SP note format"},
			)},
	}
}
