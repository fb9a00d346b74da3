package device

import (
	"context"
	"fmt"
	"maps"
	"sync"
)

// Ledger is who holds how many bytes of which device. What it holds are reservations, made before a process starts and adjusted to
// what the process is then measured to take. Its methods may be called from any goroutine.
type Ledger struct {
	mu      sync.Mutex
	budgets map[string]int64            // by device
	held    map[string]map[string]int64 // by device and holder
	loads   map[string]chan struct{}    // by device, with one place each
}

// NewLedger makes a ledger in which nobody holds anything.
func NewLedger(devices []Device) *Ledger {
	l := &Ledger{held: map[string]map[string]int64{}, loads: map[string]chan struct{}{}}
	l.SetDevices(devices)
	return l
}

// SetDevices replaces the devices and their budgets. What is held stays held, also above a smaller budget and of a device that has gone.
func (l *Ledger) SetDevices(devices []Device) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.budgets = map[string]int64{}
	for _, d := range devices {
		l.budgets[d.Name] = d.Budget
	}
}

// Reserve takes bytes of a device for a holder, or takes nothing and returns false: the device has no such room or is unknown, bytes are
// negative, or the holder has a reservation already, of whatever device, and must release it first.
func (l *Ledger) Reserve(device, holder string, bytes int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	budget, known := l.budgets[device]
	if !known || bytes < 0 || bytes > budget-l.reserved(device) || l.deviceOf(holder) != "" {
		return false
	}
	if l.held[device] == nil {
		l.held[device] = map[string]int64{}
	}
	l.held[device][holder] = bytes
	return true
}

// Adjust sets what a holder is found to take, which may be above the budget: it is a fact, and later reservations fail for it. A holder
// without a reservation is ignored.
func (l *Ledger) Adjust(holder string, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := l.deviceOf(holder); d != "" {
		l.held[d][holder] = max(bytes, 0)
	}
}

// Release gives back what a holder has, if anything.
func (l *Ledger) Release(holder string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := l.deviceOf(holder); d != "" {
		delete(l.held[d], holder)
	}
}

// Budget returns the bytes that may be held of a device; 0 for an unknown one.
func (l *Ledger) Budget(device string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.budgets[device]
}

// Reserved returns the bytes that are held of a device.
func (l *Ledger) Reserved(device string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reserved(device)
}

// Held returns the bytes that a holder has, 0 for none.
func (l *Ledger) Held(holder string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[l.deviceOf(holder)][holder]
}

// Holders returns who holds how many bytes of a device. The map is the caller's.
func (l *Ledger) Holders(device string) map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := maps.Clone(l.held[device])
	if out == nil {
		out = map[string]int64{}
	}
	return out
}

// LockLoad waits until no other model is being loaded onto the device: two that load at once may each find room that the other is about
// to take. Calling unlock more than once does no harm. The error is that ctx has ended.
func (l *Ledger) LockLoad(ctx context.Context, device string) (unlock func(), err error) {
	l.mu.Lock()
	place := l.loads[device]
	if place == nil {
		place = make(chan struct{}, 1)
		l.loads[device] = place
	}
	l.mu.Unlock()
	select {
	case place <- struct{}{}:
		return sync.OnceFunc(func() { <-place }), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the other models that are loaded onto %s: %w", device, ctx.Err())
	}
}

// reserved and deviceOf are called with the lock held.
func (l *Ledger) reserved(device string) (sum int64) {
	for _, n := range l.held[device] {
		sum += n
	}
	return sum
}

func (l *Ledger) deviceOf(holder string) string {
	for device, holders := range l.held {
		if _, ok := holders[holder]; ok {
			return device
		}
	}
	return ""
}
