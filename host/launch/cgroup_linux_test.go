package launch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk"
)

func TestGroupPath_reads_the_files_of_proc(t *testing.T) {
	const (
		unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
		hybrid  = "29 23 0:25 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n31 29 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n30 29 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		inside  = "30 23 0:26 /docker/1f /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
	)
	for name, c := range map[string]struct{ mounts, member, want, fault string }{
		"unified":         {unified, "0::/user.slice/vision.service\n", "/sys/fs/cgroup/user.slice/vision.service", ""},
		"the root":        {unified, "0::/\n", "/sys/fs/cgroup", ""},
		"hybrid":          {hybrid, "4:memory:/x\n0::/y\n", "/sys/fs/cgroup/unified/y", ""},
		"a container":     {inside, "0::/docker/1f/host\n", "/sys/fs/cgroup/host", ""},
		"outside":         {inside, "0::/docker/2e\n", "", "is not mounted"},
		"above":           {unified, "0::/../x\n", "", "is not mounted"},
		"version 1 alone": {"31 29 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "4:memory:/x\n", "", "version 2"},
		"broken":          {"- cgroup2\n - cgroup2 x\n", "0::", "", "version 2"},
	} {
		got, err := groupPath(c.mounts, c.member)
		if got != c.want || (c.fault == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %q, %v, want %q %q", name, got, err, c.want, c.fault)
		}
	}
}

func TestGroup_tells_a_death_for_memory(t *testing.T) {
	for events, want := range map[string]bool{
		"low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 1\n": true, "oom_kill 0\n": false, "": false, "oom_kill_other 3\n": false,
	} {
		g := group{dir: t.TempDir()}
		if err := os.WriteFile(filepath.Join(g.dir, "memory.events"), []byte(events), 0o600); err != nil {
			t.Fatal(err)
		}
		if g.outOfMemory() != want {
			t.Errorf("%q", events)
		}
	}
}

func TestGroups_limit_memory_only_where_the_controller_is(t *testing.T) {
	for _, c := range []struct {
		limit int64
		why   string
		want  string
	}{{3 << 29, "", "1610612736"}, {0, "", ""}, {3 << 29, "no controller", ""}} {
		g := groups{dir: t.TempDir(), memory: c.why, prefix: "vision-1-"}
		made, err := g.make(c.limit)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := os.ReadFile(filepath.Join(made.dir, "memory.max"))
		if string(got) != c.want {
			t.Errorf("%+v: memory.max is %q", c, got)
		}
	}
}

func TestExplain_of_a_death_for_memory_is_out_of_memory(t *testing.T) {
	p := newProcess(Spec{Name: "echo"}, nil)
	p.status, p.noRAM = "signal: killed"+killedForMemory(3<<29), true
	close(p.done)
	err := p.explain(sdk.NewError(sdk.CodeUnavailable, "the connection broke", nil))
	if !errors.Is(err, sdk.ErrOutOfMemory) || !strings.Contains(err.Error(), "killed by the kernel for memory: it took more than 1536 MiB") {
		t.Error(err)
	}
}

func TestSweep_removes_the_groups_of_dead_hosts_alone(t *testing.T) {
	g := groups{dir: t.TempDir(), prefix: "vision-1-"}
	for _, name := range []string{"vision-1-4194305-1", "vision-1-1-1", "vision-2-4194305-1", "other", "vision-1-x-1"} { // no process has an id so large
		if err := os.Mkdir(filepath.Join(g.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	g.sweep()
	left, err := os.ReadDir(g.dir)
	if err != nil || len(left) != 4 {
		t.Errorf("%v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(g.dir, "vision-1-4194305-1")); err == nil {
		t.Error("the dead host's group is still there")
	}
}
