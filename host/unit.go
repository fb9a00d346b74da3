package host

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/device"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/host/sched"
	"github.com/vision19/vision/host/telemetry"
	"github.com/vision19/vision/sdk"
)

// unit is one declared plugin at work: one queue, and the processes that serve it. It outlives its processes, and a reload too: what waits in
// its queue does not notice.
type unit struct {
	host  *Host
	name  string
	queue *sched.Dispatcher
	ring  *telemetry.Ring

	// No method of an instance that waits for it is called with the lock held: instances call changed.
	mu       sync.Mutex
	part     *part
	replicas []*replica
	serial   int // replicas made so far
	restarts int // of replicas that are gone
	busy     int // requests that need a process
	closed   bool
	// A reload is under way: processes come and go by its will alone, and what is asked waits for its end.
	reloading bool
	idle      *time.Timer
}

func (h *Host) newUnit(p *part) *unit {
	return &unit{
		host: h, name: p.plugin.Name, part: p, ring: telemetry.NewRing(telemetry.DefaultLines, telemetry.DefaultBytes),
		queue: sched.NewDispatcher(p.plugin.Name, p.queueing()),
	}
}

// queueing is how requests wait for the part.
func (p *part) queueing() sched.Options {
	return sched.Options{Limit: p.plugin.Queue, Delay: p.plugin.BatchDelay}
}

// ensure wants the planned number of processes running; it does not wait for them.
func (u *unit) ensure() {
	u.mu.Lock()
	if u.closed || u.reloading {
		u.mu.Unlock()
		return
	}
	for n, d := range u.part.devices {
		if !slices.ContainsFunc(u.replicas, func(r *replica) bool { return r.number == n+1 && r.part() == u.part }) {
			u.add(u.part, n+1, d)
		}
	}
	var start []*replica
	for _, r := range u.replicas {
		if r.asleep() && !r.leaving.Load() {
			start = append(start, r)
		}
	}
	u.mu.Unlock()
	for _, r := range start {
		r.instance.Start()
	}
}

// asleep reports whether the process may be stopped by now, and must be told to start. Not only when it is seen stopped: changed is called before
// others see a state, so one that is seen in a state which leads there may have stopped for want of requests that came a moment later.
func (r *replica) asleep() bool {
	state := r.instance.Status().State
	return state != instance.Ready && state != instance.Loading
}

// add makes a replica, stopped; the lock is held.
func (u *unit) add(p *part, number int, d device.Device) *replica {
	u.serial++
	r := newReplica(u, p, number, u.serial, d)
	u.replicas = append(u.replicas, r)
	return r
}

// find returns the replica that the queue knows by key.
func (u *unit) find(key string) *replica {
	u.mu.Lock()
	defer u.mu.Unlock()
	if i := slices.IndexFunc(u.replicas, func(r *replica) bool { return r.key == key }); i >= 0 {
		return u.replicas[i]
	}
	return nil
}

// all returns the replicas there are now.
func (u *unit) all() []*replica {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.replicas)
}

// current returns the configuration that holds.
func (u *unit) current() *part {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.part
}

// describe returns the description that holds: the configured one once it is known.
func (u *unit) describe() (d sdk.Description, p *part, configured bool) {
	p = u.current()
	if d := p.configured.Load(); d != nil {
		return *d, p, true
	}
	return p.description, p, false
}

// changed keeps the queue in step with a process. It runs in the instance's own goroutine.
func (u *unit) changed(r *replica, s instance.Status) {
	r.tell(s)
	switch s.State {
	case instance.Ready:
		d := s.Description
		r.part().configured.Store(&d)
		u.queue.Ready(r.key, d.Capabilities.Concurrency(), r.part().batch(d))
		u.mu.Lock()
		u.unloadLater()
		u.mu.Unlock()
	case instance.Backoff:
		u.queue.Gone(r.key)
		// What waits also waits for a second start, as what ran is tried a second time.
		if err := u.coolingAfter(r, s); err != nil && s.Failures > 1 {
			u.queue.Fail(err)
		}
	case instance.Stopped:
		u.queue.Gone(r.key)
		u.host.ledger.Release(r.key) // a start that failed has kept its room for the next
		u.mu.Lock()
		again := u.busy > 0 && !u.closed && !u.reloading && !r.leaving.Load()
		u.mu.Unlock()
		if r.number > len(r.part().devices) && !r.leaving.Load() { // one beyond the planned ones is made anew when it is needed
			go r.retire(u.host.drain)
		}
		switch {
		case again && s.Denied:
			if u.coolingAfter(r, s) != nil || !u.alive(r) {
				u.queue.Fail(s.LastError)
			}
		case again: // a request came while it was being unloaded
			go u.ensure()
		}
	default:
		u.queue.Gone(r.key)
	}
}

// enter tells that a request needs a process; leave must follow.
func (u *unit) enter() error {
	if err := u.cooling(); err != nil {
		return err
	}
	u.mu.Lock()
	u.busy++
	if u.idle != nil {
		u.idle.Stop()
	}
	u.mu.Unlock()
	return nil
}

// rouse starts the processes for a request that waits, unless one is there. It is called once the request is in the queue: a start may be
// denied at once, and what waits then is told.
func (u *unit) rouse() {
	u.mu.Lock()
	asleep := !slices.ContainsFunc(u.replicas, func(r *replica) bool { return !r.asleep() && !r.leaving.Load() })
	u.mu.Unlock()
	if asleep {
		u.ensure()
	}
}

// leave starts the wait for unloading when nobody else needs the processes.
func (u *unit) leave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.busy--
	u.unloadLater()
}

// unloadLater schedules unloading; the lock is held.
func (u *unit) unloadLater() {
	if u.idle != nil {
		u.idle.Stop()
	}
	keep := u.part.plugin.KeepAlive
	if u.busy > 0 || u.closed || u.reloading || keep == config.Pinned {
		return
	}
	u.idle = time.AfterFunc(keep, u.unload)
}

// unload ends the processes of a plugin that nobody needs.
func (u *unit) unload() {
	u.mu.Lock()
	replicas := slices.Clone(u.replicas)
	unused := u.busy == 0 && !u.closed && !u.reloading && u.part.plugin.KeepAlive != config.Pinned
	if unused {
		for _, r := range replicas {
			u.queue.Gone(r.key) // a request that enters from now on waits for the next process
		}
	}
	u.mu.Unlock()
	if !unused {
		return
	}
	for _, r := range replicas {
		if r.instance.Status().State != instance.Stopped {
			r.say("unloaded, because nobody has needed it for " + u.current().plugin.KeepAlive.String())
		}
		r.instance.Stop(u.host.drain)
	}
}

// close answers what has been accepted and ends the processes. What comes now, or is not answered while ctx lasts, gets the reason.
func (u *unit) close(ctx context.Context, reason error) {
	u.queue.Close(reason)
	until(ctx, func() bool { // with processes that are started for it, if they must
		u.mu.Lock()
		defer u.mu.Unlock()
		return u.busy == 0
	})
	u.mu.Lock()
	u.closed = true
	if u.idle != nil {
		u.idle.Stop()
	}
	u.mu.Unlock()
	u.queue.End(reason)
	var group sync.WaitGroup
	for _, r := range u.all() {
		group.Go(func() {
			r.instance.Close(ctx)
			_ = os.RemoveAll(u.host.scratch(r.key))
		})
	}
	group.Wait()
}

// settlePoll is how often a condition is looked at that nobody reports.
const settlePoll = 10 * time.Millisecond

// until returns when the condition holds, or false when ctx ends first.
func until(ctx context.Context, condition func() bool) bool {
	ticker := time.NewTicker(settlePoll)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
