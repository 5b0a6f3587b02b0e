//go:build goexperiment.runtimesecret

package keystore

import "runtime/secret"

// runtimeSecret says whether derivations run inside Go's runtime/secret, which
// erases registers, stack and heap behind them.
const runtimeSecret = true

func guarded(f func()) { secret.Do(f) }
