package sched

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/vision19/vision/sdk"
)

// Dispatcher is a Queue with a clock and with callers who wait.
type Dispatcher struct {
	name string

	mu      sync.Mutex
	queue   *Queue
	next    uint64
	waiters map[uint64]chan outcome
	timer   *time.Timer
	due     time.Time // what the timer is set to
	closed  bool
}

// outcome ends a wait: an instance to run on, or an error.
type outcome struct {
	instance string
	err      error
}

// NewDispatcher makes a dispatcher for the plugin of that name, in whose queue at most limit requests wait.
func NewDispatcher(name string, limit int) *Dispatcher {
	return &Dispatcher{name: name, queue: NewQueue(limit), waiters: map[uint64]chan outcome{}}
}

// Ticket is the right to run one request on an instance; Done gives it back.
type Ticket struct {
	Instance string
	Waited   time.Duration

	d     *Dispatcher
	id    uint64
	began time.Time
}

// Acquire waits for an instance. ctx must have a deadline; it expires in the queue too. The errors are sdk.ErrBusy with a retry time when the
// queue is full, sdk.ErrDeadline, sdk.ErrCancelled, and what Fail was told.
func (d *Dispatcher) Acquire(ctx context.Context) (Ticket, error) {
	asked := time.Now()
	deadline, ok := ctx.Deadline()
	if !ok {
		return Ticket{}, sdk.NewError(sdk.CodeInternal, "a request without a deadline", nil)
	}
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return Ticket{}, &sdk.Error{Code: sdk.CodeUnavailable, Message: "the host is stopping", RetryAfter: 5 * time.Second}
	}
	d.next++
	id := d.next
	granted, ok := d.queue.Offer(Job{ID: id, Deadline: deadline})
	if !ok {
		err := &sdk.Error{Code: sdk.CodeBusy, Message: fmt.Sprintf("the queue of %s is full: %d requests wait", d.name, d.queue.Waiting()), RetryAfter: d.queue.RetryAfter()}
		d.mu.Unlock()
		return Ticket{}, err
	}
	wait := make(chan outcome, 1)
	d.waiters[id] = wait
	d.settle(granted)
	d.mu.Unlock()

	select {
	case got := <-wait:
		return d.ticket(id, asked, got)
	case <-ctx.Done():
	}
	d.mu.Lock()
	removed := d.queue.Remove(id)
	if removed {
		delete(d.waiters, id)
		d.schedule()
	}
	d.mu.Unlock()
	if !removed { // it was granted or failed at the same moment
		if t, err := d.ticket(id, asked, <-wait); err == nil {
			t.Done()
		}
	}
	return Ticket{}, sdk.AsError(ctx.Err())
}

func (d *Dispatcher) ticket(id uint64, asked time.Time, got outcome) (Ticket, error) {
	now := time.Now()
	return Ticket{Instance: got.instance, Waited: now.Sub(asked), d: d, id: id, began: now}, got.err
}

// Done tells that the request has ended.
func (t Ticket) Done() {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	t.d.settle(t.d.queue.Done(t.id, time.Since(t.began)))
}

// settle wakes those whose wait is over, and sets the timer for the next deadline. The lock is held.
func (d *Dispatcher) settle(granted []Grant) {
	for _, g := range granted {
		d.wake(g.Job, outcome{instance: g.Instance})
	}
	d.schedule()
}

func (d *Dispatcher) wake(job uint64, o outcome) {
	if wait, ok := d.waiters[job]; ok {
		wait <- o
		delete(d.waiters, job)
	}
}

// schedule sets the timer for the next deadline: a request expires in the queue when it is due, not when its turn comes.
func (d *Dispatcher) schedule() {
	next, ok := d.queue.NextDeadline()
	switch {
	case !ok || next.Equal(d.due): // a timer that fires for nothing costs less than stopping it each time
	case d.timer == nil:
		d.timer = time.AfterFunc(time.Until(next), d.expire)
		d.due = next
	default:
		d.timer.Reset(time.Until(next))
		d.due = next
	}
}

func (d *Dispatcher) expire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.due = time.Time{}
	for _, job := range d.queue.Expire(time.Now()) {
		d.wake(job, outcome{err: sdk.NewError(sdk.CodeDeadline, "the deadline passed while the request waited in the queue of "+d.name, nil)})
	}
	d.schedule()
}

// Ready tells that an instance takes permits requests at once.
func (d *Dispatcher) Ready(instance string, permits int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settle(d.queue.Ready(instance, permits))
}

// Gone tells that an instance takes no requests any more.
func (d *Dispatcher) Gone(instance string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue.Gone(instance)
}

// Fail ends every wait with err: nothing can run the requests.
func (d *Dispatcher) Fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, job := range d.queue.Clear() {
		d.wake(job, outcome{err: err})
	}
	d.schedule()
}

// Load is how many requests wait and run.
func (d *Dispatcher) Load() (waiting, running int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queue.Waiting(), d.queue.Running()
}

// Close refuses new requests.
func (d *Dispatcher) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}
