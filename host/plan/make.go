package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/vision19/vision/host/config"
)

// Make places the wanted processes. Those that must be there come before those that may be loaded on demand, a plugin's first process
// before further ones, those of a named device before those that go anywhere, and those that run before those that do not; otherwise
// they are placed in the order of their declaration. Each goes to the first device with room; one that runs stays on its device when
// it may. When something is refused that way and less would be with the largest first, the largest come first.
//
// A plugin that has no room may be loaded on demand if it says so (Want.Evict), and if its device would hold it beside the pinned ones and
// its own other processes. Then the least recently used of the others make room when a request asks for it; see Room.
//
// The placements follow the order of wants, the processes of one plugin together, and last those that stop because they are not wanted any more.
// What runs beyond a plugin's Replicas is not planned: it takes what is left.
func Make(devices []Device, wants []Want, running []Running) Plan {
	p := newMaker(devices, wants, running).make(func(process) int64 { return 0 })
	if p.Fits {
		return p
	}
	largestFirst := newMaker(devices, wants, running).make(func(x process) int64 { return -x.want.Bytes })
	if refusals(largestFirst) < refusals(p) {
		return largestFirst
	}
	return p
}

func refusals(p Plan) (n int) {
	for _, x := range p.Plugins {
		if x.Action == Refuse {
			n++
		}
	}
	return n
}

// process is one process to place.
type process struct {
	want    Want
	replica int // from 1
	runs    bool
	now     Running // when it runs
	out     int     // its place in the plan
}

type maker struct {
	devices   []Device
	processes []process
	residents [][]Resident // by device
	plan      Plan
}

func newMaker(devices []Device, wants []Want, running []Running) *maker {
	m := &maker{devices: devices, residents: make([][]Resident, len(devices)), plan: Plan{Devices: []Usage{}}}
	for _, d := range devices {
		m.plan.Devices = append(m.plan.Devices, Usage{Name: d.Name, Budget: d.Budget})
	}
	now := map[string]Running{}
	for _, r := range running {
		now[Instance(r.Name, r.Replica)] = r
	}
	wanted := map[string]bool{}
	for _, w := range wants {
		wanted[w.Name] = true
		n := max(w.Replicas, 1)
		if w.Problem != "" {
			n = 1
		}
		for replica := 1; replica <= n; replica++ {
			r, runs := now[Instance(w.Name, replica)]
			m.processes = append(m.processes, process{want: w, replica: replica, runs: runs, now: r, out: len(m.processes)})
		}
	}
	m.plan.Plugins = make([]Placement, len(m.processes))
	for _, r := range running {
		if !wanted[r.Name] {
			stop := Placement{Name: r.Name, Device: r.Device, Bytes: r.Bytes, Action: Stop, Reason: "no longer declared"}
			if r.Replica > 1 {
				stop.Replica = r.Replica
			}
			m.plan.Plugins = append(m.plan.Plugins, stop)
		}
	}
	return m
}

// make places everything, by the order that Make describes; of equals those with the lower rank first.
func (m *maker) make(rank func(process) int64) Plan {
	order := slices.Clone(m.processes)
	slices.SortStableFunc(order, func(a, b process) int {
		return cmp.Or(
			before(a.want.steady(), b.want.steady()), before(a.replica == 1, b.replica == 1), before(a.want.Device != Auto, b.want.Device != Auto),
			before(a.runs, b.runs), cmp.Compare(rank(a), rank(b)),
		)
	})
	var homeless []process
	for _, x := range order {
		if !m.place(x) {
			homeless = append(homeless, x)
		}
	}
	for _, x := range homeless { // only now is it known whom they would have to unload
		m.shelve(x)
	}
	m.plan.Fits = refusals(m.plan) == 0
	return m.plan
}

// before orders a in front of b when only a has a property.
func before(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// placement is a process's placement without its place.
func placement(x process) Placement {
	p := Placement{Name: x.want.Name, Endpoint: x.want.Endpoint, Bytes: x.want.Bytes}
	if x.replica > 1 {
		p.Replica = x.replica
	}
	return p
}

// place gives a process a device with room, and returns false when there is none or none is needed.
func (m *maker) place(x process) bool {
	if x.want.Problem != "" || x.want.Replicas == 0 && !x.runs {
		return false
	}
	chosen := -1
	for i, d := range m.devices {
		if x.want.allows(d) && x.bytes(d) <= m.free(i) && (chosen < 0 || x.runs && x.now.Device == d.Name) {
			chosen = i
		}
	}
	if chosen < 0 {
		return false
	}
	d := m.devices[chosen]
	out := placement(x)
	out.Device, out.Bytes = d.Name, x.bytes(d)
	switch {
	case !x.runs:
		out.Action, out.Reason = Start, "declared"
	case x.now.Digest != x.want.Digest:
		out.Action, out.Reason = Restart, "binary or configuration changed"
	case x.now.Device != d.Name:
		out.Action, out.Reason = Restart, "moves from "+x.now.Device
	default:
		out.Action, out.Reason = Keep, "unchanged"
	}
	resident := Resident{Name: out.Instance(), Bytes: out.Bytes, Pinned: x.want.Pinned || x.now.Pinned}
	if out.Action == Keep && !x.now.Busy {
		resident.Idle = x.now.Idle
	}
	m.residents[chosen] = append(m.residents[chosen], resident)
	m.plan.Devices[chosen].Planned += out.Bytes
	m.plan.Plugins[x.out] = out
	return true
}

// bytes is what a process takes of a device: where it runs on unchanged, at least what it is found to take.
func (x process) bytes(d Device) int64 {
	if x.runs && x.now.Device == d.Name && x.now.Digest == x.want.Digest {
		return max(x.want.Bytes, x.now.Bytes)
	}
	return x.want.Bytes
}

func (m *maker) free(device int) int64 {
	return m.plan.Devices[device].Budget - m.plan.Devices[device].Planned
}

// shelve decides about a process that has no place: it is loaded on demand or refused.
func (m *maker) shelve(x process) {
	out, w := placement(x), x.want
	out.Action = Refuse
	switch {
	case w.Problem != "":
		out.Reason = w.Problem
	case x.replica > 1 || w.Replicas > 0 && !w.Evict:
		out.Reason = m.shortage(x, m.free, "left")
	default:
		out = m.demand(x, out)
	}
	m.plan.Plugins[x.out] = out
}

// demand finds the device on which the fewest would have to make room for a process.
func (m *maker) demand(x process, out Placement) Placement {
	chosen := -1
	beside := make([]int64, len(m.devices)) // what the pinned ones leave
	for i, d := range m.devices {
		beside[i] = d.Budget
		for _, r := range m.residents[i] {
			if r.Pinned {
				beside[i] -= r.Bytes
			}
		}
		if !x.want.allows(d) {
			continue
		}
		evicts, short := Room(d.Budget, m.others(i, x.want.Name), x.want.Bytes)
		if short == 0 && (chosen < 0 || len(evicts) < len(out.Evicts)) {
			chosen, out.Evicts = i, evicts
		}
	}
	if chosen < 0 {
		out.Reason = m.shortage(x, func(i int) int64 { return beside[i] }, "beside pinned plugins")
		return out
	}
	out.Action, out.Device = Demand, m.devices[chosen].Name
	switch short := x.want.Bytes - m.free(chosen); {
	case short <= 0:
		out.Reason = "loaded when a request asks for it"
	case x.want.Evict:
		out.Reason = fmt.Sprintf("%s too few are left; a request for it unloads %s", config.FormatSize(short), strings.Join(out.Evicts, ", "))
	default:
		out.Evicts = nil
		out.Reason = fmt.Sprintf("loaded when a request asks for it and there is room: %s too few are left now", config.FormatSize(short))
	}
	return out
}

// others lists a device's residents as a plugin sees them: it does not unload a process of its own.
func (m *maker) others(device int, name string) []Resident {
	out := slices.Clone(m.residents[device])
	for i := range out {
		own, _, _ := strings.Cut(out[i].Name, "/")
		out[i].Pinned = out[i].Pinned || own == name
	}
	return out
}

// shortage says what would have been needed, of the device with the most room.
func (m *maker) shortage(x process, room func(device int) int64, where string) string {
	roomiest := func(room func(int) int64) int {
		best := -1
		for i, d := range m.devices {
			if x.want.allows(d) && (best < 0 || room(i) > room(best)) {
				best = i
			}
		}
		return best
	}
	budget := func(i int) int64 { return m.devices[i].Budget }
	best := roomiest(budget)
	switch {
	case best < 0:
		return "there is no device " + x.want.Device
	case x.want.Bytes > budget(best): // whatever the others do
		room, where = budget, "left with nothing else on it"
	default:
		best = roomiest(room)
	}
	has := max(room(best), 0)
	return fmt.Sprintf("needs %s, %s has %s of %s %s: %s too few", config.FormatSize(x.want.Bytes), m.devices[best].Name, config.FormatSize(has),
		config.FormatSize(budget(best)), where, config.FormatSize(x.want.Bytes-has))
}
