package host

import (
	"slices"
	"time"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/host/plan"
)

// furthest orders the states by how close a process is to answering.
var furthest = []instance.State{instance.Ready, instance.Loading, instance.Starting, instance.Draining, instance.Backoff, instance.Stopped}

// status is what ps and readyz show of the unit.
func (u *unit) status() api.Plugin {
	p := u.current()
	waiting, running := u.queue.Load()
	out := api.Plugin{
		Name: u.name, Endpoint: p.description.Endpoint, State: string(instance.Stopped), Device: p.device().Name,
		Queue: waiting, Running: running, Override: p.plugin.DevOverride, Replicas: []api.Replica{},
	}
	u.mu.Lock()
	out.Restarts, out.Busy = u.restarts, u.busy > 0
	u.mu.Unlock()
	best := len(furthest)
	for _, r := range u.all() {
		s := r.instance.Status()
		row := r.row(s)
		out.Replicas = append(out.Replicas, row)
		out.Bytes += row.Bytes
		out.Restarts += row.Restarts
		if rank := slices.Index(furthest, s.State); rank < best {
			best = rank
			out.State, out.PID, out.Device, out.LastError = row.State, row.PID, row.Device, row.LastError
			if s.State == instance.Loading {
				out.Stage, out.Progress = s.Stage, s.Fraction
			}
		}
	}
	return out
}

func (r *replica) row(s instance.Status) api.Replica {
	row := api.Replica{
		Name: r.name, State: string(s.State), PID: s.PID, Device: s.Device, Bytes: s.Bytes, Restarts: s.Restarts,
		Running: r.unit.queue.RunningOn(r.key), Digest: r.part().digest(), Reserved: r.unit.host.ledger.Held(r.key), Pinned: r.part().plugin.KeepAlive == config.Pinned,
	}
	if s.State == instance.Ready {
		row.IdleMS = float64(r.idle(s).Milliseconds())
	}
	if s.LastError != nil {
		row.LastError = s.LastError.Error()
	}
	if box := r.sandbox.Load(); box != nil && s.PID != 0 {
		shown := api.Sandbox(*box)
		row.Sandbox = &shown
	}
	return row
}

// running is what the planner sees of the unit.
func (u *unit) running() []plan.Running {
	u.mu.Lock()
	busy := u.busy > 0
	u.mu.Unlock()
	var out []plan.Running
	for _, r := range u.all() {
		s := r.instance.Status()
		if s.State == instance.Stopped {
			continue
		}
		out = append(out, plan.Running{
			Name: u.name, Replica: r.number, Device: r.device.Name, Digest: r.part().digest(), Bytes: u.host.bytes(r.part()),
			Busy: busy, Pinned: r.part().plugin.KeepAlive == config.Pinned, Idle: r.idle(s).Round(time.Millisecond),
		})
	}
	return out
}
