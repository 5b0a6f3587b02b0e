// Package consent is the memory of one person: what follows from the events
// that were recorded about them. It is a pure fold. [State.Apply] takes the
// events of one subject in full form (package event) in the order of the log
// and gives the next [State]; [State.May] answers whether something may be done.
//
//	s := consent.New()
//	s, err = s.Apply(full, index)
//	ans := s.May(consent.Question{Purpose: "newsletter", Channel: "email"}, register, now)
//	if ans.Decision != consent.Allow { … } // a gap is not an allow, nor is the zero value
//
// # Consent
//
// A consent belongs to a purpose, a channel and a contact point: who confirmed a
// mailbox has not agreed to be called (BGH I ZR 164/09). Each such triple is a
// track with a state machine of its own:
//
//	from                                   event              to
//	Unknown Refused Withdrawn Expired      consent.requested  Requested, or Pending with double opt-in
//	Requested Pending                      consent.requested  Requested or Pending; the newer request takes the older one's place
//	Given Renewed                          consent.requested  the same, if it shows another or a newer notice; else refused
//	Requested                              consent.given      Given
//	Pending                                consent.given      Given, if the token of the open request confirmed it in time
//	Unknown Refused Withdrawn Expired      consent.given      Given (without a token; whether the form allows that, Fill says)
//	Given Renewed                          consent.given      Renewed
//	Unknown Requested Pending Refused
//	Withdrawn Expired                      consent.refused    Refused
//	Given Renewed with an open request     consent.refused    Refused
//	any                                    consent.withdrawn  Withdrawn
//
// Everything else is refused with bad_transition. A withdrawal never is: for
// whichever person, in whichever state. One that names no channel, no contact or
// "*" as purpose holds for all of them, also for those that are heard of later.
//
// The clock moves states too, without an event: a request that is not confirmed
// in time is Unknown again; a consent whose validity is over is Expired, as is
// one whose notice was replaced by a version marked material.
//
// # Order
//
// Events may be recorded long after they happened. The state at a time T is the
// fold of the events with event_time ≤ T in the order of event_time; of two at
// the same time the more restrictive comes last, then the log index decides. So
// a grant that is recorded late does not revive a consent withdrawn after it,
// and a withdrawal that is recorded late counts from its own time on. An event
// that does not fit the state at its place in that order has no effect: this is
// how Apply decides to refuse it, and it can also happen to an event that was in
// order when it was recorded, if an earlier one is learnt of later. Doubts go
// against processing.
//
// [Question.At] asks about the past. The answer is what is known now; where
// something else followed from what had been recorded by then, [Answer.Then]
// says what.
package consent
