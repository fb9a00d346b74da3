package instance

import "context"

// Stop drains the process and ends it, and returns when it is gone, even if it has been started anew by then. Requests under way have until ctx
// or Timing.Drain.
func (i *Instance) Stop(ctx context.Context) {
	gone := make(chan struct{})
	i.tell(func() {
		i.stops = append(i.stops, gone)
		i.end(ctx)
	})
	select {
	case <-gone:
	case <-i.done:
	}
}

// Recycle ends the process with that id, if it is still the one that runs, because it has answered a request so that it cannot go on. One that
// had given good answers ends once the requests under way have; another has failed, and the next start waits as after any failure. It does not
// wait for the end.
func (i *Instance) Recycle(pid int, reason error) {
	told := make(chan struct{})
	i.tell(func() {
		defer close(told)
		switch {
		case i.status.State != Ready || i.status.PID != pid:
		case i.answers.good.Load():
			i.status.LastError = reason
			i.end(context.Background())
		default:
			i.fail(i.generation, reason)
		}
	})
	select {
	case <-told:
	case <-i.done:
	}
}

// Close stops the instance for good.
func (i *Instance) Close(ctx context.Context) {
	i.close.Do(func() {
		i.tell(func() { i.closing = true })
		i.Stop(ctx)
		close(i.done)
	})
}

// end stops the process, whatever it is doing.
func (i *Instance) end(ctx context.Context) {
	if i.status.State == Draining {
		context.AfterFunc(ctx, i.hurry) // an earlier stop is at it
		return
	}
	if !i.move(stop, nil) || i.status.State == Stopped {
		i.generation++ // a retry that is due is void
		i.settle()
		return
	}
	i.abort()
	i.generation++ // what the old process still reports is void
	process, lease, generation, launched := i.process, i.lease, i.generation, i.launched
	ctx, i.hurry = context.WithTimeout(ctx, i.config.Timing.Drain)
	hurry := i.hurry
	go func() {
		defer hurry()
		<-launched // a process that is just being started is ended by its start
		if process != nil {
			process.Stop(ctx)
			lease.Release(false)
		}
		i.tell(func() {
			if generation == i.generation {
				i.gone()
			}
		})
	}()
}

// gone completes a stop.
func (i *Instance) gone() {
	i.generation++
	i.process, i.lease = nil, nil
	i.move(stopped, func(s *Status) { s.PID, s.Bytes, s.Failures = 0, 0, 0 })
	i.settle()
}

// settle tells the callers of Stop that nothing runs. A process that has failed a moment ago may still be about to be killed.
func (i *Instance) settle() {
	stops, buried := i.stops, i.buried
	i.stops = nil
	go func() {
		<-buried
		for _, gone := range stops {
			close(gone)
		}
	}()
}
