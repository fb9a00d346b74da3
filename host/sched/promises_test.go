package sched

import (
	"slices"
	"time"
)

// check holds the state between two events to the promises.
func (m *model) check() {
	if m.q.Waiting() != len(m.waiting) || m.q.Running() != len(m.running) {
		m.fatalf("%d wait and %d run, want %d and %d", m.q.Waiting(), m.q.Running(), len(m.waiting), len(m.running))
	}
	if len(m.q.classes[Organic].flows)+len(m.q.groups) > 2*len(m.waiting) {
		m.fatalf("%d clients and %d keys are remembered for %d jobs", len(m.q.classes[Organic].flows), len(m.q.groups), len(m.waiting))
	}
	room := false
	for _, on := range m.instances {
		n := 0
		for _, r := range m.running {
			if r.on == on {
				n++
			}
		}
		if got := m.q.RunningOn(on.name); got != n {
			m.fatalf("%d jobs run on %s, want %d", got, on.name, n)
		}
		room = room || on.ready && on.held < on.permits
		for _, j := range m.waiting {
			if on.ready && on.held < on.permits && (j.Avoid != on.name || m.countReady() == 1) && !m.held(j, on) {
				m.fatalf("job %d waits in spite of room on %s", j.ID, on.name)
			}
		}
	}
	m.checkNext(room)
	m.checkTurns()
	if m.q.RetryAfter() < time.Second {
		m.fatalf("retry after %s", m.q.RetryAfter())
	}
}

func (m *model) checkNext(room bool) {
	next, ok := m.q.Next()
	if ok != (len(m.waiting) > 0) || ok && !next.After(m.now) {
		m.fatalf("next at %s, %t, with %d waiting", next.Sub(noon), ok, len(m.waiting))
	}
	for _, j := range m.waiting {
		if next.After(j.Deadline) || room && m.options.Delay > 0 && j.batchable() && next.After(j.Arrived.Add(m.options.Delay)) {
			m.fatalf("next at %s is too late for job %d", next.Sub(noon), j.ID)
		}
	}
}

// checkTurns notes who begins to wait for a turn.
func (m *model) checkTurns() {
	if !m.calm {
		return
	}
	clients := map[string]bool{}
	for _, j := range m.waiting {
		if j.Class == Organic {
			clients[j.Client] = true
		}
	}
	for client := range clients {
		if m.turns[client] == nil {
			m.turns[client] = &patience{most: len(clients) - 1}
		}
	}
	for client := range m.turns {
		if !clients[client] {
			delete(m.turns, client)
		}
	}
}

// held is the rule of Options.Delay.
func (m *model) held(j Job, on *modelInstance) bool {
	if m.options.Delay == 0 || on.maxBatch == 1 || !j.batchable() {
		return false
	}
	n, oldest := 0, j.Arrived
	for _, other := range m.waiting {
		if other.batchable() && other.Batch == j.Batch {
			n++
			if other.Arrived.Before(oldest) {
				oldest = other.Arrived
			}
		}
	}
	return n < on.maxBatch && m.now.Before(oldest.Add(m.options.Delay)) && j.Arrived.Add(m.options.Delay).Before(j.Deadline)
}

func (m *model) fresh() int {
	n := 0
	for _, j := range m.waiting {
		if !j.Again {
			n++
		}
	}
	return n
}

func (m *model) countReady() int {
	n := 0
	for _, on := range m.instances {
		if on.ready {
			n++
		}
	}
	return n
}

func (m *model) instance(name string) *modelInstance {
	i := slices.IndexFunc(m.instances, func(on *modelInstance) bool { return on.name == name })
	if i < 0 {
		m.fatalf("no instance %q", name)
	}
	return m.instances[i]
}
