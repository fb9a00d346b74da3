package sched

import (
	"slices"
	"testing"
	"time"
)

func TestClass_names_are_read_back(t *testing.T) {
	for _, c := range []Class{Organic, Synthetic, Check} {
		if got, ok := ParseClass(c.String()); !ok || got != c {
			t.Errorf("%s: %s, %t", c, got, ok)
		}
	}
	if c, ok := ParseClass("urgent"); ok {
		t.Errorf("urgent is %s", c)
	}
	if Class(9).String() != "check" || Class(-1).String() != "check" {
		t.Errorf("%s, %s", Class(9), Class(-1))
	}
}

func TestQueue_grants_in_order_of_arrival(t *testing.T) {
	s := newScript(t, Options{Limit: 10})
	s.offer(id(5), id(6), id(9), id(10))
	s.offer(Job{ID: 11, Arrived: at(-time.Second)}) // a job's own time decides, not when it is offered
	s.is(s.ready("a", 2, 1), "11@a 5@a")
	s.counts(3, 2)
	s.is(s.done(5), "6@a")
	s.is(s.done(6), "9@a")
	s.is(s.done(9), "10@a")
	s.is(s.done(10), "")
	d, _ := s.try(id(12))
	s.is(d, "12@a")
	s.counts(0, 2)
}

func TestQueue_spreads_over_the_instance_with_most_room(t *testing.T) {
	s := newScript(t, Options{Limit: 10})
	s.ready("b", 1, 1)
	s.ready("a", 3, 1)
	for i, want := range []string{"1@a", "2@a", "3@a", "4@b", ""} {
		d, _ := s.try(id(uint64(i + 1)))
		s.is(d, want)
	}
	s.is(s.done(4), "5@b")
	for instance, n := range map[string]int{"a": 3, "b": 1, "c": 0} {
		if got := s.q.RunningOn(instance); got != n {
			t.Errorf("%d run on %s, want %d", got, instance, n)
		}
	}
}

func TestQueue_refuses_when_it_is_full(t *testing.T) {
	s := newScript(t, Options{Limit: 2})
	s.ready("a", 1, 1)
	s.offer(id(1), id(2), id(3))
	if d, ok := s.try(id(4)); ok || text(d) != "" {
		t.Errorf("%s, %t", text(d), ok)
	}
	s.counts(2, 1)
	s.is(s.done(1), "2@a")
	s.offer(id(4))
	s.counts(2, 1)
}

func TestQueue_admits_above_the_limit_what_was_accepted_before(t *testing.T) {
	s := newScript(t, Options{Limit: 1})
	s.offer(id(1), Job{ID: 2, Again: true}, Job{ID: 3, Again: true})
	if _, ok := s.try(id(4)); ok {
		t.Error("a new one is admitted too")
	}
	s.counts(3, 0)
	s.q.Remove(1)
	s.offer(id(5)) // those of Again do not count
	s.counts(3, 0)
}

func TestQueue_without_room_to_wait_still_runs_what_finds_an_instance(t *testing.T) {
	s := newScript(t, Options{})
	if _, ok := s.try(id(1)); ok {
		t.Error("a job waits")
	}
	s.ready("a", 1, 1)
	d, _ := s.try(id(2))
	s.is(d, "2@a")
	if _, ok := s.try(id(3)); ok {
		t.Error("a job waits")
	}
}

func TestQueue_gives_nothing_to_an_instance_that_has_gone(t *testing.T) {
	s := newScript(t, Options{Limit: 10})
	s.ready("a", 2, 1)
	s.offer(id(1))
	s.is(s.q.Gone(s.now, "a"), "")
	s.is(s.q.Gone(s.now, "never there"), "")
	s.offer(id(2))
	s.is(s.done(1), "")
	s.counts(1, 0)
	s.is(s.ready("b", 1, 1), "2@b")
	if len(s.q.instances) != 1 {
		t.Errorf("%d instances are remembered", len(s.q.instances))
	}
}

func TestQueue_counts_what_still_runs_when_an_instance_comes_back(t *testing.T) {
	s := newScript(t, Options{Limit: 10})
	s.ready("a", 2, 1)
	s.offer(id(1), id(2), id(3), id(4))
	s.counts(2, 2)
	s.q.Gone(s.now, "a")
	s.is(s.ready("a", 2, 1), "") // both permits are still held
	s.is(s.done(1), "3@a")
	s.is(s.ready("a", 3, 1), "4@a")
	s.is(s.ready("a", 1, 1), "") // fewer than run
	s.offer(id(5))
	s.is(s.done(2), "")
	s.is(s.done(3), "")
	s.is(s.done(4), "5@a")
	s.counts(0, 1)
	s.done(5)
	s.is(s.ready("a", 0, 0), "") // counts as 1
	s.offer(id(6), id(7))
	s.counts(1, 1)
}

func TestQueue_keeps_a_job_from_an_instance_while_another_is_ready(t *testing.T) {
	s := newScript(t, Options{Limit: 10})
	s.ready("a", 1, 1)
	s.ready("b", 1, 1)
	s.offer(id(1), id(2)) // on a and b
	s.offer(Job{ID: 3, Avoid: "a", Again: true}, id(4))
	s.is(s.done(1), "4@a") // a later one goes first where the earlier may not run
	s.is(s.done(4), "")
	s.is(s.done(2), "3@b")
	s.offer(id(5), Job{ID: 6, Avoid: "a", Again: true})
	s.is(s.done(5), "")
	s.is(s.q.Gone(s.now, "b"), "6@a") // none is left but the one it avoids
}

func TestQueue_Done_of_a_job_that_does_not_run_changes_nothing(t *testing.T) {
	s := newScript(t, Options{Limit: 10})
	s.ready("a", 1, 1)
	s.offer(id(1), id(2))
	s.is(s.q.Done(s.now, 2, time.Hour), "")
	s.is(s.q.Done(s.now, 9, time.Hour), "")
	s.is(s.q.Done(s.now, 1, 0), "2@a")
	s.is(s.q.Done(s.now, 1, 0), "")
	s.counts(0, 1)
	if got := s.q.RetryAfter(); got != time.Second {
		t.Errorf("the hours count: %s", got)
	}
}

func TestQueue_Remove_takes_out_what_waits_alone(t *testing.T) {
	s := newScript(t, Options{Limit: 2})
	s.ready("a", 1, 1)
	s.offer(id(1), id(2), id(3))
	if s.q.Remove(1) || s.q.Remove(9) {
		t.Error("a job that does not wait is removed")
	}
	if !s.q.Remove(2) || s.q.Remove(2) {
		t.Error("a job that waits is not removed once")
	}
	s.offer(id(4)) // there is room again
	s.is(s.done(1), "3@a")
	s.is(s.done(3), "4@a")
}

func TestQueue_expires_what_is_due_before_anything_starts(t *testing.T) {
	due := func(n uint64, d time.Duration) Job { return Job{ID: n, Deadline: at(d)} }
	s := newScript(t, Options{Limit: 10})
	if _, ok := s.q.Next(); ok {
		t.Error("something is due of nothing")
	}
	s.offer(due(5, 5*time.Second), due(2, 2*time.Second), due(9, 9*time.Second), due(3, 3*time.Second))
	if next, ok := s.q.Next(); !ok || !next.Equal(at(2*time.Second)) {
		t.Errorf("%s, %t", next, ok)
	}
	s.is(s.q.Tick(s.now), "")
	s.wait(3 * time.Second)
	s.is(s.q.Tick(s.now), "expired 2 expired 3")
	s.wait(2 * time.Second)
	s.is(s.ready("a", 9, 1), "9@a expired 5")
	d, ok := s.try(due(10, 5*time.Second))
	if !ok {
		t.Error("a late one is refused instead of expired")
	}
	s.is(d, "expired 10")
	if _, ok := s.q.Next(); ok {
		t.Error("something is due of nothing")
	}
}

func TestQueue_Clear_takes_out_everything_that_waits(t *testing.T) {
	s := newScript(t, Options{Limit: 10})
	s.ready("a", 1, 1)
	s.offer(id(1), Job{ID: 2, Class: Check, Batch: "k"}, Job{ID: 3, Client: "c"})
	if got := s.q.Clear(); !slices.Equal(got, []uint64{2, 3}) {
		t.Errorf("%v", got)
	}
	s.counts(0, 1)
	if got := s.q.Clear(); got != nil {
		t.Errorf("%v", got)
	}
	s.is(s.done(1), "")
}

func TestQueue_SetOptions_keeps_what_waits(t *testing.T) {
	s := newScript(t, Options{Limit: 3})
	s.offer(id(1), id(2), id(3))
	s.is(s.q.SetOptions(s.now, Options{Limit: 1}), "")
	s.counts(3, 0)
	if _, ok := s.try(id(4)); ok {
		t.Error("admitted above the new limit")
	}
	s.ready("a", 1, 1)
	s.counts(2, 1)
	s.is(s.q.SetOptions(s.now, Options{Limit: 3}), "")
	s.offer(id(5))
}

func TestQueue_Oldest_is_how_long_the_first_has_waited(t *testing.T) {
	s := newScript(t, Options{Limit: 3})
	if got := s.q.Oldest(s.now); got != 0 {
		t.Error(got)
	}
	s.offer(Job{ID: 1, Class: Check})
	s.wait(time.Second)
	s.offer(id(2))
	s.wait(time.Second)
	if got := s.q.Oldest(s.now); got != 2*time.Second {
		t.Error(got)
	}
	s.q.Remove(1)
	if got := s.q.Oldest(s.now); got != time.Second {
		t.Error(got)
	}
}

func TestQueue_RetryAfter_follows_how_long_jobs_take(t *testing.T) {
	s := newScript(t, Options{Limit: 10})
	if got := s.q.RetryAfter(); got < time.Second {
		t.Errorf("%s before anything ran", got)
	}
	s.ready("a", 1, 1)
	for i := range uint64(100) {
		s.offer(id(i))
		s.q.Done(s.now, i, 20*time.Second)
		if got := s.q.RetryAfter(); i == 0 && got > 5*time.Second {
			t.Errorf("%s after a single slow job", got)
		}
	}
	s.offer(id(1000))
	slow := s.q.RetryAfter()
	if slow < 15*time.Second || slow > 20*time.Second {
		t.Errorf("%s for jobs of 20 s", slow)
	}
	s.ready("b", 3, 1)
	s.offer(id(2000), id(2001), id(2002))
	if got := s.q.RetryAfter(); got >= slow || got < time.Second {
		t.Errorf("%s with four at once, %s with one", got, slow)
	}
}
