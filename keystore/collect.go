package keystore

import "runtime"

// collect makes the runtime erase what secret mode marked. Twice: what the first
// collection finds unreachable is erased when the second sweeps.
func collect() {
	if runtimeSecret {
		runtime.GC()
		runtime.GC()
	}
}
