package keystore

import "context"

// Expire sets the day, counted from 1970-01-01, on which the data of a key that
// was just made is due to be erased: while the key is [Lease.Pending] the day goes
// out in the same row as the key, and costs nothing. It reports false, and
// changes nothing, for a key that was queued before; use [Tree.SetExpiry] there.
func (l *Lease) Expire(day uint16) bool {
	s := l.t.keys.shard(l.k.id)
	s.mu.Lock()
	pending, was := l.k.untaken, l.k.facts.expiry
	s.mu.Unlock()
	if !pending || was == day {
		return pending
	}
	err := l.t.changeOne(context.Background(), l.k.id, false, func(e *entry) error {
		e.expiry = day
		return nil
	})
	return err == nil
}

// Mark is [Lease.Expire] for holds, restrictions and their review: a key that is
// made where a hold lies is held from its first row on.
func (l *Lease) Mark(held, restricted bool, review uint16) bool {
	if !l.Pending() {
		return false
	}
	err := l.t.changeOne(context.Background(), l.k.id, false, func(e *entry) error {
		e.flags = setFlag(setFlag(e.flags, flagHeld, &held), flagRestricted, &restricted)
		e.review = review
		return nil
	})
	return err == nil
}
