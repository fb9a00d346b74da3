package main_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/telemetry"
	"github.com/vision19/vision/sdk"
)

// stand is what commands find in the place of a running host: it has one log, and answers reloads as it is told.
type stand struct {
	log     *telemetry.Ring
	report  api.ReloadReport
	reloads atomic.Int32
	server  *http.Server
}

// Reload implements api.Controller.
func (s *stand) Reload(context.Context) api.ReloadReport {
	s.reloads.Add(1)
	return s.report
}

// Logs implements api.Controller.
func (s *stand) Logs(plugin string) ([]*telemetry.Ring, error) {
	if plugin != "" && plugin != "echo" {
		return nil, sdk.NewError(api.CodeNotFound, fmt.Sprintf("no plugin %q is declared; there is echo", plugin), nil)
	}
	return []*telemetry.Ring{s.log}, nil
}

// Do implements api.Backend.
func (s *stand) Do(context.Context, api.Job, api.Events) (api.Answer, error) {
	return api.Answer{}, api.ErrNotFound
}

// Describe implements api.Backend.
func (s *stand) Describe(string) (sdk.Description, bool) { return sdk.Description{}, false }

// Plugins implements api.Backend.
func (s *stand) Plugins() []api.Plugin { return nil }

// stand takes the user's state folder as a running host does, until the test ends. A reload answers with the report.
func (u *user) stand(t testing.TB, report api.ReloadReport) *stand {
	t.Helper()
	s := &stand{report: report, log: telemetry.NewRing(telemetry.DefaultLines, telemetry.DefaultBytes)}
	lock, err := os.Create(filepath.Join(u.state, "host.lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(u.runtime, "stand"))
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("{\"pid\":%d,\"socket\":%q}", os.Getpid(), listener.Addr())
	if err := os.WriteFile(filepath.Join(u.state, "host.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.server = api.Server(api.ControlHandler(s, s, slog.New(slog.DiscardHandler)))
	go func() { _ = s.server.Serve(listener) }() // ends with Close
	t.Cleanup(func() {
		s.server.Close()
		lock.Close()
	})
	return s
}

// say adds a line to the log.
func (s *stand) say(at time.Time, level slog.Level, text string) {
	s.log.Add(telemetry.Line{Time: at, Process: "echo/2", PID: 77, Level: level, Text: text})
}
