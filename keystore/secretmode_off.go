//go:build !goexperiment.runtimesecret

package keystore

// runtimeSecret says whether derivations run inside Go's runtime/secret, which
// erases registers, stack and heap behind them. Without it we overwrite what we
// can name, and no more.
const runtimeSecret = false

func guarded(f func()) { f() }
