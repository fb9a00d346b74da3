package launch_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vision19/vision/host/internal/plugintest"
	"github.com/vision19/vision/host/launch"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

func TestSandbox_without_namespaces_and_groups_refuses_TCP(t *testing.T) {
	launch.Lack(t, false)
	s, _ := confined(t)
	s.Sandbox.Files = false
	p, d := ready(t, s)
	r := p.Sandbox()
	if mayBeOpen(t, r.Network, "tcp refused") {
		return
	}
	if !strings.HasPrefix(r.Children, "open: ") {
		t.Errorf("%+v", r)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	for _, what := range []string{"dial:" + tcp.Addr().String(), "loopback:"} {
		if err := try(t, p, d, what); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v", what, err)
		}
	}
	p.Kill()
}

func TestSandbox_of_a_machine_that_has_none_is_reported_as_open(t *testing.T) {
	launch.Lack(t, true)
	s, _ := confined(t)
	p, d := ready(t, s)
	r := p.Sandbox()
	if !strings.HasPrefix(r.Files, "open: ") || !strings.HasPrefix(r.Network, "open: ") || !strings.HasPrefix(r.Children, "open: ") {
		t.Errorf("%+v", r)
	}
	if r != launch.Support() && r.Memory != "open: the configuration asks for no limit" {
		t.Errorf("%+v, %+v", r, launch.Support())
	}
	if _, err := infer(t, p, d, "works all the same", nil); err != nil {
		t.Error(err)
	}
}

// resources counts what a start could leave behind.
func resources(t testing.TB, s launch.Spec) map[string]int {
	t.Helper()
	count := func(pattern string) int {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]int{
		"goroutines": runtime.NumGoroutine(), "descriptors": count("/proc/self/fd/*"), "children": len(strings.Fields(string(children))),
		"sockets": count(filepath.Join(s.SocketDir, "*")), "scratch": count(filepath.Join(s.ScratchDir, "*")),
		"groups":  count(fmt.Sprintf("/sys/fs/cgroup/vision-*-%d-*", os.Getpid())) + count(fmt.Sprintf("/sys/fs/cgroup/*/vision-*-%d-*", os.Getpid())),
		"threads": count("/proc/self/task/*"),
	}
}

func TestKill_leaves_nothing_behind(t *testing.T) {
	s, _ := confined(t)
	start(t, s).Kill()
	before := resources(t, s)
	for range 30 {
		p, err := launch.Start(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		p.Kill()
		<-p.Done()
	}
	for what, n := range before {
		if what == "threads" {
			n += 8 // the runtime keeps threads that it has once needed; one a start would be 30
		}
		plugintest.Eventually(t, 5*time.Second, fmt.Sprintf("at most %d %s", n, what), func() bool { return resources(t, s)[what] <= n })
	}
}

func TestSandbox_a_real_pipeline_loads_and_paints(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if libraries, _ := filepath.Glob(filepath.Join(cache, "vision", "onnxruntime-*")); len(libraries) == 0 && os.Getenv("ONNXRUNTIME_LIB") == "" {
		t.Skip("skipped: there is no ONNX Runtime; `make onnxruntime` fetches it")
	}
	if out, err := exec.Command("go", "env", "CGO_ENABLED").Output(); err != nil || strings.TrimSpace(string(out)) != "1" {
		t.Skip("skipped: the plugin needs cgo, which is off")
	}
	models, err := filepath.Abs("../../examples/models")
	if err != nil {
		t.Fatal(err)
	}
	s, log := confined(t)
	s.Binary = plugintest.Build(t, "github.com/vision19/vision/plugins/text-to-image")
	s.Sandbox.Read = []string{filepath.Join(models, "tiny")}
	p := start(t, s)
	d, _, err := p.Client().Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	values, faults := d.Config.Validate(map[string]any{"model": filepath.Join(models, "tiny")})
	if faults != nil {
		t.Fatal(faults)
	}
	if d, err = p.Client().Configure(t.Context(), sdk.Config{Values: values, Device: sdk.Device{Kind: "cpu", Threads: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := p.Client().Load(t.Context(), func(float64, string) {}); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	result, err := p.Client().Infer(t.Context(), d, request(t, d, "a red circle on a blue background", map[string]any{"seed": 1, "steps": 1}), wire.Sink{}, nil)
	if err != nil || len(result.Images) != 1 {
		t.Fatalf("%d pictures, %v", len(result.Images), err)
	}
	t.Logf("%+v", p.Sandbox())
}
