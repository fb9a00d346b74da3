package host

import (
	"context"
	"sync"
	"time"

	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/device"
)

// lease implements instance.Lease on the host's ledger.
type lease struct {
	host    *Host
	replica *replica
	unlock  func() // lets others load; any number of times

	mu       sync.Mutex
	reserved int64
	measured int64
	peak     int64
	warned   int64 // the peak that the operator knows of
	gpu      gpuLease
}

// gpuLease is what is known of a GPU's memory, which nvidia-smi must be asked for.
type gpuLease struct {
	before int64     // free before the load
	free   int64     // free when last asked
	pid    int       // of the process if nvidia-smi lists it, which it does not in a container with process ids of its own
	asked  time.Time // zero: never
	asking bool
}

// lease is the room that a replica has taken; the device is locked for its load.
func (h *Host) lease(ctx context.Context, r *replica, reserved int64, unlock func()) *lease {
	l := &lease{host: h, replica: r, unlock: unlock, reserved: reserved}
	if r.device.Kind == "cuda" {
		_, l.gpu.before, _ = device.GPUMemory(ctx, r.device.UUID) // without it there is only what is said of processes
	}
	return l
}

// Loaded implements instance.Lease.
func (l *lease) Loaded(pid int) int64 {
	defer l.unlock()
	if l.replica.device.Kind == "cuda" {
		l.ask(pid)
	}
	bytes := l.Measure(pid)
	l.mu.Lock()
	peak := l.peak
	l.mu.Unlock()
	// What it grows to later may be a leak, which must not keep the next process out.
	l.host.records.Note(l.replica.part().recordKey, func(x *device.Record) { x.PeakBytes = max(x.PeakBytes, peak) })
	return bytes
}

// gpuPoll is how often a GPU is asked what a process takes: nvidia-smi is a process of its own, of a tenth of a second and more.
const gpuPoll = 10 * time.Second

// gpuTime bounds one question to a GPU.
const gpuTime = 5 * time.Second

// Measure implements instance.Lease. What a process has taken at most is reserved from now on.
func (l *lease) Measure(pid int) int64 {
	if l.replica.device.Kind != "cuda" {
		peak, now, _ := device.ProcessPeak(pid)
		l.measure(peak, now)
		return now
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.gpu.asking && time.Since(l.gpu.asked) >= gpuPoll {
		l.gpu.asking = true
		go l.ask(pid) // a driver that hangs must not keep a silent process from being noticed
	}
	return l.measured
}

// ask asks the GPU.
func (l *lease) ask(pid int) {
	d := l.replica.device
	ctx, cancel := context.WithTimeout(context.Background(), gpuTime)
	defer cancel()
	_, free, err := device.GPUMemory(ctx, d.UUID)
	now := device.ProcessGPUMemory(ctx, d.UUID, []int{pid})
	l.mu.Lock()
	if err == nil {
		l.gpu.free = free
	}
	if now > 0 {
		l.gpu.pid = pid
	}
	if now == 0 && l.gpu.asked.IsZero() && err == nil {
		now = max(0, l.gpu.before-free) // nobody else has loaded meanwhile
	} else if now == 0 {
		now = l.measured
	}
	l.gpu.asked, l.gpu.asking = time.Now(), false
	l.mu.Unlock()
	l.measure(now, now)
}

// measure keeps a measurement.
func (l *lease) measure(peak, now int64) {
	l.mu.Lock()
	grown := peak > l.reserved
	l.measured, l.peak, l.reserved = now, max(l.peak, peak), max(l.reserved, peak)
	news := grown && peak > l.warned+l.warned/8
	if news {
		l.warned = peak
	}
	l.mu.Unlock()
	h, r := l.host, l.replica
	if !grown {
		return
	}
	if news { // a process may grow by a page at every look
		h.log.Warn("takes more memory than declared", "plugin", r.name, "declared", config.FormatSize(r.part().bytes), "taken", config.FormatSize(peak))
	}
	h.ledger.Adjust(r.key, peak)
	if h.ledger.Reserved(r.device.Name) > h.ledger.Budget(r.device.Name) {
		go h.shed(r.device.Name, r)
	}
}

// Release implements instance.Lease. Room that is kept is given back when the replica stops.
func (l *lease) Release(keep bool) {
	l.unlock()
	l.mu.Lock()
	d, g, held := l.replica.device, l.gpu, l.measured
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*gpuTime)
	defer cancel()
	var err error
	if g.pid != 0 {
		err = device.Freed(ctx, d, g.pid)
	} else {
		err = device.Returned(ctx, d, g.free, held)
	}
	if err != nil {
		l.host.log.Warn("the memory of a process that has ended is not free", "plugin", l.replica.name, "error", err)
	}
	if !keep {
		l.host.ledger.Release(l.replica.key)
	}
}
