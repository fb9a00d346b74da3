package sched

import (
	"cmp"
	"slices"
	"time"
)

// Class is what a request is for. Lower values go first.
type Class int

// The classes, the most important first.
const (
	Organic   Class = iota // somebody waits for the answer
	Synthetic              // a validator's drawn request: its answer scores a miner
	Check                  // a validator's own run of a request, to compare with
)

var classNames = [...]string{"organic", "synthetic", "check"}

// String returns the class's name, "check" for one that is none.
func (c Class) String() string { return classNames[c.valid()] }

// ParseClass returns the class of that name.
func ParseClass(name string) (Class, bool) {
	i := slices.Index(classNames[:], name)
	return Class(max(i, 0)), i >= 0
}

// valid makes a value that is no class the least important one.
func (c Class) valid() Class {
	if c < Organic || c > Check {
		return Check
	}
	return c
}

// ageLimit is how long a job waits for its turn before it is overdue. A synthetic request has to be back before its period's scoring, and one
// that organic work has held up for 10 s would count against an honest miner. Nobody waits for a check: half a minute loses nothing.
// Organic work is never behind another class, so it needs none.
var ageLimit = [...]time.Duration{Organic: -1, Synthetic: 10 * time.Second, Check: 30 * time.Second}

// ageEvery bounds what overdue jobs may take: one grant of four. A flood of checks costs organic work a quarter of the machine, not more.
const ageEvery = 4

// Job is one request that waits.
type Job struct {
	ID       uint64 // unique among all jobs that are offered to a queue
	Class    Class
	Client   string    // whose it is: clients of one class share alike
	Arrived  time.Time // of one that was accepted before: when it first came
	Deadline time.Time // it never starts at or after this time
	Batch    string    // jobs with the same key may run as one; "": alone
	Avoid    string    // an instance it does not go to while another is ready; it then runs in no batch
	Again    bool      // it was accepted before: it is admitted above the limit, never displaced, and runs in no batch
}

// batchable reports whether the job may share a run. One that is tried again may be what killed its process: it takes nobody with it.
func (j *Job) batchable() bool { return j.Batch != "" && j.Avoid == "" && !j.Again }

// Grant says that jobs run now, on an instance.
type Grant struct {
	Instance string
	Jobs     []uint64 // in order of arrival; more than one is a batch, which takes one permit
}

// Decision is what follows from an event. Each job is named at most once.
type Decision struct {
	Grants    []Grant
	Expired   []uint64 // their deadline has passed while they waited
	Displaced []uint64 // they gave their place in a full queue to another job
}

// Options are what an operator sets for a queue.
type Options struct {
	Limit int           // how many jobs wait at most, those of Again not counted
	Delay time.Duration // how long a free instance waits for a batch to fill, counted from its oldest job's arrival; 0: not at all
}

// entry is a job that waits, and the line it stands in.
type entry struct {
	Job
	flow *flow
}

// flow is what one client has waiting in one class.
type flow struct {
	client string
	tag    uint64   // the virtual time at which its next job starts
	jobs   []*entry // by arrival; never empty
}

// class is what waits of one class: self-clocked fair queueing at unit cost. Every job moves its client's tag one on, the client with the lowest
// tag is next, and a client that comes anew starts at the highest tag given so far. So a client waits for one job each of those that stand in the
// line, however many they have, and one with nothing waiting can be forgotten: it has no claim and no debt.
type class struct {
	flows   map[string]*flow
	line    []*flow  // by tag; among equals, who has waited longer for the turn
	jobs    []*entry // by arrival
	virtual uint64   // the highest tag given so far
}

func (c *class) add(e *entry) {
	f := c.flows[e.Client]
	if f == nil {
		f = &flow{client: e.Client, tag: c.virtual}
		c.flows[e.Client] = f
		c.line = append(c.line, f) // no tag is above virtual
	}
	e.flow = f
	f.jobs = insert(f.jobs, e, byArrival)
	c.jobs = insert(c.jobs, e, byArrival)
}

func (c *class) remove(e *entry) {
	f := e.flow
	f.jobs = remove(f.jobs, e, byArrival)
	c.jobs = remove(c.jobs, e, byArrival)
	if len(f.jobs) == 0 {
		delete(c.flows, f.client)
		i := slices.Index(c.line, f)
		c.line = slices.Delete(c.line, i, i+1)
	}
}

// charge moves the client one job on.
func (c *class) charge(f *flow) {
	i := slices.Index(c.line, f)
	c.line = slices.Delete(c.line, i, i+1)
	f.tag++
	c.virtual = max(c.virtual, f.tag)
	i, _ = slices.BinarySearchFunc(c.line, f.tag+1, func(other *flow, tag uint64) int { return cmp.Compare(other.tag, tag) })
	c.line = slices.Insert(c.line, i, f)
}

func byArrival(a, b *entry) int {
	return cmp.Or(a.Arrived.Compare(b.Arrived), cmp.Compare(a.ID, b.ID))
}

func byDeadline(a, b *entry) int {
	return cmp.Or(a.Deadline.Compare(b.Deadline), cmp.Compare(a.ID, b.ID))
}

// insert and remove keep a list in its order.
func insert(list []*entry, e *entry, order func(a, b *entry) int) []*entry {
	i, _ := slices.BinarySearchFunc(list, e, order)
	return slices.Insert(list, i, e)
}

func remove(list []*entry, e *entry, order func(a, b *entry) int) []*entry {
	i, found := slices.BinarySearchFunc(list, e, order)
	if !found {
		return list
	}
	return slices.Delete(list, i, i+1)
}
