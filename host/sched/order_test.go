package sched

import (
	"fmt"
	"testing"
	"time"
)

func TestQueue_displaces_when_it_is_full(t *testing.T) {
	job := func(id uint64, c Class, client string) Job { return Job{ID: id, Class: c, Client: client} }
	again := func(j Job) Job { j.Again = true; return j }
	for name, c := range map[string]struct {
		waiting  []Job
		newcomer Job
		gives    uint64 // 0: the newcomer is refused
	}{
		"the newest of the lowest class": {
			[]Job{job(1, Check, "v"), job(2, Check, "v"), job(3, Synthetic, "v"), job(4, Organic, "o")}, job(9, Organic, "o"), 2},
		"a class between gives to a higher one": {[]Job{job(1, Synthetic, "v"), job(2, Organic, "o")}, job(9, Organic, "o"), 1},
		"a lower class is refused":              {[]Job{job(1, Organic, "o"), job(2, Organic, "o")}, job(9, Check, "v"), 0},
		"of the lower class the client with most": {
			[]Job{job(1, Check, "many"), job(2, Check, "many"), job(3, Check, "one")}, job(9, Organic, "o"), 2},
		"of equal clients the newest":         {[]Job{job(1, Check, "b"), job(2, Check, "a")}, job(9, Organic, "o"), 2},
		"two more of the same class":          {[]Job{job(1, Organic, "many"), job(2, Organic, "many")}, job(9, Organic, "new"), 2},
		"one more of the same class is fair":  {[]Job{job(1, Organic, "many"), job(2, Organic, "new"), job(3, Organic, "many")}, job(9, Organic, "new"), 0},
		"nobody displaces itself":             {[]Job{job(1, Check, "v"), job(2, Check, "v")}, job(9, Check, "v"), 0},
		"its own lower class":                 {[]Job{job(1, Check, "v"), job(2, Organic, "v")}, job(9, Organic, "v"), 1},
		"what was accepted before stays":      {[]Job{again(job(1, Check, "v")), job(2, Organic, "o")}, job(9, Organic, "o"), 0},
		"what was accepted before is not one": {[]Job{job(1, Organic, "o"), again(job(2, Organic, "o")), job(3, Organic, "p")}, job(9, Organic, "q"), 0},
		"beside what was accepted before":     {[]Job{job(1, Check, "v"), again(job(2, Check, "v"))}, job(9, Organic, "o"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			limit := 0
			for _, j := range c.waiting {
				if !j.Again {
					limit++
				}
			}
			s := newScript(t, Options{Limit: limit})
			for i, j := range c.waiting {
				j.Arrived = at(time.Duration(i) * time.Second)
				s.offer(j)
			}
			s.wait(time.Second * time.Duration(len(c.waiting)))
			d, ok := s.try(c.newcomer)
			if want := fmt.Sprint("displaced ", c.gives); ok != (c.gives > 0) || ok && text(d) != want || !ok && text(d) != "" {
				t.Errorf("admitted: %t, %q, want job %d to give its place", ok, text(d), c.gives)
			}
			s.counts(len(c.waiting), 0)
		})
	}
}

func TestQueue_leaves_no_client_shut_out_by_another(t *testing.T) {
	s := newScript(t, Options{Limit: 6})
	held := map[string]int{}
	owner := map[uint64]string{}
	n := uint64(0)
	come := func(client string) {
		n++
		d, ok := s.try(Job{ID: n, Client: client})
		if ok {
			owner[n] = client
			held[client]++
		}
		for _, gone := range d.Displaced {
			held[owner[gone]]--
		}
	}
	for range 20 {
		come("flood")
	}
	for range 20 {
		come("flood")
		come("modest")
		come("other")
	}
	if held["flood"] != 2 || held["modest"] != 2 || held["other"] != 2 {
		t.Errorf("places: %v", held)
	}
}

func TestQueue_serves_the_higher_class_first(t *testing.T) {
	s := newScript(t, Options{Limit: 10})
	s.offer(Job{ID: 1, Class: Check}, Job{ID: 2, Class: 77}, Job{ID: 3, Class: Synthetic}, Job{ID: 4, Class: Organic}, Job{ID: 5, Class: Synthetic}, Job{ID: 6})
	if got := s.drain(s.ready("a", 1, 1)); got != "4 6 3 5 1 2" {
		t.Error(got)
	}
}

func TestQueue_ages_what_waits_long(t *testing.T) {
	for name, c := range map[string]struct {
		class Class
		after time.Duration
		want  string // of organic jobs 10 to 15 and old jobs 1 to 3
	}{
		"a synthetic job below its age": {Synthetic, 10*time.Second - 1, "10 11 12 13 14 15 1 2 3"},
		"a synthetic job at its age":    {Synthetic, 10 * time.Second, "1 10 11 12 2 13 14 15 3"},
		"a check below its age":         {Check, 30*time.Second - 1, "10 11 12 13 14 15 1 2 3"},
		"a check at its age":            {Check, 30 * time.Second, "1 10 11 12 2 13 14 15 3"},
		"organic work has no age":       {Organic, time.Hour / 2, "1 2 3 10 11 12 13 14 15"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, Options{Limit: 20})
			for i := range uint64(3) {
				s.offer(Job{ID: 1 + i, Class: c.class})
			}
			s.wait(c.after)
			for i := range uint64(6) {
				s.offer(Job{ID: 10 + i})
			}
			if got := s.drain(s.ready("a", 1, 1)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestQueue_ages_first_what_has_been_overdue_longest(t *testing.T) {
	s := newScript(t, Options{Limit: 20})
	s.offer(Job{ID: 1, Class: Check}) // overdue at 30 s
	s.wait(15 * time.Second)
	s.offer(Job{ID: 2, Class: Synthetic}) // at 25 s
	s.wait(4 * time.Second)
	s.offer(Job{ID: 3, Class: Synthetic}) // at 29 s
	s.wait(20 * time.Second)
	for i := range uint64(9) {
		s.offer(Job{ID: 10 + i})
	}
	if got := s.drain(s.ready("a", 1, 1)); got != "2 10 11 12 3 13 14 15 1 16 17 18" {
		t.Error(got)
	}
}

func TestQueue_serves_clients_of_a_class_in_turn(t *testing.T) {
	s := newScript(t, Options{Limit: 20})
	for i := range uint64(6) {
		s.offer(Job{ID: 1 + i, Client: "flood"})
	}
	s.offer(Job{ID: 11, Client: "b"}, Job{ID: 12, Client: "b"}, Job{ID: 21, Client: "c"})
	if got := s.drain(s.ready("a", 1, 1)); got != "1 11 21 2 12 3 4 5 6" {
		t.Error(got)
	}
}

// A client that always has one request waiting and never two takes no more than one that has many.
func TestQueue_forgets_no_turn_of_a_client_that_comes_back(t *testing.T) {
	s := newScript(t, Options{Limit: 100})
	for i := range uint64(50) {
		s.offer(Job{ID: 1 + i, Client: "many"})
	}
	running, brief := s.ready("a", 1, 1), 0
	for i := range uint64(20) {
		if s.q.classes[Organic].flows["brief"] == nil {
			s.offer(Job{ID: 100 + i, Client: "brief"})
		}
		running = s.done(running.Grants[0].Jobs[0])
		if running.Grants[0].Jobs[0] >= 100 {
			brief++
		}
	}
	if brief != 10 {
		t.Errorf("%d of 20 turns", brief)
	}
	if n := len(s.q.classes[Organic].flows); n > 2 {
		t.Errorf("%d clients are remembered", n)
	}
}
