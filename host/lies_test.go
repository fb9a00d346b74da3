package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/internal/plugintest"
	"github.com/vision19/vision/sdk"
)

// liar is a plugin block of the plugin without the SDK.
func liar(t testing.TB, lie string) string {
	t.Helper()
	return "plugin \"echo\" {\n  binary = \"" + plugintest.Echo(t, "liar-"+lie) + "\"\n  memory = \"64MiB\"\n}\n"
}

// memory is what the host holds of the system at most, and what it cannot let go of, in bytes.
func memory() (most, kept int64) {
	for range 3 { // what lies in a sync.Pool goes with the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys), int64(m.HeapAlloc)
}

// stays fails the test when the host has grown by more since it had that memory. What it holds for a while may be some messages of 64 MiB, but
// not what a plugin announces.
func stays(t testing.TB, most, kept int64) {
	t.Helper()
	mostNow, keptNow := memory()
	if mostNow-most > 512<<20 || keptNow-kept > 16<<20 {
		t.Errorf("the host has grown by %d MiB, of which it keeps %d", (mostNow-most)>>20, (keptNow-kept)>>20)
	}
}

// F4 of the fault matrix: answers that are wrong in whatever way.
func TestFault_lies_are_refused_and_leave_no_trace(t *testing.T) {
	h := begin(t, load(t, liar(t, "requests")), host.Options{Timing: quick})
	answersAgain(t, h)
	most, kept := memory()
	for _, c := range []struct {
		lie  string
		want *sdk.Error
		text string
	}{
		{"announce", sdk.ErrInternal, "a result of more than the declared 12582912 bytes"},
		{"overflow", sdk.ErrInternal, "a result of more than the declared"},
		{"slot", sdk.ErrInternal, "a result of more than the declared"},
		{"dims", sdk.ErrInternal, "broke its own description: 2147483648 x 2147483648 px"},
		{"nan", sdk.ErrInternal, "1 embeddings for an image output"},
		{"chunks", sdk.ErrInternal, "more bytes than the result announces"},
		{"two", sdk.ErrInternal, "more than one result"},
		{"others", nil, ""},
		{"events", sdk.ErrInternal, "more than 100000 events"},
		{"garbage", sdk.ErrUnavailable, "the connection to the plugin"},
		{"eof", sdk.ErrUnavailable, "the connection to the plugin"},
		{"silent", sdk.ErrDeadline, ""},
		{"unknown", sdk.ErrInternal, "no lie has this name"},
	} {
		t.Run(c.lie, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if c.lie == "silent" {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
			}
			defer cancel()
			_, err := h.Do(ctx, job("lie:"+c.lie, nil), api.Events{})
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if err != nil && (!strings.Contains(err.Error(), c.text) || len(err.Error()) > 10_000) {
				t.Errorf("%q is missing in %.1000v", c.text, err)
			}
			answersAgain(t, h)
		})
	}
	stays(t, most, kept)
}

func TestFault_numbers_that_are_none_do_not_reach_a_client(t *testing.T) {
	h := begin(t, load(t, liar(t, "requests")), host.Options{Timing: quick})
	answersAgain(t, h)
	s := serve(t, h)
	answer, body := post(t, s.URL+"/api/v1/echo", "application/json", `{"prompt":"lie:nan-value"}`)
	if answer.StatusCode == 200 && !json.Valid(body) || answer.StatusCode != 200 && answer.StatusCode != 500 {
		t.Errorf("%d %.200s", answer.StatusCode, body)
	}
}

func TestFault_embeddings_that_are_no_numbers_are_refused(t *testing.T) {
	h := begin(t, load(t, liar(t, "embedding")), host.Options{Timing: quick})
	_, err := do(t, h, job("lie:nan", nil))
	if !errors.Is(err, sdk.ErrInternal) || !strings.Contains(err.Error(), "an embedding of length NaN") {
		t.Error(err)
	}
}

// The quarantine: a process that only lies is replaced, and one that goes on after that cools down.
func TestFault_liar_is_replaced_and_then_kept_out(t *testing.T) {
	timing := quick
	timing.Cooldown = time.Minute
	h := begin(t, load(t, liar(t, "requests")), host.Options{Timing: timing})
	answersAgain(t, h)
	pid := h.Plugins()[0].PID
	for range 5 {
		if _, err := do(t, h, job("lie:two", nil)); !errors.Is(err, sdk.ErrInternal) {
			t.Fatal(err)
		}
	}
	plugintest.Eventually(t, 5*time.Second, "another process", func() bool { p := h.Plugins()[0]; return p.PID != pid && p.State == "ready" })
	answersAgain(t, h)
	lies := 0
	plugintest.Eventually(t, 20*time.Second, "it is kept out", func() bool {
		_, err := do(t, h, job("lie:two", nil))
		e := sdk.AsError(err)
		if e.Code == sdk.CodeInternal {
			lies++
		} else if e.Code != sdk.CodeUnavailable || !strings.Contains(err.Error(), "failed 5 times in a row") {
			t.Fatal(err)
		}
		return e.RetryAfter > 10*time.Second
	})
	if lies != 6*5 { // the process that had answered well, and five that have not
		t.Errorf("%d lies were heard", lies)
	}
}

// Lies about itself: at the start, while it loads, of its health.
func TestFault_wrong_descriptions_are_refused_briefly(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", plugintest.SocketDir(t))
	for lie, want := range map[string]string{
		"describe-garbage": "cannot parse", "describe-huge": "at most 1048576", "describe-parameters": "declared twice",
	} {
		t.Run(lie, func(t *testing.T) {
			most, kept := memory()
			h, diags := host.New(t.Context(), load(t, liar(t, lie)), host.Options{StateDir: t.TempDir()})
			defer h.Close(context.WithoutCancel(t.Context()))
			if !diags.HasErrors() || !strings.Contains(diags.Error(), want) || len(diags.Error()) > 10_000 {
				t.Errorf("%.2000s", diags)
			}
			stays(t, most, kept)
		})
	}
}

func TestFault_lies_of_load_and_health_change_nothing(t *testing.T) {
	for _, lie := range []string{"load", "health", "describe-output"} {
		t.Run(lie, func(t *testing.T) {
			timing := quick
			timing.Health = 10 * time.Millisecond
			h := begin(t, load(t, liar(t, lie)), host.Options{Timing: timing})
			var group sync.WaitGroup
			var ready atomic.Bool
			group.Go(func() {
				for !ready.Load() {
					for _, p := range h.Plugins() {
						if data, err := json.Marshal(p); err != nil || len(data) > 4096 {
							t.Errorf("%d bytes, %v", len(data), err)
							return
						}
					}
					time.Sleep(time.Millisecond)
				}
			})
			err := h.AwaitReady(t.Context())
			ready.Store(true)
			group.Wait()
			if err != nil {
				t.Fatal(err)
			}
			for range 50 {
				if _, err := do(t, h, job("hello", nil)); err != nil {
					t.Fatal(err)
				}
			}
			if p := h.Plugins()[0]; p.Restarts != 0 || p.Bytes < 0 || p.Bytes > 1<<30 {
				t.Errorf("%+v", p)
			}
		})
	}
}

// counter is a log handler that counts the lines of one text.
type counter struct {
	text  string
	lines atomic.Int64
}

func (c *counter) Enabled(context.Context, slog.Level) bool { return true }
func (c *counter) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c *counter) WithGroup(string) slog.Handler            { return c }
func (c *counter) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, c.text) {
		c.lines.Add(1)
	}
	return nil
}

func TestFault_flood_of_lines_is_thinned_and_stops_nobody(t *testing.T) {
	log := &counter{text: "out of luck"}
	h := begin(t, load(t, declare(t, "flood", "")+declare(t, "other", "")), host.Options{Log: slog.New(log)})
	for _, name := range []string{"flood", "other"} {
		if _, err := do(t, h, to(name, "first")); err != nil {
			t.Fatal(err)
		}
	}
	most, kept := memory()
	flooded := make(chan error, 1)
	began := time.Now()
	go func() {
		_, err := do(t, h, to("flood", "fault:flood"))
		flooded <- err
	}()
	answers := 0
	for done := false; !done; answers++ {
		for _, name := range []string{"flood", "other"} {
			if _, err := do(t, h, to(name, "beside")); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case err := <-flooded:
			if err != nil {
				t.Error(err)
			}
			done = true
		default:
		}
	}
	seconds := int64(time.Since(began)/time.Second) + 2
	if n := log.lines.Load(); n < 200 || n > 200*seconds {
		t.Errorf("%d lines were logged in %d s", n, seconds)
	}
	stays(t, most, kept)
	t.Logf("%d answers beside the flood", answers)
}
