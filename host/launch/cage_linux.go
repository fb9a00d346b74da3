package launch

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// dumpSignal makes the Go runtime print its stacks and exit.
const dumpSignal = syscall.SIGQUIT

// network is a way to keep a process from the network.
type network int

// The ways, best first.
const (
	ownNamespace  network = iota // a network namespace, by the host's privilege
	userNamespace                // a network namespace inside a user namespace
	landlockTCP                  // Landlock's rules: TCP is refused, datagrams pass
	openNetwork
)

// machine is what this machine can do.
type machine struct {
	files   string // why Landlock does not work, "" when it does
	network network
	open    string // why there is no network namespace
	groups  groups
}

// thisMachine finds out once, by trying.
var thisMachine = sync.OnceValue(func() machine {
	m := machine{groups: findGroups()}
	if landlockABI() == 0 {
		m.files = "this kernel has no Landlock (Linux 5.13 and later can)"
	} else if err := try(m, policy{Files: true}, openNetwork); err != nil {
		m.files = err.Error()
	}
	for m.network = ownNamespace; m.network < landlockTCP; m.network++ {
		err := try(m, policy{Loopback: true}, m.network)
		if err == nil {
			return m
		}
		m.open = err.Error()
	}
	if m.files != "" || landlockABI() < tcpABI {
		m.network = openNetwork
	}
	return m
})

// try starts the confining process with a policy and nothing to execute.
func try(m machine, p policy, n network) error {
	c := &cage{machine: m, policy: p, network: n}
	defer c.close()
	cmd := &exec.Cmd{}
	if err := c.start(cmd); err != nil {
		return err
	}
	err, ended := c.enter(), cmd.Wait()
	if err != nil {
		return err
	}
	return ended
}

// Support says what this machine can do. It tries once.
func Support() Report {
	m := thisMachine()
	return m.report(Sandbox{Files: true, Network: true, Memory: 1})
}

// report says what holds for a process with a sandbox.
func (m machine) report(s Sandbox) Report {
	r := Report{Files: "confined", Network: "none", Memory: "limited", Children: "contained"}
	if !s.Files {
		r.Files = notAsked
	} else if m.files != "" {
		r.Files = "open: " + m.files
	}
	switch {
	case !s.Network:
		r.Network = notAsked
	case m.network == landlockTCP:
		r.Network = "tcp refused"
	case m.network == openNetwork:
		r.Network = "open: no network namespace may be made (" + m.open + "), and this kernel cannot refuse TCP (Linux 6.7 and later can)"
	}
	if m.groups.dir == "" {
		r.Children = "open: " + m.groups.why
	}
	if why := m.groups.why + m.groups.memory; s.Memory == 0 {
		r.Memory = notAsked
	} else if why != "" {
		r.Memory = "limited: only the address space, for " + why
	}
	return r
}

// cage holds one process from its birth to its end.
type cage struct {
	machine machine
	policy  policy
	network network
	memory  int64 // bytes for its control group, 0 for no limit
	report  Report

	gate  *gate
	group *group // nil when none can be made
}

// newCage prepares the confinement of a process. env is what the plugin will see.
func newCage(spec Spec, socketDir string, env []string) (*cage, error) {
	m := thisMachine()
	c := &cage{
		machine: m, policy: policy{Binary: spec.Binary}, network: openNetwork, memory: spec.Sandbox.memoryLimit(), report: m.report(spec.Sandbox),
	}
	if spec.Sandbox.Files && m.files == "" {
		rules, err := spec.rules(socketDir, env)
		if err != nil {
			return nil, err
		}
		c.policy.Files, c.policy.Rules = true, rules
	}
	if spec.Sandbox.Network {
		c.network = m.network
		c.policy.RefuseTCP, c.policy.Loopback = m.network == landlockTCP, m.network < landlockTCP
	}
	if memory := spec.Sandbox.Memory; memory > 0 && (m.groups.dir == "" || m.groups.memory != "") {
		// Address space is a poor measure: thread stacks and arenas are reserved and never touched. Twice the memory and some is a
		// backstop against a leak that would take the machine along, not a limit that a sound plugin meets.
		c.policy.Data = 2*uint64(memory) + 1<<30
	}
	return c, nil
}

// start starts the process in a process group, a control group and namespaces of its own, with a death signal that it gets when its host dies.
func (c *cage) start(cmd *exec.Cmd) error {
	var err error
	if c.gate, err = newGate(cmd); err != nil {
		return err
	}
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	switch c.network {
	case ownNamespace:
		attr.Cloneflags = unix.CLONE_NEWNET
	case userNamespace:
		attr.Cloneflags = unix.CLONE_NEWNET | unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
		attr.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN} // to bring the loopback up; given up before the plugin runs
	}
	if c.machine.groups.dir != "" {
		if c.group, err = c.machine.groups.make(c.memory); err != nil {
			return err
		}
		dir, err := os.Open(c.group.dir)
		if err != nil {
			return fmt.Errorf("enter a control group: %w", err)
		}
		defer dir.Close()
		attr.UseCgroupFD, attr.CgroupFD = true, int(dir.Fd())
	}
	cmd.SysProcAttr = attr
	return cmd.Start()
}

// enter waits until the started process is confined and executes the plugin.
func (c *cage) enter() error { return c.gate.pass(c.policy) }

// kill kills the process, by its id, and whatever it has started.
func (c *cage) kill(pid int) {
	killGroup(pid)
	if c.group != nil {
		c.group.kill()
	}
}

// close gives back what the process held, after its end. It reports whether the kernel has killed for the memory limit.
func (c *cage) close() (outOfMemory bool) {
	if c.gate != nil {
		c.gate.close()
	}
	if c.group != nil {
		outOfMemory = c.group.outOfMemory()
		c.group.remove()
	}
	return outOfMemory
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
