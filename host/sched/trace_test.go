package sched

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// traffic is what kind of life a trace has.
type traffic struct {
	clients, keys int
	classes       int
	gap           time.Duration // mean time between two events from outside
	deadline      time.Duration // the longest
	deaths        bool
}

func newTrace(t *testing.T, seed uint64) (*model, traffic) {
	r := rand.New(rand.NewPCG(seed, 7))
	m := &model{
		t: t, seed: seed, r: r, now: noon, options: Options{Limit: r.IntN(12)}, running: map[uint64]*modelRun{}, fate: map[uint64]string{},
		overdue: map[uint64]*patience{}, turns: map[string]*patience{},
	}
	k := traffic{
		clients: 1 + r.IntN(4), classes: 1 + r.IntN(3), gap: time.Duration(20+r.IntN(3000)) * time.Millisecond,
		deadline: []time.Duration{10 * time.Second, 5 * time.Minute}[r.IntN(2)], deaths: r.IntN(2) == 0,
	}
	maxBatch := 1
	if r.IntN(2) == 0 {
		k.keys, maxBatch = 1+r.IntN(3), 2+r.IntN(4)
		m.options.Delay = []time.Duration{0, 50 * time.Millisecond, 2 * time.Second}[r.IntN(3)]
	}
	m.calm = k.keys == 0 && !k.deaths
	m.q = NewQueue(m.options)
	for i := range 1 + r.IntN(3) {
		m.instances = append(m.instances, &modelInstance{name: fmt.Sprint("i", i), permits: 1 + r.IntN(2), maxBatch: maxBatch})
	}
	return m, k
}

// job draws a new job.
func (m *model) job(k traffic) Job {
	j := Job{
		ID: uint64(len(m.fate)), Class: Class(m.r.IntN(k.classes)), Client: fmt.Sprint("c", m.r.IntN(k.clients)), Arrived: m.now,
		Deadline: m.now.Add(time.Duration(m.r.Int64N(int64(k.deadline)))),
	}
	if k.keys > 0 {
		j.Batch = []string{"", "k", "l", "m"}[m.r.IntN(k.keys+1)]
	}
	return j
}

// advance moves the clock, and plays the ends of jobs and the queue's own events on the way.
func (m *model) advance(to time.Time) {
	for {
		at, id := to, uint64(0)
		for job, r := range m.running {
			if r.ends.Before(at) || r.ends.Equal(at) && job < id {
				at, id = r.ends, job
			}
		}
		next, ok := m.q.Next()
		switch {
		case ok && !next.After(at):
			m.now = next
			m.before()
			m.play(m.q.Tick(m.now))
		case at.Before(to):
			m.now = at
			m.done(id)
		default:
			m.now = to
			return
		}
		m.check()
	}
}

// die lets an instance go; what ran there ends, and half of it is tried again.
func (m *model) die(on *modelInstance) {
	m.before()
	on.ready = false
	m.play(m.q.Gone(m.now, on.name))
	m.check()
	for _, id := range m.jobs() {
		r := m.running[id]
		if r.on != on {
			continue
		}
		m.done(id)
		m.check()
		if m.r.IntN(2) == 0 && r.job.Deadline.After(m.now) {
			again := r.job
			again.ID, again.Avoid, again.Again = uint64(len(m.fate)), on.name, true
			m.offer(again)
			m.check()
		}
	}
}

func (m *model) ready(on *modelInstance) {
	m.before()
	on.ready = true
	m.play(m.q.Ready(m.now, on.name, on.permits, on.maxBatch))
}

// jobs are those that run, sorted, so that a seed plays the same life each time.
func (m *model) jobs() []uint64 {
	ids := make([]uint64, 0, len(m.running))
	for id := range m.running {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// act plays one event from outside.
func (m *model) act(k traffic) {
	on := m.instances[m.r.IntN(len(m.instances))]
	switch n := m.r.IntN(20); {
	case n < 12:
		m.offer(m.job(k))
	case n < 14:
		id := uint64(m.r.IntN(len(m.fate) + 2))
		waits := slices.ContainsFunc(m.waiting, func(j Job) bool { return j.ID == id })
		if got := m.q.Remove(id); got != waits {
			m.fatalf("job %d is removed: %t", id, got)
		}
		if waits {
			m.leave(id, "removed")
		}
	case n < 15 && k.deaths && on.ready:
		m.die(on)
	case n < 18 && !on.ready:
		m.ready(on)
	case n < 19 && len(m.running) > 0: // a caller that has given up
		ids := m.jobs()
		m.done(ids[m.r.IntN(len(ids))])
	case n == 19 && m.r.IntN(4) == 0:
		m.options.Limit = m.r.IntN(12)
		m.before()
		m.play(m.q.SetOptions(m.now, m.options))
	}
	m.check()
}

// finish ends a trace, by running everything or by giving up, and asks where every job has gone.
func (m *model) finish() {
	if m.r.IntN(4) == 0 {
		for _, id := range m.q.Clear() {
			m.leave(id, "cleared")
		}
		m.check()
	} else if on := m.instances[0]; !on.ready {
		m.ready(on)
	}
	for len(m.running)+len(m.waiting) > 0 {
		m.advance(m.now.Add(time.Minute))
	}
	for id, fate := range m.fate {
		if fate == "" {
			m.fatalf("job %d is lost", id)
		}
	}
	if q := m.q; len(q.due)+len(q.groups)+len(q.waiting)+len(q.running)+q.fresh != 0 || m.q.Oldest(m.now) != 0 {
		m.fatalf("something is left: %+v", q)
	}
}

func TestQueue_holds_its_promises_over_ten_thousand_traces(t *testing.T) {
	ends := map[string]int{}
	var batches, aged int
	for seed := range uint64(10_000) {
		m, k := newTrace(t, seed)
		for range 50 {
			m.advance(m.now.Add(time.Duration(m.r.ExpFloat64() * float64(k.gap))))
			m.act(k)
		}
		m.finish()
		for _, fate := range m.fate {
			ends[fate]++
		}
		batches += m.batches
		aged += m.aged
	}
	t.Logf("%v; %d batches, %d grants to overdue jobs before others", ends, batches, aged)
	for _, fate := range []string{"done", "expired", "displaced", "refused", "removed", "cleared"} {
		if ends[fate] < 1000 {
			t.Errorf("only %d jobs are %s: the traces say little", ends[fate], fate)
		}
	}
	if batches < 1000 || aged < 1000 {
		t.Errorf("only %d batches and %d overdue jobs: the traces say little", batches, aged)
	}
}

// Two clients that always have work waiting get alike, whatever the traffic; a quarter goes by age and counts too.
func TestQueue_shares_between_two_greedy_clients(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 11))
		keys, class, maxBatch := r.IntN(3), Class(r.IntN(3)), 1+r.IntN(8)
		q, now, n := NewQueue(Options{Limit: 100}), noon, uint64(0)
		owner, backlog, served := map[uint64]string{}, map[string]int{}, map[string]int{}
		var running []uint64
		take := func(d Decision) {
			for _, g := range d.Grants {
				running = append(running, g.Jobs...)
				for _, id := range g.Jobs {
					backlog[owner[id]]--
					served[owner[id]]++
				}
			}
		}
		fill := func(client string, most int) {
			for backlog[client] < most {
				n++
				owner[n] = client
				backlog[client]++
				j := Job{ID: n, Class: class, Client: client, Arrived: now, Deadline: now.Add(time.Hour)}
				if keys > 0 {
					j.Batch = fmt.Sprint(r.IntN(keys))
				}
				d, _ := q.Offer(now, j)
				take(d)
			}
		}
		few := maxBatch + 1 // enough that it could fill a run by itself
		fill("many", 60)
		take(q.Ready(now, "a", 1+r.IntN(3), maxBatch))
		for len(owner) < 1000 {
			now = now.Add(time.Duration(r.IntN(3000)) * time.Millisecond)
			fill("many", 60)
			fill("few", few)
			i := r.IntN(len(running))
			id := running[i]
			running = slices.Delete(running, i, i+1)
			take(q.Done(now, id, time.Second))
		}
		if a, b := served["many"], served["few"]; a > 2*b || b > 2*a {
			t.Errorf("seed %d, %d keys, batches of %d: %v", seed, keys, maxBatch, served)
		}
	}
}
