package main_test

import (
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/host/api"
)

// dawn is the time of the tests' log lines.
var dawn = time.Date(2026, 3, 1, 5, 30, 7, 250e6, time.Local)

func TestLogs_prints_the_last_lines(t *testing.T) {
	u := newUser(t, "")
	s := u.stand(t, api.ReloadReport{})
	s.say(dawn, slog.LevelInfo, "one")
	s.say(dawn, slog.LevelWarn, "two answer=42")
	s.say(dawn, slog.LevelError, "three \x1b[2Jclears\tthe screen\u009b")
	one, two, three := "05:30:07.250 echo/2[77] INFO one\n", "05:30:07.250 echo/2[77] WARN two answer=42\n",
		"05:30:07.250 echo/2[77] ERROR three \ufffd[2Jclears\tthe screen\ufffd\n"
	for args, want := range map[string]string{
		"logs": one + two + three, "logs echo": one + two + three, "logs -n 2": two + three, "logs echo --lines 0": "", "logs -n 1000000": one + two + three,
	} {
		if got := u.works(t, strings.Fields(args)...); got.stdout != want || got.stderr != "" {
			t.Errorf("vision %s: %q, %q", args, got.stdout, got.stderr)
		}
	}
}

func TestLogs_json_is_one_document(t *testing.T) {
	u := newUser(t, "")
	s := u.stand(t, api.ReloadReport{})
	if got := u.works(t, "logs", "--json"); got.stdout != "{\"lines\":[]}\n" {
		t.Errorf("%q", got.stdout)
	}
	s.say(dawn, slog.LevelInfo, "one <1>")
	s.say(dawn, slog.LevelWarn, "two")
	got := object(t, u.works(t, "logs", "--json").stdout)
	lines, ok := got["lines"].([]any)
	if !ok || len(lines) != 2 || keys(t, lines[0]) != "level pid plugin seq text time" || first(t, got["lines"])["text"] != "one <1>" {
		t.Errorf("%v", got)
	}
}

func TestLogs_follow_until_interrupted(t *testing.T) {
	u := newUser(t, "")
	s := u.stand(t, api.ReloadReport{})
	s.say(dawn, slog.LevelInfo, "before")
	text, documents := u.start(t, "logs", "-f"), u.start(t, "logs", "echo", "--follow", "--json")
	text.await(t, &text.stdout, "INFO before\n")
	documents.await(t, &documents.stdout, `"text":"before"}`)
	s.say(dawn, slog.LevelWarn, "meanwhile")
	text.await(t, &text.stdout, "WARN meanwhile\n")
	documents.await(t, &documents.stdout, `"text":"meanwhile"}`)
	for _, p := range []*process{text, documents} {
		p.signal(t, syscall.SIGINT)
		if code := p.end(t, 5*time.Second); code != 0 || p.stderr.String() != "" {
			t.Errorf("exit code %d, %s", code, &p.stderr)
		}
	}
	for line := range strings.Lines(documents.stdout.String()) {
		object(t, line)
	}
}

func TestLogs_follow_until_the_host_ends(t *testing.T) {
	u := newUser(t, "")
	s := u.stand(t, api.ReloadReport{})
	s.say(dawn, slog.LevelInfo, "before")
	text, documents := u.start(t, "logs", "-f"), u.start(t, "logs", "-f", "--json")
	text.await(t, &text.stdout, "before")
	documents.await(t, &documents.stdout, "before")
	if err := s.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for _, p := range []*process{text, documents} {
		if code := p.end(t, 5*time.Second); code != 0 || p.stderr.String() != "vision: the host has stopped\n" {
			t.Errorf("exit code %d, %s", code, &p.stderr)
		}
	}
}

func TestLogs_shows_what_a_plugin_has_written(t *testing.T) {
	u := newUser(t, echo(t, ""))
	h := u.host(t)
	f := u.start(t, "logs", "echo", "-f")
	u.works(t, "generate", "echo", "--prompt", "fault:slog", "--set", "seed=7", "--output", "a.png")
	f.await(t, &f.stdout, "ERROR from slog answer=42\n")
	lines, _ := object(t, u.works(t, "logs", "--json").stdout)["lines"].([]any)
	if len(lines) != 2 {
		t.Fatalf("%v, want that it is ready, from the host, and what it says", lines)
	}
	got, _ := lines[1].(map[string]any)
	want := first(t, object(t, u.works(t, "ps", "--json").stdout)["plugins"])["pid"]
	if got["plugin"] != "echo" || got["level"] != "ERROR" || got["text"] != "from slog answer=42" || got["pid"] != want {
		t.Errorf("%v, the process is %v", got, want)
	}
	h.signal(t, syscall.SIGTERM)
	for _, p := range []*process{h, f} {
		if code := p.end(t, 5*time.Second); code != 0 {
			t.Errorf("%s: exit code %d, %s", p.cmd, code, &p.stderr)
		}
	}
}

func TestLogs_says_what_is_wrong(t *testing.T) {
	u := newUser(t, "")
	if ps, got := u.vision(t, "ps"), u.vision(t, "logs", "-f"); got.code != 1 || got != ps || !strings.Contains(got.stderr, "no host runs on "+u.state) {
		t.Errorf("%+v, of ps %+v", got, ps)
	}
	u.stand(t, api.ReloadReport{})
	for args, want := range map[string]string{
		"logs dalle": `no plugin "dalle" is declared; there is echo`, "logs dalle -f --json": "there is echo", "logs -n -1": "--lines is -1", "logs a b": "usage",
	} {
		if got := u.vision(t, strings.Fields(args)...); got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, want) {
			t.Errorf("vision %s: %+v", args, got)
		}
	}
}
