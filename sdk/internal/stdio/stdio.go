// Package stdio keeps a plugin's output from breaking its connection: native code may print to descriptor 1 at any
// moment, and go-plugin reads its handshake from there.
package stdio

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
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
	c.attrs = append(append([]slog.Attr(nil), h.attrs...), prefixed(h.prefix, attrs)...)
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
	line := map[string]any{"@level": levelName(r.Level), "@message": r.Message, "@module": "plugin", "@timestamp": r.Time.Format(logTime)}
	for _, a := range h.attrs {
		add(line, a)
	}
	r.Attrs(func(a slog.Attr) bool {
		add(line, slog.Attr{Key: h.prefix + a.Key, Value: a.Value})
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

func add(line map[string]any, a slog.Attr) {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindGroup:
		for _, inner := range v.Group() {
			add(line, slog.Attr{Key: a.Key + "." + inner.Key, Value: inner.Value})
		}
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			line[a.Key] = err.Error()
			return
		}
		line[a.Key] = v.String()
	case slog.KindDuration, slog.KindTime:
		line[a.Key] = v.String()
	default:
		line[a.Key] = v.Any()
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
