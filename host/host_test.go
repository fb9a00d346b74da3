package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/internal/plugintest"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
)

func TestMain(m *testing.M) {
	code := m.Run()
	plugintest.Cleanup()
	os.Exit(code)
}

// write makes a configuration with one echo plugin; extra goes into its block.
func write(t testing.TB, extra, configBlock string) *config.Config {
	t.Helper()
	return load(t, fmt.Sprintf("plugin \"echo\" {\n  binary = %q\n  %s\n  config {\n    %s\n  }\n}\n", plugintest.Echo(t, ""), extra, configBlock))
}

func load(t testing.TB, hcl string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plugins.hcl")
	if err := os.WriteFile(path, []byte(hcl), 0o600); err != nil {
		t.Fatal(err)
	}
	c, diags := config.Load(path)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return c
}

// start runs a host on the configuration; the test fails if it leaves a process or a socket behind.
func start(t testing.TB, c *config.Config) *host.Host {
	t.Helper()
	h := begin(t, c, host.Options{})
	if err := h.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// begin is start with options, and does not wait until the plugins are ready.
func begin(t testing.TB, c *config.Config, o host.Options) *host.Host {
	t.Helper()
	runtime := plugintest.SocketDir(t)
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	if o.StateDir == "" {
		o.StateDir = t.TempDir()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h, diags := host.New(t.Context(), c, o)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		h.Close(ctx)
		_ = filepath.WalkDir(filepath.Join(runtime, "vision"), func(path string, e fs.DirEntry, err error) error {
			if err == nil && path != filepath.Join(runtime, "vision") {
				t.Errorf("left behind: %s", path)
			}
			return nil
		})
		orphans(t)
	})
	h.Start()
	return h
}

// orphans fails the test when a process of ours still runs.
func orphans(t testing.TB) {
	t.Helper()
	plugintest.Eventually(t, 2*time.Second, "no plugin process is left", func() bool {
		links, err := filepath.Glob("/proc/[0-9]*/exe")
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			target, err := os.Readlink(link)
			if err == nil && strings.Contains(target, "/plugins/") && strings.Contains(target, "testplugin") && parent(link) == os.Getpid() {
				return false
			}
		}
		return true
	})
}

func parent(link string) int {
	data, err := os.ReadFile(filepath.Join(filepath.Dir(link), "stat"))
	if err != nil {
		return 0
	}
	var state string
	var ppid int
	_, after, _ := strings.Cut(string(data), ") ")
	if _, err := fmt.Sscan(after, &state, &ppid); err != nil {
		return 0
	}
	return ppid
}

func job(prompt string, parameters map[string]any) api.Job {
	if parameters == nil {
		parameters = map[string]any{"seed": 7}
	}
	return api.Job{Target: "echo", Texts: map[string][]string{"prompt": {prompt}}, Parameters: parameters}
}

func do(t testing.TB, h *host.Host, j api.Job) (api.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return h.Do(ctx, j, api.Events{})
}

// answersAgain waits until the plugin answers: one that has died before its first good answer waits a moment before it is started again.
func answersAgain(t testing.TB, h *host.Host) {
	t.Helper()
	plugintest.Eventually(t, 5*time.Second, "the next request is answered", func() bool {
		_, err := do(t, h, job("next", nil))
		return err == nil
	})
}

func TestDo_answers_with_the_values_that_were_used(t *testing.T) {
	h := start(t, write(t, "", ""))
	a, err := do(t, h, job("hello", map[string]any{"width": 16}))
	if err != nil {
		t.Fatal(err)
	}
	seed, ok := a.Values["seed"].(int64)
	if !ok || a.Result.Images[0].Data[0] != byte(seed) || a.Result.Images[0].Width != 16 || a.Values.Int("height") != 64 {
		t.Errorf("%+v", a.Values)
	}
	b, err := do(t, h, job("hello", map[string]any{"width": 16}))
	if err != nil || b.Values["seed"] == a.Values["seed"] {
		t.Errorf("two drawn seeds are equal: %v %v", b.Values["seed"], err)
	}
}

func TestDo_reports_every_fault_of_a_request_at_once(t *testing.T) {
	h := start(t, write(t, "", ""))
	_, err := do(t, h, api.Job{Target: "echo", Parameters: map[string]any{"width": 7, "steps": "x", "colour": 1}, Images: map[string][][]byte{"image": {[]byte("no")}}})
	if !errors.Is(err, sdk.ErrInvalidInput) {
		t.Fatal(err)
	}
	for _, part := range []string{"width is 7", "steps is \"x\"", "colour is not known", "prompt is required", "image is not a picture"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in %v", part, err)
		}
	}
	if _, err := do(t, h, api.Job{Target: "nothing"}); !errors.Is(err, api.ErrNotFound) {
		t.Error(err)
	}
}

func TestDo_survives_every_fault_of_a_plugin(t *testing.T) {
	h := start(t, write(t, "", ""))
	for _, c := range []struct {
		fault string
		want  *sdk.Error
		text  string // in the error
	}{
		{"panic", sdk.ErrInternal, "panicked"},
		{"goroutine-panic", sdk.ErrUnavailable, "panic: in a goroutine of its own"},
		{"exit", sdk.ErrUnavailable, "CUDA error 700"},
		{"bad-log", nil, ""},
		{"long-lines", nil, ""},
		{"hold-pipes", nil, ""},
		{"wrong-size", sdk.ErrInternal, "broke its own description"},
		{"wrong-bytes", sdk.ErrInternal, "broke its own description"},
		{"huge", sdk.ErrInternal, "broke"},
		{"no-image", sdk.ErrInternal, "broke its own description"},
		{"out-of-memory", sdk.ErrOutOfMemory, "allocate"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			_, err := do(t, h, job("fault:"+c.fault, nil))
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("%q is missing in %v", c.text, err)
			}
			answersAgain(t, h)
		})
	}
}

func TestDo_kill_in_mid_inference_is_not_noticed_but_in_time(t *testing.T) {
	h := start(t, write(t, "", ""))
	if _, err := do(t, h, job("first", nil)); err != nil {
		t.Fatal(err)
	}
	pid := h.Plugins()[0].PID
	stepped := make(chan int, 1000)
	answered := make(chan error, 1)
	var answer api.Answer
	accepted := 0
	go func() {
		var err error
		answer, err = h.Do(t.Context(), job("slow", map[string]any{"steps": 30, "step_ms": 10}),
			api.Events{Accepted: func() { accepted++ }, Step: func(done, _ int) { stepped <- done }})
		close(stepped)
		answered <- err
	}()
	last := <-stepped
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for done := range stepped {
		if done <= last {
			t.Errorf("step %d after %d", done, last)
		}
		last = done
	}
	if err := <-answered; err != nil || len(answer.Result.Images) != 1 || accepted != 1 || last != 30 {
		t.Errorf("%v, accepted %d times, last step %d", err, accepted, last)
	}
	if p := h.Plugins()[0]; p.Restarts != 1 || p.PID == pid {
		t.Errorf("%+v", p)
	}
}

func TestDo_tries_a_request_that_kills_its_process_once_more_and_no_further(t *testing.T) {
	h := start(t, write(t, "", ""))
	if _, err := do(t, h, job("first", nil)); err != nil {
		t.Fatal(err)
	}
	_, err := do(t, h, job("fault:exit", nil))
	if !errors.Is(err, sdk.ErrUnavailable) || !strings.Contains(err.Error(), "exit status 7") || !strings.Contains(err.Error(), "CUDA error 700") {
		t.Errorf("%v", err)
	}
	answersAgain(t, h)
	if p := h.Plugins()[0]; p.Restarts != 2 {
		t.Errorf("%d restarts", p.Restarts)
	}
}

func TestPlugin_that_calls_itself_unavailable_is_believed_and_left_alone(t *testing.T) {
	h := start(t, write(t, "", ""))
	other, stepped := make(chan error, 1), make(chan struct{}, 1000)
	go func() {
		_, err := h.Do(t.Context(), job("other", map[string]any{"steps": 30, "step_ms": 20}), api.Events{Step: func(int, int) { stepped <- struct{}{} }})
		other <- err
	}()
	<-stepped
	if _, err := do(t, h, job("fault:unavailable", nil)); !errors.Is(err, sdk.ErrUnavailable) {
		t.Error(err)
	}
	if err := <-other; err != nil {
		t.Errorf("the request beside it: %v", err)
	}
	if p := h.Plugins()[0]; p.Restarts != 0 {
		t.Errorf("%+v", p)
	}
}

func TestPlugin_that_stops_answering_is_noticed(t *testing.T) {
	h := begin(t, write(t, "", ""), host.Options{Timing: quick})
	if _, err := do(t, h, job("first", nil)); err != nil {
		t.Fatal(err)
	}
	pid := h.Plugins()[0].PID
	answered := make(chan error, 1)
	go func() {
		_, err := do(t, h, job("fault:stop", nil))
		answered <- err
	}()
	plugintest.Eventually(t, 10*time.Second, "another process", func() bool { p := h.Plugins()[0]; return p.PID != pid && p.State == "ready" })
	if err := <-answered; !errors.Is(err, sdk.ErrUnavailable) || !strings.Contains(err.Error(), "did not answer") { // the second process stopped too
		t.Error(err)
	}
	answersAgain(t, h)
}

func TestPlugin_that_ignores_a_cancellation_is_replaced(t *testing.T) {
	h := begin(t, write(t, "", "concurrency = 1"), host.Options{Timing: quick})
	if _, err := do(t, h, job("first", nil)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := h.Do(ctx, job("fault:hang", nil), api.Events{}); !errors.Is(err, sdk.ErrDeadline) {
		t.Fatal(err)
	}
	plugintest.Eventually(t, 15*time.Second, "a new process answers", func() bool {
		_, err := do(t, h, job("next", nil))
		return err == nil && h.Plugins()[0].Restarts > 0
	})
}

func TestPlugin_that_cannot_load_answers_with_its_cause_and_a_retry_time(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", plugintest.SocketDir(t))
	for fault, want := range map[string]string{"configure": "plugins.hcl:5:", "load": "the model does not fit"} {
		c := write(t, "", fmt.Sprintf("fault = %q\n    model = \"nowhere\"", fault))
		h, diags := host.New(t.Context(), c, host.Options{StateDir: t.TempDir()})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		h.Start()
		if err := h.AwaitReady(t.Context()); err == nil || !strings.Contains(err.Error(), want) && fault == "load" {
			t.Errorf("%s: %v", fault, err)
		}
		_, err := do(t, h, job("hello", nil))
		if e := sdk.AsError(err); !errors.Is(err, sdk.ErrUnavailable) || e.RetryAfter <= 0 {
			t.Errorf("%s: %+v", fault, e)
		}
		h.Close(t.Context())
	}
}

func TestPlugins_tell_how_far_loading_is(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", plugintest.SocketDir(t))
	h, diags := host.New(t.Context(), write(t, "", "load_ms = 60000"), host.Options{StateDir: t.TempDir()})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	defer h.Close(t.Context())
	h.Start()
	plugintest.Eventually(t, 10*time.Second, "half loaded", func() bool {
		p := h.Plugins()[0]
		return p.State == "loading" && p.Stage == "half" && p.Progress == 0.5
	})
}

func TestQueue_refuses_when_it_is_full_and_expires_in_time(t *testing.T) {
	h := start(t, write(t, "queue = 1", "concurrency = 1"))
	slow := job("slow", map[string]any{"steps": 1000, "step_ms": 20})
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	running := make(chan struct{}, 1000)
	group.Go(func() { _, _ = h.Do(ctx, slow, api.Events{Step: func(int, int) { running <- struct{}{} }}) })
	<-running
	waiting, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	expired := make(chan error, 1)
	group.Go(func() {
		_, err := h.Do(waiting, slow, api.Events{})
		expired <- err
	})
	plugintest.Eventually(t, 2*time.Second, "one waits", func() bool { return h.Plugins()[0].Queue == 1 })
	_, err := do(t, h, slow)
	if e := sdk.AsError(err); !errors.Is(err, sdk.ErrBusy) || e.RetryAfter < time.Second {
		t.Errorf("%+v", e)
	}
	if err := <-expired; !errors.Is(err, sdk.ErrDeadline) {
		t.Errorf("%v", err)
	}
	cancel()
	group.Wait()
}

func TestKeepAlive_unloads_an_idle_plugin_and_loads_it_again(t *testing.T) {
	h := start(t, write(t, `keep_alive = "100ms"`, ""))
	plugintest.Eventually(t, 5*time.Second, "stopped", func() bool { return h.Plugins()[0].State == "stopped" })
	if _, err := do(t, h, job("wake", nil)); err != nil {
		t.Error(err)
	}
}

func TestKeepAlive_loses_no_request_that_comes_while_it_unloads(t *testing.T) {
	h := start(t, write(t, `keep_alive = "1ms"`, ""))
	for i := range 20 {
		if _, err := do(t, h, job("wake", map[string]any{"seed": i})); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
}

func TestClose_twice_at_once_while_it_unloads(t *testing.T) {
	h := start(t, write(t, `keep_alive = "1ms"`, ""))
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() { h.Close(t.Context()) })
	}
	group.Wait()
}

func TestReload_swaps_what_changed_and_keeps_what_works(t *testing.T) {
	h := start(t, write(t, "", ""))
	before := h.Plugins()[0].PID
	p, diags, err := h.Apply(t.Context(), write(t, "", ""))
	if err != nil || diags.HasErrors() || p.Plugins[0].Action != "keep" || h.Plugins()[0].PID != before {
		t.Errorf("unchanged: %+v %v %v", p, diags, err)
	}
	if _, _, err := h.Apply(t.Context(), write(t, "", `fault = "load"`)); err == nil || !strings.Contains(err.Error(), "does not fit") {
		t.Errorf("a plugin that does not load: %v", err)
	}
	if h.Plugins()[0].PID != before {
		t.Error("the old process is gone although the new one does not load")
	}
	if p, _, err = h.Apply(t.Context(), write(t, "", "concurrency = 2")); err != nil || p.Plugins[0].Action != "restart" || h.Plugins()[0].PID == before {
		t.Errorf("changed: %+v %v", p, err)
	}
	if _, err := do(t, h, job("hello", nil)); err != nil {
		t.Error(err)
	}
	if _, _, err := h.Apply(t.Context(), load(t, "")); err != nil || len(h.Plugins()) != 0 {
		t.Errorf("taken out: %v %v", h.Plugins(), err)
	}
}

func serve(t *testing.T, h *host.Host) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(api.Handler(h, slog.New(slog.DiscardHandler)))
	t.Cleanup(s.Close)
	return s
}

func post(t *testing.T, url, accept, body string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", accept)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, data
}

func TestHTTP_translates_answers_and_errors(t *testing.T) {
	h := start(t, write(t, "", ""))
	s := serve(t, h)
	for _, c := range []struct {
		name, path, body string
		status           int
		code, param      string
	}{
		{"good", "/api/v1/echo", `{"prompt":"hi","seed":3}`, 200, "", ""},
		{"out of range", "/api/v1/echo", `{"prompt":"hi","width":7}`, 400, "invalid_input", "width"},
		{"no JSON", "/api/v1/echo", `{"prompt":`, 400, "invalid_input", ""},
		{"two values", "/api/v1/echo", `{"prompt":"hi"} {}`, 400, "invalid_input", ""},
		{"unknown endpoint", "/api/v1/nothing", `{}`, 404, "not_found", ""},
		{"unknown route", "/api/v2", `{}`, 404, "not_found", ""},
		{"busy", "/api/v1/echo", `{"prompt":"fault:busy"}`, 429, "busy", ""},
		{"out of memory", "/api/v1/echo", `{"prompt":"fault:out-of-memory"}`, 503, "out_of_memory", ""},
		{"internal", "/api/v1/echo", `{"prompt":"fault:error"}`, 500, "internal", ""},
		{"dead", "/api/v1/echo", `{"prompt":"fault:exit"}`, 503, "unavailable", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, data := post(t, s.URL+c.path, "application/json", c.body)
			var b struct {
				Error struct{ Code, Message, Param string }
				Seed  *int64
				Image []byte
			}
			if err := json.Unmarshal(data, &b); err != nil {
				t.Fatalf("%v: %s", err, data)
			}
			if answer.StatusCode != c.status || b.Error.Code != c.code || b.Error.Param != c.param {
				t.Errorf("%d %s", answer.StatusCode, data)
			}
			if (c.status == 429 || c.status == 503) && answer.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			if c.status == 200 && (*b.Seed != 3 || len(b.Image) != 64*64*3) {
				t.Errorf("%s", data)
			}
		})
	}
	answersAgain(t, h)
	if answer, data := post(t, s.URL+"/api/v1/echo", "image/*", `{"prompt":"hi","seed":3}`); answer.Header.Get("Vision-Seed") != "3" || len(data) != 64*64*3 {
		t.Errorf("the picture itself: %v, %d bytes", answer.Header, len(data))
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		answer, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 200 {
			t.Errorf("%s: %d", path, answer.StatusCode)
		}
	}
}

func TestHTTP_bounds_the_body(t *testing.T) {
	h := start(t, write(t, "", ""))
	s := serve(t, h)
	answer, data := post(t, s.URL+"/api/v1/echo", "", `{"prompt":"`+strings.Repeat("x", api.MaxBody)+`"}`)
	if answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %.200s", answer.StatusCode, data)
	}
}

func TestHTTP_a_closed_connection_stops_the_work_within_a_step(t *testing.T) {
	h := start(t, write(t, "", "concurrency = 1"))
	s := serve(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/v1/echo", strings.NewReader(`{"prompt":"slow","steps":1000,"step_ms":50}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var events bytes.Buffer
	for !strings.Contains(events.String(), `{"done":2,"total":1000}`) {
		part := make([]byte, 256)
		n, err := answer.Body.Read(part)
		if err != nil {
			t.Fatal(err)
		}
		events.Write(part[:n])
	}
	cancel()
	// With one permit the next request can only be answered once the first has really stopped.
	began := time.Now()
	if _, err := do(t, h, job("next", nil)); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("the next request took %s", d)
	}
}

func TestHTTP_multipart_takes_files_and_texts(t *testing.T) {
	h := start(t, write(t, "", ""))
	socket, token, err := h.Control()
	if err != nil {
		t.Fatal(err)
	}
	picture, err := imaging.EncodePNG(make([]byte, 8*8*3), 8, 8, 3)
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	reply, err := api.NewClient(socket, token).Infer(t.Context(), "echo", []api.Field{
		{Name: "prompt", Value: []byte("hi")}, {Name: "seed", Value: []byte("9")}, {Name: "steps", Value: []byte("3")}, {Name: "image", Value: picture},
	}, time.Minute, func(api.Progress) { steps++ })
	if err != nil || *reply.Seed != 9 || reply.Image[0] != 9 || steps != 3 {
		t.Errorf("%+v %v, %d steps", reply.Seed, err, steps)
	}
	if _, err := png.Decode(bytes.NewReader(picture)); err != nil {
		t.Error(err)
	}
	_, err = api.NewClient(socket, token).Infer(t.Context(), "echo", []api.Field{{Name: "steps", Value: []byte("many")}}, time.Minute, nil)
	if e := sdk.AsError(err); e.Code != sdk.CodeInvalidInput || len(e.Faults) != 2 {
		t.Errorf("%+v", e)
	}
}

func TestNew_reports_every_fault_of_a_configuration_at_its_line(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", plugintest.SocketDir(t))
	path := filepath.Join(t.TempDir(), "plugins.hcl")
	text := fmt.Sprintf(`device "cpu0" {
  kind   = "cpu"
  memory = "10MiB"
}
plugin "echo" {
  binary = %q
  colour = "red"
  queue  = true
  config {
    load_ms = 99999999
  }
}
widget "x" {}
plugin "gone" {
  binary = "nowhere"
}
`, plugintest.Echo(t, ""))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, diags := config.Load(path)
	h, more := host.New(t.Context(), c, host.Options{StateDir: t.TempDir()})
	defer h.Close(t.Context())
	var out bytes.Buffer
	if err := c.WriteDiagnostics(&out, append(diags, more...)); err != nil {
		t.Fatal(err)
	}
	for place, summary := range map[string]string{
		"7:3": "Unsupported argument", "8:12": "Wrong number", "10:15": "Wrong configuration of the plugin",
		"13:1": "Unsupported block type", "15:12": "No plugin binary", "5:1": "The plugin does not fit",
	} {
		if want := path + ":" + place + ": error: " + summary; !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &out)
		}
	}
}
