package plan_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/vision19/vision/host/plan"
)

// draw makes up devices, wants and what runs.
func draw(r *rand.Rand) (devices []plan.Device, wants []plan.Want, running []plan.Running) {
	names := []string{plan.Auto, plan.Auto, plan.Auto}
	for i := range r.IntN(4) {
		devices = append(devices, plan.Device{Name: fmt.Sprint("d", i), UUID: fmt.Sprint("GPU-", i), Budget: r.Int64N(20)})
		names = append(names, fmt.Sprint("d", i), fmt.Sprint("GPU-", i))
	}
	names = append(names, "none")
	for i := range r.IntN(8) {
		if r.IntN(4) > 0 {
			wants = append(wants, plan.Want{
				Name: fmt.Sprint("p", i), Device: names[r.IntN(len(names))], Bytes: r.Int64N(12), Digest: fmt.Sprint(r.IntN(2)), Replicas: r.IntN(3),
				Evict: r.IntN(2) == 0, Pinned: r.IntN(4) == 0,
			})
		}
		for replica := range r.IntN(3) {
			running = append(running, plan.Running{
				Name: fmt.Sprint("p", i), Replica: replica + 1, Device: fmt.Sprint("d", r.IntN(4)), Digest: fmt.Sprint(r.IntN(2)), Bytes: r.Int64N(12),
				Busy: r.IntN(3) == 0, Idle: time.Duration(r.IntN(5)),
			})
		}
	}
	return devices, wants, running
}

func TestMake_holds_its_promises_for_random_cases(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 1))
	seen := map[plan.Action]int{}
	evicting := 0
	for n := range 5000 {
		devices, wants, running := draw(r)
		p := plan.Make(devices, wants, running)
		check := checker{plan: p, devices: devices, now: map[string]plan.Running{}, planned: map[string]int64{}, pinned: map[string]int64{}, resident: map[string]plan.Placement{}}
		if fault := check.broken(wants, running); fault != "" {
			t.Fatalf("case %d: %s\n%+v\n%+v\n%+v\n%+v", n, fault, devices, wants, running, p)
		}
		if again := plan.Make(devices, wants, running); !reflect.DeepEqual(p, again) {
			t.Fatalf("case %d: two plans\n%+v\n%+v", n, p, again)
		}
		for _, x := range p.Plugins {
			seen[x.Action]++
			evicting += min(len(x.Evicts), 1)
		}
	}
	for _, a := range []plan.Action{plan.Start, plan.Keep, plan.Restart, plan.Stop, plan.Demand, plan.Refuse} {
		if seen[a] < 300 || evicting < 300 {
			t.Errorf("the cases hardly have %s, or evictions: %v, %d", a, seen, evicting)
		}
	}
}

// checker says which promise a plan breaks, "" for none.
type checker struct {
	plan            plan.Plan
	devices         []plan.Device
	now             map[string]plan.Running   // by instance
	planned, pinned map[string]int64          // bytes by device
	resident        map[string]plan.Placement // by instance
}

func (c *checker) broken(wants []plan.Want, running []plan.Running) string {
	for _, r := range running {
		c.now[plan.Instance(r.Name, r.Replica)] = r
	}
	rest := c.plan.Plugins
	refused := false
	for _, w := range wants {
		for replica := 1; replica <= max(w.Replicas, 1); replica++ {
			if len(rest) == 0 || rest[0].Instance() != plan.Instance(w.Name, replica) {
				return plan.Instance(w.Name, replica) + " has no placement in its place"
			}
			if fault := c.placement(w, rest[0]); fault != "" {
				return rest[0].Instance() + " " + fault
			}
			refused = refused || rest[0].Action == plan.Refuse
			rest = rest[1:]
		}
	}
	if c.plan.Fits == refused {
		return "Fits does not follow from the refusals"
	}
	for _, r := range running {
		if slices.ContainsFunc(wants, func(w plan.Want) bool { return w.Name == r.Name }) {
			continue
		}
		if len(rest) == 0 || rest[0].Instance() != plan.Instance(r.Name, r.Replica) || rest[0].Action != plan.Stop {
			return "a plugin that is not wanted runs on"
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return rest[0].Name + " is placed without a reason"
	}
	for i, d := range c.devices {
		if u := c.plan.Devices[i]; u.Name != d.Name || u.Budget != d.Budget || u.Planned != c.planned[d.Name] || u.Planned > d.Budget {
			return "the usage of " + d.Name + " is wrong"
		}
	}
	return c.withoutPlace(wants)
}

// placement checks one that is wanted, and counts it.
func (c *checker) placement(w plan.Want, x plan.Placement) string {
	r, runs := c.now[x.Instance()]
	if x.Reason == "" || (x.Device == "") != (x.Action == plan.Refuse) || len(x.Evicts) > 0 && x.Action != plan.Demand {
		return "has no reason, or a device or evictions that do not go with its action"
	}
	if !c.may(w, x.Device) && x.Device != "" {
		return "is not on its device"
	}
	switch {
	case x.Action == plan.Stop:
		return "is wanted and stopped"
	case x.Action == plan.Demand && (!w.Evict && w.Replicas > 0 || x.Replica > 1):
		return "must not wait for a request"
	case x.Action == plan.Demand || x.Action == plan.Refuse:
		return ""
	case !runs && w.Replicas == 0:
		return "is started before a request asks"
	case x.Action == plan.Start == runs:
		return "is started or not, against what runs"
	case x.Action == plan.Keep && (r.Digest != w.Digest || r.Device != x.Device || x.Bytes != max(w.Bytes, r.Bytes)):
		return "is kept in spite of a change"
	case x.Action == plan.Restart && r.Digest == w.Digest && r.Device == x.Device:
		return "is restarted without a change"
	}
	c.planned[x.Device] += x.Bytes
	if w.Pinned {
		c.pinned[x.Device] += x.Bytes
	}
	c.resident[x.Instance()] = x
	return ""
}

func (c *checker) may(w plan.Want, device string) bool {
	return slices.ContainsFunc(c.devices, func(d plan.Device) bool {
		return d.Name == device && (w.Device == plan.Auto || w.Device == d.Name || w.Device == d.UUID)
	})
}

// withoutPlace checks those that are refused or loaded on demand, once all others are counted.
func (c *checker) withoutPlace(wants []plan.Want) string {
	for _, w := range wants {
		for _, x := range c.plan.Plugins {
			if x.Name != w.Name || x.Action != plan.Refuse && x.Action != plan.Demand {
				continue
			}
			r := c.now[x.Instance()]
			for _, d := range c.devices {
				bytes := w.Bytes
				if r.Device == d.Name && r.Digest == w.Digest {
					bytes = max(bytes, r.Bytes)
				}
				switch fits := c.may(w, d.Name) && c.planned[d.Name]+bytes <= d.Budget; {
				case fits && x.Action == plan.Refuse:
					return x.Instance() + " is refused in spite of room"
				case fits && w.Replicas > 0:
					return x.Instance() + " waits for a request in spite of room"
				}
			}
			if x.Action == plan.Refuse {
				continue
			}
			gained := int64(0)
			for _, name := range x.Evicts {
				victim, there := c.resident[name]
				if !there || victim.Device != x.Device || victim.Name == w.Name {
					return x.Instance() + " unloads " + name + ", which is not there"
				}
				gained += victim.Bytes
			}
			for i, d := range c.devices {
				if d.Name == x.Device && w.Evict && c.plan.Devices[i].Planned-gained+w.Bytes > d.Budget {
					return x.Instance() + " would not fit even then"
				}
			}
		}
	}
	return ""
}
