package sched

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision19/vision/sdk"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// job is due its number of seconds after noon.
func job(id uint64) Job { return Job{ID: id, Deadline: noon.Add(time.Duration(id) * time.Second)} }

func offer(t testing.TB, q *Queue, id uint64) []Grant {
	t.Helper()
	granted, ok := q.Offer(job(id))
	if !ok {
		t.Fatalf("job %d is refused", id)
	}
	return granted
}

// is compares grants written as "job@instance".
func is(t testing.TB, got []Grant, want ...string) {
	t.Helper()
	var texts []string
	for _, g := range got {
		texts = append(texts, fmt.Sprintf("%d@%s", g.Job, g.Instance))
	}
	if !slices.Equal(texts, want) {
		t.Errorf("granted %v, want %v", texts, want)
	}
}

func counts(t testing.TB, q *Queue, waiting, running int) {
	t.Helper()
	if q.Waiting() != waiting || q.Running() != running {
		t.Errorf("%d wait and %d run, want %d and %d", q.Waiting(), q.Running(), waiting, running)
	}
}

func TestQueue_grants_in_order_of_arrival(t *testing.T) {
	q := NewQueue(10)
	for _, id := range []uint64{5, 3, 9, 1} {
		is(t, offer(t, q, id))
	}
	is(t, q.Ready("a", 2), "5@a", "3@a")
	counts(t, q, 2, 2)
	is(t, q.Done(3, time.Second), "9@a")
	is(t, q.Done(9, time.Second), "1@a")
	is(t, q.Done(1, time.Second))
	is(t, offer(t, q, 7), "7@a")
	counts(t, q, 0, 2)
}

func TestQueue_spreads_over_the_instance_with_most_room(t *testing.T) {
	q := NewQueue(10)
	q.Ready("b", 1)
	q.Ready("a", 3)
	for i, want := range []string{"1@a", "2@a", "3@a", "4@b"} {
		is(t, offer(t, q, uint64(i+1)), want)
	}
	is(t, offer(t, q, 5))
	is(t, q.Done(4, time.Second), "5@b")
}

func TestQueue_refuses_when_it_is_full(t *testing.T) {
	q := NewQueue(2)
	q.Ready("a", 1)
	is(t, offer(t, q, 1), "1@a")
	offer(t, q, 2)
	offer(t, q, 3)
	if granted, ok := q.Offer(job(4)); ok || granted != nil {
		t.Errorf("%v, %t", granted, ok)
	}
	counts(t, q, 2, 1)
	is(t, q.Done(1, time.Second), "2@a")
	is(t, offer(t, q, 4))
	counts(t, q, 2, 1)
}

func TestQueue_without_room_to_wait_still_runs_what_finds_an_instance(t *testing.T) {
	q := NewQueue(0)
	if _, ok := q.Offer(job(1)); ok {
		t.Error("a job waits")
	}
	q.Ready("a", 1)
	is(t, offer(t, q, 2), "2@a")
	if _, ok := q.Offer(job(3)); ok {
		t.Error("a job waits")
	}
}

func TestQueue_gives_nothing_to_an_instance_that_has_gone(t *testing.T) {
	q := NewQueue(10)
	q.Ready("a", 2)
	is(t, offer(t, q, 1), "1@a")
	q.Gone("a")
	is(t, offer(t, q, 2))
	is(t, q.Done(1, time.Second))
	counts(t, q, 1, 0)
	is(t, q.Ready("b", 1), "2@b")
}

func TestQueue_counts_what_still_runs_when_an_instance_comes_back(t *testing.T) {
	q := NewQueue(10)
	q.Ready("a", 2)
	for id := range uint64(4) {
		offer(t, q, id+1)
	}
	counts(t, q, 2, 2)
	q.Gone("a")
	is(t, q.Ready("a", 2)) // both permits are still held
	is(t, q.Done(1, time.Second), "3@a")
	is(t, q.Ready("a", 3), "4@a")
	is(t, q.Ready("a", 1)) // fewer than run
	offer(t, q, 5)
	is(t, q.Done(2, time.Second))
	is(t, q.Done(3, time.Second))
	is(t, q.Done(4, time.Second), "5@a")
	counts(t, q, 0, 1)
}

func TestQueue_Done_of_a_job_that_does_not_run_changes_nothing(t *testing.T) {
	q := NewQueue(10)
	q.Ready("a", 1)
	offer(t, q, 1)
	offer(t, q, 2)
	is(t, q.Done(2, time.Hour))
	is(t, q.Done(9, time.Hour))
	is(t, q.Done(1, 0), "2@a")
	is(t, q.Done(1, 0))
	counts(t, q, 0, 1)
	if got := q.RetryAfter(); got != time.Second {
		t.Errorf("the hours count: %s", got)
	}
}

func TestQueue_Remove_takes_out_what_waits_alone(t *testing.T) {
	q := NewQueue(2)
	q.Ready("a", 1)
	offer(t, q, 1)
	offer(t, q, 2)
	offer(t, q, 3)
	if q.Remove(1) || q.Remove(9) {
		t.Error("a job that does not wait is removed")
	}
	if !q.Remove(2) || q.Remove(2) {
		t.Error("a job that waits is not removed once")
	}
	is(t, offer(t, q, 4)) // there is room again
	is(t, q.Done(1, time.Second), "3@a")
	is(t, q.Done(3, time.Second), "4@a")
}

func TestQueue_Expire_takes_out_what_is_due(t *testing.T) {
	q := NewQueue(10)
	if _, ok := q.NextDeadline(); ok {
		t.Error("a deadline of nothing")
	}
	for _, id := range []uint64{5, 2, 9, 3} {
		offer(t, q, id)
	}
	if next, ok := q.NextDeadline(); !ok || next != job(2).Deadline {
		t.Errorf("%s, %t", next, ok)
	}
	if got := q.Expire(noon); got != nil {
		t.Errorf("too early: %v", got)
	}
	if got := q.Expire(job(3).Deadline); !slices.Equal(got, []uint64{2, 3}) {
		t.Errorf("%v", got)
	}
	if next, ok := q.NextDeadline(); !ok || next != job(5).Deadline {
		t.Errorf("%s, %t", next, ok)
	}
	is(t, q.Ready("a", 9), "5@a", "9@a")
}

func TestQueue_Clear_takes_out_everything_that_waits(t *testing.T) {
	q := NewQueue(10)
	q.Ready("a", 1)
	for id := range uint64(3) {
		offer(t, q, id+1)
	}
	if got := q.Clear(); !slices.Equal(got, []uint64{2, 3}) {
		t.Errorf("%v", got)
	}
	counts(t, q, 0, 1)
	if got := q.Clear(); got != nil {
		t.Errorf("%v", got)
	}
}

func TestQueue_RetryAfter_follows_how_long_jobs_take(t *testing.T) {
	q := NewQueue(1)
	if got := q.RetryAfter(); got < time.Second {
		t.Errorf("%s before anything ran", got)
	}
	q.Ready("a", 1)
	for id := range uint64(100) {
		offer(t, q, id)
		q.Done(id, 20*time.Second)
	}
	offer(t, q, 1000)
	slow := q.RetryAfter()
	if slow < 15*time.Second || slow > 20*time.Second {
		t.Errorf("%s for jobs of 20 s", slow)
	}
	q.Ready("b", 3)
	for id := range uint64(3) {
		offer(t, q, 2000+id)
	}
	if got := q.RetryAfter(); got >= slow || got < time.Second {
		t.Errorf("%s with four at once, %s with one", got, slow)
	}
}

// model is what a queue must do, told as plainly as possible.
type model struct {
	t       *testing.T
	limit   int
	permits map[string]int
	waiting []Job
	running map[uint64]string
	ended   map[uint64]string // job -> how it ended
	now     time.Time
}

// take checks grants against the promises and plays them.
func (m *model) take(granted []Grant) {
	m.t.Helper()
	for _, g := range granted {
		if how, over := m.ended[g.Job]; over {
			m.t.Fatalf("job %d is granted after it was %s", g.Job, how)
		}
		if on, runs := m.running[g.Job]; runs {
			m.t.Fatalf("job %d is granted on %s while it runs on %s", g.Job, g.Instance, on)
		}
		if len(m.waiting) == 0 || m.waiting[0].ID != g.Job {
			m.t.Fatalf("job %d is granted before those that came earlier: %v", g.Job, m.waiting)
		}
		m.waiting = m.waiting[1:]
		m.running[g.Job] = g.Instance
		if n := m.on(g.Instance); n > m.permits[g.Instance] {
			m.t.Fatalf("%d jobs run on %s, which takes %d", n, g.Instance, m.permits[g.Instance])
		}
	}
}

func (m *model) on(instance string) int {
	n := 0
	for _, on := range m.running {
		if on == instance {
			n++
		}
	}
	return n
}

// room reports whether a ready instance could take another job.
func (m *model) room() bool {
	for instance, permits := range m.permits {
		if m.on(instance) < permits {
			return true
		}
	}
	return false
}

func (m *model) end(jobs []uint64, how string) {
	m.t.Helper()
	for _, id := range jobs {
		i := slices.IndexFunc(m.waiting, func(j Job) bool { return j.ID == id })
		if i < 0 {
			m.t.Fatalf("job %d is %s and did not wait", id, how)
		}
		m.waiting = slices.Delete(m.waiting, i, i+1)
		m.ended[id] = how
	}
}

func (m *model) check(q *Queue) {
	m.t.Helper()
	if q.Waiting() != len(m.waiting) || q.Running() != len(m.running) {
		m.t.Fatalf("%d wait and %d run, want %d and %d", q.Waiting(), q.Running(), len(m.waiting), len(m.running))
	}
	if len(m.waiting) > m.limit {
		m.t.Fatalf("%d jobs wait, at most %d may", len(m.waiting), m.limit)
	}
	if len(m.waiting) > 0 && m.room() {
		m.t.Fatalf("jobs wait in spite of room: %v, %v", m.permits, m.running)
	}
	next, ok := q.NextDeadline()
	if ok != (len(m.waiting) > 0) || ok && next != slices.MinFunc(m.waiting, func(a, b Job) int { return a.Deadline.Compare(b.Deadline) }).Deadline {
		m.t.Fatalf("the next deadline is %s, %t: %v", next, ok, m.waiting)
	}
	if q.RetryAfter() < time.Second {
		m.t.Fatalf("retry after %s", q.RetryAfter())
	}
}

// trace plays one random life of a queue, and at its end lets everything finish.
func trace(t *testing.T, r *rand.Rand) {
	m := &model{t: t, limit: 1 + r.IntN(6), permits: map[string]int{}, running: map[uint64]string{}, ended: map[uint64]string{}, now: noon}
	q := NewQueue(m.limit)
	instances := []string{"a", "b", "c"}
	offered := uint64(0)
	some := func() (uint64, bool) {
		ids := make([]uint64, 0, len(m.running))
		for id := range m.running {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		if len(ids) == 0 {
			return 0, false
		}
		return ids[r.IntN(len(ids))], true
	}
	done := func(id uint64) {
		delete(m.running, id)
		m.ended[id] = "done"
		m.take(q.Done(id, time.Duration(r.IntN(5000))*time.Millisecond))
	}
	for range 40 + r.IntN(60) {
		switch r.IntN(10) {
		case 0, 1, 2, 3:
			offered++
			j := Job{ID: offered, Deadline: m.now.Add(time.Duration(1+r.IntN(20)) * time.Second)}
			full := len(m.waiting) >= m.limit && !m.room()
			granted, ok := q.Offer(j)
			if ok == full {
				t.Fatalf("job %d is admitted: %t, %d of %d wait", j.ID, ok, len(m.waiting), m.limit)
			}
			if !ok {
				m.ended[j.ID] = "refused"
				break
			}
			m.waiting = append(m.waiting, j)
			m.take(granted)
		case 4:
			instance, permits := instances[r.IntN(3)], 1+r.IntN(3)
			m.permits[instance] = permits
			m.take(q.Ready(instance, permits))
		case 5:
			instance := instances[r.IntN(3)]
			delete(m.permits, instance)
			q.Gone(instance)
		case 6, 7:
			if id, ok := some(); ok {
				done(id)
			}
		case 8:
			id := uint64(r.IntN(int(offered) + 2))
			waits := slices.ContainsFunc(m.waiting, func(j Job) bool { return j.ID == id })
			if got := q.Remove(id); got != waits {
				t.Fatalf("job %d is removed: %t", id, got)
			}
			if waits {
				m.end([]uint64{id}, "removed")
			}
		case 9:
			m.now = m.now.Add(time.Duration(r.IntN(8)) * time.Second)
			var due []uint64
			for _, j := range m.waiting {
				if !j.Deadline.After(m.now) {
					due = append(due, j.ID)
				}
			}
			if got := q.Expire(m.now); !slices.Equal(got, due) {
				t.Fatalf("%v expire, want %v", got, due)
			}
			m.end(due, "expired")
		}
		m.check(q)
	}
	m.permits["last"] = 1
	m.take(q.Ready("last", 1))
	for len(m.running) > 0 {
		id, _ := some()
		done(id)
		m.check(q)
	}
	if len(m.waiting) > 0 {
		t.Fatalf("left waiting: %v", m.waiting)
	}
	for id := uint64(1); id <= offered; id++ {
		if m.ended[id] == "" {
			t.Fatalf("job %d is lost", id)
		}
	}
}

func TestQueue_holds_its_promises_for_random_traces(t *testing.T) {
	for seed := range uint64(2000) {
		trace(t, rand.New(rand.NewPCG(seed, 7)))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

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
func acquire(ctx context.Context, d *Dispatcher) <-chan got {
	out := make(chan got, 1)
	go func() {
		ticket, err := d.Acquire(ctx)
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
		d := NewDispatcher("p", 10)
		ctx, cancel := deadline(t, time.Minute)
		defer cancel()
		var waits []<-chan got
		for range 4 {
			waits = append(waits, acquire(ctx, d))
		}
		load(t, d, 4, 0)
		time.Sleep(3 * time.Second)
		d.Ready("a", 2)
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
	if _, err := NewDispatcher("p", 1).Acquire(context.Background()); !errors.Is(err, sdk.ErrInternal) {
		t.Error(err)
	}
}

func TestDispatcher_is_busy_when_the_queue_is_full(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("turbo", 2)
		ctx, cancel := deadline(t, time.Minute)
		defer cancel()
		waits := []<-chan got{acquire(ctx, d), acquire(ctx, d)}
		_, err := d.Acquire(ctx)
		if e := sdk.AsError(err); !errors.Is(err, sdk.ErrBusy) || e.RetryAfter < time.Second || !strings.Contains(e.Message, "turbo") {
			t.Errorf("%+v", e)
		}
		load(t, d, 2, 0)
		d.Ready("a", 2)
		for _, w := range waits {
			if g := <-w; g.err != nil {
				t.Error(g.err)
			}
		}
	})
}

func TestDispatcher_expires_what_waits_while_all_permits_are_taken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("p", 10)
		d.Ready("a", 1)
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
		d := NewDispatcher("p", 10)
		ctx, cancel := deadline(t, 5*time.Second)
		defer cancel()
		if _, err := d.Acquire(ctx); !errors.Is(err, sdk.ErrDeadline) {
			t.Error(err)
		}
		synctest.Wait()
		load(t, d, 0, 0)
		if _, err := d.Acquire(ctx); !errors.Is(err, sdk.ErrDeadline) {
			t.Errorf("with a deadline that has passed: %v", err)
		}
		load(t, d, 0, 0)
	})
}

func TestDispatcher_cancel_frees_the_place_in_the_queue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("p", 1)
		d.Ready("a", 1)
		ctx, stop := deadline(t, time.Minute)
		defer stop()
		first := <-acquire(ctx, d)
		cancelled, cancel := context.WithCancel(ctx)
		second := acquire(cancelled, d)
		if _, err := d.Acquire(ctx); !errors.Is(err, sdk.ErrBusy) {
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
	d := NewDispatcher("p", 10)
	for range 2000 {
		ctx, cancel := deadline(t, time.Minute)
		done := make(chan got, 1)
		go func() {
			ticket, err := d.Acquire(ctx)
			done <- got{ticket, err}
		}()
		go cancel()
		d.Ready("a", 1)
		if g := <-done; g.err == nil {
			g.ticket.Done()
		} else if !errors.Is(g.err, sdk.ErrCancelled) {
			t.Fatal(g.err)
		}
		load(t, d, 0, 0)
	}
	ctx, cancel := deadline(t, time.Minute)
	defer cancel()
	if _, err := d.Acquire(ctx); err != nil {
		t.Error(err)
	}
}

func TestDispatcher_Fail_ends_every_wait_with_its_error(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher("p", 10)
		d.Ready("a", 1)
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
		d := NewDispatcher("p", 10)
		d.Ready("a", 2)
		ctx, cancel := deadline(t, time.Minute)
		defer cancel()
		first, second := <-acquire(ctx, d), <-acquire(ctx, d)
		d.Gone("a")
		third, fourth := acquire(ctx, d), acquire(ctx, d)
		load(t, d, 2, 2)
		first.ticket.Done()
		load(t, d, 2, 1) // the instance has gone: its permit is no permit
		d.Ready("a", 2)
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
		d := NewDispatcher("p", 10)
		ctx, cancel := deadline(t, time.Minute)
		defer cancel()
		waits := acquire(ctx, d)
		d.Close()
		_, err := d.Acquire(ctx)
		if !errors.Is(err, sdk.ErrUnavailable) || sdk.AsError(err).RetryAfter < time.Second {
			t.Error(err)
		}
		d.Ready("a", 1)
		if g := <-waits; g.err != nil {
			t.Errorf("the one that waited: %v", g.err)
		}
	})
}
