package plan_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision19/vision/host/plan"
)

// with changes a want.
func with(w plan.Want, change func(*plan.Want)) plan.Want {
	change(&w)
	return w
}

func evict(w *plan.Want)    { w.Evict = true }
func pinned(w *plan.Want)   { w.Pinned = true }
func onDemand(w *plan.Want) { w.Replicas = 0 }
func twice(w *plan.Want)    { w.Replicas = 2 }

func TestMake_loads_on_demand_what_has_no_room(t *testing.T) {
	one := []plan.Device{cpu} // 8 GiB
	now := func(name string, gibs float64, idle time.Duration, busy bool) plan.Running {
		return plan.Running{Name: name, Device: "cpu0", Digest: "1", Bytes: int64(gibs * gib), Idle: idle, Busy: busy}
	}
	for name, c := range map[string]struct {
		devices []plan.Device
		wants   []plan.Want
		running []plan.Running
		want    []string // instance device action evicts: reason
		fits    bool
	}{
		"beside one that may go": {
			one, []plan.Want{want("a", "auto", 6), with(want("b", "auto", 5), evict)}, nil,
			[]string{"a cpu0 start []: declared", "b cpu0 on_demand [a]: 3GiB too few are left; a request for it unloads a"}, true,
		},
		"those that must stay have a place before those that may wait": {
			one, []plan.Want{with(want("a", "auto", 6), evict), want("b", "auto", 5)}, nil,
			[]string{"a cpu0 on_demand [b]: 3GiB too few are left; a request for it unloads b", "b cpu0 start []: declared"}, true,
		},
		"a pinned one does not go": {
			one, []plan.Want{with(want("a", "auto", 6), pinned), with(want("b", "auto", 5), evict)}, nil,
			[]string{"a cpu0 start []: declared", "b - refuse []: needs 5GiB, cpu0 has 2GiB of 8GiB beside pinned plugins: 3GiB too few"}, false,
		},
		"too large even alone": {
			one, []plan.Want{with(want("a", "auto", 9), evict)}, nil,
			[]string{"a - refuse []: needs 9GiB, cpu0 has 8GiB of 8GiB left with nothing else on it: 1GiB too few"}, false,
		},
		"on the device where the fewest go": {
			both, []plan.Want{want("a", "cpu0", 3), want("b", "cpu0", 3), want("c", "gpu0", 2), with(want("d", "auto", 3), evict)}, nil,
			[]string{"a cpu0 start []: declared", "b cpu0 start []: declared", "c gpu0 start []: declared", "d cpu0 on_demand [a]: 1GiB too few are left; a request for it unloads a"}, true,
		},
		"the least recently used goes": {
			one, []plan.Want{want("a", "auto", 3), want("b", "auto", 3), with(want("c", "auto", 4), evict)}, []plan.Running{now("a", 3, time.Second, false), now("b", 3, time.Minute, false)},
			[]string{"a cpu0 keep []: unchanged", "b cpu0 keep []: unchanged", "c cpu0 on_demand [b]: 2GiB too few are left; a request for it unloads b"}, true,
		},
		"one at work is the last to go": {
			one, []plan.Want{want("a", "auto", 3), want("b", "auto", 3), with(want("c", "auto", 4), evict)}, []plan.Running{now("a", 3, time.Second, false), now("b", 3, time.Minute, true)},
			[]string{"a cpu0 keep []: unchanged", "b cpu0 keep []: unchanged", "c cpu0 on_demand [a]: 2GiB too few are left; a request for it unloads a"}, true,
		},
		"one that was loaded on demand stays while there is room": {
			one, []plan.Want{with(want("a", "auto", 6), evict), with(want("b", "auto", 5), evict)}, []plan.Running{now("b", 5, time.Second, false)},
			[]string{"a cpu0 on_demand [b]: 3GiB too few are left; a request for it unloads b", "b cpu0 keep []: unchanged"}, true,
		},
		"no process before a request": {
			one, []plan.Want{with(want("a", "auto", 6), onDemand)}, nil, []string{"a cpu0 on_demand []: loaded when a request asks for it"}, true,
		},
		"no process before a request, and no room for it now": {
			one, []plan.Want{want("a", "auto", 6), with(want("b", "auto", 5), onDemand)}, nil,
			[]string{"a cpu0 start []: declared", "b cpu0 on_demand []: loaded when a request asks for it and there is room: 3GiB too few are left now"}, true,
		},
		"no process before a request that could ever be loaded": {
			one, []plan.Want{with(want("a", "auto", 6), pinned), with(want("b", "auto", 5), onDemand)}, nil,
			[]string{"a cpu0 start []: declared", "b - refuse []: needs 5GiB, cpu0 has 2GiB of 8GiB beside pinned plugins: 3GiB too few"}, false,
		},
		"on demand, and it runs": {
			one, []plan.Want{with(want("a", "auto", 6), onDemand)}, []plan.Running{now("a", 6, 0, false)}, []string{"a cpu0 keep []: unchanged"}, true,
		},
		"several processes": {
			both, []plan.Want{with(want("a", "auto", 4), twice), want("b", "auto", 4)}, nil,
			[]string{"a cpu0 start []: declared", "a/2 gpu0 start []: declared", "b cpu0 start []: declared"}, true,
		},
		"a further process without room": {
			one, []plan.Want{with(want("a", "auto", 5), twice), want("b", "auto", 2)}, nil,
			[]string{"a cpu0 start []: declared", "a/2 - refuse []: needs 5GiB, cpu0 has 1GiB of 8GiB left: 4GiB too few", "b cpu0 start []: declared"}, false,
		},
		"a further process waits for nobody": {
			one, []plan.Want{with(with(want("a", "auto", 5), twice), evict)}, nil,
			[]string{"a cpu0 start []: declared", "a/2 - refuse []: needs 5GiB, cpu0 has 3GiB of 8GiB left: 2GiB too few"}, false,
		},
		"each process stays or starts": {
			one, []plan.Want{with(want("a", "auto", 2), twice)}, []plan.Running{{Name: "a", Replica: 2, Device: "cpu0", Digest: "1"}},
			[]string{"a cpu0 start []: declared", "a/2 cpu0 keep []: unchanged"}, true,
		},
		"each process stops": {
			one, nil, []plan.Running{now("a", 1, 0, false), {Name: "a", Replica: 2, Device: "cpu0"}},
			[]string{"a cpu0 stop []: no longer declared", "a/2 cpu0 stop []: no longer declared"}, true,
		},
		"what runs beyond the replicas is not planned": {
			one, []plan.Want{want("a", "auto", 2)}, []plan.Running{now("a", 2, 0, false), {Name: "a", Replica: 2, Device: "cpu0", Digest: "1"}},
			[]string{"a cpu0 keep []: unchanged"}, true,
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
				got = append(got, fmt.Sprintf("%s %s %s %v: %s", x.Instance(), device, x.Action, x.Evicts, x.Reason))
			}
			if !reflect.DeepEqual(got, c.want) || p.Fits != c.fits {
				t.Errorf("fits: %t\n%s\nwant\n%s", p.Fits, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestRoom_names_as_few_as_needed_and_the_least_recently_used_first(t *testing.T) {
	r := func(name string, bytes int64, idle time.Duration) plan.Resident {
		return plan.Resident{Name: name, Bytes: bytes, Idle: idle}
	}
	at := func(x plan.Resident, pinned, busy bool) plan.Resident { x.Pinned, x.Busy = pinned, busy; return x }
	for name, c := range map[string]struct {
		budget    int64
		residents []plan.Resident
		need      int64
		evict     []string
		short     int64
	}{
		"nobody there":                    {10, nil, 10, nil, 0},
		"nobody there, too large":         {10, nil, 11, nil, 1},
		"room enough":                     {10, []plan.Resident{r("a", 5, 1)}, 5, nil, 0},
		"the one idle longest":            {10, []plan.Resident{r("a", 5, 1), r("b", 5, 2)}, 5, []string{"b"}, 0},
		"of equals the first":             {10, []plan.Resident{r("a", 5, 1), r("b", 5, 1)}, 5, []string{"a"}, 0},
		"two":                             {10, []plan.Resident{r("a", 5, 1), r("b", 5, 2)}, 6, []string{"b", "a"}, 0},
		"not one that would go in vain":   {10, []plan.Resident{r("a", 2, 3), r("b", 8, 2)}, 8, []string{"b"}, 0},
		"nor one without memory":          {10, []plan.Resident{r("a", 0, 3), r("b", 8, 2)}, 8, []string{"b"}, 0},
		"pinned and busy ones stay":       {10, []plan.Resident{at(r("a", 3, 9), true, false), at(r("b", 3, 9), false, true), r("c", 4, 1)}, 4, []string{"c"}, 0},
		"not enough, and then nobody":     {10, []plan.Resident{at(r("a", 6, 9), true, false), r("b", 4, 1)}, 5, nil, 1},
		"over the budget":                 {10, []plan.Resident{r("a", 8, 2), r("b", 8, 1)}, 0, []string{"a"}, 0},
		"over the budget by a pinned one": {10, []plan.Resident{at(r("a", 12, 2), true, false)}, 0, nil, 2},
		"sums that overflow":              {10, []plan.Resident{at(r("a", math.MaxInt64, 2), true, false)}, math.MaxInt64, nil, math.MaxInt64 - 10},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(c.residents)
			evict, short := plan.Room(c.budget, c.residents, c.need)
			if !slices.Equal(evict, c.evict) || short != c.short {
				t.Errorf("%v, %d short", evict, short)
			}
			if !slices.Equal(before, c.residents) {
				t.Error("the list was changed")
			}
		})
	}
}

func TestRoom_holds_its_promises_for_random_cases(t *testing.T) {
	random := rand.New(rand.NewPCG(19, 2))
	var some, none int
	for n := range 5000 {
		budget, need := random.Int64N(40), random.Int64N(30)
		var residents []plan.Resident
		for i := range random.IntN(7) {
			residents = append(residents, plan.Resident{
				Name: fmt.Sprint(i), Bytes: random.Int64N(12), Pinned: random.IntN(5) == 0, Busy: random.IntN(5) == 0, Idle: time.Duration(random.IntN(4)),
			})
		}
		evict, short := plan.Room(budget, residents, need)
		held, movable := int64(0), int64(0)
		bytes := map[string]int64{}
		for _, r := range residents {
			held += r.Bytes
			if !r.Pinned && !r.Busy {
				movable += r.Bytes
				bytes[r.Name] = r.Bytes
			}
		}
		missing := held + need - budget
		if want := max(missing-movable, 0); short != want || short > 0 && len(evict) > 0 {
			t.Fatalf("case %d: %d short, want %d", n, short, want)
		}
		if short > 0 {
			none++
			continue
		}
		gained := int64(0)
		for _, name := range evict {
			if _, may := bytes[name]; !may {
				t.Fatalf("case %d: %s must not go", n, name)
			}
			gained += bytes[name]
		}
		if gained < missing {
			t.Fatalf("case %d: %v give %d of %d", n, evict, gained, missing)
		}
		for _, name := range evict {
			some++
			if gained-bytes[name] >= missing {
				t.Fatalf("case %d: %s goes in vain", n, name)
			}
		}
	}
	if some < 1000 || none < 500 {
		t.Errorf("the cases hardly have evictions (%d) and shortages (%d)", some, none)
	}
}
