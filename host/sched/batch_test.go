package sched

import (
	"testing"
	"time"
)

func keyed(n uint64, key string) Job { return Job{ID: n, Batch: key} }

func TestQueue_batches_what_agrees(t *testing.T) {
	for name, c := range map[string]struct {
		jobs     []Job
		maxBatch int
		want     string
	}{
		"the same key":            {[]Job{keyed(1, "k"), keyed(2, "k"), keyed(3, "k")}, 8, "1+2+3@a"},
		"not more than it takes":  {[]Job{keyed(1, "k"), keyed(2, "k"), keyed(3, "k")}, 2, "1+2@a"},
		"an instance without":     {[]Job{keyed(1, "k"), keyed(2, "k")}, 1, "1@a"},
		"other keys wait":         {[]Job{keyed(1, "k"), keyed(2, "l"), keyed(3, "k")}, 8, "1+3@a"},
		"no key":                  {[]Job{id(1), id(2)}, 8, "1@a"},
		"not what is tried again": {[]Job{keyed(1, "k"), {ID: 2, Batch: "k", Again: true}, keyed(3, "k")}, 8, "1+3@a"},
		"tried again goes alone":  {[]Job{{ID: 1, Batch: "k", Again: true}, keyed(2, "k")}, 8, "1@a"},
		"what avoids goes alone":  {[]Job{{ID: 1, Batch: "k", Avoid: "x"}, keyed(2, "k")}, 8, "1@a"},
		"a lower class fills up":  {[]Job{{ID: 1, Batch: "k", Class: Check}, keyed(2, "k"), {ID: 3, Batch: "k", Class: Synthetic}}, 2, "2+3@a"},
		"in order of arrival":     {[]Job{{ID: 1, Batch: "k", Class: Check}, keyed(2, "k")}, 2, "1+2@a"},
		"clients share a batch": {
			[]Job{{ID: 1, Client: "x", Batch: "k"}, {ID: 2, Client: "x", Batch: "k"}, {ID: 3, Client: "x", Batch: "k"}, {ID: 4, Client: "y", Batch: "k"},
				{ID: 5, Client: "y", Batch: "k"}}, 4, "1+2+4+5@a"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, Options{Limit: 10})
			for _, j := range c.jobs {
				s.offer(j)
			}
			s.is(s.ready("a", 1, c.maxBatch), c.want)
		})
	}
}

func TestQueue_batch_takes_one_permit_until_its_last_job_ends(t *testing.T) {
	s := newScript(t, Options{Limit: 10})
	s.offer(keyed(1, "k"), keyed(2, "k"), keyed(3, "k"), keyed(4, "l"), keyed(5, "m"))
	s.is(s.ready("a", 2, 8), "1+2+3@a 4@a")
	s.counts(1, 4)
	if n := s.q.RunningOn("a"); n != 4 {
		t.Errorf("%d run", n)
	}
	s.is(s.done(2), "")
	s.is(s.done(1), "")
	s.is(s.done(3), "5@a")
	s.counts(0, 2)
}

func TestQueue_a_batch_counts_for_each_of_its_clients(t *testing.T) {
	s := newScript(t, Options{Limit: 10})
	for i := range uint64(4) {
		s.offer(Job{ID: 1 + i, Client: "x", Batch: "k"})
	}
	s.offer(Job{ID: 5, Client: "x"}, Job{ID: 11, Client: "y"}, Job{ID: 12, Client: "y"}, Job{ID: 13, Client: "y"}, Job{ID: 14, Client: "y"})
	s.is(s.ready("a", 1, 4), "1+2+3+4@a")
	for i, want := range []string{"11@a", "12@a", "13@a", "14@a", "5@a"} {
		last := uint64(10 + i)
		if i == 0 {
			for i := range uint64(3) {
				s.is(s.done(1+i), "")
			}
			last = 4
		}
		s.is(s.done(last), want)
	}
}

func TestQueue_holds_a_batch_for_companions(t *testing.T) {
	const delay = 50 * time.Millisecond
	s := newScript(t, Options{Limit: 10, Delay: delay})
	s.ready("a", 1, 3)
	s.offer(keyed(1, "k"))
	s.counts(1, 0)
	if next, ok := s.q.Next(); !ok || !next.Equal(at(delay)) {
		t.Errorf("%s, %t", next, ok)
	}
	s.wait(20 * time.Millisecond)
	s.offer(keyed(2, "k"))
	s.is(s.q.Tick(s.now), "")
	s.wait(30 * time.Millisecond)
	s.is(s.q.Tick(s.now), "1+2@a") // the first has waited long enough, the second with it
	s.offer(keyed(3, "k"))
	if next, _ := s.q.Next(); !next.Equal(s.now.Add(time.Hour)) {
		t.Errorf("a timer for a batch that no permit waits for: %s", next)
	}
	s.wait(time.Second)
	s.is(s.done(1), "")
	s.is(s.done(2), "3@a") // it has waited while all permits were held
}

func TestQueue_holds_no_batch_in_vain(t *testing.T) {
	const delay = 50 * time.Millisecond
	for name, c := range map[string]struct {
		jobs     []Job
		maxBatch int
		want     string
	}{
		"a full one":                      {[]Job{keyed(1, "k"), keyed(2, "k")}, 2, "1+2@a"},
		"an instance without batches":     {[]Job{keyed(1, "k")}, 1, "1@a"},
		"a job without a key":             {[]Job{id(1)}, 2, "1@a"},
		"a job that is tried again":       {[]Job{{ID: 1, Batch: "k", Again: true}}, 2, "1@a"},
		"a deadline before the delay":     {[]Job{{ID: 1, Batch: "k", Deadline: at(delay)}}, 3, "1@a"},
		"a companion's deadline":          {[]Job{keyed(1, "k"), {ID: 2, Batch: "k", Deadline: at(delay)}}, 3, "1+2@a"},
		"others pass while a batch fills": {[]Job{keyed(1, "k"), {ID: 2, Class: Check}}, 2, "2@a"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, Options{Limit: 10, Delay: delay})
			s.offer(c.jobs...)
			s.is(s.ready("a", 1, c.maxBatch), c.want)
		})
	}
}

func TestQueue_SetOptions_starts_what_need_not_wait_any_more(t *testing.T) {
	s := newScript(t, Options{Limit: 10, Delay: time.Minute})
	s.ready("a", 1, 3)
	s.offer(keyed(1, "k"))
	s.counts(1, 0)
	s.is(s.q.SetOptions(s.now, Options{Limit: 10}), "1@a")
}

func TestQueue_full_batch_starts_although_the_queue_is_full(t *testing.T) {
	s := newScript(t, Options{Limit: 1, Delay: time.Minute})
	s.ready("a", 1, 2)
	s.offer(keyed(1, "k"))
	d, ok := s.try(keyed(2, "k"))
	if !ok {
		t.Error("refused")
	}
	s.is(d, "1+2@a")
}
