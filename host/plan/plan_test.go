package plan_test

import (
	"fmt"
	"math"
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
	return plan.Want{Name: name, Endpoint: "text-to-image", Device: device, Bytes: int64(gibs * gib), Digest: "1", Replicas: 1}
}

func runs(name, device, digest string) plan.Running {
	return plan.Running{Name: name, Device: device, Digest: digest}
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
		"named":            {both, []plan.Want{want("a", "gpu0", 1)}, nil, []string{"a gpu0 start declared"}, true},
		"named before the others, which are declared first": {
			both, []plan.Want{want("a", plan.Auto, 4), want("b", "cpu0", 6)}, nil, []string{"a gpu0 start declared", "b cpu0 start declared"}, true,
		},
		"too large for all": {
			both, []plan.Want{want("a", plan.Auto, 9)}, nil, []string{"a - refuse needs 9GiB, cpu0 has 8GiB of 8GiB left with nothing else on it: 1GiB too few"}, false,
		},
		"too large for its device": {
			both, []plan.Want{want("a", "gpu0", 5.5)}, nil, []string{"a - refuse needs 5.5GiB, gpu0 has 4GiB of 4GiB left with nothing else on it: 1.5GiB too few"}, false,
		},
		"too large for what is left": {
			both, []plan.Want{want("a", "cpu0", 6), want("b", plan.Auto, 5)}, nil,
			[]string{"a cpu0 start declared", "b - refuse needs 5GiB, gpu0 has 4GiB of 4GiB left: 1GiB too few"}, false,
		},
		"one that does not fit leaves room for the next": {
			both, []plan.Want{want("a", "gpu0", 5), want("b", "gpu0", 4)}, nil,
			[]string{"a - refuse needs 5GiB, gpu0 has 4GiB of 4GiB left with nothing else on it: 1GiB too few", "b gpu0 start declared"}, false,
		},
		"unknown device": {both, []plan.Want{want("a", "gpu9", 1)}, nil, []string{"a - refuse there is no device gpu9"}, false},
		"keep":           {both, []plan.Want{want("a", plan.Auto, 1)}, []plan.Running{runs("a", "cpu0", "1")}, []string{"a cpu0 keep unchanged"}, true},
		"keep on the device where it runs": {
			both, []plan.Want{want("a", plan.Auto, 1)}, []plan.Running{runs("a", "gpu0", "1")}, []string{"a gpu0 keep unchanged"}, true,
		},
		"restart for a change": {
			both, []plan.Want{want("a", plan.Auto, 1)}, []plan.Running{runs("a", "gpu0", "0")}, []string{"a gpu0 restart binary or configuration changed"}, true,
		},
		"move to the named device": {
			both, []plan.Want{want("a", "cpu0", 1)}, []plan.Running{runs("a", "gpu0", "1")}, []string{"a cpu0 restart moves from gpu0"}, true,
		},
		"move when it no longer fits": {
			both, []plan.Want{want("a", plan.Auto, 5)}, []plan.Running{runs("a", "gpu0", "1")}, []string{"a cpu0 restart moves from gpu0"}, true,
		},
		"move from a device that has gone": {
			[]plan.Device{cpu}, []plan.Want{want("a", plan.Auto, 1)}, []plan.Running{runs("a", "gpu0", "1")}, []string{"a cpu0 restart moves from gpu0"}, true,
		},
		"stop": {
			both, []plan.Want{want("b", plan.Auto, 1)}, []plan.Running{runs("a", "gpu0", "1"), runs("b", "cpu0", "1")},
			[]string{"b cpu0 keep unchanged", "a gpu0 stop no longer declared"}, true,
		},
		"by a GPU's UUID": {
			[]plan.Device{cpu, {Name: "gpu0", UUID: "GPU-1", Budget: gib}}, []plan.Want{want("a", "GPU-1", 1)}, nil, []string{"a gpu0 start declared"}, true,
		},
		"a running one keeps its device against a new one that is declared first": {
			[]plan.Device{gpu}, []plan.Want{want("a", plan.Auto, 3), want("b", plan.Auto, 3)}, []plan.Running{runs("b", "gpu0", "1")},
			[]string{"a - refuse needs 3GiB, gpu0 has 1GiB of 4GiB left: 2GiB too few", "b gpu0 keep unchanged"}, false,
		},
		"a kept one counts with what it is found to take": {
			[]plan.Device{gpu}, []plan.Want{want("a", plan.Auto, 3), want("b", plan.Auto, 1)}, []plan.Running{{Name: "a", Device: "gpu0", Digest: "1", Bytes: 3.5 * gib}},
			[]string{"a gpu0 keep unchanged", "b - refuse needs 1GiB, gpu0 has 512MiB of 4GiB left: 512MiB too few"}, false,
		},
		"the largest first when that fits more": {
			both, []plan.Want{want("a", plan.Auto, 4), want("b", plan.Auto, 8)}, nil, []string{"a gpu0 start declared", "b cpu0 start declared"}, true,
		},
		"a plugin that cannot run": {both, []plan.Want{{Name: "a", Device: plan.Auto, Problem: "it has no binary", Replicas: 3}}, nil, []string{"a - refuse it has no binary"}, false},
		"refuse one that runs": {
			both, []plan.Want{want("a", "gpu0", 5)}, []plan.Running{runs("a", "gpu0", "1")}, []string{"a - refuse needs 5GiB, gpu0 has 4GiB of 4GiB left with nothing else on it: 1GiB too few"}, false,
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
