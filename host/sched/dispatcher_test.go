package sched

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision19/vision/sdk"
)

func deadline(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(context.Background(), d)
}

// got is how one Acquire ended.
type got struct {
	ticket Ticket
	err    error
}

// acquire waits in a goroutine; in a synctest bubble it waits in the queue when this returns.
func acquire(ctx context.Context, d *Dispatcher) <-chan got { return ask(ctx, d, Ask{}) }

func ask(ctx context.Context, d *Dispatcher, a Ask) <-chan got {
	out := make(chan got, 1)
	go func() {
		ticket, err := d.Acquire(ctx, a)
		out <- got{ticket, err}
	}()
	synctest.Wait()
	return out
}

func load(t testing.TB, d *Dispatcher, waiting, running int) {
	t.Helper()
	if w, r := d.Load(); w != waiting || r != running {
		t.Errorf("%d wait and %d run, want %d and %d", w, r, waiting, running)
	}
}

func TestDispatcher_hands_out_tickets_in_order(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("p", Options{Limit: 10})
		ctx, cancel := deadline(t, time.Minute)
		defer cancel()
		var waits []<-chan got
		for range 4 {
			waits = append(waits, acquire(ctx, d))
		}
		load(t, d, 4, 0)
		time.Sleep(3 * time.Second)
		d.Ready("a", 2, 1)
		first, second := <-waits[0], <-waits[1]
		if first.err != nil || second.err != nil || first.ticket.Instance != "a" || first.ticket.Waited != 3*time.Second {
			t.Errorf("%+v, %+v", first, second)
		}
		load(t, d, 2, 2)
		second.ticket.Done()
		third := <-waits[2]
		load(t, d, 1, 2)
		third.ticket.Done()
		third.ticket.Done() // a second time counts for nothing
		fourth := <-waits[3]
		load(t, d, 0, 2)
		first.ticket.Done()
		fourth.ticket.Done()
		load(t, d, 0, 0)
	})
}

func TestDispatcher_wants_a_deadline(t *testing.T) {
	if _, err := NewDispatcher("p", Options{Limit: 1}).Acquire(context.Background(), Ask{}); !errors.Is(err, sdk.ErrInternal) {
		t.Error(err)
	}
}

func TestDispatcher_is_busy_when_the_queue_is_full(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("turbo", Options{Limit: 2})
		ctx, cancel := deadline(t, time.Minute)
		defer cancel()
		waits := []<-chan got{acquire(ctx, d), acquire(ctx, d)}
		_, err := d.Acquire(ctx, Ask{})
		if e := sdk.AsError(err); !errors.Is(err, sdk.ErrBusy) || e.RetryAfter < time.Second || !strings.Contains(e.Message, "turbo") {
			t.Errorf("%+v", e)
		}
		load(t, d, 2, 0)
		d.Ready("a", 2, 1)
		for _, w := range waits {
			if g := <-w; g.err != nil {
				t.Error(g.err)
			}
		}
	})
}

func TestDispatcher_expires_what_waits_while_all_permits_are_taken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("p", Options{Limit: 10})
		d.Ready("a", 1, 1)
		long, cancel := deadline(t, time.Hour)
		defer cancel()
		first := <-acquire(long, d)
		// Whoever waits must be woken by the dispatcher's own timer: these contexts end later than they say.
		began := time.Now()
		late := acquire(lateContext{long, began.Add(30 * time.Second)}, d)
		early := acquire(lateContext{long, began.Add(10 * time.Second)}, d)
		if g := <-early; !errors.Is(g.err, sdk.ErrDeadline) || time.Since(began) != 10*time.Second {
			t.Errorf("after %s: %v", time.Since(began), g.err)
		}
		load(t, d, 1, 1)
		if g := <-late; !errors.Is(g.err, sdk.ErrDeadline) || time.Since(began) != 30*time.Second {
			t.Errorf("after %s: %v", time.Since(began), g.err)
		}
		load(t, d, 0, 1)
		first.ticket.Done()
		if g := <-acquire(long, d); g.err != nil {
			t.Errorf("the next one: %v", g.err)
		}
	})
}

// lateContext has a deadline at which it does not end.
type lateContext struct {
	context.Context
	at time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.at, true }

func TestDispatcher_expires_by_the_context_too(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("p", Options{Limit: 10})
		ctx, cancel := deadline(t, 5*time.Second)
		defer cancel()
		if _, err := d.Acquire(ctx, Ask{}); !errors.Is(err, sdk.ErrDeadline) {
			t.Error(err)
		}
		synctest.Wait()
		load(t, d, 0, 0)
		if _, err := d.Acquire(ctx, Ask{}); !errors.Is(err, sdk.ErrDeadline) {
			t.Errorf("with a deadline that has passed: %v", err)
		}
		load(t, d, 0, 0)
	})
}

func TestDispatcher_cancel_frees_the_place_in_the_queue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("p", Options{Limit: 1})
		d.Ready("a", 1, 1)
		ctx, stop := deadline(t, time.Minute)
		defer stop()
		first := <-acquire(ctx, d)
		cancelled, cancel := context.WithCancel(ctx)
		second := acquire(cancelled, d)
		if _, err := d.Acquire(ctx, Ask{}); !errors.Is(err, sdk.ErrBusy) {
			t.Errorf("the queue has room: %v", err)
		}
		cancel()
		if g := <-second; !errors.Is(g.err, sdk.ErrCancelled) {
			t.Error(g.err)
		}
		load(t, d, 0, 1)
		third := acquire(ctx, d)
		load(t, d, 1, 1)
		first.ticket.Done()
		if g := <-third; g.err != nil || g.ticket.Instance != "a" {
			t.Errorf("%+v", g)
		}
	})
}

// Whatever wins when a grant and a cancellation meet, the permit must come back.
func TestDispatcher_keeps_its_permits_when_a_grant_meets_a_cancellation(t *testing.T) {
	d := NewDispatcher("p", Options{Limit: 10})
	for range 2000 {
		ctx, cancel := deadline(t, time.Minute)
		done := make(chan got, 1)
		go func() {
			ticket, err := d.Acquire(ctx, Ask{})
			done <- got{ticket, err}
		}()
		go cancel()
		d.Ready("a", 1, 1)
		if g := <-done; g.err == nil {
			g.ticket.Done()
		} else if !errors.Is(g.err, sdk.ErrCancelled) {
			t.Fatal(g.err)
		}
		load(t, d, 0, 0)
	}
	ctx, cancel := deadline(t, time.Minute)
	defer cancel()
	if _, err := d.Acquire(ctx, Ask{}); err != nil {
		t.Error(err)
	}
}

func TestDispatcher_Fail_ends_every_wait_with_its_error(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("p", Options{Limit: 10})
		d.Ready("a", 1, 1)
		ctx, cancel := deadline(t, time.Minute)
		defer cancel()
		first := <-acquire(ctx, d)
		waits := []<-chan got{acquire(ctx, d), acquire(ctx, d)}
		cause := sdk.NewError(sdk.CodeUnavailable, "the model is missing", nil)
		d.Fail(cause)
		for _, w := range waits {
			if g := <-w; !reflect.DeepEqual(g.err, error(cause)) {
				t.Error(g.err)
			}
		}
		load(t, d, 0, 1) // what runs goes on
		first.ticket.Done()
		if g := <-acquire(ctx, d); g.err != nil {
			t.Errorf("the next one: %v", g.err)
		}
	})
}

func TestDispatcher_keeps_permits_right_while_an_instance_restarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("p", Options{Limit: 10})
		d.Ready("a", 2, 1)
		ctx, cancel := deadline(t, time.Minute)
		defer cancel()
		first, second := <-acquire(ctx, d), <-acquire(ctx, d)
		d.Gone("a")
		third, fourth := acquire(ctx, d), acquire(ctx, d)
		load(t, d, 2, 2)
		first.ticket.Done()
		load(t, d, 2, 1) // the instance has gone: its permit is no permit
		d.Ready("a", 2, 1)
		g := <-third
		if g.err != nil {
			t.Error(g.err)
		}
		load(t, d, 1, 2) // the second still runs
		second.ticket.Done()
		if h := <-fourth; h.err != nil {
			t.Error(h.err)
		} else {
			h.ticket.Done()
		}
		g.ticket.Done()
		load(t, d, 0, 0)
	})
}

func TestDispatcher_Close_refuses_new_requests_alone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("p", Options{Limit: 10})
		ctx, cancel := deadline(t, time.Minute)
		defer cancel()
		waits := acquire(ctx, d)
		reason := &sdk.Error{Code: sdk.CodeUnavailable, Message: "closed", RetryAfter: time.Second}
		d.Close(reason)
		if _, err := d.Acquire(ctx, Ask{}); err != reason {
			t.Error(err)
		}
		again := make(chan error, 1)
		go func() {
			t, err := d.Acquire(ctx, Ask{Since: time.Now().Add(-time.Second)})
			if err == nil {
				t.Done()
			}
			again <- err
		}()
		synctest.Wait()
		d.Ready("a", 1, 1)
		g := <-waits
		if g.err != nil {
			t.Errorf("the one that waited: %v", g.err)
		}
		g.ticket.Done()
		if err := <-again; err != nil {
			t.Errorf("the one that is tried again: %v", err)
		}
		d.Gone("a")
		waits = acquire(ctx, d) // refused
		go func() {
			_, err := d.Acquire(ctx, Ask{Since: time.Now()})
			again <- err
		}()
		synctest.Wait()
		d.End(reason)
		if g, err := <-waits, <-again; g.err != reason || err != reason {
			t.Errorf("after the end: %v, %v", g.err, err)
		}
		if _, err := d.Acquire(ctx, Ask{Since: time.Now()}); err != reason {
			t.Errorf("after the end: %v", err)
		}
	})
}
