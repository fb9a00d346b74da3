package host_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/internal/plugintest"
	"github.com/vision19/vision/sdk"
)

// wake asks for a small picture, which a unit must be there for.
func wake(t testing.TB, h *host.Host, name string) {
	t.Helper()
	if _, err := do(t, h, to(name, "wake")); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func find(t testing.TB, h *host.Host, name string) api.Plugin {
	t.Helper()
	for _, p := range h.Plugins() {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("no plugin %s", name)
	return api.Plugin{}
}

func apply(t testing.TB, h *host.Host, hcl string) {
	t.Helper()
	if _, diags, err := h.Apply(t.Context(), load(t, hcl)); err != nil || diags.HasErrors() {
		t.Fatal(diags, err)
	}
}

func TestReload_of_a_plugin_that_does_not_run_starts_no_old_process(t *testing.T) {
	const evict = "memory = \"300MiB\"\n  on_full = \"evict\"\n  config {\n    concurrency = %d\n  }"
	hcl := func(concurrency int) string {
		text := small
		for _, name := range []string{"a", "b", "c"} {
			text += declare(t, name, fmt.Sprintf(evict, concurrency))
		}
		return text
	}
	h := start(t, load(t, hcl(1)))
	for _, name := range []string{"c", "a", "b"} {
		wake(t, h, name)
	}
	if c := find(t, h, "c"); c.State != "stopped" {
		t.Fatalf("%+v", c)
	}
	apply(t, h, hcl(2))
	wake(t, h, "c")
	for _, name := range []string{"a", "b", "c"} {
		if p := find(t, h, name); len(p.Replicas) > 1 {
			t.Errorf("%s runs %d times: %+v", name, len(p.Replicas), p.Replicas)
		}
	}
}

func TestReload_leaves_no_process_of_the_old_configuration(t *testing.T) {
	hcl := func(concurrency int) string {
		return declare(t, "echo", fmt.Sprintf("memory = \"64MiB\"\n  queue = 256\n  replicas {\n    max = 3\n  }\n  config {\n    concurrency = %d\n  }", concurrency))
	}
	h := start(t, load(t, hcl(1)))
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for ctx.Err() == nil {
				if _, err := do(t, h, job("x", map[string]any{"steps": 10, "step_ms": 5})); err != nil {
					t.Error(err)
				}
			}
		})
	}
	plugintest.Eventually(t, 10*time.Second, "it grows", func() bool { return len(h.Plugins()[0].Replicas) > 1 })
	for n := range 3 {
		apply(t, h, hcl(2+n))
	}
	cancel()
	group.Wait()
	digests := map[string]bool{}
	for _, r := range h.Plugins()[0].Replicas {
		digests[r.Digest] = true
	}
	if len(digests) != 1 {
		t.Errorf("%d configurations run: %+v", len(digests), h.Plugins()[0].Replicas)
	}
}

func TestReload_that_takes_a_plugin_out_answers_what_waits_for_it(t *testing.T) {
	h := start(t, load(t, declare(t, "keep", "")+declare(t, "go", "config {\n    concurrency = 1\n  }")))
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() {
			j := to("go", "slow")
			j.Parameters = map[string]any{"steps": 5, "step_ms": 10}
			_, err := do(t, h, j)
			errs <- err
		}()
	}
	plugintest.Eventually(t, 5*time.Second, "they wait", func() bool { return find(t, h, "go").Queue == cap(errs)-1 })
	apply(t, h, declare(t, "keep", ""))
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if _, err := do(t, h, to("go", "late")); !errors.Is(err, api.ErrNotFound) {
		t.Error(err)
	}
}

func TestReload_keeps_what_runs_when_there_is_no_room_for_the_next(t *testing.T) {
	const device = "device \"cpu0\" {\n  kind = \"cpu\"\n  memory = \"700MiB\"\n}\n"
	hcl := func(other, concurrency string) string {
		return device + declare(t, "echo", "memory = \"300MiB\"\n  "+concurrency) + declare(t, "other", "memory = \""+other+"\"\n  keep_alive = \"-1\"")
	}
	h := start(t, load(t, hcl("300MiB", "")))
	pid := find(t, h, "echo").PID
	// The other one is pinned and goes on with 300 MiB: no room for 450 MiB.
	_, diags, err := h.Apply(t.Context(), load(t, device+declare(t, "echo", "memory = \"450MiB\"")+declare(t, "other", "memory = \"300MiB\"\n  keep_alive = \"-1\"")))
	if !diags.HasErrors() && err == nil {
		t.Error("it fits")
	}
	if p := find(t, h, "echo"); p.PID != pid || p.State != "ready" {
		t.Errorf("%+v", p)
	}
	wake(t, h, "echo")
}

func TestClose_during_a_reload_ends_both_in_time(t *testing.T) {
	h := start(t, write(t, "", ""))
	reloaded := make(chan error, 1)
	go func() {
		_, _, err := h.Apply(context.Background(), load(t, declare(t, "echo", "config {\n    load_ms = 60000\n  }")+
			declare(t, "new", "config {\n    load_ms = 60000\n  }")))
		reloaded <- err
	}()
	plugintest.Eventually(t, 5*time.Second, "the next one loads", func() bool { return len(h.Plugins()[0].Replicas) == 2 })
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	h.Close(ctx)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %s", took)
	}
	select {
	case err := <-reloaded:
		if err == nil {
			t.Error("the reload has succeeded in a host that was closed")
		}
	default:
		t.Error("the reload goes on after Close")
	}
	if _, _, err := h.Apply(t.Context(), write(t, "", "")); err == nil {
		t.Error("a closed host was reloaded")
	}
}

func TestClose_answers_what_waits_for_a_process_that_is_being_started(t *testing.T) {
	h := begin(t, load(t, declare(t, "echo", "replicas {\n    min = 0\n  }\n  config {\n    load_ms = 300\n  }")), host.Options{})
	answered := make(chan error, 1)
	go func() {
		_, err := do(t, h, job("wake", nil))
		answered <- err
	}()
	plugintest.Eventually(t, 5*time.Second, "it waits", func() bool { return h.Plugins()[0].Queue == 1 })
	h.Close(t.Context())
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestClose_is_not_held_up_by_a_plugin_that_hangs(t *testing.T) {
	h := start(t, write(t, "", ""))
	answered := make(chan error, 1)
	go func() {
		_, err := do(t, h, job("fault:stop", nil))
		answered <- err
	}()
	plugintest.Eventually(t, 5*time.Second, "it runs", func() bool { return h.Plugins()[0].Running == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	h.Close(ctx)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("Close took %s", took)
	}
	if err := <-answered; sdk.AsError(err).Code != sdk.CodeUnavailable {
		t.Error(err)
	}
}

func TestUnload_forgets_the_processes_beyond_the_planned_ones(t *testing.T) {
	h := begin(t, load(t, declare(t, "echo", "memory = \"64MiB\"\n  keep_alive = \"300ms\"\n  queue = 256\n  replicas {\n    max = 3\n  }\n  config {\n    concurrency = 1\n  }")), host.Options{Shrink: time.Hour})
	var group sync.WaitGroup
	for range 24 {
		group.Go(func() {
			if _, err := do(t, h, job("x", map[string]any{"steps": 20, "step_ms": 10})); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := len(h.Plugins()[0].Replicas); n < 2 {
		t.Fatalf("%d processes", n)
	}
	plugintest.Eventually(t, 5*time.Second, "one is left, and stopped", func() bool {
		p := h.Plugins()[0]
		return p.State == "stopped" && len(p.Replicas) == 1
	})
	wake(t, h, "echo")
	if r := h.Plugins()[0].Replicas; len(r) != 1 || r[0].Name != "echo" {
		t.Errorf("%+v", r)
	}
}

func TestClose_tries_a_request_once_more_whose_process_dies(t *testing.T) {
	h := start(t, write(t, "", ""))
	wake(t, h, "echo")
	pid := h.Plugins()[0].PID
	answered := ask(t, h, "echo", map[string]any{"steps": 30, "step_ms": 10})
	plugintest.Eventually(t, 5*time.Second, "it runs", func() bool { return h.Plugins()[0].Running == 1 })
	closed := make(chan struct{})
	go func() {
		h.Close(context.Background())
		close(closed)
	}()
	plugintest.Eventually(t, 5*time.Second, "the host is closing", func() bool { return len(h.Plugins()) == 0 })
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	<-closed
}
