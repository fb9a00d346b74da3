package host_test

import (
	"context"
	"testing"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/internal/plugintest"
	"github.com/vision19/vision/host/plan"
)

func TestReload_leaves_a_process_alone_that_would_not_be_another(t *testing.T) {
	bounds := func(n string) string { return "replicas {\n    min = " + n + "\n    max = 2\n  }" }
	for name, c := range map[string]struct {
		budgets [2]string
		blocks  [2]string
		count   int // processes afterwards
	}{
		"budget, queue and keep_alive": {[2]string{"700MiB", "800MiB"}, [2]string{"queue = 1", "queue = 2\n  keep_alive = \"1m\""}, 1},
		"how many are to run":          {[2]string{"700MiB", "700MiB"}, [2]string{bounds("1"), bounds("2")}, 2},
		"how few are to run":           {[2]string{"700MiB", "700MiB"}, [2]string{bounds("2"), bounds("1")}, 2}, // until it has been idle for long
		"how many may run":             {[2]string{"700MiB", "700MiB"}, [2]string{bounds("2"), ""}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			hcl := func(n int) string {
				return cpu(c.budgets[n]) + declare(t, "echo", "memory = \"100MiB\"\n  "+c.blocks[n])
			}
			h := start(t, load(t, hcl(0)))
			pid := h.Plugins()[0].Replicas[0].PID
			p, diags, err := h.Apply(t.Context(), load(t, hcl(1)))
			if err != nil || diags.HasErrors() || p.Plugins[0].Action != plan.Keep {
				t.Errorf("%+v %v %v", p, diags, err)
			}
			plugintest.Eventually(t, 5*time.Second, "as many run as are to", func() bool {
				return replicas(t, h, "echo", "ready") == c.count && len(h.Plugins()[0].Replicas) == c.count
			})
			if now := h.Plugins()[0].Replicas[0].PID; now != pid {
				t.Errorf("process %d and then %d", pid, now)
			}
			wake(t, h, "echo")
		})
	}
}

func TestReload_that_pins_a_plugin_stops_its_unloading(t *testing.T) {
	hcl := func(keep string) string {
		return declare(t, "echo", "keep_alive = \""+keep+"\"") + declare(t, "clock", `keep_alive = "1s"`)
	}
	h := start(t, load(t, hcl("1s")))
	wake(t, h, "echo")
	pid := find(t, h, "echo").PID
	apply(t, h, hcl("-1"))
	wake(t, h, "clock") // it is due later than the other one would have been
	plugintest.Eventually(t, 5*time.Second, "the one that is not pinned is unloaded", func() bool { return find(t, h, "clock").State == "stopped" })
	if p := find(t, h, "echo"); p.State != "ready" || p.PID != pid {
		t.Errorf("%+v", p)
	}
}

func TestReload_of_a_plugin_that_runs_on_demand_replaces_its_process(t *testing.T) {
	h := start(t, write(t, onDemand, "concurrency = 1"))
	wake(t, h, "echo")
	before := find(t, h, "echo").Replicas[0]
	p, diags, err := h.Apply(t.Context(), write(t, onDemand, "concurrency = 2"))
	if err != nil || diags.HasErrors() || p.Plugins[0].Action != plan.Restart {
		t.Errorf("%+v %v %v", p, diags, err)
	}
	wake(t, h, "echo")
	if r := find(t, h, "echo").Replicas; len(r) != 1 || r[0].Digest == before.Digest || r[0].PID == before.PID {
		t.Errorf("%+v", r)
	}
}

func TestReload_before_the_start_starts_each_plugin_once(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", plugintest.SocketDir(t))
	c := write(t, "", "")
	h, diags := host.New(t.Context(), c, host.Options{StateDir: t.TempDir()})
	defer h.Close(context.WithoutCancel(t.Context()))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if _, diags, err := h.Apply(t.Context(), c); err != nil || diags.HasErrors() {
		t.Fatal(diags, err)
	}
	h.Start()
	if p := h.Plugins(); len(p) != 1 || len(p[0].Replicas) != 1 {
		t.Errorf("%+v", p)
	}
	wake(t, h, "echo")
}
