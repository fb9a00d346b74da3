package host_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/internal/plugintest"
	"github.com/vision19/vision/sdk"
)

// cpu is a device that plugins may take so much memory of.
func cpu(memory string) string {
	return "device \"cpu0\" {\n  kind = \"cpu\"\n  memory = \"" + memory + "\"\n}\n"
}

// onDemand is in the block of a plugin that its first request starts.
const onDemand = "\n  replicas {\n    min = 0\n  }"

// occupy has a plugin work on a request until end is called, which returns the request's error.
func occupy(t testing.TB, h *host.Host, name string) (end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stepped, ended := make(chan struct{}), make(chan error, 1)
	j := to(name, "long")
	j.Parameters = map[string]any{"steps": 1000, "step_ms": 20}
	go func() {
		_, err := h.Do(ctx, j, api.Events{Step: func(done, _ int) {
			if done == 1 {
				close(stepped)
			}
		}})
		ended <- err
	}()
	select {
	case <-stepped:
	case err := <-ended:
		cancel()
		t.Fatalf("%s is not at work: %v", name, err)
	}
	return func() error {
		cancel()
		return <-ended
	}
}

// ask sends a request and does not wait for its end.
func ask(t testing.TB, h *host.Host, name string, parameters map[string]any) <-chan error {
	answered := make(chan error, 1)
	go func() {
		j := to(name, "x")
		j.Parameters = parameters
		_, err := do(t, h, j)
		answered <- err
	}()
	return answered
}

func pids(h *host.Host) []int {
	var out []int
	for _, p := range h.Plugins() {
		out = append(out, p.PID)
	}
	return out
}

func TestPlace_tells_a_request_at_once_that_no_other_plugin_may_go_for_it(t *testing.T) {
	for name, c := range map[string]struct{ others, late string }{
		"the others are pinned":      {"keep_alive = \"-1\"", "on_full = \"evict\""},
		"it is not to unload others": {"", "on_full = \"error\""},
	} {
		t.Run(name, func(t *testing.T) {
			const need = "memory = \"300MiB\"" + onDemand + "\n  "
			h := start(t, load(t, small+declare(t, "a", need+c.others)+declare(t, "b", need+c.others)+declare(t, "late", need+c.late)))
			wake(t, h, "a")
			wake(t, h, "b")
			before := pids(h)
			err := within(t, h, to("late", "x"), 2*time.Second)
			if !errors.Is(err, sdk.ErrBusy) || !strings.Contains(err.Error(), "has no room for late") {
				t.Errorf("late: %v", err)
			}
			plugintest.Eventually(t, 2*time.Second, "late is stopped", func() bool { return states(h) == "a ready, b ready, late stopped" }) // its client knows first
			if after := pids(h); !slices.Equal(after, append(before[:2:2], 0)) {
				t.Errorf("processes %v and then %v", before, after)
			}
		})
	}
}

func TestPlace_tells_a_request_that_waits_for_a_start_that_the_start_has_failed(t *testing.T) {
	timing := quick
	timing.Cooldown = time.Minute
	h := begin(t, write(t, onDemand, `fault = "load"`), host.Options{Timing: timing})
	err := within(t, h, job("hello", nil), 2*time.Second)
	if !errors.Is(err, sdk.ErrUnavailable) || !strings.Contains(err.Error(), "the model does not fit") {
		t.Error(err)
	}
}

func TestPlace_start_that_waits_for_room_keeps_no_other_from_starting(t *testing.T) {
	crashed := func(t *testing.T, h *host.Host) {
		if err := syscall.Kill(find(t, h, "first").PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		plugintest.Eventually(t, 3*time.Second, "it has been started again", func() bool {
			p := find(t, h, "first")
			return p.Restarts > 0 && p.State == "ready"
		})
		wake(t, h, "first")
	}
	fits := func(t *testing.T, h *host.Host) {
		if err := within(t, h, to("tiny", "x"), 3*time.Second); err != nil {
			t.Errorf("tiny: %v", err)
		}
	}
	timing := quick
	timing.FirstWait = 200 * time.Millisecond // in which another could take the room of one that has crashed
	for name, c := range map[string]struct {
		budget, busy, late string
		starts             func(*testing.T, *host.Host)
	}{
		"one that has crashed, whose room would be enough": {"700MiB", "300MiB", "300MiB", crashed},
		"one that finds room, and one that has crashed, whose room would not be enough": {"1000MiB", "500MiB", "600MiB", func(t *testing.T, h *host.Host) {
			fits(t, h)
			crashed(t, h)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			evict := func(memory string) string { return "memory = \"" + memory + "\"\n  on_full = \"evict\"" }
			plugins := declare(t, "first", "memory = \"300MiB\"\n  keep_alive = \"-1\"") + declare(t, "busy", evict(c.busy)) +
				declare(t, "tiny", "memory = \"50MiB\""+onDemand) + declare(t, "late", evict(c.late))
			h := begin(t, load(t, cpu(c.budget)+plugins), host.Options{Timing: timing})
			if err := h.AwaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			end := occupy(t, h, "busy")
			late := ask(t, h, "late", nil)
			plugintest.Eventually(t, 5*time.Second, "late waits for room", func() bool { return find(t, h, "late").State == "starting" })
			c.starts(t, h)
			if state := find(t, h, "late").State; state != "starting" {
				t.Errorf("late is %s beside a busy and a pinned plugin", state)
			}
			if err := end(); !errors.Is(err, sdk.ErrCancelled) {
				t.Error(err)
			}
			if err := <-late; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReplicas_that_were_unloaded_for_another_do_not_pile_up(t *testing.T) {
	h := begin(t, load(t, small+declare(t, "echo", "memory = \"300MiB\"\n  replicas {\n    max = 2\n  }\n  config {\n    concurrency = 1\n  }")+
		declare(t, "b", "memory = \"300MiB\"\n  on_full = \"evict\"\n  keep_alive = \"10ms\""+onDemand)), host.Options{Shrink: time.Hour})
	for range 2 {
		grow(t, h, "echo") // and echo/2 has been idle for longer
		wake(t, h, "b")
		plugintest.Eventually(t, 5*time.Second, "one is left, and b is gone", func() bool {
			r := find(t, h, "echo").Replicas
			return len(r) == 1 && r[0].Name == "echo" && r[0].State == "ready" && find(t, h, "b").State == "stopped"
		})
	}
}

// grow has a plugin that takes one request at a time start its second process, and returns when both are idle.
func grow(t testing.TB, h *host.Host, name string) {
	t.Helper()
	end := occupy(t, h, name)
	var waiting []<-chan error
	for range 3 { // more than a process takes at once
		waiting = append(waiting, ask(t, h, name, nil))
	}
	plugintest.Eventually(t, 5*time.Second, "it has two processes", func() bool { return replicas(t, h, name, "ready") == 2 })
	for _, answered := range waiting {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
	_ = end()
	plugintest.Eventually(t, 5*time.Second, "it has nothing to do", func() bool { return !find(t, h, name).Busy })
}

// replicas counts the processes of a plugin in a state.
func replicas(t testing.TB, h *host.Host, name, state string) (n int) {
	t.Helper()
	for _, r := range find(t, h, name).Replicas {
		if r.State == state {
			n++
		}
	}
	return n
}
