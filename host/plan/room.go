package plan

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Resident is what holds memory of a device.
type Resident struct {
	Name   string
	Bytes  int64
	Pinned bool // it is never unloaded
	Busy   bool // it has work
	Idle   time.Duration
}

// Room is the rule by which one makes room for another: it names those of a device's residents that have to go so that need bytes of the
// budget are free. Those that are neither pinned nor busy may go, the least recently used first, of equals the first in the list, and
// none in vain: without any of the named, the others would not do. When all of them are not enough nobody has to go, and short, above 0, is
// how many bytes would be missing still.
func Room(budget int64, residents []Resident, need int64) (evict []string, short int64) {
	missing := max(need, 0)
	for _, r := range residents {
		missing = add(missing, max(r.Bytes, 0))
	}
	missing -= max(budget, 0)
	if missing <= 0 {
		return nil, 0
	}
	idle := slices.DeleteFunc(slices.Clone(residents), func(r Resident) bool { return r.Pinned || r.Busy || r.Bytes <= 0 })
	slices.SortStableFunc(idle, func(a, b Resident) int { return cmp.Compare(b.Idle, a.Idle) })
	var gained int64
	n := 0
	for ; n < len(idle) && gained < missing; n++ {
		gained = add(gained, idle[n].Bytes)
	}
	if gained < missing {
		return nil, missing - gained
	}
	// One that goes later may give enough alone.
	needed := idle[:n]
	for i := n - 1; i >= 0; i-- {
		if gained-needed[i].Bytes >= missing {
			gained -= needed[i].Bytes
			needed = slices.Delete(needed, i, i+1)
		}
	}
	for _, r := range needed {
		evict = append(evict, r.Name)
	}
	return evict, 0
}

// add is a sum of two numbers, neither negative, that does not wrap around: a sum that did would be below every budget.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
