// Package stdio keeps a plugin's output from breaking its connection: native code may print to descriptor 1 at any
// moment, and go-plugin reads its handshake from there.
package stdio

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"os"
	"strconv"
	"sync"
	"time"
)

// logTime is the layout of hclog's @timestamp.
const logTime = "2006-01-02T15:04:05.000000Z07:00"

// Handler is a slog.Handler that writes hclog's JSON lines, which the host reads back with level and attributes.
type Handler struct {
	mu     *sync.Mutex
	out    io.Writer
	level  slog.Leveler
	attrs  []slog.Attr
	prefix string
}

// NewHandler writes records of at least level to out, one line each.
func NewHandler(out io.Writer, level slog.Leveler) *Handler {
	return &Handler{mu: &sync.Mutex{}, out: out, level: level}
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, a := range attrs {
		if a.Equal(slog.Attr{}) {
			continue
		}
		if a.Key == "" && a.Value.Kind() == slog.KindGroup {
			c.attrs = append(c.attrs, prefixed(h.prefix, a.Value.Group())...)
			continue
		}
		c.attrs = append(c.attrs, slog.Attr{Key: h.prefix + a.Key, Value: a.Value})
	}
	return &c
}

// WithGroup implements slog.Handler: a group becomes a prefix of its keys.
func (h *Handler) WithGroup(name string) slog.Handler {
	c := *h
	if name != "" {
		c.prefix += name + "."
	}
	return &c
}

func prefixed(prefix string, attrs []slog.Attr) []slog.Attr {
	out := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		out = append(out, slog.Attr{Key: prefix + a.Key, Value: a.Value})
	}
	return out
}

// Handle implements slog.Handler.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	line := map[string]any{"@level": levelName(r.Level), "@message": r.Message, "@module": "plugin"}
	if !r.Time.IsZero() {
		line["@timestamp"] = r.Time.Format(logTime)
	}
	for _, a := range h.attrs {
		add(line, "", a)
	}
	r.Attrs(func(a slog.Attr) bool {
		add(line, h.prefix, a)
		return true
	})
	data, err := json.Marshal(line)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err = h.out.Write(append(data, '\n'))
	return err
}

// add writes an attribute by slog's rules: an empty one is ignored, a group without a name is inlined.
func add(line map[string]any, prefix string, a slog.Attr) {
	if a.Equal(slog.Attr{}) {
		return
	}
	v, key := a.Value.Resolve(), prefix+a.Key
	switch v.Kind() {
	case slog.KindGroup:
		inner := prefix
		if a.Key != "" {
			inner = key + "."
		}
		for _, g := range v.Group() {
			add(line, inner, g)
		}
	case slog.KindFloat64:
		line[key] = v.Any()
		if f := v.Float64(); math.IsNaN(f) || math.IsInf(f, 0) {
			line[key] = v.String() // JSON has no such number
		}
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			line[key] = err.Error()
			return
		}
		line[key] = v.String()
	case slog.KindDuration, slog.KindTime:
		line[key] = v.String()
	default:
		line[key] = v.Any()
	}
}

func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelDebug:
		return "trace"
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	}
	return "error"
}

// WatchParent calls gone once the process named by the environment variable is no longer the parent. It is the only cure
// for orphans where the kernel has no death signal, and catches a reparented plugin everywhere.
func WatchParent(variable string, interval time.Duration, gone func()) {
	parent, err := strconv.Atoi(os.Getenv(variable))
	if err != nil {
		return
	}
	go func() {
		for os.Getppid() == parent {
			time.Sleep(interval)
		}
		gone()
	}()
}
