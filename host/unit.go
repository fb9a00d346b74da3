package host

import (
	"context"
	"sync"
	"time"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/host/sched"
	"github.com/vision19/vision/sdk"
)

// unit is one declared plugin at work: its queue, its process, and the wish to unload it when nobody needs it.
type unit struct {
	part     part
	queue    *sched.Dispatcher
	instance *instance.Instance

	mu     sync.Mutex
	busy   int
	closed bool
	idle   *time.Timer
}

func (h *Host) newUnit(p part) *unit {
	u := &unit{part: p, queue: sched.NewDispatcher(p.plugin.Name, p.plugin.Queue)}
	u.instance = instance.New(instance.Config{
		Name: p.plugin.Name,
		Launch: func(ctx context.Context) (instance.Process, error) {
			process, err := h.launch(ctx, p.binary, p.plugin.Name, p.device.Env())
			if err != nil {
				return nil, err // not a nil *launch.Process in an interface
			}
			return process, nil
		},
		Config: p.config(),
		Log:    h.log.With("plugin", p.plugin.Name),
		Change: u.changed,
	})
	return u
}

// changed keeps the queue in step with the process. It runs in the instance's own goroutine.
func (u *unit) changed(s instance.Status) {
	switch s.State {
	case instance.Ready:
		u.queue.Ready(s.Name, s.Description.Capabilities.Concurrency())
		u.mu.Lock()
		u.rest()
		u.mu.Unlock()
	case instance.Backoff:
		u.queue.Gone(s.Name)
		if time.Until(s.RetryAt) > 0 {
			u.queue.Fail(cooling(s))
		}
	case instance.Stopped:
		u.queue.Gone(s.Name)
		u.mu.Lock()
		again := u.busy > 0 && !u.closed
		u.mu.Unlock()
		if again { // a request came while it was being unloaded
			go u.instance.Start()
		}
	default:
		u.queue.Gone(s.Name)
	}
}

// cooling is what a request gets while a plugin waits for its next start: the cause, and when to come again. Whatever the cause, the request is
// not what is wrong.
func cooling(s instance.Status) error {
	e := sdk.NewError(sdk.CodeUnavailable, s.LastError.Error(), s.LastError)
	e.RetryAfter = max(time.Until(s.RetryAt), time.Second)
	return e
}

// enter tells that a request needs the process; leave must follow.
func (u *unit) enter() error {
	s := u.instance.Status()
	if s.State == instance.Backoff && time.Until(s.RetryAt) > 0 {
		return cooling(s)
	}
	u.mu.Lock()
	u.busy++
	if u.idle != nil {
		u.idle.Stop()
	}
	u.mu.Unlock()
	// Asked after busy has been counted. A process that is being unloaded is still shown as draining when changed has looked at busy.
	if state := u.instance.Status().State; state == instance.Stopped || state == instance.Draining {
		u.instance.Start()
	}
	return nil
}

// leave starts the wait for unloading when nobody else needs the process.
func (u *unit) leave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.busy--
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
	u.idle = time.AfterFunc(keep, func() {
		u.mu.Lock()
		unused := u.busy == 0
		if unused {
			u.queue.Gone(u.part.plugin.Name) // a request that enters from now on waits for the next process
		}
		u.mu.Unlock()
		if unused {
			u.instance.Stop(context.Background())
		}
	})
}

// close answers what waits and ends the process.
func (u *unit) close(ctx context.Context) {
	u.queue.Close()
	u.mu.Lock()
	u.closed = true
	if u.idle != nil {
		u.idle.Stop()
	}
	u.mu.Unlock()
	u.settle(ctx)
	u.queue.Fail(&sdk.Error{Code: sdk.CodeUnavailable, Message: "the host is stopping", RetryAfter: 5 * time.Second})
	u.instance.Close(ctx)
}

// settlePoll is how often a queue is looked at while it empties.
const settlePoll = 10 * time.Millisecond

// settle returns when nothing waits or runs any more, or ctx ends.
func (u *unit) settle(ctx context.Context) {
	ticker := time.NewTicker(settlePoll)
	defer ticker.Stop()
	for {
		if waiting, running := u.queue.Load(); waiting+running == 0 {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// describe returns the description that holds: the configured one once it is known.
func (u *unit) describe() (d sdk.Description, configured bool) {
	if d := u.instance.Status().Description; d.Endpoint != "" {
		return d, true
	}
	return u.part.description, false
}

func (u *unit) status() api.Plugin {
	s := u.instance.Status()
	waiting, running := u.queue.Load()
	p := api.Plugin{
		Name: s.Name, Endpoint: u.part.description.Endpoint, State: string(s.State), PID: s.PID, Device: s.Device,
		Bytes: s.Bytes, Restarts: s.Restarts, Queue: waiting, Running: running,
	}
	if s.State == instance.Loading {
		p.Stage, p.Progress = s.Stage, s.Fraction
	}
	if s.LastError != nil {
		p.LastError = s.LastError.Error()
	}
	return p
}
