//go:build unix && !linux

package launch

import (
	"os/exec"
	"syscall"
)

// dumpSignal makes the Go runtime print its stacks and exit.
const dumpSignal = syscall.SIGQUIT

const noSandbox = "open: this system has no sandbox that Vision knows"

// Support says what this machine can do.
func Support() Report {
	return Report{Files: noSandbox, Network: noSandbox, Memory: noSandbox, Children: noSandbox}
}

// cage holds one process from its birth to its end.
type cage struct{ report Report }

func newCage(Spec, string, []string) (*cage, error) { return &cage{report: Support()}, nil }

// start gives the process a group of its own; without a death signal the SDK's watch of its parent ends orphans.
func (c *cage) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd.Start()
}

func (c *cage) enter() error { return nil }

func (c *cage) kill(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

func (c *cage) close() (outOfMemory bool) { return false }

func lockedThread(f func()) { f() }

// reap waits for the end of the process and calls ended at once afterwards.
func reap(cmd *exec.Cmd, ended func()) error {
	err := cmd.Wait()
	ended()
	return err
}
