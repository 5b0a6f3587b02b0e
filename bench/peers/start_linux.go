package main

import (
	"os/exec"
	"runtime"
	"syscall"
)

// dieWithUs asks the kernel to interrupt a process when the thread that started
// it ends, so that nothing is left running when we are killed.
func dieWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }

// start starts a process and waits for it on a thread that lives as long.
func start(cmd *exec.Cmd, done chan<- error) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	return <-started
}
