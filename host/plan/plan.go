// Package plan decides which plugin goes to which device. It is pure: what to start follows from what is declared, what
// the devices have, and what runs, so that `vision plan` shows exactly what `vision run` does.
package plan

import (
	"fmt"

	"github.com/vision19/vision/host/config"
)

// Device is a place with a budget.
type Device struct {
	Name   string
	Budget int64 // bytes
}

// Want is one plugin that is to run.
type Want struct {
	Name     string
	Endpoint string
	Device   string // a device's name, or Auto
	Bytes    int64  // of one process
	Digest   string // identifies binary and configuration: a change means a restart
	Problem  string // why it cannot run anywhere, "" when it can
}

// Auto lets the planner choose the device.
const Auto = "auto"

// Running is one plugin that runs now.
type Running struct {
	Name   string
	Device string
	Digest string
}

// Action is what happens to a plugin.
type Action string

// The actions.
const (
	Start   Action = "start"
	Keep    Action = "keep"
	Restart Action = "restart"
	Stop    Action = "stop"
	Refuse  Action = "refuse" // it does not fit, or cannot run
)

// Placement is one plugin's place and what happens to it.
type Placement struct {
	Name     string `json:"name"`
	Endpoint string `json:"endpoint"`
	Device   string `json:"device"`
	Bytes    int64  `json:"bytes"`
	Action   Action `json:"action"`
	Reason   string `json:"reason"`
}

// Usage is one device's budget and what the plan takes of it.
type Usage struct {
	Name    string `json:"name"`
	Budget  int64  `json:"budget_bytes"`
	Planned int64  `json:"planned_bytes"`
}

// Plan is what is going to happen.
type Plan struct {
	Devices []Usage     `json:"devices"`
	Plugins []Placement `json:"plugins"`
	Fits    bool        `json:"fits"`
}

// Make places the wanted plugins in their order: pinned ones first, then each on the first device with room. A plugin
// that runs already keeps its device when it still may.
func Make(devices []Device, wants []Want, running []Running) Plan {
	p := Plan{Fits: true, Plugins: make([]Placement, len(wants))}
	for _, d := range devices {
		p.Devices = append(p.Devices, Usage{Name: d.Name, Budget: d.Budget})
	}
	now := map[string]Running{}
	for _, r := range running {
		now[r.Name] = r
	}
	for _, pinned := range []bool{true, false} {
		for i, w := range wants {
			if (w.Device != Auto) == pinned {
				p.Plugins[i] = p.place(w, now)
			}
		}
	}
	for _, r := range running {
		if !wanted(wants, r.Name) {
			p.Plugins = append(p.Plugins, Placement{Name: r.Name, Device: r.Device, Action: Stop, Reason: "no longer declared"})
		}
	}
	return p
}

func wanted(wants []Want, name string) bool {
	for _, w := range wants {
		if w.Name == name {
			return true
		}
	}
	return false
}

func (p *Plan) place(w Want, now map[string]Running) Placement {
	out := Placement{Name: w.Name, Endpoint: w.Endpoint, Bytes: w.Bytes}
	if w.Problem != "" {
		p.Fits = false
		out.Action, out.Reason = Refuse, w.Problem
		return out
	}
	r, runs := now[w.Name]
	chosen := -1
	for i, d := range p.Devices {
		if (w.Device != Auto && w.Device != d.Name) || w.Bytes > d.Budget-d.Planned {
			continue
		}
		if chosen < 0 || (runs && r.Device == d.Name) {
			chosen = i
		}
	}
	if chosen < 0 {
		p.Fits = false
		out.Action, out.Reason = Refuse, p.shortage(w)
		return out
	}
	d := &p.Devices[chosen]
	d.Planned += w.Bytes
	out.Device = d.Name
	switch {
	case !runs:
		out.Action, out.Reason = Start, "declared"
	case r.Digest != w.Digest:
		out.Action, out.Reason = Restart, "binary or configuration changed"
	case r.Device != d.Name:
		out.Action, out.Reason = Restart, "moves from "+r.Device
	default:
		out.Action, out.Reason = Keep, "unchanged"
	}
	return out
}

// shortage says what would have been needed.
func (p *Plan) shortage(w Want) string {
	best, found := Usage{}, false
	for _, d := range p.Devices {
		if (w.Device == Auto || w.Device == d.Name) && (!found || d.Budget-d.Planned > best.Budget-best.Planned) {
			best, found = d, true
		}
	}
	if !found {
		return "there is no device " + w.Device
	}
	free := best.Budget - best.Planned
	return fmt.Sprintf("needs %s, %s has %s of %s left: %s too few", config.FormatSize(w.Bytes), best.Name, config.FormatSize(free), config.FormatSize(best.Budget), config.FormatSize(w.Bytes-free))
}
