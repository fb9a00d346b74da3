package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/vision19/vision/host/api"
)

const reloadPlan = `{"devices":[],"plugins":[
	{"name":"echo","endpoint":"echo","device":"cpu0","bytes":16777216,"action":"keep","reason":"unchanged"},
	{"name":"other","endpoint":"echo","device":"cpu0","bytes":16777216,"action":"restart","reason":"binary or configuration changed"}],"fits":true}`

func TestReload_says_what_has_become_of_it(t *testing.T) {
	const diagnostics = "plugins.hcl:3:1: error: Wrong size\n  3 | memory = 5\n\n"
	plan := json.RawMessage(reloadPlan)
	for name, c := range map[string]struct {
		report         api.ReloadReport
		code           int
		stdout, stderr string
	}{
		"a change":  {api.ReloadReport{Applied: true, Plan: plan}, 0, "restart  binary or configuration changed\n", ""},
		"no change": {api.ReloadReport{Applied: true, Plan: json.RawMessage(`{"fits":true}`)}, 0, "nothing has changed\n", ""},
		"a warning": {api.ReloadReport{Applied: true, Plan: plan, Diagnostics: "warning: old\n"}, 0, "restart", "warning: old\n"},
		"a plugin fails": {api.ReloadReport{Applied: true, Plan: plan, Errors: []string{"plugin other: no model", "plugin echo: exit 3"}},
			1, "restart", "vision: plugin other: no model\nvision: plugin echo: exit 3\n"},
		"a wrong file": {api.ReloadReport{Plan: plan, Diagnostics: diagnostics}, 2, "nothing has changed\n", diagnostics + "vision: the configuration is wrong; the host goes on as it was\n"},
		"no plan":      {api.ReloadReport{Applied: true, Plan: json.RawMessage(`[]`)}, 1, "", "read the host's plan"},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t, "")
			s := u.stand(t, c.report)
			got := u.vision(t, "reload")
			if got.code != c.code || !strings.Contains(got.stdout, c.stdout) || !strings.Contains(got.stderr, c.stderr) || c.stderr == "" && got.stderr != "" {
				t.Errorf("%+v", got)
			}
			if strings.Contains(got.stdout, "keep") {
				t.Errorf("it prints what has not changed:\n%s", got.stdout)
			}
			if n := s.reloads.Load(); n != 1 {
				t.Errorf("%d reloads", n)
			}
			got = u.vision(t, "reload", "--json")
			if c.code != 1 || len(c.report.Errors) > 0 { // a client that prints no table reads no plan
				if o := object(t, got.stdout); got.code != c.code || keys(t, o) != "applied diagnostics errors plan" || o["diagnostics"] != c.report.Diagnostics {
					t.Errorf("%+v", got)
				}
			}
		})
	}
}

func TestReload_moves_a_running_host(t *testing.T) {
	u := newUser(t, echo(t, ""))
	u.host(t)
	u.works(t, "generate", "echo", "--prompt", "hi", "--set", "seed=7", "--output", "a.png") // it is ready
	pid := func() any { return first(t, object(t, u.works(t, "ps", "--json").stdout)["plugins"])["pid"] }
	before := pid()
	u.write(t, "plugins.hcl", echo(t, `load_ms = "soon"`))
	if got := u.vision(t, "reload"); got.code != 2 || !strings.Contains(got.stderr, "plugins.hcl:11:15: error: ") || got.stdout != "nothing has changed\n" || pid() != before {
		t.Errorf("a wrong file: %+v", got)
	}
	u.write(t, "plugins.hcl", echo(t, `fault = "load"`))
	if got := u.vision(t, "reload"); got.code != 1 || !strings.Contains(got.stderr, "the model does not fit") || pid() != before {
		t.Errorf("a plugin that does not start: %+v", got)
	}
	u.write(t, "plugins.hcl", echo(t, "load_ms = 10"))
	if got := u.works(t, "reload"); !strings.Contains(got.stdout, "restart") || got.stderr != "" || pid() == before {
		t.Errorf("a change: %+v", got)
	}
	if got := u.works(t, "reload"); got.stdout != "nothing has changed\n" {
		t.Errorf("no change: %+v", got)
	}
}

func TestReload_without_a_host_fails(t *testing.T) {
	u := newUser(t, "")
	if got := u.vision(t, "reload"); got.code != 1 || !strings.Contains(got.stderr, "no host runs on "+u.state) {
		t.Errorf("%+v", got)
	}
}
