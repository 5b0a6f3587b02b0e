// Package consent is the memory of one person: what follows from the events
// that were recorded about them. It is a pure fold. [State.Apply] takes the
// events of one subject in full form (package event), in the order of the log,
// and gives the next state; [State.May] answers whether something may be done.
package consent
