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
	used     time.Time
	closed   bool
	idle     *time.Timer
}

func (h *Host) newUnit(p *part) *unit {
	return &unit{
		host: h, name: p.plugin.Name, part: p, ring: telemetry.NewRing(telemetry.DefaultLines, telemetry.DefaultBytes),
		queue: sched.NewDispatcher(p.plugin.Name, p.queueing()), used: time.Now(),
	}
}

// queueing is how requests wait for the part.
func (p *part) queueing() sched.Options {
	return sched.Options{Limit: p.plugin.Queue, Delay: p.plugin.BatchDelay}
}

// ensure wants the planned number of processes running; it does not wait for them.
func (u *unit) ensure() {
	u.mu.Lock()
	if u.closed {
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
		u.rest()
		u.mu.Unlock()
	case instance.Backoff:
		u.queue.Gone(r.key)
		// What waits also waits for a second start, as what ran is tried a second time.
		if err := u.coolingAfter(r, s); err != nil && s.Failures > 1 && !r.trial.Load() {
			u.queue.Fail(err)
		}
	case instance.Stopped:
		u.queue.Gone(r.key)
		u.mu.Lock()
		again := u.busy > 0 && !u.closed && !r.leaving.Load()
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

// alive reports whether another process is there or about to be.
func (u *unit) alive(but *replica) bool {
	return slices.ContainsFunc(u.all(), func(r *replica) bool {
		s := r.instance.Status()
		return r != but && (r.trial.Load() || s.State == instance.Ready || s.State == instance.Starting || s.State == instance.Loading)
	})
}

// cooling is what a request gets while every process waits for its next start: the cause, and when to come again. Whatever the cause, the request
// is not what is wrong. A process that was unloaded while it waited still waits: the request would start it too soon. It is nil when there is hope.
func (u *unit) cooling() error { return u.coolingAfter(nil, instance.Status{}) }

// coolingAfter is cooling with the state of one replica that others are about to see.
func (u *unit) coolingAfter(changed *replica, next instance.Status) error {
	var last *instance.Status
	for _, r := range u.all() {
		if r.trial.Load() {
			return nil
		}
		s := r.instance.Status()
		if r == changed {
			s = next
		}
		waits := (s.State == instance.Backoff || s.State == instance.Stopped) && time.Until(s.RetryAt) > 0
		if !waits && s.State != instance.Stopped {
			return nil
		} else if !waits {
			continue
		}
		if last == nil || s.RetryAt.Before(last.RetryAt) {
			last = &s
		}
	}
	if last == nil {
		return nil
	}
	e := sdk.NewError(sdk.CodeUnavailable, last.LastError.Error(), last.LastError)
	e.RetryAfter = max(time.Until(last.RetryAt), time.Second)
	return e
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
	// Asked after busy has been counted.
	asleep := !slices.ContainsFunc(u.replicas, func(r *replica) bool { return !r.asleep() && !r.leaving.Load() })
	u.mu.Unlock()
	if asleep {
		u.ensure()
	}
	return nil
}

// leave starts the wait for unloading when nobody else needs the processes.
func (u *unit) leave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.busy--
	u.used = time.Now()
	u.rest()
}

// rest schedules unloading; the lock is held.
func (u *unit) rest() {
	keep := u.part.plugin.KeepAlive
	if u.busy > 0 || u.closed || keep == config.Pinned {
		return
	}
	if u.idle != nil {
		u.idle.Stop()
	}
	u.idle = time.AfterFunc(keep, u.unload)
}

// unload ends the processes of a plugin that nobody needs, but for those that a reload tries.
func (u *unit) unload() {
	u.mu.Lock()
	replicas := slices.DeleteFunc(slices.Clone(u.replicas), func(r *replica) bool { return r.trial.Load() })
	unused := u.busy == 0 && !u.closed
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
		r.instance.Stop(u.host.drain)
	}
}

// close answers what waits and ends the processes.
func (u *unit) close(ctx context.Context) {
	u.queue.Close()
	until(ctx, func() bool { // with processes that are started for it, if they must
		waiting, running := u.queue.Load()
		return waiting+running == 0
	})
	u.mu.Lock()
	u.closed = true
	if u.idle != nil {
		u.idle.Stop()
	}
	u.mu.Unlock()
	u.queue.Fail(&sdk.Error{Code: sdk.CodeUnavailable, Message: "the host is stopping", RetryAfter: 5 * time.Second})
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
