//go:build race

package log_test

// slow is true where the race detector runs; it also switches on the engine's
// own checks of itself, and all in all makes these tests fifty times slower.
const slow = true
