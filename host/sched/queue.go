// Package sched decides which request runs where and when, and how many processes a plugin needs. Queue and Scale are the pure part: they know no
// clock and start nothing, they answer every event with the decisions that follow. Dispatcher carries a Queue's decisions out.
package sched

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Queue is one plugin's bounded queue in front of its instances.
//
// Order: the class first; in a class the clients in turn, one job each; of a client the job that came first. A synthetic job that has waited 10 s
// and a check that has waited 30 s is overdue: the one that has been overdue longest goes before all others, but at most every fourth grant is
// such a one. So organic work keeps three quarters whatever floods the other classes, and with n jobs overdue before it a job that may run
// is granted within 4(n+1) grants: nothing starves.
//
// Whenever an instance has a permit free, a job that may run there runs there. The exceptions: a job to be batched waits Options.Delay for
// companions, and a job with Avoid waits for another instance while one is ready.
//
// A batch is made of jobs with the same key, taken in the same order, up to what the instance takes; places that one class leaves go to the next.
type Queue struct {
	options   Options
	waiting   map[uint64]*entry
	due       []*entry // what waits, by deadline
	classes   [len(classNames)]class
	groups    map[string][]*entry // what waits and can be batched, by key and arrival
	fresh     int                 // how many wait that are not Again
	instances map[string]*instance
	ready     []*instance
	running   map[uint64]*run
	inTurn    int           // grants since the last overdue one
	average   time.Duration // of a job's running time, for retry-after
}

// instance is a process that is ready, or has gone and still holds jobs.
type instance struct {
	name              string
	permits, maxBatch int
	ready             bool
	held              int // permits
	jobs              int // that run there
}

func (i *instance) free() int { return i.permits - i.held }

// run is one grant at work: it ends with its last job.
type run struct {
	on   *instance
	left int
}

// NewQueue makes an empty queue without instances.
func NewQueue(o Options) *Queue {
	q := &Queue{
		options: o, waiting: map[uint64]*entry{}, groups: map[string][]*entry{}, instances: map[string]*instance{}, running: map[uint64]*run{},
		inTurn: ageEvery - 1, average: time.Second,
	}
	for i := range q.classes {
		q.classes[i].flows = map[string]*flow{}
	}
	return q
}

// Offer admits a job. ok is false when the queue is full and no waiting job gives it its place.
//
// A job gives its place to one of a higher class, or to one of the same class whose client has at least two fewer waiting. It is the newest of
// the client that has the most waiting, in the lowest class. Without this one client's flood would shut out all others.
func (q *Queue) Offer(now time.Time, j Job) (d Decision, ok bool) {
	j.Class = j.Class.valid()
	e := &entry{Job: j}
	q.add(e)
	d = q.settle(now)
	if j.Again || q.waiting[j.ID] == nil || q.fresh <= q.options.Limit {
		return d, true
	}
	victim := q.victim(e)
	if victim == nil {
		q.drop(e)
		return d, false
	}
	q.drop(victim)
	d.Displaced = append(d.Displaced, victim.ID)
	return d, true
}

// Ready tells that an instance takes permits runs at once, each of up to maxBatch jobs. Values below 1 count as 1.
func (q *Queue) Ready(now time.Time, name string, permits, maxBatch int) Decision {
	i := q.instances[name]
	if i == nil {
		i = &instance{name: name}
		q.instances[name] = i
	}
	i.permits, i.maxBatch = max(permits, 1), max(maxBatch, 1)
	if !i.ready {
		i.ready = true
		q.ready = append(q.ready, i)
	}
	return q.settle(now)
}

// Gone tells that an instance takes no jobs any more; those that run there end by themselves.
func (q *Queue) Gone(now time.Time, name string) Decision {
	if i := q.instances[name]; i != nil && i.ready {
		i.ready = false
		q.ready = slices.DeleteFunc(q.ready, func(other *instance) bool { return other == i })
		q.forget(i)
	}
	return q.settle(now)
}

func (q *Queue) forget(i *instance) {
	if !i.ready && i.held == 0 {
		delete(q.instances, i.name)
	}
}

// Done tells that a job has run for a while and ended.
func (q *Queue) Done(now time.Time, job uint64, took time.Duration) Decision {
	r, ok := q.running[job]
	if !ok {
		return Decision{}
	}
	delete(q.running, job)
	r.on.jobs--
	if r.left--; r.left == 0 {
		r.on.held--
		q.forget(r.on)
	}
	q.average += (took - q.average) / 8
	return q.settle(now)
}

// Remove takes a waiting job out, because it was cancelled. It reports whether the job was waiting.
func (q *Queue) Remove(job uint64) bool {
	e := q.waiting[job]
	if e == nil {
		return false
	}
	q.drop(e)
	return true
}

// Clear takes all waiting jobs out, because nothing can run them, and returns them in order of arrival.
func (q *Queue) Clear() []uint64 {
	all := slices.SortedFunc(maps.Values(q.waiting), byArrival)
	for _, e := range all {
		q.drop(e)
	}
	return ids(all)
}

// SetOptions replaces the options. What waits stays, even above a lower limit.
func (q *Queue) SetOptions(now time.Time, o Options) Decision {
	q.options = o
	return q.settle(now)
}

// Tick is for when nothing else happens: it expires what is due and starts the batches that have waited long enough.
func (q *Queue) Tick(now time.Time) Decision { return q.settle(now) }

// Next is when Tick has something to do, if nothing happens before. ok is false when nothing waits.
func (q *Queue) Next() (next time.Time, ok bool) {
	if len(q.due) == 0 {
		return time.Time{}, false
	}
	next = q.due[0].Deadline
	if q.options.Delay > 0 && slices.ContainsFunc(q.ready, func(i *instance) bool { return i.free() > 0 }) {
		for _, group := range q.groups {
			if until := group[0].Arrived.Add(q.options.Delay); until.Before(next) {
				next = until
			}
		}
	}
	return next, true
}

// Waiting is how many jobs wait.
func (q *Queue) Waiting() int { return len(q.waiting) }

// Running is how many jobs run.
func (q *Queue) Running() int { return len(q.running) }

// RunningOn is how many jobs run on an instance.
func (q *Queue) RunningOn(name string) int {
	if i := q.instances[name]; i != nil {
		return i.jobs
	}
	return 0
}

// Oldest is how long the job that arrived first has waited; 0 when none waits.
func (q *Queue) Oldest(now time.Time) time.Duration {
	var oldest time.Duration
	for i := range q.classes {
		if jobs := q.classes[i].jobs; len(jobs) > 0 {
			oldest = max(oldest, now.Sub(jobs[0].Arrived))
		}
	}
	return oldest
}

// RetryAfter estimates when there is room again: a job's time over the jobs that run at once, at least a second.
func (q *Queue) RetryAfter() time.Duration {
	return max(time.Second, q.average/time.Duration(max(len(q.running), 1)))
}

// settle does what is to be done at a time: first what has expired goes, so that nothing starts after its deadline.
func (q *Queue) settle(now time.Time) Decision {
	var expired []*entry
	for len(q.due) > 0 && !q.due[0].Deadline.After(now) {
		expired = append(expired, q.due[0])
		q.drop(q.due[0])
	}
	return Decision{Expired: ids(expired), Grants: q.grant(now)}
}

func (q *Queue) add(e *entry) {
	q.waiting[e.ID] = e
	q.due = insert(q.due, e, byDeadline)
	q.classes[e.Class].add(e)
	if e.batchable() {
		q.groups[e.Batch] = insert(q.groups[e.Batch], e, byArrival)
	}
	if !e.Again {
		q.fresh++
	}
}

func (q *Queue) drop(e *entry) {
	delete(q.waiting, e.ID)
	q.due = remove(q.due, e, byDeadline)
	q.classes[e.Class].remove(e)
	if e.batchable() {
		if q.groups[e.Batch] = remove(q.groups[e.Batch], e, byArrival); len(q.groups[e.Batch]) == 0 {
			delete(q.groups, e.Batch)
		}
	}
	if !e.Again {
		q.fresh--
	}
}

func ids(entries []*entry) []uint64 {
	var list []uint64
	for _, e := range entries {
		list = append(list, e.ID)
	}
	return list
}

// freest orders instances: the most permits free first, then by name.
func freest(a, b *instance) int {
	return cmp.Or(cmp.Compare(b.free(), a.free()), cmp.Compare(a.name, b.name))
}
