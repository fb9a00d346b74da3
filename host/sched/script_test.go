package sched

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return noon.Add(d) }

// script plays events at a time of its own and compares what follows from them.
type script struct {
	testing.TB
	q   *Queue
	now time.Time
}

func newScript(t testing.TB, o Options) *script { return &script{t, NewQueue(o), noon} }

func (s *script) wait(d time.Duration) { s.now = s.now.Add(d) }

// offer admits jobs that arrive now and, unless they say otherwise, are due in an hour. None may have any effect but on itself.
func (s *script) offer(jobs ...Job) {
	s.Helper()
	for _, j := range jobs {
		if d, ok := s.try(j); !ok || len(d.Displaced) > 0 {
			s.Fatalf("job %d: admitted: %t, %s", j.ID, ok, text(d))
		}
	}
}

func (s *script) try(j Job) (Decision, bool) {
	if j.Arrived.IsZero() {
		j.Arrived = s.now
	}
	if j.Deadline.IsZero() {
		j.Deadline = s.now.Add(time.Hour)
	}
	return s.q.Offer(s.now, j)
}

func (s *script) ready(name string, permits, maxBatch int) Decision {
	return s.q.Ready(s.now, name, permits, maxBatch)
}

func (s *script) done(job uint64) Decision { return s.q.Done(s.now, job, time.Second) }

// text writes a decision as "1@a 2+3@b expired 4 displaced 5".
func text(d Decision) string {
	var words []string
	for _, g := range d.Grants {
		words = append(words, strings.ReplaceAll(strings.Trim(fmt.Sprint(g.Jobs), "[]"), " ", "+")+"@"+g.Instance)
	}
	for _, id := range d.Expired {
		words = append(words, fmt.Sprint("expired ", id))
	}
	for _, id := range d.Displaced {
		words = append(words, fmt.Sprint("displaced ", id))
	}
	return strings.Join(words, " ")
}

func (s *script) is(got Decision, want string) {
	s.Helper()
	if text(got) != want {
		s.Errorf("%q, want %q", text(got), want)
	}
}

func (s *script) counts(waiting, running int) {
	s.Helper()
	if s.q.Waiting() != waiting || s.q.Running() != running {
		s.Errorf("%d wait and %d run, want %d and %d", s.q.Waiting(), s.q.Running(), waiting, running)
	}
}

// drain lets the one job that runs end again and again, and returns in which order the waiting ones follow.
func (s *script) drain(running Decision) string {
	s.Helper()
	var order []string
	for len(running.Grants) > 0 {
		if len(running.Grants) > 1 || len(running.Grants[0].Jobs) > 1 {
			s.Fatalf("more than one at once: %s", text(running))
		}
		id := running.Grants[0].Jobs[0]
		order = append(order, fmt.Sprint(id))
		running = s.done(id)
	}
	return strings.Join(order, " ")
}

func id(n uint64) Job { return Job{ID: n} }
