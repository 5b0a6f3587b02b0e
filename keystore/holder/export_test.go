package holder

// CheapPassphrases makes guessing at new files cheap, for tests that open many.
func CheapPassphrases() (restore func()) {
	before := recommended
	recommended = cost{passes: 1, memory: minPerLane, lanes: 1}
	return func() { recommended = before }
}

// Mirror makes one holder of several files.
func Mirror(copies ...*File) (*Mirrored, error) {
	var all []replica
	for _, f := range copies {
		all = append(all, f)
	}
	return mirror(all)
}
