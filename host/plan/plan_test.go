package plan_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/vision19/vision/host/plan"
)

const gib = 1 << 30

var (
	cpu  = plan.Device{Name: "cpu0", Budget: 8 * gib}
	gpu  = plan.Device{Name: "gpu0", Budget: 4 * gib}
	both = []plan.Device{cpu, gpu}
)

func want(name, device string, gibs float64) plan.Want {
	return plan.Want{Name: name, Endpoint: "text-to-image", Device: device, Bytes: int64(gibs * gib), Digest: "1"}
}

func TestMake_places_each_plugin(t *testing.T) {
	for name, c := range map[string]struct {
		devices []plan.Device
		wants   []plan.Want
		running []plan.Running
		want    []string // name device action reason, one a placement
		fits    bool
	}{
		"nothing":   {both, nil, nil, nil, true},
		"first fit": {both, []plan.Want{want("a", plan.Auto, 3), want("b", plan.Auto, 3)}, nil, []string{"a cpu0 start declared", "b cpu0 start declared"}, true},
		"the next device when the first is full": {
			both, []plan.Want{want("a", plan.Auto, 6), want("b", plan.Auto, 3), want("c", plan.Auto, 2)}, nil,
			[]string{"a cpu0 start declared", "b gpu0 start declared", "c cpu0 start declared"}, true,
		},
		"to the last byte": {both, []plan.Want{want("a", plan.Auto, 8), want("b", plan.Auto, 4)}, nil, []string{"a cpu0 start declared", "b gpu0 start declared"}, true},
		"pinned":           {both, []plan.Want{want("a", "gpu0", 1)}, nil, []string{"a gpu0 start declared"}, true},
		"pinned before the others, which are declared first": {
			both, []plan.Want{want("a", plan.Auto, 4), want("b", "cpu0", 6)}, nil, []string{"a gpu0 start declared", "b cpu0 start declared"}, true,
		},
		"too large for all": {
			both, []plan.Want{want("a", plan.Auto, 9)}, nil, []string{"a - refuse needs 9GiB, cpu0 has 8GiB of 8GiB left: 1GiB too few"}, false,
		},
		"too large for its device": {
			both, []plan.Want{want("a", "gpu0", 5.5)}, nil, []string{"a - refuse needs 5.5GiB, gpu0 has 4GiB of 4GiB left: 1.5GiB too few"}, false,
		},
		"too large for what is left": {
			both, []plan.Want{want("a", "cpu0", 6), want("b", plan.Auto, 5)}, nil,
			[]string{"a cpu0 start declared", "b - refuse needs 5GiB, gpu0 has 4GiB of 4GiB left: 1GiB too few"}, false,
		},
		"one that does not fit leaves room for the next": {
			both, []plan.Want{want("a", "gpu0", 5), want("b", "gpu0", 4)}, nil,
			[]string{"a - refuse needs 5GiB, gpu0 has 4GiB of 4GiB left: 1GiB too few", "b gpu0 start declared"}, false,
		},
		"unknown device": {both, []plan.Want{want("a", "gpu9", 1)}, nil, []string{"a - refuse there is no device gpu9"}, false},
		"keep":           {both, []plan.Want{want("a", plan.Auto, 1)}, []plan.Running{{"a", "cpu0", "1"}}, []string{"a cpu0 keep unchanged"}, true},
		"keep on the device where it runs": {
			both, []plan.Want{want("a", plan.Auto, 1)}, []plan.Running{{"a", "gpu0", "1"}}, []string{"a gpu0 keep unchanged"}, true,
		},
		"restart for a change": {
			both, []plan.Want{want("a", plan.Auto, 1)}, []plan.Running{{"a", "gpu0", "0"}}, []string{"a gpu0 restart binary or configuration changed"}, true,
		},
		"move to the pinned device": {
			both, []plan.Want{want("a", "cpu0", 1)}, []plan.Running{{"a", "gpu0", "1"}}, []string{"a cpu0 restart moves from gpu0"}, true,
		},
		"move when it no longer fits": {
			both, []plan.Want{want("a", plan.Auto, 5)}, []plan.Running{{"a", "gpu0", "1"}}, []string{"a cpu0 restart moves from gpu0"}, true,
		},
		"move from a device that has gone": {
			[]plan.Device{cpu}, []plan.Want{want("a", plan.Auto, 1)}, []plan.Running{{"a", "gpu0", "1"}}, []string{"a cpu0 restart moves from gpu0"}, true,
		},
		"stop": {
			both, []plan.Want{want("b", plan.Auto, 1)}, []plan.Running{{"a", "gpu0", "1"}, {"b", "cpu0", "1"}},
			[]string{"b cpu0 keep unchanged", "a gpu0 stop no longer declared"}, true,
		},
		"refuse one that runs": {
			both, []plan.Want{want("a", "gpu0", 5)}, []plan.Running{{"a", "gpu0", "1"}}, []string{"a - refuse needs 5GiB, gpu0 has 4GiB of 4GiB left: 1GiB too few"}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan.Make(c.devices, c.wants, c.running)
			var got []string
			for _, x := range p.Plugins {
				device := x.Device
				if device == "" {
					device = "-"
				}
				got = append(got, fmt.Sprint(x.Name, " ", device, " ", x.Action, " ", x.Reason))
			}
			if !reflect.DeepEqual(got, c.want) || p.Fits != c.fits {
				t.Errorf("fits: %t\n%s\nwant\n%s", p.Fits, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestMake_counts_what_it_plans(t *testing.T) {
	p := plan.Make(both, []plan.Want{want("a", plan.Auto, 6), want("b", "gpu0", 1), want("c", plan.Auto, 3), want("d", plan.Auto, 9)}, nil)
	if got := []plan.Usage{{"cpu0", 8 * gib, 6 * gib}, {"gpu0", 4 * gib, 4 * gib}}; !reflect.DeepEqual(p.Devices, got) {
		t.Errorf("%+v", p.Devices)
	}
	if a := p.Plugins[0]; a.Endpoint != "text-to-image" || a.Bytes != 6*gib {
		t.Errorf("%+v", a)
	}
}

// A sum that wraps around is below every budget.
func TestMake_is_not_deceived_by_sizes_whose_sum_overflows(t *testing.T) {
	p := plan.Make([]plan.Device{gpu}, []plan.Want{want("a", plan.Auto, 1), {Name: "b", Device: plan.Auto, Bytes: math.MaxInt64}}, nil)
	if p.Fits || p.Plugins[1].Action != plan.Refuse || p.Devices[0].Planned != 1*gib {
		t.Errorf("%+v", p)
	}
}

func TestMake_without_devices_refuses_everything(t *testing.T) {
	p := plan.Make(nil, []plan.Want{want("a", plan.Auto, 1), want("b", "gpu0", 1)}, nil)
	if p.Fits || p.Plugins[0].Action != plan.Refuse || p.Plugins[1].Action != plan.Refuse {
		t.Errorf("%+v", p)
	}
}

// draw makes up devices, wants and what runs.
func draw(r *rand.Rand) (devices []plan.Device, wants []plan.Want, running []plan.Running) {
	names := []string{plan.Auto, plan.Auto, plan.Auto}
	for i := range r.IntN(4) {
		devices = append(devices, plan.Device{Name: fmt.Sprint("d", i), Budget: r.Int64N(20)})
		names = append(names, fmt.Sprint("d", i))
	}
	names = append(names, "none")
	for i := range r.IntN(8) {
		if r.IntN(4) > 0 {
			wants = append(wants, plan.Want{Name: fmt.Sprint("p", i), Device: names[r.IntN(len(names))], Bytes: r.Int64N(12), Digest: fmt.Sprint(r.IntN(2))})
		}
		if r.IntN(2) == 0 {
			running = append(running, plan.Running{Name: fmt.Sprint("p", i), Device: fmt.Sprint("d", r.IntN(4)), Digest: fmt.Sprint(r.IntN(2))})
		}
	}
	return devices, wants, running
}

func TestMake_holds_its_promises_for_random_cases(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 1))
	seen := map[plan.Action]int{}
	for n := range 2000 {
		devices, wants, running := draw(r)
		p := plan.Make(devices, wants, running)
		if fault := broken(p, devices, wants, running); fault != "" {
			t.Fatalf("case %d: %s\n%+v\n%+v\n%+v\n%+v", n, fault, devices, wants, running, p)
		}
		if again := plan.Make(devices, wants, running); !reflect.DeepEqual(p, again) {
			t.Fatalf("case %d: two plans\n%+v\n%+v", n, p, again)
		}
		for _, x := range p.Plugins {
			seen[x.Action]++
		}
	}
	for _, a := range []plan.Action{plan.Start, plan.Keep, plan.Restart, plan.Stop, plan.Refuse} {
		if seen[a] < 100 {
			t.Errorf("the cases hardly have %s: %v", a, seen)
		}
	}
}

// broken says which promise the plan breaks.
func broken(p plan.Plan, devices []plan.Device, wants []plan.Want, running []plan.Running) string {
	now := map[string]plan.Running{}
	for _, r := range running {
		now[r.Name] = r
	}
	planned, refused := map[string]int64{}, false
	for i, w := range wants {
		if i >= len(p.Plugins) || p.Plugins[i].Name != w.Name {
			return w.Name + " has no placement in its place"
		}
		x := p.Plugins[i]
		r, runs := now[w.Name]
		delete(now, w.Name)
		switch {
		case x.Action == plan.Stop:
			return w.Name + " is wanted and stopped"
		case x.Action == plan.Refuse:
			refused = true
			if x.Device != "" || x.Reason == "" {
				return w.Name + " is refused with a device, or without a reason"
			}
			continue
		case w.Device != plan.Auto && x.Device != w.Device:
			return w.Name + " is not on its device"
		case x.Action == plan.Start && runs, x.Action != plan.Start && !runs:
			return w.Name + " is started or not, against what runs"
		case x.Action == plan.Keep && (r.Digest != w.Digest || r.Device != x.Device):
			return w.Name + " is kept in spite of a change"
		case x.Action == plan.Restart && r.Digest == w.Digest && r.Device == x.Device:
			return w.Name + " is restarted without a change"
		}
		planned[x.Device] += w.Bytes
	}
	for _, x := range p.Plugins[len(wants):] {
		if _, runs := now[x.Name]; !runs || x.Action != plan.Stop {
			return x.Name + " is placed without a reason"
		}
		delete(now, x.Name)
	}
	if len(now) > 0 {
		return "a plugin runs on without a placement"
	}
	if p.Fits == refused {
		return "Fits does not follow from the refusals"
	}
	for i, d := range devices {
		if u := p.Devices[i]; u.Name != d.Name || u.Budget != d.Budget || u.Planned != planned[d.Name] || u.Planned > d.Budget {
			return "the usage of " + d.Name + " is wrong"
		}
	}
	for i, w := range wants { // refused only where there is no room, even at the end
		for _, u := range p.Devices {
			if p.Plugins[i].Action == plan.Refuse && (w.Device == plan.Auto || w.Device == u.Name) && u.Planned+w.Bytes <= u.Budget {
				return w.Name + " is refused in spite of room"
			}
		}
	}
	return ""
}
