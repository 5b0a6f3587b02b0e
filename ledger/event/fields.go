package event

// envelopeFields are in every event.
var envelopeFields = []Field{
	{Name: "type", Short: kID, Full: kID, Must: true, Fixed: true, By: ByWriter, Doc: "type of the event"},
	{Name: "id", Short: kID, Full: kID, Fixed: true, By: ByWriter, Doc: "makes a retry safe; absent: a UUIDv4 is drawn"},
	{Name: "schema", Short: kNumber, Full: kNumber, Fixed: true, By: ByLedger, Doc: "version of the type's members"},
	{Name: "actor", Short: kActorArg, Full: kActorFull, Fixed: true, By: ByCredential, Doc: "role and service of the credential; actor.id of an employee only if the writer sends it"},
	{Name: "event_time", Short: kTime, Full: kTime, Fixed: true, By: ByClock, Doc: "when it happened, as the writer claims; absent: now"},
	{Name: "supersedes", Short: kID, Full: kID, By: ByWriter, Doc: "id of an event that this one corrects"},
	{Name: "late", Short: kTrue, Full: kTrue, By: ByLedger, Doc: "event_time was more than late_after (72 h unless the form says otherwise) before the recording"},
	{Name: "late_reason", Short: kText, Full: kText, By: ByWriter, Doc: "why it comes late; only beyond late_after"},
	{Name: "test", Short: kTrue, Full: kTrue, By: ByWriter, Doc: "marks a test; absent means no"},
	{Name: "_seq", Full: kNumber, By: ByLedger, Doc: "number of the event in its chain; added when it is sealed"},
	{Name: "_prev", Full: kID, By: ByLedger, Doc: "leaf hash of the event before it in its chain, or null; added when it is sealed"},
	{Name: "_recorded", Full: kTime, By: ByLedger, Doc: "when it was recorded; added when it is sealed"},
}

// registerFields are in every register event.
var registerFields = []Field{
	{Name: "version", Short: kNumber, Full: kNumber, Fixed: true, By: ByRegister, Doc: "1, 2, …; identical content keeps its version and is not recorded again"},
	{Name: "public", Short: kBool, Full: kBool, Fixed: true, By: ByWriter, Doc: "true: a public statement, readable by the world; the member itself is not in the public leaf"},
}

// subjectFields are in every event about a person.
var subjectFields = []Field{
	{Name: "subject", Short: subjectKind, Full: subjectKind, Must: true, Fixed: true, By: ByWriter, Doc: "the controller's own identifier of the person, exact bytes, at most 256"},
	{Name: "evidence", Short: kEvidence, Full: kEvidence, By: ByWriter, Doc: "hashes of scans, recordings, transcripts; the command line makes them from file names"},
	{Name: "feed", Short: kName, By: ByWriter, Doc: "name of the queue that the event comes from; with feed_seq, a queue that is read again after an erasure brings nobody back"},
	{Name: "feed_seq", Short: sequenceKind, By: ByWriter, Doc: "number of the event in its feed; they grow"},
	{Name: "message_id", Short: kText, Full: kText, By: ByWriter, Doc: "id of the message at the service that carried it"},
}

// sentences for members that several types share.
func fChannel(must bool, by Source) Field {
	return Field{Name: "channel", Short: kEnum, Full: kEnum, Must: must, By: by, Values: channels, Doc: "through what the person is reached or was met"}
}

func fContact(by Source, doc string) Field {
	return Field{Name: "contact", Short: kContact, Full: kContact, By: by, Doc: doc}
}

func fPurpose(by Source, must bool) Field {
	return Field{Name: "purpose", Short: kName, Full: kName, Must: must, Fixed: true, By: by, Doc: "purpose_id of a declared purpose"}
}

func fForm(must bool) Field {
	return Field{Name: "form", Short: kFormArg, Full: kFormFull, Must: must, By: ByWriter, Doc: "form_id of the form the person used; leaf is the entry that holds its words"}
}

func fNotice(by Source, fixed bool) Field {
	return Field{Name: "notice", Short: kNoticeArg, Full: kNoticeFull, Fixed: fixed, By: by, Doc: "notice_id of the privacy notice and its version at that time"}
}

var circumstances = []Field{
	{Name: "ip", Short: kText, Full: kText, By: ByWriter, Doc: "network address, if it is part of the proof"},
	{Name: "user_agent", Short: kText, Full: kText, By: ByWriter, Doc: "program the person used"},
	{Name: "locale", Short: kLang, Full: kLang, By: ByWriter, Doc: "language the form was shown in"},
}

func withFields(a []Field, more ...Field) []Field { return append(append([]Field(nil), more...), a...) }
