package stdio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// written logs with a fresh handler and returns its lines, decoded.
func written(t *testing.T, level slog.Level, log func(*slog.Logger)) []map[string]any {
	t.Helper()
	var out bytes.Buffer
	log(slog.New(NewHandler(&out, level)))
	var lines []map[string]any
	for line := range strings.Lines(out.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		lines = append(lines, fields)
	}
	return lines
}

// attrs is a line without what every line has.
func attrs(line map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range line {
		if !strings.HasPrefix(k, "@") {
			out[k] = v
		}
	}
	return out
}

type valuer struct{}

func (valuer) LogValue() slog.Value { return slog.GroupValue(slog.Int("n", 1), slog.String("s", "x")) }

type stringer struct{ n int }

func (s stringer) String() string { return fmt.Sprint("number ", s.n) }

func TestHandler_writes_lines_that_hclog_reads(t *testing.T) {
	before := time.Now().Truncate(time.Microsecond)
	lines := written(t, slog.LevelDebug, func(l *slog.Logger) { l.Warn("the message", "answer", 42) })
	if len(lines) != 1 {
		t.Fatal(lines)
	}
	line := lines[0]
	if line["@level"] != "warn" || line["@message"] != "the message" || line["@module"] != "plugin" || line["answer"] != 42.0 {
		t.Errorf("%v", line)
	}
	at, err := time.Parse(hclog.TimeFormatJSON, line["@timestamp"].(string))
	if err != nil || at.Before(before) || at.After(time.Now()) {
		t.Errorf("%v, %v", line["@timestamp"], err)
	}
}

func TestHandler_levels_are_those_of_hclog(t *testing.T) {
	for level, want := range map[slog.Level]hclog.Level{
		slog.LevelDebug - 4: hclog.Trace, slog.LevelDebug: hclog.Debug, slog.LevelInfo: hclog.Info, slog.LevelInfo + 2: hclog.Info,
		slog.LevelWarn: hclog.Warn, slog.LevelError: hclog.Error, slog.LevelError + 4: hclog.Error,
	} {
		lines := written(t, slog.LevelDebug-4, func(l *slog.Logger) { l.Log(context.Background(), level, "x") })
		if got := hclog.LevelFromString(lines[0]["@level"].(string)); got != want {
			t.Errorf("%s is %s, want %s", level, got, want)
		}
	}
}

func TestHandler_drops_what_is_below_its_level(t *testing.T) {
	lines := written(t, slog.LevelWarn, func(l *slog.Logger) {
		l.Debug("a")
		l.Info("b")
		l.Warn("c")
		l.With("k", 1).WithGroup("g").Info("d")
	})
	if len(lines) != 1 || lines[0]["@message"] != "c" {
		t.Errorf("%v", lines)
	}
}

func TestHandler_writes_attributes_by_their_kind(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		log  func(*slog.Logger)
		want map[string]any
	}{
		"none":     {func(l *slog.Logger) { l.Info("m") }, map[string]any{}},
		"scalars":  {func(l *slog.Logger) { l.Info("m", "s", "é", "i", -3, "u", uint64(7), "f", 0.5, "b", true) }, map[string]any{"s": "é", "i": -3.0, "u": 7.0, "f": 0.5, "b": true}},
		"duration": {func(l *slog.Logger) { l.Info("m", "d", 90*time.Second) }, map[string]any{"d": "1m30s"}},
		"time":     {func(l *slog.Logger) { l.Info("m", "t", at) }, map[string]any{"t": at.String()}},
		"error":    {func(l *slog.Logger) { l.Info("m", "error", fmt.Errorf("outer: %w", errors.New("inner"))) }, map[string]any{"error": "outer: inner"}},
		"stringer": {func(l *slog.Logger) { l.Info("m", "x", stringer{3}) }, map[string]any{"x": "number 3"}},
		"any":      {func(l *slog.Logger) { l.Info("m", "x", []int{1, 2}) }, map[string]any{"x": "[1 2]"}},
		"nil":      {func(l *slog.Logger) { l.Info("m", "x", nil) }, map[string]any{"x": "<nil>"}},
		"valuer":   {func(l *slog.Logger) { l.Info("m", "v", valuer{}) }, map[string]any{"v.n": 1.0, "v.s": "x"}},
		"group":    {func(l *slog.Logger) { l.Info("m", slog.Group("g", "a", 1, slog.Group("h", "b", 2))) }, map[string]any{"g.a": 1.0, "g.h.b": 2.0}},
		"with": {
			func(l *slog.Logger) { l.With("a", 1).With("b", 2).Info("m", "c", 3) }, map[string]any{"a": 1.0, "b": 2.0, "c": 3.0},
		},
		"with groups": {
			func(l *slog.Logger) {
				l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").Info("m", "c", 3, slog.Group("i", "d", errors.New("x")))
			},
			map[string]any{"a": 1.0, "g.b": 2.0, "g.h.c": 3.0, "g.h.i.d": "x"},
		},
		"empty group name": {func(l *slog.Logger) { l.WithGroup("").Info("m", "a", 1) }, map[string]any{"a": 1.0}},
		"a newline":        {func(l *slog.Logger) { l.Info("m", "s", "one\ntwo") }, map[string]any{"s": "one\ntwo"}},
	} {
		t.Run(name, func(t *testing.T) {
			lines := written(t, slog.LevelDebug, c.log)
			if len(lines) != 1 {
				t.Fatalf("%d lines", len(lines))
			}
			if got := attrs(lines[0]); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// What slog.Handler demands of every handler.
func TestHandler_obeys_the_rules_of_slog(t *testing.T) {
	for name, c := range map[string]struct {
		log  func(*slog.Logger)
		want map[string]any
	}{
		"an empty attribute is ignored":          {func(l *slog.Logger) { l.Info("m", slog.Attr{}, slog.Int("a", 1)) }, map[string]any{"a": 1.0}},
		"a group without a name is inlined":      {func(l *slog.Logger) { l.Info("m", slog.Group("", slog.Int("a", 1))) }, map[string]any{"a": 1.0}},
		"an empty group is ignored":              {func(l *slog.Logger) { l.Info("m", slog.Group("g")) }, map[string]any{}},
		"an unnamed group in a group is inlined": {func(l *slog.Logger) { l.WithGroup("g").Info("m", slog.Group("", slog.Int("a", 1))) }, map[string]any{"g.a": 1.0}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := attrs(written(t, slog.LevelDebug, c.log)[0]); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
	t.Run("a zero time is ignored", func(t *testing.T) {
		lines := written(t, slog.LevelDebug, func(l *slog.Logger) {
			if err := l.Handler().Handle(context.Background(), slog.NewRecord(time.Time{}, slog.LevelInfo, "m", 0)); err != nil {
				t.Error(err)
			}
		})
		if at, ok := lines[0]["@timestamp"]; ok {
			t.Errorf("%v", at)
		}
	})
}

// encoding/json refuses these; a line about a broken model must not be lost because of them.
func TestHandler_writes_numbers_that_JSON_does_not_have(t *testing.T) {
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		lines := written(t, slog.LevelDebug, func(l *slog.Logger) { l.Error("the loss is off", "loss", x) })
		if len(lines) != 1 || lines[0]["@message"] != "the loss is off" || lines[0]["loss"] != fmt.Sprint(x) {
			t.Errorf("%g: %v", x, lines)
		}
	}
}

func TestHandler_does_not_share_attributes_between_loggers(t *testing.T) {
	lines := written(t, slog.LevelDebug, func(l *slog.Logger) {
		base := l.With("a", 1)
		one, other := base.With("b", 2), base.With("c", 3)
		one.Info("m")
		other.Info("m")
	})
	if !reflect.DeepEqual(attrs(lines[0]), map[string]any{"a": 1.0, "b": 2.0}) || !reflect.DeepEqual(attrs(lines[1]), map[string]any{"a": 1.0, "c": 3.0}) {
		t.Errorf("%v", lines)
	}
}

func TestHandler_lines_do_not_mix(t *testing.T) {
	const writers, each = 8, 50
	lines := written(t, slog.LevelDebug, func(l *slog.Logger) {
		var group sync.WaitGroup
		for i := range writers {
			group.Go(func() {
				log := l.With("writer", i)
				for n := range each {
					log.Info("m", "n", n)
				}
			})
		}
		group.Wait()
	})
	next := map[float64]float64{}
	for _, line := range lines {
		w := line["writer"].(float64)
		if line["n"] != next[w] {
			t.Fatalf("%v after %v", line, next[w])
		}
		next[w]++
	}
	if len(lines) != writers*each {
		t.Errorf("%d lines", len(lines))
	}
}

func TestHandler_reports_that_it_cannot_write(t *testing.T) {
	h := NewHandler(failing{}, slog.LevelDebug)
	if err := h.Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelInfo, "m", 0)); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWatchParent_tells_when_another_process_is_the_parent(t *testing.T) {
	t.Setenv("STDIO_TEST_PARENT", fmt.Sprint(os.Getppid()+1))
	gone := make(chan struct{})
	WatchParent("STDIO_TEST_PARENT", time.Millisecond, func() { close(gone) })
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("not told")
	}
}
