package host_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/internal/plugintest"
	"github.com/vision19/vision/host/sched"
)

// reloaded applies a configuration and does not wait for its end.
func reloaded(ctx context.Context, t testing.TB, h *host.Host, hcl string) <-chan error {
	t.Helper()
	c, done := load(t, hcl), make(chan error, 1)
	go func() {
		_, _, err := h.Apply(ctx, c)
		done <- err
	}()
	return done
}

func TestReload_without_room_for_both_lets_nothing_of_the_old_configuration_grow(t *testing.T) {
	hcl := func(loadMS int) string {
		const many = "memory = \"300MiB\"\n  replicas {\n    min = 2\n    max = 3\n  }\n  config {\n    concurrency = 1\n    load_ms = %d\n  }"
		return small + declare(t, "echo", fmt.Sprintf(many, loadMS))
	}
	h := start(t, load(t, hcl(0)))
	old := h.Plugins()[0].Replicas[0].Digest
	short, long := occupy(t, h, "echo"), occupy(t, h, "echo")
	var waiting []<-chan error
	for range 3 { // more than the two processes take at once, which makes it grow
		waiting = append(waiting, ask(t, h, "echo", map[string]any{"steps": 20, "step_ms": 10}))
	}
	plugintest.Eventually(t, 5*time.Second, "they wait", func() bool { return h.Plugins()[0].Queue == len(waiting) })
	done := reloaded(t.Context(), t, h, hcl(1))
	_ = short()
	plugintest.Eventually(t, 5*time.Second, "one process is out of service", func() bool { return replicas(t, h, "echo", "stopped") == 1 })
	since := time.Now()
	plugintest.Eventually(t, 5*time.Second, "it would have grown by now", func() bool {
		if n := replicas(t, h, "echo", "stopped"); n != 1 || len(h.Plugins()[0].Replicas) != 2 {
			t.Fatalf("something was started while the last of the old ones drains: %+v", h.Plugins()[0].Replicas)
		}
		return time.Since(since) > sched.DefaultGrow+300*time.Millisecond
	})
	_ = long()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, answered := range waiting {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
	for _, r := range h.Plugins()[0].Replicas {
		if r.Digest == old {
			t.Errorf("a process of the old configuration: %+v", r)
		}
	}
}

func TestReload_that_fails_leaves_a_plugin_on_a_device_that_is_not_declared_any_more(t *testing.T) {
	device := func(name string) string { return strings.ReplaceAll(small, "cpu0", name) }
	h := start(t, load(t, device("one")+declare(t, "echo", "memory = \"300MiB\"\n  keep_alive = \"50ms\"")))
	_, diags, err := h.Apply(t.Context(), load(t, device("two")+declare(t, "echo", "memory = \"300MiB\"\n  config {\n    fault = \"load\"\n  }")))
	if err == nil || diags.HasErrors() || !strings.Contains(err.Error(), "goes on as it was") {
		t.Fatal(err, diags)
	}
	plugintest.Eventually(t, 5*time.Second, "it has given its room back", func() bool { return h.Plugins()[0].State == "stopped" })
	wake(t, h, "echo")
	if p := h.Plugins()[0]; p.Device != "one" {
		t.Errorf("%+v", p)
	}
}

func TestReload_with_a_smaller_budget_unloads_what_is_too_much(t *testing.T) {
	const evict = "memory = \"300MiB\"\n  on_full = \"evict\""
	plugins := declare(t, "a", evict) + declare(t, "b", evict)
	h := start(t, load(t, cpu("700MiB")+plugins))
	if got := states(h); got != "a ready, b ready" {
		t.Fatal(got)
	}
	apply(t, h, cpu("400MiB")+plugins)
	if got := states(h); got != "a stopped, b ready" && got != "a ready, b stopped" {
		t.Errorf("%s in 400MiB", got)
	}
	wake(t, h, "a")
	wake(t, h, "b")
}

func TestReload_that_fails_has_not_shrunk_the_plugin(t *testing.T) {
	hcl := func(loadMS int) string {
		return declare(t, "echo", fmt.Sprintf("memory = \"50MiB\"\n  replicas {\n    max = 2\n  }\n  config {\n    load_ms = %d\n  }", loadMS))
	}
	h := begin(t, load(t, hcl(0)), host.Options{Shrink: time.Millisecond})
	wake(t, h, "echo")
	pid := h.Plugins()[0].PID
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond) // it is thought about shrinking several times
	defer cancel()
	if err := <-reloaded(ctx, t, h, hcl(60000)); err == nil {
		t.Error("the next process is ready")
	}
	if p := h.Plugins()[0]; p.PID != pid || p.State != "ready" || len(p.Replicas) != 1 {
		t.Errorf("process %d, now %+v", pid, p)
	}
}

func TestReload_that_fails_starts_the_old_process_for_what_has_come_meanwhile(t *testing.T) {
	h := start(t, write(t, `keep_alive = "100ms"`, ""))
	plugintest.Eventually(t, 5*time.Second, "it is unloaded", func() bool { return h.Plugins()[0].State == "stopped" })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := reloaded(ctx, t, h, declare(t, "echo", "keep_alive = \"100ms\"\n  config {\n    load_ms = 60000\n  }"))
	plugintest.Eventually(t, 5*time.Second, "the next process loads", func() bool { return h.Plugins()[0].State == "loading" })
	answered := ask(t, h, "echo", nil)
	plugintest.Eventually(t, 5*time.Second, "a request waits", func() bool { return h.Plugins()[0].Queue == 1 })
	cancel()
	if err := <-done; err == nil {
		t.Error("the reload has succeeded")
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestReload_of_two_pinned_plugins_with_room_for_one_more_process(t *testing.T) {
	hcl := func(loadMS int) string {
		pinned := fmt.Sprintf("memory = \"300MiB\"\n  keep_alive = \"-1\"\n  config {\n    load_ms = %d\n  }", loadMS)
		return cpu("1000MiB") + declare(t, "a", pinned) + declare(t, "b", pinned)
	}
	h := start(t, load(t, hcl(50)))
	before := []string{find(t, h, "a").Replicas[0].Digest, find(t, h, "b").Replicas[0].Digest}
	_, diags, err := h.Apply(t.Context(), load(t, hcl(51)))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for i, name := range []string{"a", "b"} {
		p := find(t, h, name)
		if p.State != "ready" || len(p.Replicas) != 1 {
			t.Errorf("%+v", p)
			continue
		}
		failed := err != nil && strings.Contains(err.Error(), "plugin "+name+" goes on as it was")
		if changed := p.Replicas[0].Digest != before[i]; changed == failed {
			t.Errorf("%s: changed %v, the error is %v", name, changed, err)
		}
		wake(t, h, name)
	}
}

func TestReload_that_is_denied_room_starts_the_old_process_again(t *testing.T) {
	hcl := func(memory string) string {
		const many = "memory = \"300MiB\"\n  keep_alive = \"-1\"\n  replicas {\n    max = 2\n  }\n  config {\n    concurrency = 1\n  }"
		return cpu("1000MiB") + declare(t, "echo", "memory = \""+memory+"\"") + declare(t, "many", many)
	}
	h := begin(t, load(t, hcl("300MiB")), host.Options{Shrink: time.Hour})
	grow(t, h, "many") // the plan does not count the second process, which is pinned
	old := find(t, h, "echo").Replicas[0].Digest
	_, diags, err := h.Apply(t.Context(), load(t, hcl("600MiB")))
	if err == nil || diags.HasErrors() || !strings.Contains(err.Error(), "has no room for echo") {
		t.Error(err, diags)
	}
	wake(t, h, "echo")
	if r := find(t, h, "echo").Replicas; len(r) != 1 || r[0].Digest != old {
		t.Errorf("%+v", r)
	}
}
