// Package sched decides which request runs where and when. Queue is the pure part: it knows no clock and starts nothing, it
// answers every event with the decisions that follow. Dispatcher carries them out.
package sched

import (
	"time"
)

// Job is one request that waits.
type Job struct {
	ID       uint64
	Deadline time.Time
}

// Grant says that a job runs now, on an instance.
type Grant struct {
	Job      uint64
	Instance string
}

// Queue is one plugin's bounded queue in front of its instances, first in, first out.
type Queue struct {
	limit   int
	waiting []Job
	free    map[string]int    // permits left by ready instance
	running map[uint64]string // job -> instance
	average time.Duration     // of a job's running time, for retry-after
}

// NewQueue makes a queue in which at most limit jobs wait.
func NewQueue(limit int) *Queue {
	return &Queue{limit: limit, free: map[string]int{}, running: map[uint64]string{}, average: time.Second}
}

// Offer admits a job. ok is false when the queue is full.
func (q *Queue) Offer(j Job) (granted []Grant, ok bool) {
	if len(q.waiting) >= q.limit && q.pick() == "" {
		return nil, false
	}
	q.waiting = append(q.waiting, j)
	return q.grant(), true
}

// Ready tells that an instance takes permits jobs at once.
func (q *Queue) Ready(instance string, permits int) []Grant {
	held := 0
	for _, on := range q.running {
		if on == instance {
			held++
		}
	}
	q.free[instance] = permits - held
	return q.grant()
}

// Gone tells that an instance takes no jobs any more; those that run there end by themselves.
func (q *Queue) Gone(instance string) { delete(q.free, instance) }

// Done tells that a job has run for a while and ended.
func (q *Queue) Done(job uint64, took time.Duration) []Grant {
	instance, ok := q.running[job]
	if !ok {
		return nil
	}
	delete(q.running, job)
	if _, ready := q.free[instance]; ready {
		q.free[instance]++
	}
	q.average += (took - q.average) / 8
	return q.grant()
}

// Remove takes a waiting job out, because it was cancelled. It reports whether the job was waiting.
func (q *Queue) Remove(job uint64) bool {
	for i, j := range q.waiting {
		if j.ID == job {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// Clear takes all waiting jobs out, because nothing can run them.
func (q *Queue) Clear() []uint64 {
	var jobs []uint64
	for _, j := range q.waiting {
		jobs = append(jobs, j.ID)
	}
	q.waiting = nil
	return jobs
}

// Expire takes out the waiting jobs whose deadline has passed.
func (q *Queue) Expire(now time.Time) []uint64 {
	var expired []uint64
	kept := q.waiting[:0]
	for _, j := range q.waiting {
		if j.Deadline.After(now) {
			kept = append(kept, j)
		} else {
			expired = append(expired, j.ID)
		}
	}
	q.waiting = kept
	return expired
}

// NextDeadline is when Expire has something to do next, unless nothing waits.
func (q *Queue) NextDeadline() (time.Time, bool) {
	var next time.Time
	for _, j := range q.waiting {
		if next.IsZero() || j.Deadline.Before(next) {
			next = j.Deadline
		}
	}
	return next, len(q.waiting) > 0
}

// Waiting is how many jobs wait.
func (q *Queue) Waiting() int { return len(q.waiting) }

// Running is how many jobs run.
func (q *Queue) Running() int { return len(q.running) }

// RetryAfter estimates when there is room again: one job's time over the permits, at least a second.
func (q *Queue) RetryAfter() time.Duration {
	return max(time.Second, q.average/time.Duration(max(len(q.running), 1)))
}

// pick returns the ready instance with the most free permits, "" when none has any.
func (q *Queue) pick() string {
	best, most := "", 0
	for instance, n := range q.free {
		if n > most || n == most && n > 0 && instance < best {
			best, most = instance, n
		}
	}
	return best
}

func (q *Queue) grant() []Grant {
	var granted []Grant
	for len(q.waiting) > 0 {
		instance := q.pick()
		if instance == "" {
			break
		}
		j := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.free[instance]--
		q.running[j.ID] = instance
		granted = append(granted, Grant{Job: j.ID, Instance: instance})
	}
	return granted
}
