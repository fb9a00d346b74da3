package launch

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// groups is where control groups for plugins may be made.
type groups struct {
	dir    string // the parent, "" when there is none
	why    string // why there is none
	memory string // why a group's memory cannot be limited, "" when it can
	prefix string // of this host's groups
}

// group is one plugin's control group (version 2): who is in it cannot leave by a session of its own, and dies with it.
type group struct {
	dir     string
	limited bool // by memory.max
}

// findGroups looks for a parent. The host's own group is one, and so is the one above it when systemd has delegated that
// (Delegate=yes with DelegateSubgroup=): a group that has processes itself, as the host's, cannot limit its children's memory.
func findGroups() groups {
	own, err := ownGroup()
	if err != nil {
		return groups{why: err.Error()}
	}
	var namespace unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &namespace); err != nil {
		return groups{why: err.Error()}
	}
	g := groups{prefix: fmt.Sprintf("vision-%d-", namespace.Ino)}
	for _, dir := range []string{own, filepath.Dir(own)} {
		if dir != own && !delegated(dir) {
			break
		}
		if err := tryGroup(dir); err != nil {
			g.why = err.Error()
			continue
		}
		memory := enableMemory(dir)
		if g.dir == "" || memory == "" {
			g.dir, g.memory, g.why = dir, memory, ""
		}
	}
	if g.dir != "" {
		g.sweep()
	}
	return g
}

// ownGroup is the folder of the group that this process is in.
func ownGroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	member, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	return groupPath(string(mounts), string(member))
}

// groupPath reads the two files of /proc.
func groupPath(mountinfo, member string) (string, error) {
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !ok || !strings.HasPrefix(after, "cgroup2 ") || len(fields) < 5 {
			continue
		}
		root, mount := fields[3], fields[4]
		for line := range strings.Lines(member) {
			if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok && within(path, root) && !strings.HasPrefix(path, "/..") {
				rel, _ := filepath.Rel(root, path)
				return filepath.Join(mount, rel), nil
			}
		}
		return "", errors.New("this process's control group is not mounted")
	}
	return "", errors.New("no control groups of version 2 are mounted")
}

// delegated reports whether systemd has handed a group over to this service.
func delegated(dir string) bool {
	value := make([]byte, 1)
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		if n, err := unix.Getxattr(dir, name, value); err == nil && n == 1 && value[0] == '1' {
			return true
		}
	}
	return false
}

// tryGroup makes a group and removes it.
func tryGroup(parent string) error {
	dir, err := os.MkdirTemp(parent, "vision-try-")
	if err != nil {
		return fmt.Errorf("no control group may be made in %s", parent)
	}
	defer os.Remove(dir)
	if _, err := os.Stat(filepath.Join(dir, "cgroup.kill")); err != nil {
		return errors.New("this kernel cannot kill control groups (Linux 5.14 and later can)")
	}
	return nil
}

// enableMemory switches the memory controller on for the children of a group; it returns why it cannot.
func enableMemory(dir string) string {
	available, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if !bytes.Contains(available, []byte("memory")) {
		return "the control group " + dir + " has no memory controller"
	}
	if enabled, _ := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control")); bytes.Contains(enabled, []byte("memory")) {
		return ""
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+memory"), 0o600); err != nil {
		return "the control group " + dir + " keeps the memory controller from its children: it has processes of its own (systemd's Delegate=yes with DelegateSubgroup=host helps)"
	}
	return ""
}

// sweep kills what hosts have left that died without cleaning up.
func (g groups) sweep() {
	entries, err := os.ReadDir(g.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), g.prefix)
		digits, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(digits)
		if ours && err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			left := group{dir: filepath.Join(g.dir, e.Name())}
			left.kill()
			left.remove()
		}
	}
}

var groupNumber atomic.Uint64

// make makes a group for one plugin, whose processes together may take limit bytes of RAM; 0 is no limit.
func (g groups) make(limit int64) (*group, error) {
	out := &group{dir: filepath.Join(g.dir, fmt.Sprintf("%s%d-%d", g.prefix, os.Getpid(), groupNumber.Add(1)))}
	if err := os.Mkdir(out.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a control group: %w", err)
	}
	if limit > 0 && g.memory == "" {
		if err := os.WriteFile(filepath.Join(out.dir, "memory.max"), strconv.AppendInt(nil, limit, 10), 0o600); err != nil {
			out.remove()
			return nil, fmt.Errorf("limit the memory of a control group: %w", err)
		}
		_ = os.WriteFile(filepath.Join(out.dir, "memory.oom.group"), []byte("1"), 0o600) // kernels before 4.19 kill one process of it
		out.limited = true
	}
	return out, nil
}

// kill kills every process in the group.
func (g *group) kill() {
	if f, err := os.OpenFile(filepath.Join(g.dir, "cgroup.kill"), os.O_WRONLY, 0); err == nil {
		_, _ = f.WriteString("1") // fails only for a group that is gone
		f.Close()
	}
}

// outOfMemory reports whether the kernel has killed in the group because of its limit.
func (g *group) outOfMemory() bool {
	events, _ := os.ReadFile(filepath.Join(g.dir, "memory.events"))
	for line := range strings.Lines(string(events)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == "oom_kill" {
			return value != "0"
		}
	}
	return false
}

// removeTime is how long the kernel may take to end killed processes; a group that is busy for longer stays until the next host sweeps it.
const removeTime = 2 * time.Second

// remove removes the group, once its killed processes have ended.
func (g *group) remove() {
	for deadline := time.Now().Add(removeTime); ; time.Sleep(time.Millisecond) {
		if err := unix.Rmdir(g.dir); !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return
		}
	}
}
