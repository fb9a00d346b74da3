package sched

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

// Dispatcher is a Queue with a clock and with callers who wait. Its methods may be called by several goroutines at once.
type Dispatcher struct {
	name string

	mu      sync.Mutex
	queue   *Queue
	last    uint64 // the newest job's ID
	waiters map[uint64]chan outcome
	timer   *time.Timer
	due     time.Time // when the timer fires; zero when it has fired
	closed  error     // what new requests get; nil while it is open
	ended   bool      // those that are tried again get it too
}

// outcome ends a wait: a place to run, or an error.
type outcome struct {
	instance string
	batch    *wire.Batch
	err      error
}

// NewDispatcher makes a dispatcher for the plugin of that name, which errors tell.
func NewDispatcher(name string, o Options) *Dispatcher {
	return &Dispatcher{name: name, queue: NewQueue(o), waiters: map[uint64]chan outcome{}}
}

// Ask is what a request waits for.
type Ask struct {
	Queued func() // called once it is in the queue; nil: nothing
	Class  Class
	Client string    // whose request it is
	Batch  string    // requests with the same key may run as one; "": alone
	Avoid  string    // an instance it does not go to while another is ready
	Since  time.Time // zero for a new request, else when one that is tried again first came: it is admitted above the limit
}

// Ticket is the right to run one request on an instance; Done gives it back. Where Batch is not nil it holds one place in it, which must
// be taken by Infer or given up by Leave, and soon, because the others wait for it.
type Ticket struct {
	Instance string
	Waited   time.Duration // in this queue, this time
	Batch    *wire.Batch

	d     *Dispatcher
	id    uint64
	began time.Time
}

// Acquire waits for an instance. ctx must have a deadline; it expires in the queue too. The errors are sdk.ErrBusy with a retry time when the
// queue is full or another request has been given the place in it, sdk.ErrDeadline, sdk.ErrCancelled, sdk.ErrUnavailable after Close, and what
// Fail was told.
func (d *Dispatcher) Acquire(ctx context.Context, a Ask) (Ticket, error) {
	asked := time.Now()
	deadline, ok := ctx.Deadline()
	if !ok {
		return Ticket{}, sdk.NewError(sdk.CodeInternal, "a request without a deadline", nil)
	}
	id, wait, err := d.offer(asked, deadline, a)
	if err != nil {
		return Ticket{}, err
	}
	if a.Queued != nil {
		a.Queued()
	}
	select {
	case got := <-wait:
		return d.ticket(id, asked, got)
	case <-ctx.Done():
	}
	d.mu.Lock()
	removed := d.queue.Remove(id)
	if removed {
		delete(d.waiters, id)
	}
	d.mu.Unlock()
	if !removed { // its wait was over at the same moment
		if t, err := d.ticket(id, asked, <-wait); err == nil {
			t.Batch.Leave()
			t.Done()
		}
	}
	return Ticket{}, sdk.AsError(ctx.Err())
}

// offer puts a request into the queue.
func (d *Dispatcher) offer(now, deadline time.Time, a Ask) (id uint64, wait <-chan outcome, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed != nil && (d.ended || a.Since.IsZero()) { // what was accepted before is still tried again
		return 0, nil, d.closed
	}
	d.last++
	j := Job{ID: d.last, Class: a.Class, Client: a.Client, Arrived: now, Deadline: deadline, Batch: a.Batch, Avoid: a.Avoid}
	if !a.Since.IsZero() {
		j.Arrived, j.Again = a.Since, true
	}
	own := make(chan outcome, 1)
	d.waiters[j.ID] = own
	decision, ok := d.queue.Offer(now, j)
	d.carryOut(decision)
	if !ok {
		delete(d.waiters, j.ID)
		return 0, nil, d.busy(fmt.Sprintf("the queue of %s is full: %d requests wait", d.name, d.queue.Waiting()))
	}
	return j.ID, own, nil
}

func (d *Dispatcher) busy(message string) error {
	return &sdk.Error{Code: sdk.CodeBusy, Message: message, RetryAfter: d.queue.RetryAfter()}
}

func (d *Dispatcher) ticket(id uint64, asked time.Time, got outcome) (Ticket, error) {
	now := time.Now()
	return Ticket{Instance: got.instance, Waited: now.Sub(asked), Batch: got.batch, d: d, id: id, began: now}, got.err
}

// Done tells that the request has ended. A second time counts for nothing.
func (t Ticket) Done() {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	now := time.Now()
	t.d.carryOut(t.d.queue.Done(now, t.id, now.Sub(t.began)))
}

// carryOut wakes those whose wait is over, and sets the timer for what is due next. The lock is held.
func (d *Dispatcher) carryOut(decision Decision) {
	for _, g := range decision.Grants {
		var batch *wire.Batch
		if len(g.Jobs) > 1 {
			batch = wire.NewBatch(len(g.Jobs))
		}
		for _, job := range g.Jobs {
			d.wake(job, outcome{instance: g.Instance, batch: batch})
		}
	}
	for _, job := range decision.Expired {
		d.wake(job, outcome{err: sdk.NewError(sdk.CodeDeadline, "the deadline passed while the request waited in the queue of "+d.name, nil)})
	}
	for _, job := range decision.Displaced {
		d.wake(job, outcome{err: d.busy(fmt.Sprintf("the queue of %s is full, and its place was given to a request of a higher class or of a client "+
			"with fewer requests in it", d.name))})
	}
	d.schedule()
}

func (d *Dispatcher) wake(job uint64, o outcome) {
	d.waiters[job] <- o
	delete(d.waiters, job)
}

// schedule sets the timer: a request expires in the queue when it is due, not when its turn comes. A timer that fires too early finds nothing to
// do and is set anew, which costs less than moving it with every request. The lock is held.
func (d *Dispatcher) schedule() {
	next, ok := d.queue.Next()
	switch {
	case !ok || !d.due.IsZero() && !next.Before(d.due):
		return
	case d.timer == nil:
		d.timer = time.AfterFunc(time.Until(next), d.tick)
	default:
		d.timer.Reset(time.Until(next))
	}
	d.due = next
}

func (d *Dispatcher) tick() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.due = time.Time{}
	d.carryOut(d.queue.Tick(time.Now()))
}

// Ready tells that an instance takes permits runs at once, each of up to maxBatch requests. Values below 1 count as 1.
func (d *Dispatcher) Ready(instance string, permits, maxBatch int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.carryOut(d.queue.Ready(time.Now(), instance, permits, maxBatch))
}

// Gone tells that an instance takes no requests any more.
func (d *Dispatcher) Gone(instance string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.carryOut(d.queue.Gone(time.Now(), instance))
}

// SetOptions replaces the options. What waits stays, even above a lower limit.
func (d *Dispatcher) SetOptions(o Options) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.carryOut(d.queue.SetOptions(time.Now(), o))
}

// Fail ends every wait with err: nothing can run the requests.
func (d *Dispatcher) Fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, job := range d.queue.Clear() {
		d.wake(job, outcome{err: err})
	}
}

// Load is how many requests wait and run.
func (d *Dispatcher) Load() (waiting, running int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queue.Waiting(), d.queue.Running()
}

// RunningOn is how many requests run on an instance.
func (d *Dispatcher) RunningOn(instance string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queue.RunningOn(instance)
}

// Oldest is how long the request that came first has waited; 0 when none waits.
func (d *Dispatcher) Oldest() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queue.Oldest(time.Now())
}

// Close refuses new requests from now on, with err.
func (d *Dispatcher) Close(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = err
}

// End refuses every request from now on, those that are tried again too, and ends every wait, with err.
func (d *Dispatcher) End(err error) {
	d.Close(err)
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	d.Fail(err)
}
