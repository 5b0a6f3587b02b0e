//go:build unix

package bench

import (
	"os/exec"
	"syscall"
)

// apart keeps a terminal from interrupting a worker: we do that ourselves, once.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
