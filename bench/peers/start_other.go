//go:build !linux

package main

import (
	"os/exec"
	"syscall"
)

func dieWithUs(*syscall.SysProcAttr) {}

// start starts a process and waits for it.
func start(cmd *exec.Cmd, done chan<- error) error {
	err := cmd.Start()
	if err == nil {
		go func() { done <- cmd.Wait() }()
	}
	return err
}
