package keystore

import "context"

// Expire sets the day, counted from 1970-01-01, on which the data of a key that
// was just made is due to be erased: while the key is [Lease.Pending] the day goes
// out in the same row as the key, and costs nothing. It reports false, and
// changes nothing, for a key that was queued before; use [Tree.SetExpiry] there.
func (l *Lease) Expire(day uint16) bool {
	if !l.Pending() {
		return false
	}
	err := l.t.changeOne(context.Background(), l.k.id, false, false, func(e *entry) error {
		e.expiry = day
		return nil
	})
	return err == nil
}
