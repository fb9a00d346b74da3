package host

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/device"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/host/plan"
	"github.com/vision19/vision/sdk"
)

// turn is how long a process that was loaded into a full device stays at least while it has work: without it two busy plugins that do not fit
// together would do nothing but load. After its turn it has to go when another one waits.
const turn = 10 * time.Second

// roomTime is how long a start waits for others to leave: several turns.
const roomTime = time.Minute

// roomPoll is how often a start that waits for room looks again.
const roomPoll = 50 * time.Millisecond

// admit takes room for a process on its device, one load at a time, and unloads others if it must: those that the plan would.
func (h *Host) admit(ctx context.Context, r *replica) (instance.Lease, error) {
	unlock, err := h.ledger.LockLoad(ctx, r.device.Name)
	if err != nil {
		return nil, err
	}
	need := h.bytes(r.part())
	ctx, cancel := context.WithTimeout(ctx, roomTime)
	defer cancel()
	for !h.ledger.Reserve(r.device.Name, r.key, need) {
		victims, err := h.makeRoom(r, need)
		if err != nil {
			unlock()
			return nil, err
		}
		for _, v := range victims {
			h.unload(v, r)
		}
		if len(victims) > 0 {
			continue
		}
		select {
		case <-time.After(roomPoll):
		case <-ctx.Done():
			unlock()
			return nil, h.full(r, need, 0)
		}
	}
	l := &lease{host: h, replica: r, unlock: sync.OnceFunc(unlock), reserved: need}
	if r.device.Kind == "cuda" {
		_, l.before, _ = device.GPUMemory(ctx, r.device.UUID) // without it there is only what nvidia-smi says of processes
	}
	return l, nil
}

// makeRoom chooses who has to go: nobody yet when those that could are at work, and an error when it would not help.
func (h *Host) makeRoom(r *replica, need int64) ([]*replica, error) {
	residents, byName := h.residents(r)
	budget := h.ledger.Budget(r.device.Name)
	// A replica beyond the planned ones takes only what is free; others need not go for it.
	if r.number > len(r.part().devices) {
		return nil, h.full(r, need, need-(budget-h.ledger.Reserved(r.device.Name)))
	}
	hopeful := slices.Clone(residents)
	for i := range hopeful {
		hopeful[i].Busy = false
	}
	if _, short := plan.Room(budget, hopeful, need); short > 0 {
		return nil, h.full(r, need, short)
	}
	names, short := plan.Room(budget, residents, need)
	if short > 0 {
		return nil, nil
	}
	var victims []*replica
	for _, name := range names {
		victims = append(victims, byName[name])
	}
	return victims, nil
}

// residents lists what holds memory of the replica's device, but for the replica itself.
func (h *Host) residents(r *replica) ([]plan.Resident, map[string]*replica) {
	var out []plan.Resident
	byName := map[string]*replica{}
	held := h.ledger.Holders(r.device.Name)
	for _, u := range h.list() {
		u.mu.Lock()
		busy, idle := u.busy > 0, time.Since(u.used)
		replicas := slices.Clone(u.replicas)
		u.mu.Unlock()
		for _, x := range replicas {
			bytes, holds := held[x.key]
			if !holds || x == r {
				continue
			}
			s := x.instance.Status()
			served := s.State == instance.Ready && time.Since(s.Since) >= turn
			if busy {
				idle = 0
			}
			out = append(out, plan.Resident{
				Name: x.key, Bytes: bytes, Idle: idle, Busy: busy && !served || s.State != instance.Ready,
				Pinned: x.part().plugin.KeepAlive == config.Pinned || x.unit == r.unit,
			})
			byName[x.key] = x
			delete(held, x.key)
		}
	}
	for key, bytes := range held { // of processes whose units are gone, and which are just ending
		if key != r.key {
			out = append(out, plan.Resident{Name: key, Bytes: bytes, Busy: true})
		}
	}
	return out, byName
}

// full says that a device has no room, and by how much.
func (h *Host) full(r *replica, need, short int64) error {
	budget, reserved := h.ledger.Budget(r.device.Name), h.ledger.Reserved(r.device.Name)
	text := fmt.Sprintf("%s has no room for %s: it needs %s, %s of %s are taken", r.device.Name, r.name, config.FormatSize(need), config.FormatSize(reserved), config.FormatSize(budget))
	if short > 0 {
		text += fmt.Sprintf(", %s too few could be freed", config.FormatSize(short))
	} else {
		text += " by plugins that are at work"
	}
	return &sdk.Error{Code: sdk.CodeBusy, Message: text, RetryAfter: 5 * time.Second}
}

// bytes is what one process of a part is reserved: what was declared, or what has been measured if that is more.
func (h *Host) bytes(p *part) int64 {
	record, _ := h.records.Get(p.recordKey)
	return max(p.bytes, record.PeakBytes)
}

// free is a device with room for one more process of a part, without any other having to go.
func (h *Host) free(p *part) (device.Device, bool) {
	need := h.bytes(p)
	h.mu.RLock()
	devices := h.setup.devices
	h.mu.RUnlock()
	for _, d := range devices {
		may := p.plugin.Device == config.AutoDevice || p.plugin.Device == d.Name || p.plugin.Device == d.UUID && d.UUID != ""
		if may && h.ledger.Budget(d.Name)-h.ledger.Reserved(d.Name) >= need {
			return d, true
		}
	}
	return device.Device{}, false
}

// shed unloads idle plugins of a replica's device until what is taken is within the budget again.
func (h *Host) shed(r *replica) {
	residents, byName := h.residents(r)
	residents = append(residents, plan.Resident{Name: r.key, Bytes: h.ledger.Holders(r.device.Name)[r.key], Pinned: true})
	names, _ := plan.Room(h.ledger.Budget(r.device.Name), residents, 0)
	for _, name := range names {
		h.unload(byName[name], r)
	}
}

// relieve unloads every idle plugin of the device on which a replica has run out of memory. It waits for their ends while ctx lasts.
func (h *Host) relieve(ctx context.Context, r *replica) {
	residents, byName := h.residents(r)
	var group sync.WaitGroup
	for _, x := range residents {
		if !x.Pinned && !x.Busy {
			group.Go(func() { h.unload(byName[x.Name], r) })
		}
	}
	gone := make(chan struct{})
	go func() {
		group.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-ctx.Done():
	}
}

func (h *Host) unload(victim, instead *replica) {
	if victim == nil {
		return
	}
	h.log.Info("unloaded to make room", "plugin", victim.name, "for", instead.name, "device", instead.device.Name)
	victim.rest(h.drain)
}

// lease implements instance.Lease on the host's ledger.
type lease struct {
	host     *Host
	replica  *replica
	unlock   func()
	reserved int64

	mu       sync.Mutex
	before   int64     // what a GPU had free before the load
	asked    time.Time // when it was last asked
	free     int64     // what it had free then
	measured int64
	peak     int64
}

// Loaded implements instance.Lease.
func (l *lease) Loaded(pid int) int64 {
	defer l.unlock()
	return l.Measure(pid)
}

// gpuPoll is how often a GPU is asked what a process takes: nvidia-smi is a process of its own, of a tenth of a second and more.
const gpuPoll = 10 * time.Second

// gpuTime bounds one question to a GPU.
const gpuTime = 5 * time.Second

// Measure implements instance.Lease. What a process has taken at most is remembered, and reserved from now on.
func (l *lease) Measure(pid int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.replica.device
	var peak, now int64
	if d.Kind == "cuda" {
		if time.Since(l.asked) < gpuPoll {
			return l.measured
		}
		ctx, cancel := context.WithTimeout(context.Background(), gpuTime)
		defer cancel()
		_, l.free, _ = device.GPUMemory(ctx, d.UUID)
		if now = device.ProcessGPUMemory(ctx, d.UUID, []int{pid}); now == 0 && l.asked.IsZero() && l.free > 0 {
			now = max(0, l.before-l.free) // nvidia-smi sees other process ids than we in a container; nobody else has loaded meanwhile
		} else if now == 0 {
			now = l.measured
		}
		peak, l.asked = now, time.Now()
	} else {
		peak, now, _ = device.ProcessPeak(pid)
	}
	if l.measured = now; peak > l.peak {
		l.peak = peak
		l.host.records.Note(l.replica.part().recordKey, func(x *device.Record) { x.PeakBytes = max(x.PeakBytes, peak) })
	}
	if peak > l.reserved {
		l.grown(peak)
	}
	return now
}

// grown reserves more than was declared, because more is taken.
func (l *lease) grown(peak int64) {
	h, r := l.host, l.replica
	h.log.Warn("takes more memory than declared", "plugin", r.name, "declared", config.FormatSize(r.part().bytes), "taken", config.FormatSize(peak))
	l.reserved = peak
	h.ledger.Adjust(r.key, peak)
	if h.ledger.Reserved(r.device.Name) > h.ledger.Budget(r.device.Name) {
		go h.shed(r)
	}
}

// Release implements instance.Lease.
func (l *lease) Release() {
	defer l.host.ledger.Release(l.replica.key)
	l.unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*gpuTime)
	defer cancel()
	if err := device.Returned(ctx, l.replica.device, l.free, l.measured); err != nil {
		l.host.log.Warn("the memory of a process that has ended is not free", "plugin", l.replica.name, "error", err)
	}
}
