package launch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
)

// maxLine bounds one line of a plugin's output; longer ones are cut there and go on as the next line.
const maxLine = 16 << 10

// ringLines is how many of a plugin's last lines are kept.
const ringLines = 200

// Ring keeps the last lines of a plugin's output.
type Ring struct {
	mu    sync.Mutex
	lines []string
	next  int
	full  bool
}

// NewRing keeps n lines.
func NewRing(n int) *Ring { return &Ring{lines: make([]string, n)} }

// Add appends a line.
func (r *Ring) Add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines[r.next] = line
	r.next = (r.next + 1) % len(r.lines)
	r.full = r.full || r.next == 0
}

// Lines returns what is kept, oldest first.
func (r *Ring) Lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.full {
		return slices.Clone(r.lines[:r.next])
	}
	return append(slices.Clone(r.lines[r.next:]), r.lines[:r.next]...)
}

// Last returns the last n lines, each shortened to fit an error.
func (r *Ring) Last(n int) []string {
	lines := r.Lines()
	lines = lines[max(len(lines)-n, 0):]
	for i, line := range lines {
		lines[i] = shortened(line)
	}
	return lines
}

func shortened(line string) string {
	if len(line) > 300 {
		return line[:300] + "..."
	}
	return line
}

// lineWriter cuts a plugin's output into lines, parses those in hclog's form and hands them on.
type lineWriter struct {
	ring  *Ring
	log   *slog.Logger
	all   func(level slog.Level, text string) // every line, or nil
	flood flood

	mu      sync.Mutex
	partial []byte
	fatal   string // the line with which a Go program says why it ends; its stacks may push it out of the ring
}

func newLineWriter(ring *Ring, log *slog.Logger, all func(slog.Level, string)) *lineWriter {
	return &lineWriter{ring: ring, log: log, all: all, flood: flood{log: log}}
}

// Write implements io.Writer and never fails: a plugin must not block on its log.
func (w *lineWriter) Write(data []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(data)
	for len(data) > 0 {
		end := bytes.IndexByte(data, '\n')
		part, whole := data, false
		if end >= 0 {
			part, whole = data[:end], true
		}
		if room := maxLine - len(w.partial); len(part) > room {
			part, whole, end = part[:room], true, room-1
		}
		w.partial = append(w.partial, part...)
		if !whole {
			return n, nil
		}
		w.line()
		data = data[end+1:]
	}
	return n, nil
}

func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.partial) > 0 {
		w.line()
	}
	w.flood.report()
}

// line logs the partial line and starts the next.
func (w *lineWriter) line() {
	text := strings.ToValidUTF8(strings.TrimRight(string(w.partial), "\r"), "?")
	w.partial = w.partial[:0]
	level, message, attrs := parseLine(text)
	if isFatal(text) {
		w.fatal = text
	}
	shown := message
	for _, a := range attrs {
		shown += " " + a.String()
	}
	w.ring.Add(shown)
	if w.all != nil {
		w.all(level, shown)
	}
	if w.flood.admit() {
		w.log.LogAttrs(context.Background(), level, message, attrs...)
	}
}

func isFatal(text string) bool {
	return strings.HasPrefix(text, "panic:") || strings.HasPrefix(text, "fatal error:")
}

// last returns the last n lines, and before them the one that says why the program ended.
func (w *lineWriter) last(n int) []string {
	w.mu.Lock()
	fatal := w.fatal
	w.mu.Unlock()
	lines := w.ring.Last(n)
	if fatal != "" && !slices.Contains(lines, fatal) {
		return append([]string{shortened(fatal)}, lines...)
	}
	return lines
}

var levels = map[string]slog.Level{
	"trace": slog.LevelDebug - 4, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// parseLine reads hclog's JSON form, whatever the types of its fields; everything else is a message. A Go panic is an error.
func parseLine(text string) (slog.Level, string, []slog.Attr) {
	var fields map[string]any
	if !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &fields) != nil || fields["@message"] == nil {
		if isFatal(text) {
			return slog.LevelError, text, nil
		}
		return slog.LevelInfo, text, nil
	}
	name, _ := fields["@level"].(string)
	level, ok := levels[strings.ToLower(name)]
	if !ok {
		level = slog.LevelInfo
	}
	var attrs []slog.Attr
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !strings.HasPrefix(key, "@") {
			attrs = append(attrs, slog.Any(key, fields[key]))
		}
	}
	return level, fmt.Sprint(fields["@message"]), attrs
}
