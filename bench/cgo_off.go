//go:build !cgo

package bench

const cgo = false
