package devnet

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrFault is a fault that does not exist, or whose numbers are out of range.
var ErrFault = errors.New("no such fault")

// Kind names a fault.
type Kind string

// The faults. Those that last do so for Count times, or until Clear when Count is 0; Fork and Upgrade happen once.
const (
	Refuse  Kind = "refuse"  // submissions get Code, or, with Custom, 1010 and "Custom error: n"
	Drop    Kind = "drop"    // a socket ends, without a close frame, at its message number After (1 when 0)
	Stall   Kind = "stall"   // nothing is read or answered, pings included; sockets stay open
	Halt    Kind = "halt"    // the timer makes no blocks; dev_newBlock still does
	Slow    Kind = "slow"    // every message waits Delay
	Busy    Kind = "busy"    // HTTP calls and websocket upgrades get 429, with RetryAfter
	Lose    Kind = "lose"    // a submission is answered as taken, and is not
	Fork    Kind = "fork"    // Blocks blocks are dropped, and one more built; their extrinsics go back to the pool, or with Lost nowhere
	Upgrade Kind = "upgrade" // the next block ends with a runtime of the next spec version, whose pallets have other indices
	Clear   Kind = "clear"   // ends every fault that lasts
)

// Fault is something that goes wrong, on purpose. Its JSON is the parameter of dev_fault.
type Fault struct {
	Kind       Kind   `json:"kind"`
	Count      int    `json:"count"`      // 0: until Clear
	Code       int    `json:"code"`       // Refuse
	Custom     *byte  `json:"custom"`     // Refuse: InvalidTransaction::Custom
	Data       string `json:"data"`       // Refuse: data of the error
	After      int    `json:"after"`      // Drop
	Delay      int    `json:"delay"`      // Slow, milliseconds, up to 60,000
	RetryAfter int    `json:"retryAfter"` // Busy, seconds
	Blocks     uint32 `json:"blocks"`     // Fork
	Lost       bool   `json:"lost"`       // Fork
}

// faults are those that last.
type faults struct {
	mu      sync.Mutex
	active  map[Kind]*Fault
	changed chan struct{} // closed at every change
}

func newFaults() *faults {
	return &faults{active: map[Kind]*Fault{}, changed: make(chan struct{})}
}

func (f *faults) set(one Fault) error {
	switch one.Kind {
	case Refuse, Drop, Stall, Halt, Slow, Busy, Lose, Clear:
	default:
		return fmt.Errorf("%w: kind %q", ErrFault, one.Kind)
	}
	if one.Count < 0 || one.After < 0 || one.RetryAfter < 0 || one.Delay < 0 || one.Delay > 60_000 {
		return fmt.Errorf("%w: %s: count, after and retryAfter are at least 0, delay is 0 to 60000 ms", ErrFault, one.Kind)
	}
	if one.Kind == Refuse && one.Code == 0 && one.Custom == nil {
		return fmt.Errorf("%w: refuse needs code or custom", ErrFault)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if one.Kind == Clear {
		f.active = map[Kind]*Fault{}
	} else {
		f.active[one.Kind] = &one
	}
	close(f.changed)
	f.changed = make(chan struct{})
	return nil
}

// take is the fault of a kind, if there is one now, and counts it.
func (f *faults) take(kind Kind) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count(kind)
}

func (f *faults) count(kind Kind) (Fault, bool) {
	one := f.active[kind]
	if one == nil {
		return Fault{}, false
	}
	if one.Count > 0 {
		if one.Count--; one.Count == 0 {
			delete(f.active, kind)
		}
	}
	return *one, true
}

// drops says whether the socket ends at its n-th message.
func (f *faults) drops(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.active[Drop]
	if one == nil || n < max(one.After, 1) {
		return false
	}
	_, hit := f.count(Drop)
	return hit
}

// stalled waits while the node is stalled.
func (f *faults) stalled(done <-chan struct{}) {
	for {
		f.mu.Lock()
		stalled, changed := f.active[Stall] != nil, f.changed
		f.mu.Unlock()
		if !stalled {
			return
		}
		select {
		case <-changed:
		case <-done:
			return
		}
	}
}

// wait holds a message back while the node is stalled, and for the delay of a slow one.
func (f *faults) wait(done <-chan struct{}) {
	f.stalled(done)
	if slow, ok := f.take(Slow); ok {
		t := time.NewTimer(time.Duration(slow.Delay) * time.Millisecond)
		defer t.Stop()
		select {
		case <-t.C:
		case <-done:
		}
	}
}
