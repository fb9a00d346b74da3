package launch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/host/internal/plugintest"
	"github.com/vision19/vision/host/launch"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
	"github.com/vision19/vision/sdk/wire"
)

func TestMain(m *testing.M) {
	code := m.Run()
	plugintest.Cleanup()
	os.Exit(code)
}

func spec(t testing.TB, fault string) (launch.Spec, *plugintest.Output) {
	log := &plugintest.Output{}
	return launch.Spec{
		Name: "echo", Binary: plugintest.Echo(t, fault), SocketDir: plugintest.SocketDir(t), ScratchDir: t.TempDir(),
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, log
}

func start(t testing.TB, s launch.Spec) *launch.Process {
	t.Helper()
	p, err := launch.Start(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// ready starts the echo plugin and loads it.
func ready(t testing.TB, s launch.Spec) (*launch.Process, sdk.Description) {
	t.Helper()
	p := start(t, s)
	d, _, err := p.Client().Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	values, faults := d.Config.Validate(map[string]any{})
	if faults != nil {
		t.Fatal(faults)
	}
	if d, err = p.Client().Configure(t.Context(), sdk.Config{Values: values, Device: sdk.Device{Kind: "cpu", Threads: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := p.Client().Load(t.Context(), func(float64, string) {}); err != nil {
		t.Fatal(err)
	}
	return p, d
}

func request(t testing.TB, d sdk.Description, prompt string, raw map[string]any) sdk.Request {
	t.Helper()
	if raw == nil {
		raw = map[string]any{"seed": 7}
	}
	r, err := d.CheckRequest(sdk.Request{ID: prompt, Texts: map[string][]string{"prompt": {prompt}}}, raw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func infer(t testing.TB, p *launch.Process, d sdk.Description, prompt string, raw map[string]any) (sdk.Result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return p.Client().Infer(ctx, d, request(t, d, prompt, raw), wire.Sink{}, nil)
}

// alive is false for a process that has ended and waits for its parent, which for an orphan is the system's first process, to notice.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) && runtime.GOOS == "linux" {
		return false
	}
	return syscall.Kill(pid, 0) == nil && !bytes.Contains(stat, []byte(") Z "))
}

func empty(t testing.TB, dir string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
		if path != dir {
			t.Errorf("left behind: %s", path)
		}
		return nil
	})
}

func TestProcess_answers_and_stops_without_a_trace(t *testing.T) {
	s, log := spec(t, "")
	p, d := ready(t, s)
	result, err := infer(t, p, d, "hello", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := bytes.Repeat([]byte{7}, 64*64*3); !bytes.Equal(result.Images[0].Data, want) {
		t.Error("the picture is not the seed's")
	}
	p.Stop(t.Context())
	<-p.Done()
	if alive(p.PID()) || p.Exit() != "exit status 0" {
		t.Errorf("pid %d: %s", p.PID(), p.Exit())
	}
	if !strings.Contains(log.String(), "closed") {
		t.Errorf("Close was not called: %s", log)
	}
	empty(t, s.SocketDir)
}

func TestStart_error_names_the_cause(t *testing.T) {
	for fault, want := range map[string]string{
		"exit":           "libonnxruntime.so: cannot open shared object file",
		"wrong-protocol": "incompatible API version",
		"never-answers":  "timeout",
	} {
		t.Run(fault, func(t *testing.T) {
			s, _ := spec(t, fault)
			s.Timeout = 3 * time.Second
			_, err := launch.Start(t.Context(), s)
			if !errors.Is(err, sdk.ErrUnavailable) || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
			if fault == "exit" && !strings.Contains(err.Error(), "exit status 3") {
				t.Errorf("the exit status is missing: %v", err)
			}
			empty(t, s.SocketDir)
		})
	}
	t.Run("no such file", func(t *testing.T) {
		s, _ := spec(t, "")
		s.Binary = "/nowhere/plugin"
		if _, err := launch.Start(t.Context(), s); err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Error(err)
		}
		empty(t, s.SocketDir)
	})
}

func TestStart_survives_text_before_the_handshake(t *testing.T) {
	s, log := spec(t, "text-before-handshake")
	start(t, s)
	for _, line := range []string{"Loaded CUDA provider", "1|2 is not a handshake"} {
		plugintest.Eventually(t, 2*time.Second, "logged: "+line, func() bool { return strings.Contains(log.String(), line) })
	}
}

func TestStart_can_be_aborted_at_any_moment(t *testing.T) {
	s, _ := spec(t, "never-answers")
	s.Timeout = time.Minute
	for _, wait := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		began := time.Now()
		if _, err := launch.Start(ctx, s); err == nil {
			t.Fatal("started")
		}
		if d := time.Since(began); d > 10*time.Second { // of a minute until it gives up by itself
			t.Errorf("aborted after %s, it took %s", wait, d)
		}
		cancel()
		empty(t, s.SocketDir)
	}
}

func TestStart_refuses_a_long_socket_path_before_starting(t *testing.T) {
	s, _ := spec(t, "")
	s.SocketDir = "/tmp/" + strings.Repeat("x", 90)
	_, err := launch.Start(t.Context(), s)
	if err == nil || !strings.Contains(err.Error(), s.SocketDir) || !strings.Contains(err.Error(), "103") {
		t.Error(err)
	}
}

func TestProcess_does_not_see_the_hosts_environment(t *testing.T) {
	t.Setenv("VISION_TEST_SECRET", "mnemonic twelve words")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "sesame")
	s, _ := spec(t, "")
	s.Env = []string{"CUDA_VISIBLE_DEVICES=GPU-1"}
	p, d := ready(t, s)
	_, err := infer(t, p, d, "fault:environ", nil)
	if err == nil {
		t.Fatal("no environment")
	}
	var names []string
	for line := range strings.Lines(err.Error()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		names = append(names, name)
		if strings.Contains(value, "mnemonic") || strings.Contains(value, "sesame") {
			t.Errorf("leaked: %s", line)
		}
	}
	for _, name := range []string{"PATH", "HOME", "CUDA_VISIBLE_DEVICES"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is missing in %s", name, names)
		}
	}
}

func TestProcess_output_cannot_harm_the_host(t *testing.T) {
	for fault, want := range map[string]string{
		"bad-log":    "msg=5",
		"long-lines": strings.Repeat("x", 10000),
		"slog":       `level=ERROR msg="from slog" answer=42`,
	} {
		t.Run(fault, func(t *testing.T) {
			s, log := spec(t, "")
			p, d := ready(t, s)
			if _, err := infer(t, p, d, "fault:"+fault, nil); err != nil {
				t.Fatal(err)
			}
			plugintest.Eventually(t, 5*time.Second, "logged", func() bool { return strings.Contains(log.String(), want) })
			if _, err := infer(t, p, d, "still there", nil); err != nil {
				t.Fatal(err)
			}
			for _, line := range p.Tail() {
				if len(line) > 20<<10 {
					t.Errorf("a line of %d bytes is kept", len(line))
				}
			}
		})
	}
}

func TestProcess_death_in_flight_is_one_typed_error_with_the_last_lines(t *testing.T) {
	for fault, want := range map[string][]string{
		"exit":            {"exit status 7", "CUDA error 700"},
		"goroutine-panic": {"exit status 2", "panic: in a goroutine of its own"},
	} {
		t.Run(fault, func(t *testing.T) {
			s, _ := spec(t, "")
			p, d := ready(t, s)
			_, err := infer(t, p, d, "fault:"+fault, nil)
			if !errors.Is(err, sdk.ErrUnavailable) {
				t.Fatalf("%v", err)
			}
			<-p.Done()
			err = p.Explain(err)
			for _, part := range want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is missing in %v", part, err)
				}
			}
			p.Kill()
			empty(t, s.SocketDir)
		})
	}
}

func TestKill_takes_a_child_that_holds_the_pipes(t *testing.T) {
	s, log := spec(t, "hold-pipes")
	p := start(t, s)
	child := childOf(t, log)
	began := time.Now()
	p.Kill()
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("Kill took %s", d)
	}
	plugintest.Eventually(t, 2*time.Second, "the child is gone", func() bool { return !alive(child) })
	empty(t, s.SocketDir)
}

func TestStop_ends_a_stopped_process(t *testing.T) {
	s, _ := spec(t, "")
	p, _ := ready(t, s)
	if err := syscall.Kill(p.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	p.Stop(ctx)
	if d := time.Since(began); d > 3*time.Second || alive(p.PID()) {
		t.Errorf("took %s, alive %t", d, alive(p.PID()))
	}
}

func TestResults_are_checked_against_the_description(t *testing.T) {
	s, _ := spec(t, "")
	p, d := ready(t, s)
	for _, fault := range []string{"wrong-size", "wrong-bytes", "huge", "no-image", "embedding"} {
		if _, err := infer(t, p, d, "fault:"+fault, nil); !errors.Is(err, sdk.ErrInternal) || !strings.Contains(err.Error(), "broke") {
			t.Errorf("%s: %v", fault, err)
		}
	}
	if _, err := infer(t, p, d, "good", nil); err != nil {
		t.Error(err)
	}
}

func TestLargeRequests_pass_up_to_the_limit_and_are_refused_above(t *testing.T) {
	s, _ := spec(t, "")
	p, d := ready(t, s)
	for _, c := range []struct {
		bytes int
		want  *sdk.Error
	}{{5 << 20, nil}, {60 << 20, nil}, {65 << 20, sdk.ErrInvalidInput}} {
		r := request(t, d, "large", nil)
		r.Images = map[string][]sdk.Image{"image": {{MediaType: sdk.PNG, Width: 1, Height: 1, Data: make([]byte, c.bytes)}}}
		_, err := p.Client().Infer(t.Context(), d, r, wire.Sink{}, nil)
		if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%d bytes: %v", c.bytes, err)
		}
	}
}

func TestResults_that_do_not_fit_the_wire_harm_only_their_own_request(t *testing.T) {
	s, _ := spec(t, "")
	p, d := ready(t, s)
	other := make(chan error, 1)
	started := make(chan struct{}, 1000)
	go func() {
		r := request(t, d, "other", map[string]any{"seed": 1, "steps": 20, "step_ms": 20})
		_, err := p.Client().Infer(t.Context(), d, r, wire.Sink{Step: func(int, int) { started <- struct{}{} }}, nil)
		other <- err
	}()
	<-started
	if _, err := infer(t, p, d, "fault:huge-text", nil); !errors.Is(err, sdk.ErrInternal) {
		t.Errorf("%v", err)
	}
	if result, err := infer(t, p, d, "fault:broken-text", nil); err != nil || result.Warnings[0] != "?" {
		t.Errorf("%q %v", result.Warnings, err)
	}
	if err := <-other; err != nil {
		t.Errorf("the request beside them: %v", err)
	}
}

func TestErrors_survive_the_wire(t *testing.T) {
	s, _ := spec(t, "")
	p, d := ready(t, s)
	for fault, want := range map[string]*sdk.Error{
		"out-of-memory": sdk.ErrOutOfMemory, "invalid": sdk.ErrInvalidInput, "unsafe": sdk.ErrUnsafe, "busy": sdk.ErrBusy,
		"error": sdk.ErrInternal, "panic": sdk.ErrInternal,
	} {
		_, err := infer(t, p, d, "fault:"+fault, nil)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v is not %v", fault, err, want.Code)
		}
		e := sdk.AsError(err)
		if fault == "invalid" && e.Param != "steps" || fault == "busy" && e.RetryAfter != 3*time.Second {
			t.Errorf("%s: %+v", fault, e)
		}
	}
}

func TestLargeResults_travel_in_chunks_when_slots_are_taken(t *testing.T) {
	s, _ := spec(t, "")
	p, d := ready(t, s)
	var group sync.WaitGroup
	for i := range 24 { // more than there are slots
		group.Go(func() {
			r := request(t, d, "picture", map[string]any{"seed": i, "width": 512, "height": 512})
			r.ID = strconv.Itoa(i)
			result, err := p.Client().Infer(t.Context(), d, r, wire.Sink{}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if !bytes.Equal(result.Images[0].Data, bytes.Repeat([]byte{byte(i)}, 512*512*3)) {
				t.Errorf("picture %d is wrong", i)
			}
		})
	}
	group.Wait()
}

func TestCancel_ends_the_work_within_a_step(t *testing.T) {
	s, _ := spec(t, "")
	p, d := ready(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	stepped := make(chan struct{}, 1000)
	r := request(t, d, "slow", map[string]any{"seed": 1, "steps": 1000, "step_ms": 20})
	go func() {
		<-stepped
		cancel()
	}()
	_, err := p.Client().Infer(ctx, d, r, wire.Sink{Step: func(int, int) { stepped <- struct{}{} }}, nil)
	if !errors.Is(err, sdk.ErrCancelled) {
		t.Fatal(err)
	}
	plugintest.Eventually(t, time.Second, "nothing active", func() bool {
		h, err := p.Client().Health(t.Context())
		return err == nil && len(h.Active) == 0
	})
	if _, err := infer(t, p, d, "next", nil); err != nil {
		t.Error(err)
	}
}

func TestLifeCycle_is_held_against_a_host_that_errs(t *testing.T) {
	s, _ := spec(t, "")
	p := start(t, s)
	d, version, err := p.Client().Describe(t.Context())
	if err != nil || version != sdk.Version {
		t.Fatal(version, err)
	}
	if _, err := infer(t, p, d, "too early", nil); !errors.Is(err, sdk.ErrBusy) {
		t.Errorf("Infer before Load: %v", err)
	}
	if err := p.Client().Load(t.Context(), func(float64, string) {}); err == nil {
		t.Error("Load before Configure")
	}
	config := sdk.Config{Values: schema.Values{"concurrency": int64(1)}}
	if _, err := p.Client().Configure(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Client().Configure(t.Context(), config); err == nil {
		t.Error("configured twice")
	}
}

func TestHostDeath_takes_the_plugin_along(t *testing.T) {
	if os.Getenv("VISION_TEST_HOST") == "" {
		diesWithItsHost(t, "TestHostDeath_takes_the_plugin_along")
		return
	}
	waitAsHost(t, launch.Sandbox{})
}

// waitAsHost is the half of a test that runs as a host in a process of its own.
func waitAsHost(t *testing.T, sandbox launch.Sandbox) {
	dir := os.Getenv("VISION_TEST_HOST")
	p, _ := ready(t, launch.Spec{
		Name: "echo", Binary: os.Getenv("VISION_TEST_PLUGIN"), SocketDir: dir, ScratchDir: dir, Sandbox: sandbox, Log: slog.New(slog.DiscardHandler),
	})
	os.Stdout.WriteString("pid " + strconv.Itoa(p.PID()) + "\n")
	select {}
}

// diesWithItsHost runs a test as a host in a process of its own, kills that and waits for the end of its plugin.
func diesWithItsHost(t *testing.T, test string) {
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), "VISION_TEST_HOST="+plugintest.SocketDir(t), "VISION_TEST_PLUGIN="+plugintest.Echo(t, ""))
	out := &plugintest.Output{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	plugintest.Eventually(t, 60*time.Second, "the plugin's pid", func() bool {
		_, after, ok := strings.Cut(out.String(), "pid ")
		digits, _, line := strings.Cut(after, "\n")
		pid, _ = strconv.Atoi(digits)
		return ok && line
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	plugintest.Eventually(t, 2*time.Second, "the plugin is gone", func() bool { return !alive(pid) })
}
