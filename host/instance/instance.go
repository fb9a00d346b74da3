// Package instance is one plugin process as a state machine: started, watched, restarted, stopped. One goroutine owns the
// state; the methods are messages to it.
package instance

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

// Process is a running plugin process; *launch.Process is one.
type Process interface {
	Client() *wire.Client
	PID() int
	Done() <-chan struct{}    // closed when it has ended
	Explain(error) error      // adds its end and its last lines
	Dump()                    // its stacks go to its log
	Stop(ctx context.Context) // drains and shuts down while ctx lasts, then kills
	Kill()                    // at once
}

// Lease is the room that a process has on its device.
type Lease interface {
	Loaded(pid int) (bytes int64)  // the model is loaded: others may load theirs; what it takes is measured
	Measure(pid int) (bytes int64) // what it takes now
	Release(keep bool)             // the process has ended; returns when its memory has been given back. Another start follows that keeps its room
}

// Config is what an instance runs.
type Config struct {
	Name   string
	Admit  func(context.Context) (Lease, error) // waits for room; an error means that there is none
	Launch func(context.Context) (Process, error)
	Config sdk.Config
	Log    *slog.Logger
	Change func(Status) // called after every transition, one call at a time, in order
	Timing Timing
	// Patient instances are not ended for being silent or slow: somebody debugs the process.
	Patient bool
}

// Timing is every duration that an instance goes by; the zero value of a field is its default.
type Timing struct {
	Health    time.Duration // between two health questions, 2 s
	Answer    time.Duration // for one answer to them, 2 s; two missed in a row and the process is ended: within 10 s in all
	Grace     time.Duration // for the work of a cancelled request to end, 5 s
	Configure time.Duration // for Describe and Configure together, 30 s
	Stall     time.Duration // of a Load that reports no progress, 10 min: reading 10 GB from a slow disk
	Drain     time.Duration // for the last requests when it is stopped, 30 s
	FirstWait time.Duration // before the second start in a row that fails, 500 ms; doubled each time
	Cooldown  time.Duration // from the fifth failure in a row on, 1 min
}

// crashLoop is how many starts in a row may end without a good answer before the plugin cools down: four waits, 8 s in all, mend what a restart mends.
const crashLoop = 5

func (t Timing) filled() Timing {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&t.Health, 2*time.Second)
	set(&t.Answer, 2*time.Second)
	set(&t.Grace, 5*time.Second)
	set(&t.Configure, 30*time.Second)
	set(&t.Stall, 10*time.Minute)
	set(&t.Drain, 30*time.Second)
	set(&t.FirstWait, 500*time.Millisecond)
	set(&t.Cooldown, time.Minute)
	return t
}

// Status is a snapshot of an instance.
type Status struct {
	Name        string
	State       State
	PID         int
	Device      string
	Bytes       int64 // memory on its device, as last measured
	Restarts    int   // starts after the first
	Failures    int   // starts in a row that ended before a good answer
	LastError   error
	Denied      bool      // Stopped: there was no room, LastError says for what
	Since       time.Time // when it came into this state
	RetryAt     time.Time // Backoff: when the next start is due; not later than now after a process that had answered
	Fraction    float64   // Loading
	Stage       string    // Loading
	Description sdk.Description
}

// Instance is one plugin process and its successors.
type Instance struct {
	config Config
	inbox  chan func()
	done   chan struct{} // closed when the owner has ended
	close  sync.Once
	now    atomic.Pointer[snapshot]

	cancelled sync.Map // request id -> time.Time of its cancellation

	// The owner's alone:
	status     Status
	process    Process
	lease      Lease // of the process
	answers    *answers
	generation int
	started    bool
	closing    bool               // nothing is started any more
	abort      context.CancelFunc // ends a start under way
	launched   chan struct{}      // closed when a start has given its process to the owner, or ended it
	hurry      context.CancelFunc // ends the draining under way
	buried     chan struct{}      // closed when the process that failed last is gone, and its lease released
	stops      []chan struct{}    // of callers who wait until it is stopped
}

// patience stands for no limit where somebody debugs the process.
const patience = 24 * time.Hour

// snapshot is what other goroutines see; changed is closed when it is replaced.
type snapshot struct {
	Status
	process    Process
	generation int
	answers    *answers // of this process
	changed    chan struct{}
}

// New makes a stopped instance. Close must be called.
func New(config Config) *Instance {
	config.Timing = config.Timing.filled()
	if config.Patient {
		config.Timing.Configure, config.Timing.Stall = patience, patience
	}
	if config.Change == nil {
		config.Change = func(Status) {}
	}
	i := &Instance{config: config, inbox: make(chan func(), 16), done: make(chan struct{}), abort: func() {}, buried: make(chan struct{})}
	close(i.buried)
	i.status = Status{Name: config.Name, State: Stopped, Device: config.Config.Device.Name}
	i.answers = &answers{}
	i.now.Store(&snapshot{Status: i.status, answers: i.answers, changed: make(chan struct{})})
	go i.own()
	return i
}

// own is the only goroutine that changes the state.
func (i *Instance) own() {
	for {
		select {
		case message := <-i.inbox:
			message()
		case <-i.done:
			return
		}
	}
}

// tell sends the owner a message; after Close it is dropped.
func (i *Instance) tell(message func()) {
	select {
	case i.inbox <- message:
	case <-i.done:
	}
}

// move makes a transition if the table has it, and publishes what has changed.
func (i *Instance) move(e event, change func(*Status)) bool {
	next, ok := table[i.status.State][e]
	if !ok {
		return false
	}
	i.status.State, i.status.Since = next, time.Now()
	if change != nil {
		change(&i.status)
	}
	i.publish()
	return true
}

// publish shows the status. A queue hears of a process that is going before callers see it gone, and of one that is ready after they can
// use it, so that nothing is granted in between.
func (i *Instance) publish() {
	next := &snapshot{Status: i.status, process: i.process, generation: i.generation, answers: i.answers, changed: make(chan struct{})}
	if i.status.State != Ready {
		i.config.Change(i.status)
	}
	old := i.now.Swap(next)
	close(old.changed)
	if i.status.State == Ready {
		i.config.Change(i.status)
	}
}

// Status returns a snapshot.
func (i *Instance) Status() Status { return i.now.Load().Status }

// Start wants the process running; it does not wait for it.
func (i *Instance) Start() {
	begun := make(chan struct{})
	i.tell(func() {
		i.begin(wanted)
		close(begun)
	})
	select {
	case <-begun:
	case <-i.done:
	}
}

// AwaitReady returns when a started instance is ready, or has been stopped again, or with the error of a start that failed or was denied.
func (i *Instance) AwaitReady(ctx context.Context) error {
	for {
		s := i.now.Load()
		switch s.State {
		case Ready:
			return nil
		case Stopped:
			if s.Denied {
				return s.LastError
			}
			return nil
		case Backoff:
			if time.Until(s.RetryAt) > 0 {
				return s.LastError
			}
		}
		select {
		case <-s.changed:
		case <-i.done:
			return sdk.NewError(sdk.CodeUnavailable, "plugin "+i.config.Name+" is closed", nil)
		case <-ctx.Done():
			return sdk.AsError(ctx.Err())
		}
	}
}

// begin starts a process in a goroutine of its own, which tells the owner how it goes.
func (i *Instance) begin(e event) {
	ctx, cancel := context.WithCancel(context.Background())
	if i.closing || !i.move(e, func(s *Status) {
		if i.started {
			s.Restarts++
		}
		s.Fraction, s.Stage, s.RetryAt, s.Denied = 0, "", time.Time{}, false
	}) {
		cancel()
		return
	}
	i.started, i.abort, i.answers = true, cancel, &answers{}
	i.generation++
	i.launched = make(chan struct{})
	go i.bring(ctx, i.generation, i.launched)
}

// backoff counts a failure and returns the wait before the next start: none after a process that had answered, then
// doubling, with jitter so that plugins that fail together do not start together.
func (i *Instance) backoff() time.Duration {
	if i.answers.good.Load() {
		i.status.Failures = 0
		return 0
	}
	i.status.Failures++
	wait := i.config.Timing.FirstWait << min(i.status.Failures-1, crashLoop)
	if i.status.Failures >= crashLoop {
		wait = i.config.Timing.Cooldown
	}
	return time.Duration(float64(wait) * (0.8 + 0.4*rand.Float64()))
}

// deny ends a start for which there is no room. Nothing has failed, so nothing is counted and nothing is tried again until somebody asks.
func (i *Instance) deny(generation int, err error) {
	if generation == i.generation {
		i.generation++
		i.abort()
		i.move(denied, func(s *Status) { s.LastError, s.Denied = err, true })
	}
}

// fail ends a generation and schedules the next start.
func (i *Instance) fail(generation int, err error) {
	if generation != i.generation {
		return
	}
	process, lease := i.process, i.lease
	i.process, i.lease = nil, nil
	i.abort()
	wait, before := i.backoff(), i.status.LastError
	if !i.move(failed, func(s *Status) {
		s.PID, s.Bytes, s.LastError, s.RetryAt = 0, 0, err, time.Now().Add(wait)
	}) {
		return
	}
	level := slog.LevelError
	if before != nil && before.Error() == err.Error() {
		level = slog.LevelDebug // said already
	}
	i.config.Log.Log(context.Background(), level, "plugin failed", "error", err, "failures", i.status.Failures, "restart_in", wait.Round(time.Millisecond))
	i.generation++
	next, buried := i.generation, make(chan struct{})
	i.buried = buried
	go func() {
		if process != nil {
			process.Kill()
			lease.Release(true)
		}
		close(buried)
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
			i.tell(func() {
				if next == i.generation {
					i.begin(retry)
				}
			})
		case <-i.done:
		}
	}()
}
