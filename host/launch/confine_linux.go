package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// A plugin is confined by the host's own executable: the host starts itself again under the name confineName, that process reads its policy
// from a socket, confines itself and executes the plugin in its own place. Confining a thread of the host and forking from it would
// spare the detour and open the host: the kernel lets a process trace whatever is in its own Landlock domain, so the plugin could read the
// host's memory and keys through /proc/HOST/task/THREAD/mem.
const confineName = "vision-confine"

// policy is what the confining process does to itself. Without a Binary it ends well instead of executing one: a test of the machine.
type policy struct {
	Binary    string
	Files     bool // confine files to Rules
	Rules     []rule
	RefuseTCP bool
	Loopback  bool   // bring it up in the new network namespace
	Data      uint64 // RLIMIT_DATA in bytes, 0 for none
}

// confined reports whether the process gives up privileges.
func (p policy) confined() bool { return p.Files || p.RefuseTCP || p.Loopback }

// gate is the host's end of the socket.
type gate struct{ host, child *os.File }

// newGate makes cmd start the confining process instead of its binary.
func newGate(cmd *exec.Cmd) (*gate, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket for the sandbox: %w", err)
	}
	g := &gate{os.NewFile(uintptr(fds[0]), "sandbox"), os.NewFile(uintptr(fds[1]), "sandbox")}
	cmd.ExtraFiles = append(cmd.ExtraFiles, g.child)
	cmd.Path, cmd.Args = "/proc/self/exe", []string{confineName, strconv.Itoa(2 + len(cmd.ExtraFiles))}
	return g, nil
}

// pass hands the policy over, after the start of the command, and returns once the binary has been executed, or why it has not.
func (g *gate) pass(p policy) error {
	g.child.Close()
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if _, err := g.host.Write(data); err != nil {
		return fmt.Errorf("confine the process: %w", err)
	}
	answer, err := io.ReadAll(g.host) // ends when the socket closes, which the execution of the binary does
	if len(answer) > 0 {
		return errors.New(string(answer))
	}
	if err != nil {
		return fmt.Errorf("confine the process: %w", err)
	}
	return nil
}

func (g *gate) close() {
	g.host.Close()
	g.child.Close()
}

// init takes over when the host has started itself to confine a plugin.
func init() {
	if len(os.Args) != 2 || os.Args[0] != confineName {
		return
	}
	runtime.LockOSThread() // what is given up is given up by this thread, which then executes the binary
	fd, err := strconv.Atoi(os.Args[1])
	if err != nil {
		os.Exit(127)
	}
	unix.CloseOnExec(fd)
	socket := os.NewFile(uintptr(fd), "sandbox")
	if err := confine(socket); err != nil {
		_, _ = io.WriteString(socket, err.Error())
		os.Exit(127)
	}
	os.Exit(0)
}

// confine returns only when there is nothing to execute, or with an error.
func confine(socket io.Reader) error {
	var p policy
	if err := json.NewDecoder(socket).Decode(&p); err != nil {
		return fmt.Errorf("read the sandbox's policy: %w", err)
	}
	if p.Loopback {
		raiseLoopback()
	}
	if err := limit(p.Data); err != nil {
		return err
	}
	if p.confined() {
		if err := dropPrivileges(); err != nil {
			return err
		}
	}
	if p.Files || p.RefuseTCP {
		if err := landlock(p.Rules, p.Files, p.RefuseTCP); err != nil {
			return err
		}
	}
	if p.Binary == "" {
		return nil
	}
	err := syscall.Exec(p.Binary, []string{p.Binary}, os.Environ())
	if errors.Is(err, unix.EACCES) && p.Files && unix.Access(p.Binary, unix.X_OK) == nil {
		return fmt.Errorf("execute %s: %w: its interpreter is outside of what its sandbox may read; add that folder to read in the plugin's sandbox block", p.Binary, err)
	}
	return fmt.Errorf("execute %s: %w", p.Binary, err)
}

// limit sets the resource limits of the process, each at most as high as it is.
func limit(data uint64) error {
	limits := map[int]uint64{unix.RLIMIT_FSIZE: maxFileSize, unix.RLIMIT_NOFILE: maxOpenFiles}
	limits[unix.RLIMIT_CORE] = 0 // a core file would hold prompts
	if data > 0 {
		limits[unix.RLIMIT_DATA] = data
	}
	for resource, most := range limits {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(resource, &now); err != nil {
			return fmt.Errorf("read resource limit %d: %w", resource, err)
		}
		most = min(most, now.Max)
		// By package syscall, which otherwise puts back the number of open files that it has found at the start.
		if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
			return fmt.Errorf("set resource limit %d to %d: %w", resource, most, err)
		}
	}
	return nil
}

// dropPrivileges makes sure that executing a file grants none, and takes away those of root save one: to read models that belong to another
// user, which Landlock bounds.
func dropPrivileges() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up privileges: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // 64 capabilities
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	kept := data[0].Permitted & (1 << unix.CAP_DAC_OVERRIDE)
	if os.Getuid() != 0 {
		kept = 0
	}
	data = [2]unix.CapUserData{{Effective: kept, Permitted: kept}}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	return nil
}

// raiseLoopback brings 127.0.0.1 up in a new network namespace, for plugins that talk to a server of their own. One that may not be brought
// up stays down.
func raiseLoopback() {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return
	}
	request.SetUint16(unix.IFF_UP)
	_ = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}
