package launch_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/host/internal/plugintest"
	"github.com/vision19/vision/host/launch"
	"github.com/vision19/vision/sdk"
)

// confined is a spec with everything confined, and a model folder.
func confined(t testing.TB) (launch.Spec, string) {
	t.Helper()
	s, _ := spec(t, "")
	model := filepath.Join(t.TempDir(), "models", "tiny")
	write(t, filepath.Join(model, "model.onnx"), "weights")
	s.Sandbox = launch.Sandbox{Files: true, Network: true, Read: []string{model}}
	return s, model
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t testing.TB, target, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// try has the plugin try something that the sandbox may refuse; nil says that it could.
func try(t testing.TB, p *launch.Process, d sdk.Description, what string) error {
	t.Helper()
	_, err := infer(t, p, d, "fault:"+what, nil)
	return err
}

// mayBeOpen reports whether this machine lacks the feature: then all that is promised is that the report says why, which is checked here.
func mayBeOpen(t testing.TB, report, want string) bool {
	t.Helper()
	if report == want {
		return false
	}
	if why, open := strings.CutPrefix(report, "open: "); !open || len(why) < 10 {
		t.Fatalf("reported is %q, which is neither %q nor the reason", report, want)
	}
	t.Log(report)
	return true
}

func TestSandbox_refuses_files_that_are_not_the_plugins(t *testing.T) {
	s, model := confined(t) // before HOME changes, which has Go's cache of builds
	t.Setenv("HOME", t.TempDir())
	wallet := filepath.Join(os.Getenv("HOME"), ".bittensor", "wallets", "default", "hotkeys", "default")
	write(t, wallet, "mnemonic")
	p, d := ready(t, s)
	if mayBeOpen(t, p.Sandbox().Files, "confined") {
		return
	}
	host := strconv.Itoa(os.Getpid())
	for _, what := range []string{
		"read:" + wallet, "read:/proc/" + host + "/environ", "read:/proc/" + host + "/mem", "tasks:" + host, "read:/etc/shadow",
		"write:" + filepath.Join(model, "planted"), "write:" + filepath.Join(filepath.Dir(s.Binary), "planted"),
		"write:/tmp/vision-planted", "write:" + filepath.Join(s.SocketDir, "planted"), "write:/dev/planted", "open:/proc/self/oom_score_adj", "open:" + filepath.Join(model, "model.onnx"),
	} {
		if err := try(t, p, d, what); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, what := range []string{
		"read:" + filepath.Join(model, "model.onnx"), "read:" + s.Binary, "read:/proc/cpuinfo", "read:/proc/self/maps", "read:/etc/passwd",
		"write:" + filepath.Join(s.ScratchDir, "cache"), "open:/dev/null", "write:/dev/shm/vision-" + host,
	} {
		if err := try(t, p, d, what); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestSandbox_opens_the_source_folder_and_names_it(t *testing.T) {
	s, _ := confined(t)
	s.Source = t.TempDir()
	module := filepath.Join(s.Source, "module.py")
	write(t, module, "import sys")
	p, d := ready(t, s)
	if err := try(t, p, d, "read:"+module); err != nil {
		t.Error(err)
	}
	if err := try(t, p, d, "environ"); !strings.Contains(err.Error(), launch.EnvSource+"="+s.Source) {
		t.Error("the variable is missing")
	}
	s.Source = ""
	p, d = ready(t, s)
	if mayBeOpen(t, p.Sandbox().Files, "confined") {
		return
	}
	if err := try(t, p, d, "read:"+module); err == nil {
		t.Error("readable without being the source")
	}
}

func TestSandbox_follows_the_links_of_models(t *testing.T) {
	s, model := confined(t)
	other := filepath.Join(filepath.Dir(model), "other")
	write(t, filepath.Join(other, "text_encoder", "model.onnx"), "shared")
	write(t, filepath.Join(other, "unet.onnx"), "not shared")
	link(t, "../other/text_encoder", filepath.Join(model, "text_encoder"))
	p, d := ready(t, s)
	if err := try(t, p, d, "read:"+filepath.Join(model, "text_encoder", "model.onnx")); err != nil {
		t.Error(err)
	}
	if mayBeOpen(t, p.Sandbox().Files, "confined") {
		return
	}
	if err := try(t, p, d, "read:"+filepath.Join(other, "unet.onnx")); err == nil {
		t.Error("the whole neighbour is readable")
	}
}

func TestSandbox_refuses_a_model_that_links_to_a_strangers_file(t *testing.T) {
	s, model := confined(t)
	wallet := filepath.Join(t.TempDir(), "wallet")
	write(t, wallet, "mnemonic")
	link(t, wallet, filepath.Join(model, "readme"))
	_, err := launch.Start(t.Context(), s)
	if launch.Support().Files != "confined" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	for _, part := range []string{filepath.Join(model, "readme"), wallet, "sandbox"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in %v", part, err)
		}
	}
	empty(t, s.SocketDir)
}

func TestSandbox_refuses_the_network(t *testing.T) {
	s, _ := confined(t)
	p, d := ready(t, s)
	report := p.Sandbox().Network
	if report != "tcp refused" {
		if mayBeOpen(t, report, "none") {
			return
		}
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	if err := try(t, p, d, "dial:"+tcp.Addr().String()); err == nil {
		t.Error("the plugin has dialled out")
	}
	_ = try(t, p, d, "send:"+udp.LocalAddr().String()) // to the loopback of its own, where nobody listens
	if report != "none" {
		return
	}
	if err := udp.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := udp.ReadFrom(make([]byte, 16)); err == nil {
		t.Errorf("a datagram of %d bytes has come through", n)
	}
	if err := try(t, p, d, "loopback:"); err != nil {
		t.Errorf("its own loopback: %v", err)
	}
}

func TestSandbox_takes_away_the_hosts_privileges(t *testing.T) {
	s, _ := confined(t)
	p, d := ready(t, s)
	if p.Sandbox().Files != "confined" && p.Sandbox().Network != "none" {
		t.Log(p.Sandbox()) // tested above
		return
	}
	status := try(t, p, d, "status:").Error()
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if name == "NoNewPrivs" && value != "1" || name == "CapEff" && strings.Trim(value, "0") != "" && value != "0000000000000002" {
			t.Error(line)
		}
	}
	if !strings.Contains(status, "NoNewPrivs") {
		t.Error(status)
	}
	// A signal to the host is refused where Landlock knows signals.
	if p.Sandbox().Files == "confined" && os.Getuid() == 0 {
		t.Log("signal to the host:", try(t, p, d, "kill:"+strconv.Itoa(os.Getpid())))
	}
}

func TestLimits_hold_for_every_plugin(t *testing.T) {
	s, _ := spec(t, "")
	s.Sandbox.Memory = 256 << 20
	p, d := ready(t, s)
	for resource, want := range map[int]string{syscall.RLIMIT_CORE: "limit 0", syscall.RLIMIT_FSIZE: "limit 4294967296", syscall.RLIMIT_NOFILE: "limit 4096"} {
		if err := try(t, p, d, fmt.Sprintf("limit:%d", resource)); !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v, want %s", resource, err, want)
		}
	}
	data := try(t, p, d, fmt.Sprintf("limit:%d", syscall.RLIMIT_DATA)).Error()
	if strings.HasPrefix(p.Sandbox().Memory, "limited: ") != strings.Contains(data, fmt.Sprintf("limit %d", 2*s.Sandbox.Memory+1<<30)) {
		t.Errorf("%q, %s", p.Sandbox().Memory, data)
	}
}

func TestSandbox_that_is_not_asked_for_is_reported_as_open(t *testing.T) {
	s, _ := spec(t, "")
	p, d := ready(t, s)
	outside := filepath.Join(t.TempDir(), "file")
	write(t, outside, "text")
	if err := try(t, p, d, "read:"+outside); err != nil {
		t.Error(err)
	}
	r := p.Sandbox()
	for _, text := range []string{r.Files, r.Network, r.Memory} {
		if !strings.HasPrefix(text, "open: ") || len(text) < 10 {
			t.Errorf("%+v", r)
		}
	}
}

func TestSupport_gives_a_reason_for_whatever_is_open(t *testing.T) {
	r := launch.Support()
	t.Logf("%+v", r)
	for _, text := range []string{r.Files, r.Network, r.Memory, r.Children} {
		if why, open := strings.CutPrefix(text, "open: "); text == "" || open && len(why) < 10 {
			t.Errorf("%+v", r)
		}
	}
	if r != launch.Support() {
		t.Error("the second answer differs")
	}
}

func TestKill_takes_a_child_in_a_session_of_its_own(t *testing.T) {
	for _, sandbox := range []launch.Sandbox{{}, {Files: true, Network: true}} {
		s, log := spec(t, "")
		s.Sandbox = sandbox
		p, d := ready(t, s)
		if mayBeOpen(t, p.Sandbox().Children, "contained") {
			return
		}
		if err := try(t, p, d, "session:"); err != nil {
			t.Fatal(err)
		}
		child := childOf(t, log)
		p.Kill()
		plugintest.Eventually(t, 2*time.Second, "the child is gone", func() bool { return !alive(child) })
	}
}

// childOf waits for the line with the child's process id.
func childOf(t testing.TB, log *plugintest.Output) (pid int) {
	t.Helper()
	plugintest.Eventually(t, 5*time.Second, "the child's pid", func() bool {
		_, after, ok := strings.Cut(log.String(), `msg="child `)
		digits, _, closed := strings.Cut(after, `"`)
		pid, _ = strconv.Atoi(digits)
		return ok && closed
	})
	return pid
}

func TestHostDeath_takes_a_confined_plugin_along(t *testing.T) {
	if os.Getenv("VISION_TEST_HOST") == "" {
		diesWithItsHost(t, "TestHostDeath_takes_a_confined_plugin_along")
		return
	}
	waitAsHost(t, launch.Sandbox{Files: true, Network: true})
}

func TestStart_says_that_an_interpreter_is_outside_of_the_sandbox(t *testing.T) {
	s, _ := confined(t)
	interpreter := filepath.Join(t.TempDir(), "python3")
	write(t, interpreter, "")
	if err := os.Chmod(interpreter, 0o755); err != nil {
		t.Fatal(err)
	}
	s.Binary = filepath.Join(t.TempDir(), "script")
	write(t, s.Binary, "#!"+interpreter+"\n")
	if err := os.Chmod(s.Binary, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := launch.Start(context.Background(), s)
	if launch.Support().Files == "confined" && (err == nil || !strings.Contains(err.Error(), "interpreter")) {
		t.Error(err)
	}
}
