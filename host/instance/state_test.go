package instance

import "testing"

var (
	states = []State{Stopped, Starting, Loading, Ready, Draining, Backoff}
	all    = []event{wanted, loading, loaded, failed, denied, retry, stop, stopped}
)

func TestTable_is_the_whole_life_of_a_process(t *testing.T) {
	const none = State("") // the event changes nothing
	// Columns in the order of all: wanted, loading, loaded, failed, denied, retry, stop, stopped.
	want := map[State][]State{
		Stopped:  {Starting, none, none, none, none, none, none, none},
		Starting: {none, Loading, none, Backoff, Stopped, none, Draining, none},
		Loading:  {none, none, Ready, Backoff, none, none, Draining, none},
		Ready:    {none, none, none, Backoff, none, none, Draining, none},
		Draining: {none, none, none, none, none, none, none, Stopped},
		Backoff:  {none, none, none, none, none, Starting, Stopped, none},
	}
	if len(table) != len(states) || len(want) != len(states) {
		t.Fatalf("%d states in the table, %d expected of %d", len(table), len(want), len(states))
	}
	for _, s := range states {
		for i, e := range all {
			next, ok := table[s][e]
			if next != want[s][i] || ok != (want[s][i] != none) {
				t.Errorf("%s in %s leads to %q, want %q", e, s, next, want[s][i])
			}
		}
		for e := range table[s] {
			if !known(e) {
				t.Errorf("%s has the unknown event %q", s, e)
			}
		}
	}
}

func known(e event) bool {
	for _, x := range all {
		if x == e {
			return true
		}
	}
	return false
}

// from is every state that can be reached from one, itself included.
func from(s State, seen map[State]bool) map[State]bool {
	if seen[s] {
		return seen
	}
	seen[s] = true
	for _, next := range table[s] {
		from(next, seen)
	}
	return seen
}

func TestTable_reaches_every_state_from_every_state(t *testing.T) {
	for _, s := range states {
		reached := from(s, map[State]bool{})
		for _, other := range states {
			if !reached[other] {
				t.Errorf("%s is not reached from %s", other, s)
			}
		}
		if len(reached) != len(states) {
			t.Errorf("an unknown state is reached from %s: %v", s, reached)
		}
	}
}

func TestTable_has_no_terminal_state(t *testing.T) {
	for _, s := range states {
		leaves := false
		for _, next := range table[s] {
			leaves = leaves || next != s
		}
		if !leaves {
			t.Errorf("nothing leads out of %s", s)
		}
	}
}

func TestTable_stops_from_wherever_a_process_may_be(t *testing.T) {
	for _, s := range []State{Starting, Loading, Ready, Backoff} {
		next := table[s][stop]
		if next == Draining {
			next = table[next][stopped]
		}
		if next != Stopped {
			t.Errorf("a stop in %s ends in %q", s, next)
		}
	}
}
