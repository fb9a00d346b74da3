package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vision19/vision/host/internal/plugintest"
	"github.com/vision19/vision/host/telemetry"
	"github.com/vision19/vision/sdk"
)

// desk is a controller with the rings of some plugins.
type desk struct {
	report ReloadReport

	mu    sync.Mutex
	rings map[string]*telemetry.Ring
}

func (d *desk) Reload(ctx context.Context) ReloadReport {
	if ctx.Err() != nil {
		return ReloadReport{Errors: []string{"the reload is cancelled"}}
	}
	return d.report
}

func (d *desk) Logs(plugin string) ([]*telemetry.Ring, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*telemetry.Ring
	for name, ring := range d.rings {
		if plugin == "" || plugin == name {
			out = append(out, ring)
		}
	}
	if len(out) == 0 && plugin != "" {
		return nil, sdk.NewError(CodeNotFound, fmt.Sprintf("no plugin %q is declared", plugin), nil)
	}
	return out, nil
}

// say adds a line to a plugin's ring, which is made if it is not there, at so many milliseconds.
func (d *desk) say(plugin string, at int, text string) {
	d.mu.Lock()
	ring, ok := d.rings[plugin]
	if !ok {
		ring = telemetry.NewRing(5, 1<<20)
		if d.rings == nil {
			d.rings = map[string]*telemetry.Ring{}
		}
		d.rings[plugin] = ring
	}
	d.mu.Unlock()
	ring.Add(telemetry.Line{Time: time.UnixMilli(int64(at)), Process: plugin, PID: 7, Text: text})
}

// serveControl serves the control routes on a socket until the test ends; change may alter the server before.
func serveControl(t testing.TB, c Controller, change func(*http.Server)) (*Client, *http.Server) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(plugintest.SocketDir(t), "s"))
	if err != nil {
		t.Fatal(err)
	}
	server := Server(RequireToken("its token", ControlHandler(fixed{}, c, slog.New(slog.DiscardHandler))))
	if change != nil {
		change(server)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return NewClient(l.Addr().String(), "its token"), server
}

// followed collects what a client follows.
type followed struct {
	out    plugintest.Output
	ended  chan error
	cancel context.CancelFunc
}

func follow(t testing.TB, c *Client, plugin string, lines int) *followed {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &followed{ended: make(chan error, 1), cancel: cancel}
	t.Cleanup(cancel)
	go func() {
		f.ended <- c.Logs(ctx, plugin, lines, true, func(l telemetry.Line) { fmt.Fprint(&f.out, l.Text, " ") })
	}()
	return f
}

func (f *followed) await(t testing.TB, want string) {
	t.Helper()
	plugintest.Eventually(t, 5*time.Second, "the follower has "+want, func() bool { return f.out.String() == want })
}

func (f *followed) end(t testing.TB) error {
	t.Helper()
	select {
	case err := <-f.ended:
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("the follower goes on")
		return nil
	}
}

func TestLogs_merges_the_last_lines_of_all_plugins_by_time(t *testing.T) {
	d := &desk{}
	d.say("a", 1, "a1")
	d.say("b", 2, "b2")
	d.say("b", 2, "b2again")
	d.say("a", 3, "a3")
	d.say("a", 5, "a5")
	d.say("b", 4, "b4")
	c, _ := serveControl(t, d, nil)
	for _, k := range []struct {
		plugin string
		lines  int
		want   string
	}{
		{"", 100, "a1 b2 b2again a3 b4 a5"}, {"", 3, "a3 b4 a5"}, {"", 0, ""}, {"a", 100, "a1 a3 a5"}, {"b", 1, "b4"},
	} {
		var got []string
		err := c.Logs(t.Context(), k.plugin, k.lines, false, func(l telemetry.Line) { got = append(got, l.Text) })
		if text := strings.Join(got, " "); err != nil || text != k.want {
			t.Errorf("%q, %d lines: %q, %v; want %q", k.plugin, k.lines, text, err, k.want)
		}
	}
}

func TestLogs_of_an_unknown_plugin_is_not_found(t *testing.T) {
	c, _ := serveControl(t, &desk{}, nil)
	for _, follow := range []bool{false, true} {
		err := c.Logs(t.Context(), "dalle", 1, follow, nil)
		if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), `no plugin "dalle"`) {
			t.Error(err)
		}
	}
}

func TestLogs_that_are_followed_go_on_with_what_comes(t *testing.T) {
	d := &desk{}
	d.say("a", 1, "a1")
	d.say("a", 2, "a2")
	d.say("b", 3, "b3")
	c, _ := serveControl(t, d, nil)
	all, one, fresh := follow(t, c, "", 2), follow(t, c, "a", 100), follow(t, c, "", 0)
	all.await(t, "a2 b3 ")
	one.await(t, "a1 a2 ")
	d.say("b", 4, "b4")
	all.await(t, "a2 b3 b4 ")
	fresh.await(t, "b4 ")
	d.say("a", 5, "a5")
	all.await(t, "a2 b3 b4 a5 ")
	one.await(t, "a1 a2 a5 ")
	d.say("c", 6, "c6") // a plugin that a reload has added
	all.await(t, "a2 b3 b4 a5 c6 ")
	all.cancel()
	if err := all.end(t); err != nil {
		t.Error(err)
	}
}

func TestLogs_that_are_followed_end_with_the_server(t *testing.T) {
	d := &desk{}
	d.say("a", 1, "a1")
	c, server := serveControl(t, d, nil)
	f := follow(t, c, "", 100)
	f.await(t, "a1 ")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Errorf("the server waits for a follower: %v", err)
	}
	if err := f.end(t); err != nil {
		t.Error(err)
	}
}

func TestLogs_do_not_keep_the_server_for_a_client_that_reads_nothing(t *testing.T) {
	d := &desk{}
	d.say("a", 1, "a1")
	c, server := serveControl(t, d, nil)
	body, err := c.control(t.Context(), http.MethodGet, "/control/logs?follow=true")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	long := strings.Repeat("x", 1<<20) // more than the socket takes
	for k := range 10 {
		d.say("a", 2+k, long)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Errorf("the server waits for a reader: %v", err)
	}
}

func TestLogs_that_are_followed_outlive_the_time_of_a_request(t *testing.T) {
	d := &desk{}
	d.say("a", 1, "a1")
	const readTime = 50 * time.Millisecond
	c, _ := serveControl(t, d, func(s *http.Server) { s.ReadTimeout = readTime })
	f := follow(t, c, "", 100)
	f.await(t, "a1 ")
	time.Sleep(3 * readTime) // what must not happen takes this long
	d.say("a", 2, "a2")
	f.await(t, "a1 a2 ")
}

func TestLogs_tells_a_slow_client_what_it_has_missed(t *testing.T) {
	d := &desk{}
	d.say("a", 1, "first")
	c, _ := serveControl(t, d, nil)
	long, last := strings.Repeat("x", 1<<20), ""
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	missed := ""
	err := c.Logs(ctx, "a", 1, true, func(l telemetry.Line) {
		switch {
		case l.Text == "first": // far more than socket and ring take while nobody reads
			for k := range 40 {
				d.say("a", 2+k, long)
			}
			d.say("a", 50, "last")
		case l.PID == 0:
			missed = l.Text
		case l.Text == "last":
			last = l.Text
			cancel()
		}
	})
	if err != nil || last != "last" || !strings.Contains(missed, "lines are missing here") {
		t.Errorf("%v; %q; %q", err, missed, last)
	}
}

func TestReload_goes_on_without_its_client(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	handler := ControlHandler(fixed{}, &desk{report: ReloadReport{Applied: true}}, slog.New(slog.DiscardHandler))
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/control/reload", nil).WithContext(ctx))
	if got := w.Body.String(); got != `{"applied":true,"plan":null,"diagnostics":"","errors":[]}`+"\n" {
		t.Error(got)
	}
}

func TestControl_answers_what_is_wrong(t *testing.T) {
	handler := ControlHandler(fixed{}, &desk{}, slog.New(slog.DiscardHandler))
	for _, k := range []struct {
		method, path string
		status       int
		text         string
	}{
		{"GET", "/control/logs?lines=-1", 400, "lines"},
		{"GET", "/control/logs?lines=many", 400, "lines"},
		{"GET", "/control/logs?follow=perhaps", 400, "follow"},
		{"GET", "/control/logs?plugin=x", 404, "no plugin"},
		{"GET", "/control/reload", 405, ""},
		{"POST", "/control/logs", 405, ""},
		{"GET", "/control/keys", 404, "/control/reload"},
		{"GET", "/control/logs", 200, ""},
		{"GET", "/healthz", 200, "ok"},
		{"GET", "/nowhere", 404, "/nowhere"},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(k.method, k.path, nil))
		if w.Code != k.status || !strings.Contains(w.Body.String(), k.text) {
			t.Errorf("%s %s: %d %s, want %d with %q", k.method, k.path, w.Code, w.Body, k.status, k.text)
		}
	}
}

func TestHandler_has_no_control_routes(t *testing.T) {
	for _, path := range []string{"/control/reload", "/control/logs"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if w := ask(sdk.Result{}, method, path, ""); !slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed}, w.Code) {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
}

func TestControl_serves_nobody_without_the_token(t *testing.T) {
	handler := RequireToken("its token", ControlHandler(fixed{}, &desk{}, slog.New(slog.DiscardHandler)))
	for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer its tokem", "its token", "Basic its token"} {
		for _, path := range []string{"/control/logs", "/control/reload", "/api/v1/test", "/readyz", "/healthz"} {
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"prompt":"hi"}`))
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "its token") {
				t.Errorf("%s with %q: %d %s", path, authorization, w.Code, w.Body)
			}
		}
	}
}
