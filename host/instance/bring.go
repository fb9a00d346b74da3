package instance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vision19/vision/sdk"
)

// bring starts, configures and loads one process, and then watches it until it ends. It runs beside the owner.
func (i *Instance) bring(ctx context.Context, generation int, launched chan<- struct{}) {
	process, lease, ok := i.launch(ctx, generation)
	close(launched)
	if !ok {
		return
	}
	description, err := i.configure(ctx, process)
	if err == nil {
		i.tell(func() {
			if generation == i.generation {
				i.move(loading, func(s *Status) { s.Description = description })
			}
		})
		err = i.load(ctx, generation, process)
	}
	if err != nil {
		if errors.Is(err, sdk.ErrUnavailable) { // when the connection breaks, the process is found dead a moment later
			select {
			case <-process.Done():
			case <-time.After(endTime):
			}
		}
		err = process.Explain(err)
		i.tell(func() { i.fail(generation, err) })
		return
	}
	bytes := lease.Loaded(process.PID())
	i.tell(func() {
		if generation == i.generation {
			i.move(loaded, func(s *Status) { s.Bytes, s.Fraction = bytes, 1 })
		}
	})
	i.watch(generation, process, lease)
}

// launch takes room for a process and starts it. The owner has both, or nothing has been left behind and the owner has been told.
func (i *Instance) launch(ctx context.Context, generation int) (Process, Lease, bool) {
	lease, err := i.config.Admit(ctx)
	if err != nil {
		i.tell(func() { i.deny(generation, err) })
		return nil, nil, false
	}
	process, err := i.config.Launch(ctx)
	if err != nil {
		lease.Release(true)
		i.tell(func() { i.fail(generation, err) })
		return nil, nil, false
	}
	if !i.adopt(generation, process, lease) {
		process.Kill()
		lease.Release(false)
		return nil, nil, false
	}
	return process, lease, true
}

// adopt gives the process to the owner, so that a stop from now on ends it.
func (i *Instance) adopt(generation int, process Process, lease Lease) bool {
	adopted := make(chan bool, 1)
	i.tell(func() {
		current := generation == i.generation && i.status.State == Starting
		if current {
			i.process, i.lease = process, lease
			i.status.PID = process.PID()
			i.publish()
		}
		adopted <- current
	})
	select {
	case ok := <-adopted:
		return ok
	case <-i.done:
		return false
	}
}

func (i *Instance) configure(ctx context.Context, process Process) (sdk.Description, error) {
	ctx, cancel := context.WithTimeout(ctx, i.config.Timing.Configure)
	defer cancel()
	d, err := process.Client().Configure(ctx, i.config.Config)
	if err == nil {
		err = CheckDescription(d)
	}
	return d, err
}

// load loads the model; only a standstill ends it, not its duration.
func (i *Instance) load(ctx context.Context, generation int, process Process) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(i.config.Timing.Stall, func() {
		cancel(fmt.Errorf("no progress for %s while loading", i.config.Timing.Stall))
	})
	defer stall.Stop()
	err := process.Client().Load(ctx, func(fraction float64, stage string) {
		stall.Reset(i.config.Timing.Stall)
		if !(fraction >= 0) { // NaN has no JSON
			fraction = 0
		}
		stage = stage[:min(len(stage), maxStage)]
		i.tell(func() {
			if generation == i.generation && i.status.State == Loading {
				i.status.Fraction, i.status.Stage = fraction, stage
				i.publish()
			}
		})
	})
	if err != nil && ctx.Err() != nil {
		return sdk.NewError(sdk.CodeUnavailable, context.Cause(ctx).Error(), err)
	}
	return err
}

// maxStage bounds what a plugin says of its loading, in bytes: it is shown in one line.
const maxStage = 200

// misses is how many health questions in a row go unanswered before a process counts as unresponsive: one may be lost to a
// machine that was asleep.
const misses = 2

// endTime is how long a process that has lost its connection may take to end.
const endTime = time.Second

// dumpTime is how long an unresponsive process gets to print its stacks.
const dumpTime = 500 * time.Millisecond

// watch asks for the process's health until it ends, and ends it when it does not answer.
func (i *Instance) watch(generation int, process Process, lease Lease) {
	t := i.config.Timing
	for missed := 0; ; {
		wait := t.Health
		if missed > 0 {
			wait = 0
		}
		select {
		case <-process.Done():
			err := process.Explain(sdk.NewError(sdk.CodeUnavailable, "the plugin died", nil))
			i.tell(func() { i.fail(generation, err) })
			return
		case <-i.done:
			return
		case <-time.After(wait):
		}
		ctx, cancel := context.WithTimeout(context.Background(), t.Answer)
		health, err := process.Client().Health(ctx)
		cancel()
		stuck := i.stuck(health.Active, err == nil)
		switch {
		case err == nil && !stuck:
			missed = 0
			bytes := lease.Measure(process.PID())
			i.tell(func() { i.measured(generation, bytes) })
			continue
		case i.config.Patient: // its author may have it in a debugger
			continue
		case err != nil:
			if missed++; missed < misses {
				continue
			}
			err = sdk.NewError(sdk.CodeUnavailable, fmt.Sprintf("the plugin did not answer for %s", misses*t.Answer), err)
		default:
			err = sdk.NewError(sdk.CodeUnavailable, fmt.Sprintf("the plugin went on for more than %s with a cancelled request", t.Grace), nil)
		}
		select {
		case <-process.Done(): // it died, which the loop says better
			continue
		default:
		}
		process.Dump()
		select {
		case <-process.Done():
		case <-time.After(dumpTime):
		}
		err = process.Explain(err)
		i.tell(func() { i.fail(generation, err) })
		process.Kill() // one that is being stopped, too: it will not end by itself
		return
	}
}

// measured keeps what the process says of its memory; it is no transition, so nobody is woken.
func (i *Instance) measured(generation int, bytes int64) {
	if generation != i.generation {
		return
	}
	i.status.Bytes = bytes
	old := i.now.Load()
	next := *old
	next.Bytes = bytes
	i.now.Store(&next)
}

// stuck reports whether a request that was cancelled long ago is still being worked on, and forgets those that are not.
func (i *Instance) stuck(active []string, known bool) bool {
	stuck := false
	i.cancelled.Range(func(id, at any) bool {
		switch {
		case !known:
		case !slices.Contains(active, id.(string)):
			i.cancelled.Delete(id)
		case time.Since(at.(time.Time)) > i.config.Timing.Grace:
			stuck = true
			i.cancelled.Delete(id)
		}
		return true
	})
	return stuck
}
