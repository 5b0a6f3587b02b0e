// Package event is the taxonomy of the ledger: what services may say about
// personal data, in which words, and what is sealed when they say it.
//
// An event has two forms. The short form is what a service sends, four members
// in the simplest case:
//
//	{"type":"consent.given","subject":"c-2","form":"web-newsletter","token":"kq3v…"}
//
// The full form is what is sealed. [Fill] makes it from the short form, the
// [Register] (purposes, notices, forms, recipients: what was said once for a
// thousand events), the credential of the writer and a clock that the caller
// brings. Nothing in the full form is a guess: every member that was filled
// names where it came from, see [Field.By] and docs/reference/events.md, which
// is generated from the catalogue in this package.
//
// The path of one event through this package:
//
//	e, err := event.Parse(line)                  // strict JSON, canonical bytes
//	full, warnings, err := event.Fill(ctx, e)    // one request, one or more full events
//	key, keep := event.Route(reg, facts, full[0]) // whose key seals it, and how long
//	reg, err = reg.Apply(full[0], leaf)           // if it was a register event
//
// # Canonical bytes
//
// An [Event] is an immutable list of members. Its text is the JSON
// Canonicalization Scheme of RFC 8785, which is what is sealed and hashed, so
// two events are the same exactly when their texts are. Parse refuses what
// would make that text ambiguous or lossy: a name given twice at any depth,
// invalid UTF-8, half a surrogate pair, a number that a double cannot hold,
// anything after the object, more than [MaxDepth] levels, more than [MaxSize]
// bytes.
//
// # Refusals
//
// A *[Refused] lists everything that is wrong with an event, not the first
// thing (a syntax fault hides what follows it, so it comes alone). It names
// the place by a JSON pointer and says what to type instead. It never carries
// a value of the event or the identifier of a person: refusals are printed,
// logged and counted by people who may not know whom they are about. Hints may
// quote what the controller itself published, such as the names of purposes.
//
// # What this package does not do
//
// It reads no file, no clock and no store, and it keeps no state. Whether an
// event fits what was recorded about the person before (a consent that is
// confirmed twice, say) is the business of package consent; Fill only asks it,
// through the interface [Facts].
package event
