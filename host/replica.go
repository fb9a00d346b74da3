package host

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vision19/vision/host/device"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/host/launch"
	"github.com/vision19/vision/host/sched"
	"github.com/vision19/vision/host/telemetry"
)

// replica is one process of a unit, and its successors.
type replica struct {
	unit     *unit
	held     atomic.Pointer[part]
	number   int    // from 1
	key      string // in the queue and in the ledger; never used again
	name     string // for people: NAME, NAME/2
	device   device.Device
	instance *instance.Instance
	sandbox  atomic.Pointer[launch.Report] // of the process that runs
	ended    atomic.Int64                  // Unix nanoseconds at which its last request ended
	leaving  atomic.Bool                   // it is being retired and does not come back
}

func newReplica(u *unit, p *part, number, serial int, d device.Device) *replica {
	r := &replica{unit: u, number: number, device: d, name: u.name, key: fmt.Sprintf("%s#%d", u.name, serial)}
	r.held.Store(p)
	if number > 1 {
		r.name = fmt.Sprintf("%s/%d", u.name, number)
	}
	h := u.host
	r.instance = instance.New(instance.Config{
		Name:    r.name,
		Admit:   func(ctx context.Context) (instance.Lease, error) { return h.admit(ctx, r) },
		Launch:  r.launch,
		Config:  p.config(d),
		Log:     h.log.With("plugin", r.name),
		Change:  func(s instance.Status) { u.changed(r, s) },
		Timing:  h.timing,
		Patient: p.plugin.DevOverride != "",
	})
	return r
}

// part is what the process is of. A reload that changes nothing for the process may replace it.
func (r *replica) part() *part { return r.held.Load() }

func (r *replica) launch(ctx context.Context) (instance.Process, error) {
	spec, err := r.unit.host.spec(r.part(), r.device, r.name, r.key)
	if err != nil {
		return nil, err
	}
	spec.Lines = func(pid int, level slog.Level, text string) {
		r.unit.ring.Add(telemetry.Line{Time: time.Now(), Process: r.name, PID: pid, Level: level, Text: text})
	}
	process, err := launch.Start(ctx, spec)
	if err != nil {
		return nil, err // not a nil *launch.Process in an interface
	}
	report := process.Sandbox()
	r.sandbox.Store(&report)
	return process, nil
}

// tell writes into the plugin's log what the host sees of the process, so that `vision logs` tells the whole story.
func (r *replica) tell(s instance.Status) {
	line := telemetry.Line{Time: time.Now(), Process: r.name, Level: slog.LevelInfo}
	switch s.State {
	case instance.Ready:
		line.Text = fmt.Sprintf("host: ready, process %d", s.PID)
	case instance.Stopped:
		if line.Text = "host: stopped"; s.Denied {
			line.Text = "host: " + s.LastError.Error()
		}
	case instance.Backoff:
		line.Level, line.Text = slog.LevelError, fmt.Sprintf("host: %s; next start in %s", firstLine(s.LastError), max(0, time.Until(s.RetryAt)).Round(time.Millisecond))
	default:
		return
	}
	r.unit.ring.Add(line)
}

// say writes into the plugin's log what the host does with the process.
func (r *replica) say(text string) {
	r.unit.ring.Add(telemetry.Line{Time: time.Now(), Process: r.name, Level: slog.LevelInfo, Text: "host: " + text})
}

// idle is how long it has had nothing to do.
func (r *replica) idle(s instance.Status) time.Duration {
	return min(time.Since(time.Unix(0, r.ended.Load())), time.Since(s.Since))
}

// rest takes a replica out of service and ends its process once it has answered what it has; it may be started again.
func (r *replica) rest(ctx context.Context) {
	u := r.unit
	u.queue.Gone(r.key)
	until(ctx, func() bool { return u.queue.RunningOn(r.key) == 0 })
	r.instance.Stop(ctx)
}

// retire ends a replica for good, once it has answered what it has.
func (r *replica) retire(ctx context.Context) {
	u := r.unit
	r.leaving.Store(true)
	r.rest(ctx)
	u.mu.Lock()
	if i := slices.Index(u.replicas, r); i >= 0 { // it may be retired for two reasons at once
		u.restarts += r.instance.Status().Restarts
		u.replicas = slices.Delete(u.replicas, i, i+1)
	}
	u.mu.Unlock()
	r.instance.Close(ctx)
	_ = os.RemoveAll(u.host.scratch(r.key))
}

// scalePoll is how often the number of processes is thought about; a request has waited for sched.DefaultGrow by then, far longer.
const scalePoll = 200 * time.Millisecond

// savePoll is how often measurements are written down, for a host that is killed.
const savePoll = 10 * time.Second

// tend grows and shrinks the units that may have several processes, and writes down what has been measured, until the host closes.
func (h *Host) tend() {
	scale, save := time.NewTicker(scalePoll), time.NewTicker(savePoll)
	defer scale.Stop()
	defer save.Stop()
	for {
		select {
		case <-scale.C:
			for _, u := range h.list() {
				u.scale(sched.DefaultGrow, h.shrink)
			}
		case <-save.C:
			h.saveRecords()
		case <-h.life.Done():
			return
		}
	}
}

// saveRecords writes down what has been measured; what cannot be written is measured again some day.
func (h *Host) saveRecords() {
	if err := h.records.Save(); err != nil {
		h.log.Debug("measurements are not remembered", "error", err)
	}
}

func (u *unit) scale(grow, shrink time.Duration) {
	u.mu.Lock()
	p, reloading := u.part, u.reloading
	u.mu.Unlock()
	if p.plugin.Replicas.Max < 2 || reloading {
		return
	}
	waiting, _ := u.queue.Load()
	load := sched.Load{Waiting: waiting, Oldest: u.queue.Oldest()}
	for _, r := range u.all() {
		s := r.instance.Status()
		if s.State == instance.Stopped || r.leaving.Load() {
			continue
		}
		load.Replicas = append(load.Replicas, sched.Replica{
			Name: r.key, Number: r.number, Ready: s.State == instance.Ready, Running: u.queue.RunningOn(r.key), Permits: s.Description.Capabilities.Concurrency(), Idle: r.idle(s),
		})
	}
	start, stop := sched.Scale(load, sched.Bounds{Min: p.plugin.Replicas.Min, Max: p.plugin.Replicas.Max, Grow: grow, Shrink: shrink})
	switch {
	case start:
		u.grow(p)
	case stop != "":
		if r := u.find(stop); r != nil {
			r.say("ends, because it has been idle")
			go r.retire(u.host.drain)
		}
	}
}

// grow starts one more process where there is room for it: a planned one that is not there, else one beyond them.
func (u *unit) grow(p *part) {
	for _, r := range u.all() {
		if r.instance.Status().State == instance.Stopped && !r.leaving.Load() {
			u.ensure()
			return
		}
	}
	d, ok := u.host.free(p)
	if !ok {
		return
	}
	u.mu.Lock()
	if u.closed || u.reloading || u.part != p {
		u.mu.Unlock()
		return
	}
	number := 1
	for slices.ContainsFunc(u.replicas, func(r *replica) bool { return r.number == number }) {
		number++
	}
	r := u.add(p, number, d)
	u.mu.Unlock()
	u.host.log.Info("one more process", "plugin", r.name, "device", d.Name)
	r.say("one more process, because requests wait")
	r.instance.Start()
}
