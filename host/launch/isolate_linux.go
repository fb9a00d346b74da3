package launch

import (
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// dumpSignal makes the Go runtime print its stacks and exit.
const dumpSignal = syscall.SIGQUIT

// isolate gives the process a group of its own, and a death with its host.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// lockedThread runs f on a thread that does nothing else.
func lockedThread(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f()
}

// reap waits for the end of the process and calls ended before its id can name another: while a leader is unreaped,
// so is its group's id.
func reap(cmd *exec.Cmd, ended func()) error {
	for unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	ended()
	return cmd.Wait()
}

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
