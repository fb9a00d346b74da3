package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/host/internal/plugintest"
)

// binary is the program under test, built without cgo as it is shipped.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "vision-cli")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	defer plugintest.Cleanup()
	binary = filepath.Join(dir, "vision")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build vision: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// user is somebody with a plugins.hcl in the working folder, a state folder and a runtime folder.
type user struct {
	dir, state, runtime string
	env                 []string
}

// newUser writes the configuration. The test fails if the user's commands leave a process, a socket or a scratch folder behind.
func newUser(t testing.TB, hcl string, env ...string) *user {
	t.Helper()
	u := &user{dir: t.TempDir(), state: t.TempDir(), runtime: plugintest.SocketDir(t), env: env}
	u.write(t, "plugins.hcl", hcl)
	t.Cleanup(func() {
		plugintest.Eventually(t, 2*time.Second, "no plugin process is left", func() bool { return len(u.plugins(t)) == 0 })
		if left := u.left(t); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return u
}

func (u *user) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(u.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// echo is a configuration with the echo plugin. No test uses the default port, which may be taken on this machine.
func echo(t testing.TB, configBlock string) string {
	t.Helper()
	return fmt.Sprintf(`host {
  listen = "127.0.0.1:0"
}
device "cpu0" {
  kind   = "cpu"
  memory = "1GiB"
}
plugin "echo" {
  binary = %q
  config {
    %s
  }
}
`, plugintest.Echo(t, ""), configBlock)
}

// left lists what lies in the runtime folder.
func (u *user) left(t testing.TB) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(u.runtime, "vision", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// plugins lists the plugin processes: what runs from the state folder. It sees none where there is no /proc.
func (u *user) plugins(t testing.TB) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(links, func(link string) bool {
		target, err := os.Readlink(link)
		return err != nil || !strings.HasPrefix(target, u.state+"/")
	})
}

// needProc skips what can only be seen in /proc.
func needProc(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("skipped: processes are looked for in /proc, which is Linux's")
	}
}

// process is one running vision command.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr plugintest.Output
	ended          chan struct{}
}

func (u *user) start(t testing.TB, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary, append(args, "--state", u.state)...), ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = u.dir, &p.stdout, &p.stderr
	p.cmd.Env = append(append(os.Environ(), "XDG_RUNTIME_DIR="+u.runtime), u.env...)
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // the exit code says it
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(10 * time.Second):
			t.Errorf("vision %s does not end", strings.Join(args, " "))
			_ = p.cmd.Process.Kill()
			<-p.ended
		}
	})
	return p
}

// end waits for the exit code.
func (p *process) end(t testing.TB, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(limit):
		t.Fatalf("%s runs on after %s:\n%s%s", p.cmd, limit, &p.stdout, &p.stderr)
	}
	return p.cmd.ProcessState.ExitCode()
}

// await waits for a text in an output.
func (p *process) await(t testing.TB, o *plugintest.Output, text string) {
	t.Helper()
	plugintest.Eventually(t, 10*time.Second, fmt.Sprintf("%s prints %q", p.cmd, text), func() bool {
		select {
		case <-p.ended:
			if !strings.Contains(o.String(), text) {
				t.Fatalf("%s has ended without %q:\n%s%s", p.cmd, text, &p.stdout, &p.stderr)
			}
		default:
		}
		return strings.Contains(o.String(), text)
	})
}

func (p *process) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// result is what a command leaves.
type result struct {
	code           int
	stdout, stderr string
}

func (u *user) vision(t testing.TB, args ...string) result {
	t.Helper()
	p := u.start(t, args...)
	code := p.end(t, 30*time.Second)
	return result{code, p.stdout.String(), p.stderr.String()}
}

// works is vision for a command that must succeed.
func (u *user) works(t testing.TB, args ...string) result {
	t.Helper()
	r := u.vision(t, args...)
	if r.code != 0 {
		t.Fatalf("vision %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r
}

// host starts `vision run` and waits until it listens.
func (u *user) host(t testing.TB) *process {
	t.Helper()
	p := u.start(t, "run", "--listen", "127.0.0.1:0")
	p.await(t, &p.stdout, "listening on http://127.0.0.1:")
	return p
}

// object decodes exactly one JSON document.
func object(t testing.TB, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	var out map[string]any
	if err := d.Decode(&out); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		t.Fatalf("more than one JSON document in %q", text)
	}
	return out
}

// keys are the names of an object, in order, and fail the test when v is none.
func keys(t testing.TB, v any) string {
	t.Helper()
	o, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("%v is no JSON object", v)
	}
	return strings.Join(slices.Sorted(maps.Keys(o)), " ")
}

// first is the first element of a JSON array.
func first(t testing.TB, v any) map[string]any {
	t.Helper()
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		t.Fatalf("%v is no JSON array with elements", v)
	}
	o, ok := list[0].(map[string]any)
	if !ok {
		t.Fatalf("%v is no JSON object", list[0])
	}
	return o
}

func TestExitCode_tells_success_failure_and_wrong_usage_apart(t *testing.T) {
	good := echo(t, "")
	for _, c := range []struct {
		name, hcl string
		args      []string
		code      int
		stderr    string // part of it
	}{
		{"help", good, []string{"help"}, 0, ""},
		{"validate", good, []string{"validate"}, 0, ""},
		{"plan", good, []string{"plan"}, 0, ""},
		{"doctor", good, []string{"doctor"}, 0, ""},
		{"no host", good, []string{"ps"}, 1, "`vision run`"},
		{"not formatted", "host   {}\n", []string{"fmt", "--check"}, 1, "`vision fmt`"},
		{"the plugin fails", good, []string{"generate", "echo", "--prompt", "fault:error"}, 1, "cuDNN failed"},
		{"unknown flag", good, []string{"plan", "--colour"}, 2, "--colour"},
		{"unknown command", good, []string{"paint"}, 2, `unknown command "paint"`},
		{"too few arguments", good, []string{"describe"}, 2, "vision describe PLUGIN"},
		{"too many arguments", good, []string{"ps", "echo"}, 2, "usage: vision ps"},
		{"unknown log level", good, []string{"plan", "--log-level", "loud"}, 2, "debug, info, warn or error"},
		{"no configuration", good, []string{"plan", "--config", "nowhere.hcl"}, 2, "--config"},
		{"no file to format", good, []string{"fmt", "nowhere.hcl"}, 2, "nowhere.hcl"},
		{"bad HCL", "plugin \"echo\" {\n", []string{"validate"}, 2, "plugins.hcl:1:"},
		{"bad HCL for run", "plugin \"echo\" {\n", []string{"run"}, 2, "plugins.hcl:1:"},
		{"bad HCL for generate", "plugin \"echo\" {\n", []string{"generate", "echo"}, 2, "plugins.hcl:1:"},
		{"wrong parameter", good, []string{"generate", "echo", "--prompt", "hi", "--set", "width=7"}, 2, "a multiple of 8"},
		{"unknown parameter", good, []string{"generate", "echo", "--prompt", "hi", "--set", "colour=red"}, 2, "known are width"},
		{"missing input", good, []string{"generate", "echo"}, 2, "prompt"},
		{"parameter without value", good, []string{"generate", "echo", "--set", "width"}, 2, "NAME=VALUE"},
		{"input without file", good, []string{"generate", "echo", "--input", "image=nowhere.png"}, 2, "nowhere.png"},
		{"unknown endpoint", good, []string{"generate", "paint"}, 2, "there are echo"},
		{"unknown plugin", good, []string{"describe", "paint"}, 2, "declared are echo"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newUser(t, c.hcl).vision(t, c.args...)
			if r.code != c.code || !strings.Contains(r.stderr, c.stderr) {
				t.Errorf("exit code %d, want %d with %q\n%s%s", r.code, c.code, c.stderr, r.stdout, r.stderr)
			}
			if (r.code != 0) != (r.stderr != "") {
				t.Errorf("exit code %d says on stderr: %q", r.code, r.stderr)
			}
		})
	}
}

var faultLine = regexp.MustCompile(`(?m)^plugins\.hcl:(\d+:\d+: error: .*)$`)

func TestValidate_shows_every_fault_at_its_line_in_one_run(t *testing.T) {
	u := newUser(t, fmt.Sprintf(`host {
  listen = "127.0.0.1:0"
}
device "cpu0" {
  kind   = "cpu"
  memory = "10MiB"
}
plugin "echo" {
  binary = %q
  colour = "red"
  queue  = true
  config {
    load_ms     = 99999999
    concurrency = "many"
    shade       = 1
  }
}
widget "x" {}
plugin "gone" {
  binary = "nowhere"
}
plugin "bare" {
  device = "gpu7"
}
`, plugintest.Echo(t, "")))
	want := []string{
		"10:3: error: Unsupported argument",
		"11:12: error: Wrong number",
		"13:19: error: Wrong configuration of the plugin",
		"14:19: error: Incorrect attribute value type",
		"15:5: error: Unsupported argument",
		"18:1: error: Unsupported block type",
		"20:12: error: No plugin binary",
		"22:1: error: Missing attribute",
		"23:12: error: Unknown device",
		"8:1: error: The plugin does not fit",
	}
	for _, command := range []string{"validate", "run", "plan"} {
		t.Run(command, func(t *testing.T) {
			r := u.vision(t, command)
			var got []string
			for _, m := range faultLine.FindAllStringSubmatch(r.stderr, -1) {
				got = append(got, m[1])
			}
			slices.Sort(got)
			if r.code != 2 || !reflect.DeepEqual(got, want) {
				t.Errorf("exit code %d\n%s\nwant\n%s\nin\n%s", r.code, strings.Join(got, "\n"), strings.Join(want, "\n"), r.stderr)
			}
			if !strings.Contains(r.stderr, "    load_ms     = 99999999\n") {
				t.Errorf("the source line is missing in\n%s", r.stderr)
			}
		})
	}
	if r := u.vision(t, "run"); r.stdout != "" {
		t.Errorf("run starts in spite of the faults: %s", r.stdout)
	}
	if _, err := os.Stat(filepath.Join(u.state, "host.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("run has announced a host: %v", err)
	}
}

func TestRun_names_listen_when_the_port_is_taken(t *testing.T) {
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	address := held.Addr().String()
	u := newUser(t, strings.Replace(echo(t, ""), "127.0.0.1:0", address, 1))
	for _, args := range [][]string{{"run"}, {"run", "--listen", address}} {
		if r := u.vision(t, args...); r.code != 1 || !strings.Contains(r.stderr, address) || !strings.Contains(r.stderr, "--listen 127.0.0.1:0") {
			t.Errorf("%v: exit code %d\n%s", args, r.code, r.stderr)
		}
	}
	r := u.vision(t, "doctor", "--json")
	if port := check(t, r, "port"); r.code != 1 || port["status"] != "fail" || !strings.Contains(fmt.Sprint(port["cure"]), `listen = "127.0.0.1:0"`) {
		t.Errorf("exit code %d: %v", r.code, port)
	}
}

// check is one line of `doctor --json`.
func check(t testing.TB, r result, name string) map[string]any {
	t.Helper()
	list, ok := object(t, r.stdout)["checks"].([]any)
	if !ok {
		t.Fatalf("no checks in %s", r.stdout)
	}
	for _, c := range list {
		if c, ok := c.(map[string]any); ok && c["name"] == name {
			return c
		}
	}
	t.Fatalf("no %s in %s", name, r.stdout)
	return nil
}

func TestTooLittleMemory_is_told_with_its_amounts_before_anything_starts(t *testing.T) {
	u := newUser(t, strings.Replace(echo(t, ""), "1GiB", "10MiB", 1))
	for _, args := range [][]string{{"validate"}, {"run"}, {"generate", "echo", "--prompt", "hi"}} {
		r := u.vision(t, args...)
		if r.code != 2 || r.stdout != "" {
			t.Errorf("%v: exit code %d\n%s", args, r.code, r.stdout)
		}
		for _, part := range []string{"plugins.hcl:8:1: error:", "needs 16MiB, cpu0 has 10MiB of 10MiB left", "Lower the plugin's memory", "raise the device's"} {
			if !strings.Contains(r.stderr, part) {
				t.Errorf("%v: %q is missing in\n%s", args, part, r.stderr)
			}
		}
	}
	if r := u.vision(t, "doctor"); r.code != 1 || !strings.Contains(r.stdout, "raise the device's") {
		t.Errorf("doctor: exit code %d\n%s", r.code, r.stdout)
	}
	if r := u.vision(t, "plan", "--json"); r.code != 2 || object(t, r.stdout)["fits"] != false {
		t.Errorf("plan: exit code %d\n%s", r.code, r.stdout)
	}
}

// needC skips what must be built with cgo.
func needC(t testing.TB) {
	t.Helper()
	out, err := exec.Command("go", "env", "CGO_ENABLED", "CC").Output()
	if err != nil {
		t.Fatal(err)
	}
	enabled, compiler, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	name, _, _ := strings.Cut(compiler, " ")
	if _, err := exec.LookPath(name); enabled != "1" || err != nil {
		t.Skip("skipped: text-to-image needs a C compiler, and there is none")
	}
}

func TestTextToImage_names_the_cure_of_what_a_new_user_lacks(t *testing.T) {
	needC(t)
	plugin := plugintest.Build(t, "github.com/vision19/vision/plugins/text-to-image")
	tiny, err := filepath.Abs("../../../examples/models/tiny")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, model string
		env         []string
		place, cure string
	}{
		{"a folder without a model", t.TempDir(), nil, "plugins.hcl:7:13", "has no model_index.json: name a folder in the diffusers layout"},
		{"a library that is not there", tiny, []string{"ONNXRUNTIME_LIB=/nowhere.so"}, "plugins.hcl:", "ONNXRUNTIME_LIB names /nowhere.so"},
		{"no library", tiny, []string{"ONNXRUNTIME_LIB=", "XDG_CACHE_HOME=" + t.TempDir()}, "plugins.hcl:", "`make onnxruntime` fetches it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := newUser(t, fmt.Sprintf(`host {
  listen = "127.0.0.1:0"
}
plugin "text-to-image" {
  binary = %q
  config {
    model = %q
  }
}
`, plugin, c.model), c.env...)
			for _, args := range [][]string{{"validate"}, {"generate", "text-to-image", "--prompt", "a red circle"}} {
				r := u.vision(t, args...)
				if r.code != 2 || r.stdout != "" {
					t.Errorf("%s: exit code %d, want 2\n%s%s", args[0], r.code, r.stdout, r.stderr)
				}
				if !strings.Contains(r.stderr, c.place) || !strings.Contains(r.stderr, c.cure) {
					t.Errorf("%s: %q and %q are missing in\n%s", args[0], c.place, c.cure, r.stderr)
				}
			}
			if r := u.vision(t, "doctor"); r.code != 1 || !strings.Contains(r.stdout, c.cure) {
				t.Errorf("doctor: exit code %d\n%s", r.code, r.stdout)
			}
		})
	}
}

func TestGenerate_writes_a_picture_and_prints_where(t *testing.T) {
	for _, c := range []struct {
		name    string
		running bool
	}{{"through a host for the call", false}, {"through the running host", true}} {
		t.Run(c.name, func(t *testing.T) {
			u := newUser(t, echo(t, ""))
			if c.running {
				u.host(t)
			}
			r := u.works(t, "generate", "echo", "--prompt", "hi", "--seed", "4", "--set", "steps=3", "--output", "a picture.png")
			path := filepath.Join(u.dir, "a picture.png")
			if r.stdout != path+"\n" {
				t.Errorf("printed %q, want %q", r.stdout, path+"\n")
			}
			grey(t, path, 64, 64, 4)
			for _, step := range []string{"step 1 of 3\n", "step 2 of 3\n", "step 3 of 3\n"} {
				if !strings.Contains(r.stderr, step) {
					t.Errorf("%q is missing in\n%s", step, r.stderr)
				}
			}
			if strings.Contains(r.stderr, "starting echo") == c.running {
				t.Errorf("it used the wrong host:\n%s", r.stderr)
			}

			r = u.works(t, "generate", "echo", "--prompt", "hi", "--seed", "5", "--set", "steps=3", "--set", "width=16", "--json")
			path = filepath.Join(u.dir, "echo-5.rgb")
			got := object(t, r.stdout)
			if k := keys(t, got); k != "device endpoint height ms output queue_ms seed steps width" {
				t.Errorf("keys: %s", k)
			}
			for name, want := range map[string]any{"endpoint": "echo", "output": path, "seed": 5.0, "width": 16.0, "height": 64.0, "steps": 3.0, "device": "cpu0"} {
				if got[name] != want {
					t.Errorf("%s is %v, want %v", name, got[name], want)
				}
			}
			grey(t, path, 16, 64, 5)
			if !strings.Contains(r.stderr, "step 1 of 3\n") {
				t.Errorf("no progress on stderr:\n%s", r.stderr)
			}
		})
	}
}

// grey fails the test unless the file is the echo plugin's picture of that size and value, which is raw bytes.
func grey(t testing.TB, path string, width, height int, value byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, bytes.Repeat([]byte{value}, width*height*3)) {
		t.Errorf("%s: %d bytes, not those of the picture", path, len(data))
	}
}

func TestGenerate_needs_only_the_plugin_that_it_asks(t *testing.T) {
	u := newUser(t, echo(t, "")+"plugin \"other\" {\n  binary = \"nowhere\"\n  memory = \"900GiB\"\n}\n")
	u.works(t, "generate", "echo", "--prompt", "hi", "--output", "picture.png")
	if r := u.vision(t, "validate"); r.code != 2 || !strings.Contains(r.stderr, "nowhere") {
		t.Errorf("validate: exit code %d\n%s", r.code, r.stderr)
	}
}

func TestPs_shows_the_plugins_of_the_running_host(t *testing.T) {
	u := newUser(t, echo(t, ""))
	if r := u.vision(t, "ps", "--json"); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, u.state) || !strings.Contains(r.stderr, "`vision run`") {
		t.Errorf("without a host: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	u.host(t)
	var p map[string]any
	plugintest.Eventually(t, 10*time.Second, "the plugin is ready", func() bool {
		p = first(t, object(t, u.works(t, "ps", "--json").stdout)["plugins"])
		return p["state"] == "ready"
	})
	for _, name := range []string{"name", "endpoint", "state", "pid", "device", "bytes", "restarts", "queue", "last_error"} {
		if _, ok := p[name]; !ok {
			t.Errorf("%s is missing in %v", name, p)
		}
	}
	pid, _ := p["pid"].(float64)
	if err := syscall.Kill(int(pid), 0); pid < 2 || err != nil {
		t.Errorf("pid %v is no process: %v", p["pid"], err)
	}
	if bytes, _ := p["bytes"].(float64); p["name"] != "echo" || p["endpoint"] != "echo" || p["device"] != "cpu0" || p["restarts"] != 0.0 || p["last_error"] != "" || bytes < 1<<20 {
		t.Errorf("%v", p)
	}
	if r := u.works(t, "ps"); !regexp.MustCompile(`(?m)^NAME .*\necho +echo +ready `).MatchString(r.stdout) {
		t.Errorf("the table:\n%s", r.stdout)
	}
}

func TestPlan_shows_where_each_plugin_goes(t *testing.T) {
	u := newUser(t, echo(t, ""))
	p := object(t, u.works(t, "plan", "--json").stdout)
	device, plugin := first(t, p["devices"]), first(t, p["plugins"])
	for want, got := range map[string]any{
		"devices fits plugins":                     p,
		"budget_bytes name planned_bytes":          device,
		"action bytes device endpoint name reason": plugin,
	} {
		if k := keys(t, got); k != want {
			t.Errorf("keys: %s, want %s", k, want)
		}
	}
	if p["fits"] != true || device["budget_bytes"] != float64(1<<30) || device["planned_bytes"] != float64(16<<20) || plugin["action"] != "start" || plugin["device"] != "cpu0" {
		t.Errorf("%v", p)
	}
	if r := u.works(t, "plan"); !regexp.MustCompile(`(?m)^echo +echo +cpu0 +16MiB +start `).MatchString(r.stdout) {
		t.Errorf("the table:\n%s", r.stdout)
	}
}

func TestDescribe_takes_a_name_and_a_path(t *testing.T) {
	u := newUser(t, echo(t, "concurrency = 3"))
	for _, c := range []struct {
		target      string
		concurrency float64 // a path is described without the configuration
	}{{"echo", 3}, {plugintest.Echo(t, ""), 4}} {
		d := object(t, u.works(t, "describe", c.target, "--json").stdout)
		capabilities, _ := d["capabilities"].(map[string]any)
		if d["endpoint"] != "echo" || capabilities["max_concurrency"] != c.concurrency {
			t.Errorf("%s: %v", c.target, d)
		}
		for name, want := range map[string]string{"parameters": "height seed step_ms steps width", "config": "concurrency fault load_ms model"} {
			schema, _ := d[name].(map[string]any)
			if k := keys(t, schema["properties"]); k != want {
				t.Errorf("%s: the %s are %s, want %s", c.target, name, k, want)
			}
		}
		if r := u.works(t, "describe", c.target); !regexp.MustCompile(`(?m)^steps +1 +an int from 1 to 1000 `).MatchString(r.stdout) {
			t.Errorf("%s:\n%s", c.target, r.stdout)
		}
	}
}

func TestDoctor_finds_what_is_well_and_what_is_not(t *testing.T) {
	u := newUser(t, echo(t, ""))
	r := u.works(t, "doctor", "--json")
	if k := keys(t, object(t, r.stdout)); k != "checks" {
		t.Errorf("keys: %s", k)
	}
	for _, name := range []string{"memory", "gpu", "host", "plugin echo", "port"} {
		if k := keys(t, check(t, r, name)); k != "cure finding name status" {
			t.Errorf("%s: %s", name, k)
		}
	}
	if c := check(t, r, "plugin echo"); c["status"] != "ok" {
		t.Errorf("%v", c)
	}
	u.write(t, "plugins.hcl", echo(t, `fault = "configure"`))
	if r := u.vision(t, "doctor"); r.code != 1 || !regexp.MustCompile(`(?m)^fail .*has no model_index\.json.*\n +cure: .+`).MatchString(r.stdout) {
		t.Errorf("exit code %d\n%s", r.code, r.stdout)
	}
}

func TestFmt_writes_the_canonical_format(t *testing.T) {
	const loose, canonical = "host   {\nlisten=\"127.0.0.1:0\"\n}\n", "host {\n  listen = \"127.0.0.1:0\"\n}\n"
	u := newUser(t, loose)
	content := func() string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(u.dir, "plugins.hcl"))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if r := u.vision(t, "fmt", "--check"); r.code != 1 || r.stdout != "plugins.hcl\n" || content() != loose {
		t.Errorf("--check: exit code %d, printed %q, left %q", r.code, r.stdout, content())
	}
	if r := u.works(t, "fmt"); r.stdout != "plugins.hcl\n" || content() != canonical {
		t.Errorf("printed %q, wrote %q", r.stdout, content())
	}
	for _, args := range [][]string{{"fmt"}, {"fmt", "--check"}} {
		if r := u.works(t, args...); r.stdout != "" || content() != canonical {
			t.Errorf("%v again: printed %q, left %q", args, r.stdout, content())
		}
	}
}

func TestRun_ends_on_SIGTERM_and_leaves_nothing(t *testing.T) {
	needProc(t)
	u := newUser(t, echo(t, ""))
	p := u.host(t)
	u.works(t, "generate", "echo", "--prompt", "hi")
	if n, left := len(u.plugins(t)), len(u.left(t)); n != 1 || left != 1 {
		t.Errorf("%d plugin processes and %d runtime folders while it runs", n, left)
	}
	p.signal(t, syscall.SIGTERM)
	if code := p.end(t, 5*time.Second); code != 0 {
		t.Errorf("exit code %d\n%s", code, &p.stderr)
	}
	if n, left := u.plugins(t), u.left(t); len(n)+len(left) > 0 {
		t.Errorf("left behind: %v %v", n, left)
	}
	if r := u.vision(t, "ps"); r.code != 1 {
		t.Errorf("ps still finds a host: %s", r.stdout)
	}
}

func TestRun_killed_leaves_no_plugin_and_the_next_run_sweeps(t *testing.T) {
	needProc(t)
	u := newUser(t, echo(t, ""))
	p := u.host(t)
	u.works(t, "generate", "echo", "--prompt", "hi")
	if n := len(u.plugins(t)); n != 1 {
		t.Errorf("%d plugin processes while it runs", n)
	}
	p.signal(t, syscall.SIGKILL)
	p.end(t, 5*time.Second)
	plugintest.Eventually(t, 2*time.Second, "the plugin is gone", func() bool { return len(u.plugins(t)) == 0 })
	dead := u.left(t)
	if len(dead) != 1 {
		t.Fatalf("the killed host's folder is not there to be swept: %v", dead)
	}
	u.host(t)
	if now := u.left(t); len(now) != 1 || now[0] == dead[0] {
		t.Errorf("runtime folders %v, the dead one is %v", now, dead)
	}
	if r := u.works(t, "generate", "echo", "--prompt", "hi"); strings.Contains(r.stderr, "starting echo") {
		t.Errorf("the new host is not found:\n%s", r.stderr)
	}
}

func TestRun_refuses_a_state_folder_that_another_host_uses(t *testing.T) {
	u := newUser(t, echo(t, ""))
	u.host(t)
	if r := u.vision(t, "run", "--listen", "127.0.0.1:0"); r.code != 1 || !strings.Contains(r.stderr, "--state") || !strings.Contains(r.stderr, u.state) {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
	if r := u.works(t, "generate", "echo", "--prompt", "hi"); strings.Contains(r.stderr, "starting echo") {
		t.Errorf("the first host is not found any more:\n%s", r.stderr)
	}
}

func TestGenerate_ends_on_an_interrupt_and_stops_the_work(t *testing.T) {
	slow := []string{"generate", "echo", "--prompt", "hi", "--set", "steps=1000", "--set", "step_ms=50"}
	interrupt := func(t *testing.T, u *user) {
		t.Helper()
		p := u.start(t, slow...)
		p.await(t, &p.stderr, "step 2 of 1000\n")
		p.signal(t, os.Interrupt)
		if code := p.end(t, 2*time.Second); code != 1 || p.stdout.String() != "" {
			t.Errorf("exit code %d\n%s%s", code, &p.stdout, &p.stderr)
		}
	}
	t.Run("through the running host", func(t *testing.T) {
		u := newUser(t, echo(t, "concurrency = 1"))
		u.host(t)
		interrupt(t, u)
		// With one permit the next request is answered only once the first has really stopped.
		next := u.start(t, "generate", "echo", "--prompt", "hi")
		if code := next.end(t, 2*time.Second); code != 0 {
			t.Errorf("exit code %d\n%s", code, &next.stderr)
		}
	})
	t.Run("through a host for the call", func(t *testing.T) {
		interrupt(t, newUser(t, echo(t, "concurrency = 1")))
	})
}
