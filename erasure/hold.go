package erasure

// Exclusive runs f while no epoch runs: no job is between CHECKED and RECORDED, except those that a failure
// left behind, whose keys are fenced. What f forbids (a hold, an order to preserve) is forbidden for every
// epoch that begins after it, and an erasure that was faster is over. f must not call the engine.
func (e *Engine) Exclusive(f func() error) error {
	e.epochs.Lock()
	defer e.epochs.Unlock()
	e.mu.Lock()
	closed := e.closed
	e.mu.Unlock()
	if closed {
		return ErrClosed
	}
	return f()
}
