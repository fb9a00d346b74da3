package launch

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFlood_of_lines_is_thinned_for_the_log_and_nobody_else(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var all []string
		ring := NewRing(ringLines)
		w := newLineWriter(ring, slog.New(slog.NewTextHandler(&log, nil)), func(level slog.Level, text string) {
			if level != slog.LevelInfo {
				t.Errorf("%s has level %s", text, level)
			}
			all = append(all, text)
		})
		write := func(n int) {
			for i := range n {
				fmt.Fprintf(w, "line %d\n", i)
			}
		}
		logged := func() (lines int, notices string) {
			for line := range strings.Lines(log.String()) {
				if _, notice, ok := strings.Cut(line, `level=WARN msg="`); ok {
					notices += strings.TrimSuffix(notice, "\"\n") + ";"
				} else {
					lines++
				}
			}
			log.Reset()
			return lines, notices
		}
		for _, second := range []struct {
			lines, logged int
			notices       string
		}{
			{10, 10, ""},
			{maxLogRate, maxLogRate, ""},
			{1000, maxLogRate, "800 lines left out: the log takes 200 a second of a plugin;"},
			{201, maxLogRate, "1 lines left out: the log takes 200 a second of a plugin;"},
			{0, 0, ""},
			{1, 1, ""},
		} {
			all = nil
			write(second.lines)
			time.Sleep(time.Second)
			synctest.Wait()
			if lines, notices := logged(); lines != second.logged || notices != second.notices || len(all) != second.lines {
				t.Errorf("of %d lines %d are logged, %d handed on; %q", second.lines, lines, len(all), notices)
			}
		}
		write(300)
		if kept := ring.Lines(); kept[len(kept)-1] != "line 299" {
			t.Errorf("the ring ends with %q", kept[len(kept)-1])
		}
		w.flush() // the process has ended: what is left out is said at once
		if lines, notices := logged(); lines != maxLogRate || !strings.HasPrefix(notices, "100 lines") {
			t.Errorf("%d lines, %q", lines, notices)
		}
	})
}
