//go:build cgo

package bench

const cgo = true
