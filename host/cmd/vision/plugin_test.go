package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision19/vision/host/internal/plugintest"
)

func TestPluginTest_passes_a_good_plugin(t *testing.T) {
	u := newUser(t, echo(t, "concurrency = 2"))
	r := u.vision(t, "plugin", "test", plugintest.Echo(t, ""), "--json", "--unconfined")
	var report struct {
		Passed, Failed, Skipped int
		Cases                   []struct{ Name, Result, Detail, Doc string }
	}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != 0 {
		t.Fatalf("%d, %v:\n%s%s", r.code, err, r.stdout, r.stderr)
	}
	if report.Failed != 0 || report.Passed < 35 || report.Passed+report.Skipped != len(report.Cases) {
		t.Errorf("%d passed, %d failed, %d skipped of %d", report.Passed, report.Failed, report.Skipped, len(report.Cases))
	}
	results := map[string]string{}
	for _, c := range report.Cases {
		if results[c.Name] = c.Result; c.Doc == "" || c.Result != "passed" && c.Detail == "" {
			t.Errorf("%+v", c)
		}
	}
	for _, name := range []string{"does_not_grow", "exits_after_shutdown", "ends_with_its_host", "speaks_only_to_its_host", "a_cancelled_request_ends_within_a_step"} {
		if results[name] != "passed" {
			t.Errorf("%s: %q", name, results[name])
		}
	}
	if !strings.Contains(r.stderr, "ok    describes_itself_at_once") || !strings.Contains(r.stderr, " passed, 0 failed, ") {
		t.Errorf("no lines while it runs:\n%s", r.stderr)
	}
}

func TestPluginTest_takes_the_configuration_of_the_block_and_fails_with_what_is_wrong(t *testing.T) {
	u := newUser(t, echo(t, `fault = "load"`))
	const cases = "--run=^(loads_and|its_events|drains)"
	copied := filepath.Join(t.TempDir(), "another-name")
	data, err := os.ReadFile(plugintest.Echo(t, ""))
	if err == nil {
		err = os.WriteFile(copied, data, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	for what, args := range map[string][]string{
		"the same binary":   {plugintest.Echo(t, ""), cases},
		"its name":          {"echo", cases},
		"the same endpoint": {copied, cases},
		"the named block":   {copied, cases, "--plugin", "echo"},
	} {
		r := u.vision(t, append([]string{"plugin", "test"}, args...)...)
		if r.code != 1 || !strings.Contains(r.stdout, "FAIL  loads_and_says_how_far_it_is") || !strings.Contains(r.stdout, "the model does not fit") ||
			!strings.Contains(r.stdout, "The promise: ") || !strings.Contains(r.stdout, "0 passed, 1 failed, 2 skipped") || !strings.Contains(r.stderr, "breaks 1 of the contract's promises") {
			t.Errorf("%s: %d\n%s%s", what, r.code, r.stdout, r.stderr)
		}
	}
	// Without the block the defaults hold.
	if err := os.Remove(filepath.Join(u.dir, "plugins.hcl")); err != nil {
		t.Fatal(err)
	}
	if r := u.vision(t, "plugin", "test", copied, "--run=^loads_and"); r.code != 0 || !strings.Contains(r.stdout, "1 passed, 0 failed, 0 skipped") {
		t.Errorf("%d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestPluginTest_says_what_is_no_plugin_or_wrongly_asked(t *testing.T) {
	u := newUser(t, echo(t, "concurrency = 500"))
	u.write(t, "notes.txt", "no program")
	script := filepath.Join(u.dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho hello\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"test"}, 2, "usage: vision plugin test PLUGIN"},
		{[]string{"test", "nowhere"}, 2, "neither a file nor declared; declared are echo"},
		{[]string{"test", "notes.txt"}, 2, "is no executable file"},
		{[]string{"test", script}, 1, "does not start and describe itself as a plugin"},
		{[]string{"test", "echo"}, 2, "concurrency is 500: an int from 1 to 256"},
		{[]string{"test", "echo", "--plugin", "none"}, 2, `no block "none" is declared; declared are echo`},
		{[]string{"test", "echo", "--run", "("}, 2, "--run: error parsing regexp"},
		{[]string{"tset"}, 2, "`vision plugin` lists them"},
	} {
		r := u.vision(t, append([]string{"plugin"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.stderr, c.text) || r.stdout != "" {
			t.Errorf("%q: %d\n%s%s", c.args, r.code, r.stdout, r.stderr)
		}
	}
	u.write(t, "plugins.hcl", echo(t, ""))
	if r := u.vision(t, "plugin", "test", "echo", "--run", "nothing_like_it"); r.code != 2 || !strings.Contains(r.stderr, "`vision plugin test --list` lists them") {
		t.Errorf("%d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestPluginTest_lists_what_it_tests(t *testing.T) {
	u := newUser(t, "")
	if r := u.vision(t, "plugin", "test", "--list"); r.code != 0 || strings.Count(r.stdout, "\n    ") < 30 || !strings.HasPrefix(r.stdout, "describes_itself_at_once\n    Describe is ") {
		t.Errorf("%d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := u.vision(t, "plugin", "--help"); r.code != 0 || !strings.Contains(r.stdout, "new ") || !strings.Contains(r.stdout, "test ") || !strings.Contains(r.stdout, "repl ") {
		t.Errorf("%d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestPluginTest_stops_when_it_is_interrupted(t *testing.T) {
	needProc(t)
	u := newUser(t, echo(t, `load_ms = 60000`))
	p := u.start(t, "plugin", "test", "echo")
	p.await(t, &p.stdout, "its_description_is_sound")
	p.signal(t, os.Interrupt)
	if code := p.end(t, 10e9); code != 1 || !strings.Contains(p.stderr.String(), "interrupted") {
		t.Errorf("%d\n%s%s", code, &p.stdout, &p.stderr)
	}
}
