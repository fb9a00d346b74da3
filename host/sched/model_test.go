package sched

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// model is what a queue must do, told as plainly as possible, and as slowly. It plays a queue's decisions and holds them to the promises.
type model struct {
	t    *testing.T
	seed uint64
	r    *rand.Rand
	q    *Queue
	now  time.Time

	options   Options
	calm      bool // no batch and no death: then turns are exact
	instances []*modelInstance
	waiting   []Job
	running   map[uint64]*modelRun
	fate      map[uint64]string // of every job that was offered: "" until it has ended
	overdue   map[uint64]*patience
	turns     map[string]*patience // of clients with organic work

	batches, aged int // what has been seen of runs of several, and of jobs that overdue ones of a lower class went before
}

type modelInstance struct {
	name              string
	permits, maxBatch int
	ready             bool
	held              int
}

type modelRun struct {
	job   Job
	on    *modelInstance
	batch *int // how many of the run are left
	began time.Time
	ends  time.Time
}

// patience counts what goes before a job that waits, against the most that may.
type patience struct{ passed, most int }

func (m *model) fatalf(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("seed %d, after %s: "+format, append([]any{m.seed, m.now.Sub(noon)}, args...)...)
}

// before notes, ahead of an event, who waits how patiently.
func (m *model) before() {
	for _, j := range m.waiting {
		from, old := overdueFrom(j)
		if !old || from.After(m.now) || m.overdue[j.ID] != nil || j.Avoid != "" || m.options.Delay > 0 && j.batchable() {
			continue
		}
		ahead := 0
		for _, other := range m.waiting {
			if since, old := overdueFrom(other); old && other.ID != j.ID && !since.After(from) {
				ahead++
			}
		}
		m.overdue[j.ID] = &patience{most: ageEvery * (ahead + 1)}
	}
}

func overdueFrom(j Job) (time.Time, bool) {
	return j.Arrived.Add(ageLimit[j.Class]), j.Class != Organic
}

// play takes a decision over, and checks every part of it.
func (m *model) play(d Decision) {
	for _, id := range d.Expired {
		if j := m.leave(id, "expired"); !j.Deadline.Equal(m.now) {
			m.fatalf("job %d expires, but was due at %s", id, j.Deadline.Sub(noon))
		}
	}
	for _, g := range d.Grants {
		m.grant(g)
	}
}

func (m *model) grant(g Grant) {
	on := m.instance(g.Instance)
	if on.held++; !on.ready || on.held > on.permits {
		m.fatalf("%d runs on %s, ready %t, which takes %d", on.held, on.name, on.ready, on.permits)
	}
	if len(g.Jobs) == 0 || len(g.Jobs) > on.maxBatch {
		m.fatalf("%d jobs run as one on %s, which takes %d", len(g.Jobs), on.name, on.maxBatch)
	}
	var members []Job
	left := len(g.Jobs)
	for _, id := range g.Jobs {
		j := m.leave(id, "")
		switch {
		case !j.Deadline.After(m.now):
			m.fatalf("job %d starts after its deadline", id)
		case j.Avoid == on.name && m.countReady() > 1:
			m.fatalf("job %d starts on %s, which it avoids", id, on.name)
		case left > 1 && (j.Batch == "" || j.Again || len(members) > 0 && j.Batch != members[0].Batch):
			m.fatalf("job %d is part of a batch: %v", id, g.Jobs)
		case len(members) > 0 && j.Arrived.Before(members[len(members)-1].Arrived):
			m.fatalf("a batch in another order than its jobs came: %v", g.Jobs)
		}
		members = append(members, j)
		m.running[id] = &modelRun{j, on, &left, m.now, m.now.Add(time.Duration(1 + m.r.IntN(8e9)))}
	}
	if len(members) > 1 {
		m.batches++
	}
	if slices.ContainsFunc(m.waiting, func(j Job) bool { return j.Avoid == "" && !m.held(j, on) && j.Class < members[0].Class }) && len(members) == 1 {
		m.aged++
	}
	m.patience(members)
}

// patience counts a grant for those it passes.
func (m *model) patience(granted []Job) {
	for id, p := range m.overdue {
		if p.passed++; p.passed >= p.most {
			m.fatalf("job %d has been overdue for %d grants, at most %d may pass it", id, p.passed, p.most)
		}
	}
	if !m.calm || granted[0].Class != Organic {
		return
	}
	delete(m.turns, granted[0].Client)
	for client, p := range m.turns {
		if p.passed++; p.passed > p.most {
			m.fatalf("client %s has been passed %d times by %d others", client, p.passed, p.most)
		}
	}
}

// leave takes a job out of what waits, where it must be.
func (m *model) leave(id uint64, fate string) Job {
	i := slices.IndexFunc(m.waiting, func(j Job) bool { return j.ID == id })
	if i < 0 {
		m.fatalf("job %d does not wait: it is %q, running %t", id, m.fate[id], m.running[id] != nil)
	}
	j := m.waiting[i]
	m.waiting = slices.Delete(m.waiting, i, i+1)
	delete(m.overdue, id)
	m.fate[id] = fate
	return j
}

// offer offers a job and checks whether it had to be admitted.
func (m *model) offer(j Job) {
	m.before()
	d, ok := m.q.Offer(m.now, j)
	m.waiting = append(m.waiting, j)
	m.fate[j.ID] = ""
	if j.Again {
		for _, p := range m.overdue { // its age may put it before others
			p.most += ageEvery
		}
	}
	displaced := d.Displaced
	m.play(d)
	waits := slices.ContainsFunc(m.waiting, func(other Job) bool { return other.ID == j.ID })
	if j.Again || !waits || m.fresh() <= m.options.Limit {
		if !ok || len(displaced) > 0 {
			m.fatalf("job %d is admitted: %t, displaced %v, although there is room", j.ID, ok, displaced)
		}
		return
	}
	victim, found := m.victim(j)
	switch {
	case found != ok || found && !slices.Equal(displaced, []uint64{victim}) || !found && len(displaced) > 0:
		m.fatalf("job %d is admitted to a full queue: %t, displaced %v, want %t, %d", j.ID, ok, displaced, found, victim)
	case ok:
		m.leave(victim, "displaced")
	default:
		m.leave(j.ID, "refused")
	}
}

// victim is the rule of Offer.
func (m *model) victim(newcomer Job) (uint64, bool) {
	lowest := Organic
	for _, j := range m.waiting {
		if !j.Again && j.ID != newcomer.ID {
			lowest = max(lowest, j.Class)
		}
	}
	counts := map[string]int{}
	for _, j := range m.waiting {
		if !j.Again && j.ID != newcomer.ID && j.Class == lowest {
			counts[j.Client]++
		}
	}
	most, atLeast := 0, 1
	for _, n := range counts {
		most = max(most, n)
	}
	if lowest == newcomer.Class {
		atLeast = counts[newcomer.Client] + 2
	}
	if lowest < newcomer.Class || most < atLeast {
		return 0, false
	}
	var newest Job
	for _, j := range m.waiting {
		later := j.Arrived.After(newest.Arrived) || j.Arrived.Equal(newest.Arrived) && j.ID > newest.ID
		if !j.Again && j.ID != newcomer.ID && j.Class == lowest && counts[j.Client] == most && later {
			newest = j
		}
	}
	return newest.ID, true
}

func (m *model) done(id uint64) {
	m.before()
	r := m.running[id]
	delete(m.running, id)
	m.fate[id] = "done"
	if *r.batch--; *r.batch == 0 {
		r.on.held--
	}
	m.play(m.q.Done(m.now, id, m.now.Sub(r.began)))
}
