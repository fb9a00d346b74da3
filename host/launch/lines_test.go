package launch

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestParseLine_reads_hclog_and_takes_everything_else_as_text(t *testing.T) {
	for line, want := range map[string]string{
		`{"@level":"warn","@message":"hot","@timestamp":"x","gpu":1}`: "WARN hot gpu=1",
		`{"@level":"error","@message":5}`:                             "ERROR 5",
		`{"@message":"m","@level":["x"]}`:                             "INFO m",
		`{"level":"ERROR","msg":"slog"}`:                              `INFO {"level":"ERROR","msg":"slog"}`,
		`panic: boom`:                                                 "ERROR panic: boom",
		`fatal error: all goroutines are asleep`:                      "ERROR fatal error: all goroutines are asleep",
		`plain`:                                                       "INFO plain",
		`{broken`:                                                     "INFO {broken",
	} {
		level, message, attrs := parseLine(line)
		got := level.String() + " " + message
		for _, a := range attrs {
			got += " " + a.String()
		}
		if got != want {
			t.Errorf("%s is read as %q, want %q", line, got, want)
		}
	}
}

func TestRing_keeps_the_last_lines(t *testing.T) {
	r := NewRing(3)
	for i := range 5 {
		r.Add(fmt.Sprint(i))
	}
	if got := r.Lines(); !slices.Equal(got, []string{"2", "3", "4"}) {
		t.Errorf("%q", got)
	}
	r.Add(strings.Repeat("x", 1000))
	if got := r.Last(1); len(got) != 1 || len(got[0]) > 310 {
		t.Errorf("%d lines, %d bytes", len(got), len(got[0]))
	}
}

func FuzzLineWriter(f *testing.F) {
	f.Add([]byte("{\"@message\": 5}\nplain\r\n\xff\n"), uint8(3))
	f.Add([]byte(strings.Repeat("x", 70<<10)), uint8(200))
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		ring := NewRing(8)
		w := newLineWriter(ring, slog.New(slog.DiscardHandler), nil)
		for rest := data; len(rest) > 0; {
			n := min(len(rest), int(step)+1)
			if wrote, err := w.Write(rest[:n]); wrote != n || err != nil {
				t.Fatal(wrote, err)
			}
			rest = rest[n:]
		}
		w.flush()
		for _, line := range ring.Lines() {
			if strings.Contains(line, "\n") && !bytes.Contains(data, []byte("\\n")) {
				t.Errorf("%q holds a newline", line)
			}
		}
		if len(w.partial) > maxLine {
			t.Errorf("%d bytes are held", len(w.partial))
		}
	})
}
