package main_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vision19/vision/host/internal/plugintest"
)

// Nobody may serve others with an unchecked binary and not know it.
func TestOverride_is_said_loudly_by_every_command(t *testing.T) {
	mine := plugintest.Echo(t, "")
	hcl := strings.Replace(echo(t, ""), "config {", fmt.Sprintf("dev_override = %q\n  config {", mine), 1)
	u := newUser(t, hcl)
	loud := func(command, text string) {
		t.Helper()
		if !strings.Contains(text, "DEVELOPMENT OVERRIDE") || !strings.Contains(text, mine) {
			t.Errorf("vision %s does not say that %s runs:\n%s", command, mine, text)
		}
	}
	for _, args := range [][]string{{"validate"}, {"plan"}, {"plan", "--json"}, {"doctor"}, {"doctor", "--json"}, {"describe", "echo"}} {
		r := u.works(t, args...)
		loud(strings.Join(args, " "), r.stdout+r.stderr)
	}
	p := u.host(t)
	loud("run", p.stderr.String())
	r := u.works(t, "ps")
	loud("ps", r.stdout+r.stderr)
	if json := u.works(t, "ps", "--json").stdout; !strings.Contains(json, fmt.Sprintf("%q:%q", "dev_override", mine)) {
		t.Errorf("ps --json: %s", json)
	}
	r = u.works(t, "reload")
	loud("reload", r.stdout+r.stderr)
	if r := u.vision(t, "lock"); r.code == 0 || !strings.Contains(r.stderr, "dev_override") {
		t.Errorf("lock: exit code %d\n%s", r.code, r.stderr)
	}
}
