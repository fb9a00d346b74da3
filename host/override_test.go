package host_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/host/internal/plugintest"
)

// A debugger holds a process for as long as its user thinks.
func TestOverride_leaves_a_process_that_a_debugger_holds(t *testing.T) {
	timing := instance.Timing{Health: 10 * time.Millisecond, Answer: 20 * time.Millisecond, Grace: 20 * time.Millisecond}
	c := load(t, fmt.Sprintf("plugin \"echo\" {\n  binary = \"nowhere\"\n  dev_override = %q\n}\n", plugintest.Echo(t, "")))
	h := begin(t, c, host.Options{Timing: timing})
	if _, err := do(t, h, job("first", nil)); err != nil {
		t.Fatal(err)
	}
	pid := h.Plugins()[0].PID
	stopProcess(t, pid)
	answered := make(chan error, 1)
	go func() {
		_, err := do(t, h, job("held", nil))
		answered <- err
	}()
	if err := within(t, h, job("held", nil), 100*time.Millisecond); err == nil { // cancelled, and still at work for longer than the grace
		t.Error("a stopped process has answered")
	}
	time.Sleep(20 * (timing.Health + timing.Answer)) // ten times what another process has
	if p := h.Plugins()[0]; p.PID != pid || p.State != "ready" || p.Restarts != 0 {
		t.Fatalf("%+v", p)
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if p := h.Plugins()[0]; p.PID != pid {
		t.Errorf("%+v", p)
	}
}

func TestOverride_runs_without_a_pin_and_warns(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", plugintest.SocketDir(t))
	mine := plugintest.Echo(t, "")
	c := load(t, fmt.Sprintf("plugin \"echo\" {\n  binary = %q\n  sha256 = %q\n  dev_override = %q\n}\n", mine, strings.Repeat("0", 64), mine))
	h, diags := host.New(t.Context(), c, host.Options{StateDir: t.TempDir()})
	defer h.Close(t.Context())
	if diags.HasErrors() || !strings.Contains(diags.Error(), "DEVELOPMENT OVERRIDE; echo runs "+mine) {
		t.Error(diags)
	}
}
