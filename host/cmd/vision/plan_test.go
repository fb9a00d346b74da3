package main_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vision19/vision/host/internal/plugintest"
)

// miner is a configuration for a GPU that no test machine has, with three plugins, one of which has no room at once.
func miner(t *testing.T) string {
	t.Helper()
	text := `host {
  listen = "127.0.0.1:0"
}
device "gpu0" {
  kind   = "cuda"
  index  = 0
  memory = "20GiB"
}
`
	for _, p := range []string{"a 12GiB 0.4 error", "b 6GiB 0.2 error", "c 10GiB 0.1 evict"} {
		f := strings.Fields(p)
		text += fmt.Sprintf("plugin %q {\n  binary = %q\n  memory = %q\n  weight = %s\n  on_full = %q\n}\n", f[0], plugintest.Echo(t, ""), f[1], f[2], f[3])
	}
	return text
}

const inventory = `{"cpu":{"memory_bytes":68719476736,"available_bytes":60000000000,"cores":8},
 "gpus":[{"index":0,"uuid":"GPU-1","name":"A5000","memory_bytes":25757220864,"free_bytes":25000000000}]}`

func TestPlan_of_another_machine_shows_what_would_be_unloaded(t *testing.T) {
	u := newUser(t, miner(t))
	u.write(t, "inventory.json", inventory)
	r := u.works(t, "plan", "--inventory", "inventory.json")
	for _, row := range []string{
		`a +echo +gpu0 +12GiB +start +declared`, `b +echo +gpu0 +6GiB +start +declared`,
		`c +echo +gpu0 +10GiB +on_demand +8GiB too few are left; a request for it unloads a`, `gpu0 +18GiB +20GiB`,
	} {
		if !regexp.MustCompile(`(?m)^` + row + `$`).MatchString(r.stdout) {
			t.Errorf("%q is missing in\n%s", row, r.stdout)
		}
	}
	p := object(t, u.works(t, "plan", "--inventory", "inventory.json", "--json").stdout)
	plugins, _ := p["plugins"].([]any)
	c, _ := plugins[len(plugins)-1].(map[string]any)
	if evicts, _ := c["evicts"].([]any); len(evicts) != 1 || evicts[0] != "a" || c["action"] != "on_demand" || p["fits"] != true {
		t.Errorf("%v", p)
	}
	u.write(t, "inventory.json", strings.Replace(inventory, "25757220864", "12884901888", 1))
	if r := u.vision(t, "plan", "--inventory", "inventory.json"); r.code != 2 || !strings.Contains(r.stderr, "free_bytes is 25000000000") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}

func TestPlan_suggests_what_earns_most(t *testing.T) {
	u := newUser(t, strings.ReplaceAll(miner(t), `"evict"`, `"error"`)) // together they do not fit, and need not
	u.write(t, "inventory.json", inventory)
	r := u.works(t, "plan", "--suggest", "--inventory", "inventory.json")
	for _, row := range []string{
		`a +echo +gpu0 +12GiB +0.4 +1 +0.0333 +among what earns most; not measured yet, taken as 1 s`, `b +echo +gpu0 +6GiB .*`,
		`c +echo +- +10GiB +0.1 +1 +0.01 +needs 10GiB; beside what earns more gpu0 has 2GiB of 20GiB left: 8GiB too few; .*`, `gpu0 +18GiB +20GiB`,
	} {
		if !regexp.MustCompile(`(?m)^` + row + `$`).MatchString(r.stdout) {
			t.Errorf("%q is missing in\n%s", row, r.stdout)
		}
	}
	s := object(t, u.works(t, "plan", "--suggest", "--inventory", "inventory.json", "--json").stdout)
	if k := keys(t, first(t, s["choices"])); k != "bytes chosen device endpoint name rank reason seconds weight" {
		t.Errorf("keys: %s", k)
	}
	if k := keys(t, first(t, s["devices"])); k != "budget_bytes name planned_bytes" {
		t.Errorf("keys: %s", k)
	}
}

func TestPlan_sees_what_runs(t *testing.T) {
	u := newUser(t, echo(t, ""))
	u.host(t)
	plugintest.Eventually(t, 30*time.Second, "the plugin is ready", func() bool { return strings.Contains(u.works(t, "ps").stdout, " ready ") })
	if r := u.works(t, "plan"); !regexp.MustCompile(`(?m)^echo +echo +cpu0 +\S+ +keep +unchanged$`).MatchString(r.stdout) {
		t.Errorf("beside the running host:\n%s", r.stdout)
	}
	u.write(t, "plugins.hcl", echo(t, "concurrency = 3"))
	if r := u.works(t, "plan"); !regexp.MustCompile(`(?m)^echo +echo +cpu0 +\S+ +restart +binary or configuration changed$`).MatchString(r.stdout) {
		t.Errorf("with another configuration:\n%s", r.stdout)
	}
}
