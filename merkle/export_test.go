package merkle

// Paired says whether this processor hashes two messages at once.
func Paired() bool { return paired }
