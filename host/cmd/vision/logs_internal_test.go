package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vision19/vision/host/telemetry"
)

func TestLogs_colours_the_level_alone(t *testing.T) {
	at := time.Date(2026, 3, 1, 5, 30, 7, 0, time.Local)
	for level, want := range map[slog.Level]string{
		slog.LevelError:     "05:30:07.000 echo \x1b[31mERROR\x1b[0m text\n",
		slog.LevelWarn:      "05:30:07.000 echo \x1b[33mWARN\x1b[0m text\n",
		slog.LevelInfo:      "05:30:07.000 echo \x1b[32mINFO\x1b[0m text\n",
		slog.LevelDebug - 4: "05:30:07.000 echo \x1b[2mDEBUG-4\x1b[0m text\n",
	} {
		var out strings.Builder
		if err := printLine(&out, telemetry.Line{Time: at, Process: "echo", Level: level, Text: "text"}, true); err != nil || out.String() != want {
			t.Errorf("%q, %v; want %q", out.String(), err, want)
		}
	}
}
