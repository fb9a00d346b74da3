package host_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/internal/plugintest"
	"github.com/vision19/vision/host/plan"
	"github.com/vision19/vision/sdk"
)

// declare is a plugin block of the echo plugin.
func declare(t testing.TB, name, extra string) string {
	t.Helper()
	return fmt.Sprintf("plugin %q {\n  binary = %q\n  %s\n}\n", name, plugintest.Echo(t, ""), extra)
}

// small is a device with room for two of three plugins of 300 MiB.
const small = "device \"cpu0\" {\n  kind = \"cpu\"\n  memory = \"700MiB\"\n}\n"

func to(target, prompt string) api.Job {
	j := job(prompt, nil)
	j.Target = target
	return j
}

func states(h *host.Host) string {
	var out []string
	for _, p := range h.Plugins() {
		out = append(out, p.Name+" "+p.State)
	}
	return strings.Join(out, ", ")
}

func TestPlace_loads_on_demand_and_unloads_the_least_recently_used(t *testing.T) {
	const evict = "memory = \"300MiB\"\n  on_full = \"evict\""
	h := start(t, load(t, small+declare(t, "a", evict)+declare(t, "b", evict)+declare(t, "c", evict)))
	if got := states(h); got != "a ready, b ready, c stopped" {
		t.Fatal(got)
	}
	for _, step := range []struct{ ask, want string }{
		{"a", "a ready, b ready, c stopped"},
		{"c", "a ready, b stopped, c ready"}, // b was used longest ago
		{"b", "a stopped, b ready, c ready"},
		{"b", "a stopped, b ready, c ready"},
		{"a", "a ready, b ready, c stopped"},
	} {
		if _, err := do(t, h, to(step.ask, "x")); err != nil {
			t.Fatalf("%s: %v", step.ask, err)
		}
		if got := states(h); got != step.want {
			t.Errorf("after %s: %s, want %s", step.ask, got, step.want)
		}
	}
}

func TestPlace_never_unloads_what_is_pinned_or_at_work(t *testing.T) {
	const evict = "memory = \"300MiB\"\n  on_full = \"evict\""
	h := start(t, load(t, small+declare(t, "pinned", "memory = \"300MiB\"\n  keep_alive = \"-1\"")+declare(t, "busy", evict)+declare(t, "late", evict)))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	running := make(chan struct{}, 1000)
	slow := to("busy", "x")
	slow.Parameters = map[string]any{"steps": 1000, "step_ms": 10}
	ended := make(chan error, 1)
	go func() {
		_, err := h.Do(ctx, slow, api.Events{Step: func(int, int) { running <- struct{}{} }})
		ended <- err
	}()
	<-running
	answered := make(chan error, 1)
	go func() {
		_, err := do(t, h, to("late", "x"))
		answered <- err
	}()
	plugintest.Eventually(t, 5*time.Second, "late waits", func() bool { return strings.HasSuffix(states(h), "late starting") })
	select {
	case err := <-answered:
		t.Fatalf("late was answered beside a busy and a pinned plugin: %v", err)
	case <-time.After(300 * time.Millisecond): // as long as several looks for room
	}
	cancel()
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, sdk.ErrCancelled) {
		t.Error(err)
	}
	if got := states(h); got != "pinned ready, busy stopped, late ready" {
		t.Error(got)
	}
}

func TestPlace_refuses_at_once_what_can_never_be_loaded(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", plugintest.SocketDir(t))
	_, diags := host.New(t.Context(), load(t, small+declare(t, "a", `memory = "300MiB"`)+declare(t, "b", `memory = "500MiB"`)), host.Options{StateDir: t.TempDir()})
	if !diags.HasErrors() || !strings.Contains(diags.Error(), "100MiB too few") {
		t.Error(diags)
	}
}

func TestPlan_says_what_would_be_evicted_and_what_runs_already(t *testing.T) {
	h := start(t, load(t, small+declare(t, "a", `memory = "300MiB"`)+declare(t, "b", `memory = "300MiB"`)+declare(t, "c", "memory = \"300MiB\"\n  on_full = \"evict\"")))
	wake(t, h, "a") // which of them was loaded first is not said
	wake(t, h, "b")
	p := h.Plan()
	var got []string
	for _, x := range p.Plugins {
		got = append(got, fmt.Sprintf("%s %s %v", x.Name, x.Action, x.Evicts))
	}
	if want := []string{"a keep []", "b keep []", "c on_demand [a]"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if p.Plugins[2].Action != plan.Demand || !p.Fits {
		t.Errorf("%+v", p)
	}
}

func TestReplicas_grow_with_the_queue_and_shrink_when_idle(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", plugintest.SocketDir(t))
	c := load(t, "device \"cpu0\" {\n  kind = \"cpu\"\n  memory = \"1GiB\"\n}\n"+declare(t, "echo", "memory = \"300MiB\"\n  replicas {\n    max = 8\n  }\n  config {\n    concurrency = 1\n  }"))
	h, diags := host.New(t.Context(), c, host.Options{StateDir: t.TempDir(), Shrink: 300 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	defer h.Close(context.WithoutCancel(t.Context()))
	h.Start()
	var group sync.WaitGroup
	var most atomic.Int64
	for range 40 {
		group.Go(func() {
			if _, err := do(t, h, job("x", map[string]any{"steps": 20, "step_ms": 10})); err != nil {
				t.Error(err)
			}
			most.Store(max(most.Load(), int64(len(h.Plugins()[0].Replicas))))
		})
	}
	group.Wait()
	if most.Load() != 3 { // as many as the budget holds, fewer than max
		t.Errorf("%d replicas at most", most.Load())
	}
	plugintest.Eventually(t, 10*time.Second, "one replica is left", func() bool {
		r := h.Plugins()[0].Replicas
		return len(r) == 1 && r[0].Name == "echo" && r[0].State == "ready"
	})
}

func TestRetry_goes_to_another_replica(t *testing.T) {
	h := start(t, load(t, declare(t, "echo", "replicas {\n    min = 2\n  }")))
	if n := len(h.Plugins()[0].Replicas); n != 2 {
		t.Fatalf("%d replicas", n)
	}
	for _, prompt := range []string{"first", "second"} { // both have answered once
		if _, err := do(t, h, to("echo", prompt)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := do(t, h, job("fault:exit", nil)); !errors.Is(err, sdk.ErrUnavailable) {
		t.Error(err)
	}
	for _, r := range h.Plugins()[0].Replicas {
		if !strings.Contains(r.LastError, "exit status 7") {
			t.Errorf("%s did not have it: %+v", r.Name, r)
		}
	}
}

func TestOutOfMemory_unloads_others_restarts_and_tries_once_more(t *testing.T) {
	const idle = "memory = \"100MiB\""
	h := start(t, load(t, small+declare(t, "a", idle)+declare(t, "b", idle)))
	before := h.Plugins()[0].PID
	_, err := do(t, h, to("a", "fault:out-of-memory"))
	if !errors.Is(err, sdk.ErrOutOfMemory) {
		t.Error(err)
	}
	if got := h.Plugins(); got[1].State != "stopped" || got[0].Restarts < 1 {
		t.Errorf("%+v", got)
	}
	if _, err := do(t, h, to("a", "next")); err != nil || h.Plugins()[0].PID == before {
		t.Errorf("%v, process %d", err, h.Plugins()[0].PID)
	}
	if _, err := do(t, h, to("b", "next")); err != nil {
		t.Error(err)
	}
}

// gpu puts a stand-in for nvidia-smi on the PATH, with one GPU of 1,000 MiB whose free memory and processes a test can set.
func gpu(t *testing.T) (set func(freeMiB int, apps string)) {
	t.Helper()
	dir := t.TempDir()
	set = func(free int, apps string) {
		for name, text := range map[string]string{
			"inventory": fmt.Sprintf("0, GPU-0a0a0a0a-0000-0000-0000-000000000000, Stand-In 1000, 1000, %d\n", free), "memory": fmt.Sprintf("%d, %d\n", 1000-free, free), "apps": apps,
		} {
			if err := os.WriteFile(filepath.Join(dir, name+".new"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	set(1000, "")
	script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in\n*compute-apps*) cat %[1]s/apps ;;\n*memory.used*) cat %[1]s/memory ;;\n*) cat %[1]s/inventory ;;\nesac\n", dir)
	if err := os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return set
}

func TestPlace_on_a_GPU_measures_it_and_waits_until_its_memory_is_back(t *testing.T) {
	const uuid = "GPU-0a0a0a0a-0000-0000-0000-000000000000"
	set := gpu(t)
	const extra = "device = \"gpu0\"\n  memory = \"400MiB\"\n  on_full = \"evict\"\n  config {\n    load_ms = 200\n  }"
	const device = "device \"gpu0\" {\n  kind = \"cuda\"\n  index = 0\n  memory = \"1000MiB\"\n}\n"
	t.Setenv("XDG_RUNTIME_DIR", plugintest.SocketDir(t))
	h, diags := host.New(t.Context(), load(t, device+declare(t, "a", extra)+declare(t, "b", extra)+declare(t, "c", extra)), host.Options{StateDir: t.TempDir()})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	defer h.Close(context.WithoutCancel(t.Context()))
	h.Start()
	most, free, apps := 0, 1000, ""
	known := map[int]bool{}
	plugintest.Eventually(t, 10*time.Second, "a and b are ready", func() bool {
		loading := 0
		for _, p := range h.Plugins() {
			if p.State != "loading" {
				continue
			}
			if loading++; !known[p.PID] { // each takes more than it has declared
				known[p.PID] = true
				free, apps = free-420, apps+fmt.Sprintf("%d, %s, 420\n", p.PID, uuid)
				set(free, apps)
			}
		}
		most = max(most, loading)
		return states(h) == "a ready, b ready, c stopped"
	})
	if most != 1 {
		t.Errorf("%d models were loaded into one device at a time", most)
	}
	for _, p := range h.Plugins()[:2] {
		if r := p.Replicas[0]; r.Bytes != 420<<20 || r.Reserved != 420<<20 {
			t.Errorf("%s: %d bytes taken, %d reserved", p.Name, r.Bytes, r.Reserved)
		}
	}
	if _, err := do(t, h, to("a", "fault:environ")); err == nil || !strings.Contains(err.Error(), "CUDA_VISIBLE_DEVICES="+uuid) {
		t.Errorf("the process may use another GPU: %v", err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := do(t, h, to("c", "x"))
		answered <- err
	}()
	plugintest.Eventually(t, 10*time.Second, "b, the least recently used, is going", func() bool { return strings.Contains(states(h), "b draining") })
	select {
	case err := <-answered:
		t.Errorf("c was loaded before the memory was free: %v", err)
	case <-time.After(500 * time.Millisecond): // far longer than b takes to end
	}
	set(free+420, "")
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if got := states(h); got != "a ready, b stopped, c ready" {
		t.Error(got)
	}
	set(1000, "") // the end of the others need not wait
}
