package sched

import (
	"time"
)

// DefaultGrow is how long the oldest request waits before another replica starts. A queue that empties within half a second needs no new process,
// whose start costs seconds and gigabytes.
const DefaultGrow = 500 * time.Millisecond

// DefaultShrink is how long a replica is idle before it ends. Requests come in bursts some seconds apart; a model that loads anew for each burst
// costs more than the memory it would free for half a minute.
const DefaultShrink = 30 * time.Second

// Replica is one process of a plugin that has been started.
type Replica struct {
	Name    string
	Number  int // from 1; those up to Min are planned
	Ready   bool
	Running int           // requests
	Permits int           // runs at once
	Idle    time.Duration // since its last request ended, or since it became ready
}

// Load is what a plugin has to do, and with what.
type Load struct {
	Waiting  int
	Oldest   time.Duration // that a request has waited
	Replicas []Replica     // started ones, ready or not
}

// Bounds are how far a plugin may grow and shrink, and how soon.
type Bounds struct {
	Min, Max     int // replicas; below 1 counts as 1, since unloading the last one is not a matter of scale
	Grow, Shrink time.Duration
}

// Scale decides whether to start one more replica, or which one to stop ("": none); never both. One starts when a request has waited for Grow, more
// wait than the ready replicas take at once, or fewer than Min run; but not while another is still starting, whose effect is not known yet, nor
// when nothing runs at all and nothing waits. Of the replicas beyond Min, the one with the highest number that has been idle for Shrink stops when
// nothing waits.
func Scale(l Load, b Bounds) (start bool, stop string) {
	least, most := max(b.Min, 1), max(b.Max, b.Min, 1)
	permits, starting := 0, false
	for _, r := range l.Replicas {
		if r.Ready {
			permits += r.Permits
		} else {
			starting = true
		}
	}
	n := len(l.Replicas)
	short := n > 0 && n < least
	pressed := l.Waiting > permits && l.Oldest >= b.Grow
	if !starting && n < most && (short || pressed) {
		return true, ""
	}
	if n <= least || l.Waiting > 0 {
		return false, ""
	}
	highest := least
	for _, r := range l.Replicas {
		if r.Ready && r.Running == 0 && r.Idle >= b.Shrink && r.Number > highest {
			highest, stop = r.Number, r.Name
		}
	}
	return false, stop
}
