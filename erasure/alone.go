package erasure

// Alone runs f while no epoch of an erasure runs and none begins. A change of the
// root's holders is an epoch, too, and there is one at a time. Requests for erasure
// wait meanwhile.
func (e *Engine) Alone(f func() error) error {
	e.epochs.Lock()
	defer e.epochs.Unlock()
	if e.under != nil || e.sweepUnder != nil {
		return ErrNotResumed
	}
	return f()
}
