package launch

import "testing"

// Lack makes the machine of a test lack what gives a plugin a network namespace, a control group or, too, Landlock.
func Lack(t testing.TB, landlock bool) {
	was := thisMachine
	t.Cleanup(func() { thisMachine = was })
	m := was()
	m.network, m.open, m.groups = landlockTCP, "the test says so", groups{why: "the test says so"}
	if landlock || m.files != "" {
		m.network, m.files = openNetwork, "the test says so"
	}
	thisMachine = func() machine { return m }
}
