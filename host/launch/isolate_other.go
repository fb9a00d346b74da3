//go:build unix && !linux

package launch

import (
	"os/exec"
	"syscall"
)

// dumpSignal makes the Go runtime print its stacks and exit.
const dumpSignal = syscall.SIGQUIT

// isolate gives the process a group of its own; without a death signal the SDK's watch of its parent ends orphans.
func isolate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func lockedThread(f func()) { f() }

// reap waits for the end of the process and calls ended at once afterwards.
func reap(cmd *exec.Cmd, ended func()) error {
	err := cmd.Wait()
	ended()
	return err
}

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
