package sched

import (
	"cmp"
	"slices"
	"time"
)

// grant starts what can run.
func (q *Queue) grant(now time.Time) []Grant {
	var grants []Grant
	for {
		g, ok := q.next(now)
		if !ok {
			return grants
		}
		grants = append(grants, g)
	}
}

// next starts one run, on the freest instance for which there is a job.
func (q *Queue) next(now time.Time) (Grant, bool) {
	if len(q.waiting) == 0 {
		return Grant{}, false
	}
	slices.SortFunc(q.ready, freest)
	for _, on := range q.ready {
		if on.free() < 1 {
			break
		}
		if e, overdue := q.pick(now, on); e != nil {
			q.inTurn++
			if overdue {
				q.inTurn = 0
			}
			return q.start(e, on), true
		}
	}
	return Grant{}, false
}

// pick chooses the job that is next on an instance, nil when none may run there now.
func (q *Queue) pick(now time.Time, on *instance) (e *entry, overdue bool) {
	if q.inTurn >= ageEvery-1 {
		if e := q.overdue(now, on); e != nil {
			return e, true
		}
	}
	for i := range q.classes {
		for _, f := range q.classes[i].line {
			for _, e := range f.jobs {
				if q.may(e, on, now) {
					return e, false
				}
			}
		}
	}
	return nil, false
}

// overdue chooses the job that has been overdue longest.
func (q *Queue) overdue(now time.Time, on *instance) *entry {
	var best *entry
	var since time.Time
	for i := range q.classes {
		if ageLimit[i] < 0 {
			continue
		}
		for _, e := range q.classes[i].jobs {
			from := e.Arrived.Add(ageLimit[i])
			if from.After(now) || best != nil && !from.Before(since) {
				break
			}
			if q.may(e, on, now) {
				best, since = e, from
				break
			}
		}
	}
	return best
}

// may reports whether a job may start on an instance now.
func (q *Queue) may(e *entry, on *instance, now time.Time) bool {
	if e.Avoid == on.name && len(q.ready) > 1 {
		return false
	}
	return !q.held(e, on, now)
}

// held reports whether a job waits for companions: its batch is not full, the oldest of it has not waited long enough, and the job's own deadline
// leaves it time for the whole delay.
func (q *Queue) held(e *entry, on *instance, now time.Time) bool {
	if q.options.Delay <= 0 || on.maxBatch < 2 || !e.batchable() {
		return false
	}
	group := q.groups[e.Batch]
	return len(group) < on.maxBatch && group[0].Arrived.Add(q.options.Delay).After(now) && e.Deadline.After(e.Arrived.Add(q.options.Delay))
}

// start makes a run of a job and of as many companions as there are and the instance takes.
func (q *Queue) start(e *entry, on *instance) Grant {
	q.take(e)
	members := []*entry{e}
	for e.batchable() && len(members) < on.maxBatch {
		companion := q.companion(e.Batch)
		if companion == nil {
			break
		}
		q.take(companion)
		members = append(members, companion)
	}
	slices.SortFunc(members, byArrival)
	r := &run{on: on, left: len(members)}
	on.held++
	on.jobs += len(members)
	for _, m := range members {
		q.running[m.ID] = r
	}
	return Grant{Instance: on.name, Jobs: ids(members)}
}

func (q *Queue) take(e *entry) {
	q.classes[e.Class].charge(e.flow)
	q.drop(e)
}

// companion chooses who joins a batch next.
func (q *Queue) companion(key string) *entry {
	var best *entry
	for _, e := range q.groups[key] { // by arrival, which decides among equals
		if best == nil || cmp.Or(cmp.Compare(e.Class, best.Class), cmp.Compare(e.flow.tag, best.flow.tag)) < 0 {
			best = e
		}
	}
	return best
}

// victim chooses the waiting job that gives its place to one that finds the queue full, nil when none does.
func (q *Queue) victim(e *entry) *entry {
	for i := len(q.classes) - 1; i >= int(e.Class); i-- {
		var most *entry
		n := 0
		for _, f := range q.classes[i].line {
			if newest, count := f.fresh(e); count > n || count == n && count > 0 && byArrival(newest, most) > 0 {
				most, n = newest, count
			}
		}
		own := 0
		if i == int(e.Class) {
			_, own = e.flow.fresh(e)
			own += 2
		}
		if n > 0 && n >= own {
			return most
		}
	}
	return nil
}

// fresh counts a client's jobs that may be displaced for another, and returns the newest of them.
func (f *flow) fresh(other *entry) (newest *entry, n int) {
	for _, e := range f.jobs {
		if !e.Again && e != other {
			newest, n = e, n+1
		}
	}
	return newest, n
}
