package holder

// CheapPassphrases makes guessing at new files cheap, for tests that open many.
func CheapPassphrases() (restore func()) {
	before := recommended
	recommended = cost{passes: 1, memory: minPerLane, lanes: 1}
	return func() { recommended = before }
}
