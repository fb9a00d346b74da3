package host

import (
	"context"
	"fmt"
	"math"
	"slices"
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

// admit takes room for a process on its device, one load at a time, and unloads others if it must: those that the plan would. A start that follows
// one that failed finds its room kept.
func (h *Host) admit(ctx context.Context, r *replica) (instance.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, roomTime)
	defer cancel()
	need := h.bytes(r.part())
	for {
		unlock, err := h.ledger.LockLoad(ctx, r.device.Name)
		if err != nil {
			return nil, h.full(r, need, 0)
		}
		if kept := h.ledger.Held(r.key); kept > 0 || h.ledger.Reserve(r.device.Name, r.key, need) {
			return h.lease(ctx, r, max(kept, need), unlock), nil
		}
		unlock() // whoever needs less, or has its room already, goes first
		victims, err := h.makeRoom(r, need)
		if err != nil {
			return nil, err
		}
		each(victims, func(v *replica) { h.unload(v, r.name) })
		if len(victims) > 0 {
			continue
		}
		select {
		case <-time.After(roomPoll):
		case <-ctx.Done():
			return nil, h.full(r, need, 0)
		}
	}
}

// makeRoom chooses who has to go: nobody yet when those that could are at work, and an error when it would not help.
func (h *Host) makeRoom(r *replica, need int64) ([]*replica, error) {
	residents, byName := h.residents(r.device.Name, r, turn)
	budget := h.ledger.Budget(r.device.Name)
	// Others go for what the plan has given a place, and for what is declared to take theirs. The rest takes what is free.
	p := r.part()
	if r.number > len(p.devices) || p.demand && p.plugin.OnFull != config.OnFullEvict {
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

// residents lists what holds memory of a device, but for one replica, whose siblings do not go for it. What is at work is busy, until it has had its
// turn.
func (h *Host) residents(d string, but *replica, turn time.Duration) ([]plan.Resident, map[string]*replica) {
	var out []plan.Resident
	byName := map[string]*replica{}
	held := h.ledger.Holders(d)
	if but != nil {
		delete(held, but.key)
	}
	for _, u := range h.list() {
		u.mu.Lock()
		working, replicas := u.busy > 0, slices.Clone(u.replicas)
		u.mu.Unlock()
		for _, x := range replicas {
			bytes, holds := held[x.key]
			if !holds {
				continue
			}
			s := x.instance.Status()
			busy := s.State != instance.Ready || working && time.Since(s.Since) < turn
			if s.State == instance.Backoff {
				busy = time.Until(s.RetryAt) < shortWait
			}
			out = append(out, plan.Resident{
				Name: x.key, Bytes: bytes, Idle: x.idle(s), Busy: busy, Pinned: x.part().plugin.KeepAlive == config.Pinned || but != nil && x.unit == but.unit,
			})
			byName[x.key] = x
			delete(held, x.key)
		}
	}
	for key, bytes := range held { // of units that are gone, and of processes that are just ending
		out = append(out, plan.Resident{Name: key, Bytes: bytes, Busy: true})
	}
	return out, byName
}

// always is a turn that never ends.
const always = time.Duration(math.MaxInt64)

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
		if (plan.Device{Name: d.Name, UUID: d.UUID}).Allows(p.plugin.Device) && h.ledger.Budget(d.Name)-h.ledger.Reserved(d.Name) >= need {
			return d, true
		}
	}
	return device.Device{}, false
}

// shed unloads idle plugins of a device, but for the replica if there is one, until what is taken is within the budget again.
func (h *Host) shed(d string, but *replica) {
	residents, byName := h.residents(d, but, always)
	if but != nil {
		residents = append(residents, plan.Resident{Name: but.key, Bytes: h.ledger.Held(but.key), Pinned: true})
	}
	names, _ := plan.Room(h.ledger.Budget(d), residents, 0)
	for _, name := range names {
		h.unload(byName[name], "what has grown")
	}
}

// relieve unloads every idle plugin of the device on which a replica has run out of memory. It waits for their ends while ctx lasts.
func (h *Host) relieve(ctx context.Context, r *replica) {
	residents, byName := h.residents(r.device.Name, r, always)
	var idle []*replica
	for _, x := range residents {
		if !x.Pinned && !x.Busy {
			idle = append(idle, byName[x.Name])
		}
	}
	gone := make(chan struct{})
	go func() {
		each(idle, func(v *replica) { h.unload(v, r.name) })
		close(gone)
	}()
	select {
	case <-gone:
	case <-ctx.Done():
	}
}

func (h *Host) unload(victim *replica, room string) {
	if victim == nil {
		return
	}
	h.log.Info("unloaded to make room", "plugin", victim.name, "for", room, "device", victim.device.Name)
	victim.say("unloaded to make room for " + room)
	victim.rest(h.drain)
}
