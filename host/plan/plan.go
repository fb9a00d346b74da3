// Package plan decides which plugin goes to which device, who makes room for whom, and which plugins are worth their memory. It is pure:
// what to start follows from what is declared, what the devices have, and what runs, so that `vision plan` shows exactly what
// `vision run` does.
package plan

import (
	"fmt"
	"time"
)

// Device is a place with a budget.
type Device struct {
	Name   string
	UUID   string // of a GPU
	Budget int64  // bytes
}

// Want is one plugin that is declared.
type Want struct {
	Name     string
	Endpoint string
	Device   string // a device's name, a GPU's UUID, or Auto
	Bytes    int64  // of one process
	Digest   string // identifies binary and configuration: a change means a restart
	Problem  string // why it cannot run anywhere, "" when it can
	Replicas int    // processes to start at once; 0: none before a request asks
	Evict    bool   // when there is no room, it is loaded on demand, and others are unloaded for it
	Pinned   bool   // once loaded it is never unloaded
}

// Auto lets the planner choose the device.
const Auto = "auto"

// Allows reports whether a plugin that wants a device, by its name, its UUID or Auto, may go to this one.
func (d Device) Allows(wanted string) bool {
	return wanted == Auto || wanted == d.Name || d.UUID != "" && wanted == d.UUID
}

func (w Want) allows(d Device) bool { return d.Allows(w.Device) }

// steady tells that the plugin's processes are there from the start to the end, or it is refused.
func (w Want) steady() bool { return w.Replicas > 0 && (w.Pinned || !w.Evict) }

// Running is one process that runs now.
type Running struct {
	Name    string
	Replica int // from 1; 0 is the first, too
	Device  string
	Digest  string
	Bytes   int64
	Busy    bool // it has a request
	Pinned  bool
	Idle    time.Duration // since its last request
}

// Action is what happens to a plugin.
type Action string

// The actions.
const (
	Start   Action = "start"
	Keep    Action = "keep"
	Restart Action = "restart"
	Stop    Action = "stop"
	Demand  Action = "on_demand" // it is loaded when a request asks for it
	Refuse  Action = "refuse"    // it does not fit, or cannot run
)

// Placement is the place of one process and what happens to it.
type Placement struct {
	Name     string   `json:"name"`
	Replica  int      `json:"replica,omitempty"` // of several, from the second on
	Endpoint string   `json:"endpoint"`
	Device   string   `json:"device"` // "" when it is refused
	Bytes    int64    `json:"bytes"`
	Action   Action   `json:"action"`
	Evicts   []string `json:"evicts,omitempty"` // instances that a request for it would unload
	Reason   string   `json:"reason"`
}

// Instance is the name of the process.
func (p Placement) Instance() string { return Instance(p.Name, p.Replica) }

// Instance names a process of a plugin: "NAME", and from the second on "NAME/2".
func Instance(name string, replica int) string {
	if replica < 2 {
		return name
	}
	return fmt.Sprintf("%s/%d", name, replica)
}

// Usage is one device's budget and what is planned of it.
type Usage struct {
	Name    string `json:"name"`
	Budget  int64  `json:"budget_bytes"`
	Planned int64  `json:"planned_bytes"`
}

// Plan is what is going to happen.
type Plan struct {
	Devices []Usage     `json:"devices"`
	Plugins []Placement `json:"plugins"`
	Fits    bool        `json:"fits"` // nothing is refused
}
