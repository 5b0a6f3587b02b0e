package merkle

// Fast says whether this processor has instructions for SHA-256.
func Fast() bool { return fast }

// Slowly makes everything hash with crypto/sha256, as on a processor without them,
// until the returned function is called.
func Slowly() (restore func()) {
	was := fast
	fast = false
	return func() { fast = was }
}

// CutNote takes a signed note apart.
var CutNote = cutNote
