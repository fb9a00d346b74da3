package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/device"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/host/plan"
	"github.com/vision19/vision/sdk"
)

// Apply moves to a new configuration: a plugin that is unchanged goes on, a changed one is started anew, warmed up and then swapped in, and the
// old one answers what it has accepted. Where a device has no room for both, the old one ends first; what is asked meanwhile waits. With errors
// in the diagnostics nothing has changed. A plugin whose new process does not start keeps its old one, and the others do not notice: the error
// joins one for each such plugin.
func (h *Host) Apply(ctx context.Context, c *config.Config) (plan.Plan, hcl.Diagnostics, error) {
	h.reloading.Lock() // one after another
	defer h.reloading.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.life, cancel)()
	next, diags := h.prepare(ctx, c)
	if diags.HasErrors() {
		return next.made, diags, nil
	}
	if was := h.setup.config.Host.Listen; was != c.Host.Listen {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning, Summary: "The address stays", Detail: fmt.Sprintf("host.listen is %q now; the host goes on with %q until it is started again.", c.Host.Listen, was),
		})
	}
	h.ledger.SetDevices(union(h.setup.devices, next.devices)) // what goes back finds its room
	h.remove(next)
	errs := make([]error, len(next.parts))
	var group sync.WaitGroup
	for i, part := range next.parts {
		group.Go(func() {
			errs[i] = h.move(ctx, part) // which names the plugin, or the line in the file
		})
	}
	group.Wait()
	h.settle(next)
	for _, d := range next.devices { // a budget may be smaller now
		h.shed(d.Name, nil)
	}
	return next.made, diags, errors.Join(errs...)
}

// settle makes a configuration the one that holds. Plugins are in its order: the first of an endpoint is asked by the endpoint's name.
func (h *Host) settle(next setup) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.setup = next
	h.ledger.SetDevices(h.devices())
	order := func(u *unit) int {
		return slices.IndexFunc(next.parts, func(p *part) bool { return p.plugin.Name == u.name })
	}
	slices.SortFunc(h.units, func(a, b *unit) int { return order(a) - order(b) })
}

// union is the devices of two configurations, each with its larger budget.
func union(old, next []device.Device) []device.Device {
	out := slices.Clone(next)
	for _, d := range old {
		if i := slices.IndexFunc(out, func(x device.Device) bool { return x.Name == d.Name }); i >= 0 {
			out[i].Budget = max(out[i].Budget, d.Budget)
		} else {
			out = append(out, d)
		}
	}
	return out
}

// devices are those that are declared, and those of plugins that could not move away; the lock is held.
func (h *Host) devices() []device.Device {
	out := slices.Clone(h.setup.devices)
	for _, u := range h.units {
		for _, d := range u.current().devices {
			if !slices.ContainsFunc(out, func(x device.Device) bool { return x.Name == d.Name }) {
				out = append(out, d)
			}
		}
	}
	return out
}

// remove ends the units that are not declared any more, first: their room may be needed.
func (h *Host) remove(next setup) {
	h.mu.Lock()
	var gone []*unit
	h.units = slices.DeleteFunc(h.units, func(u *unit) bool {
		if slices.ContainsFunc(next.parts, func(p *part) bool { return p.plugin.Name == u.name }) {
			return false
		}
		gone = append(gone, u)
		return true
	})
	h.mu.Unlock()
	var group sync.WaitGroup
	for _, u := range gone {
		group.Go(func() {
			u.close(h.drain, sdk.NewError(sdk.CodeUnavailable, "plugin "+u.name+" has been taken out of the configuration", nil))
		})
	}
	group.Wait()
}

// move brings one plugin to its new part.
func (h *Host) move(ctx context.Context, next *part) error {
	if u := h.unit(next.plugin.Name); u != nil {
		if err := u.replace(ctx, next); err != nil {
			return fmt.Errorf("%w; plugin %s goes on as it was", err, u.name)
		}
		return nil
	}
	if h.life.Err() != nil {
		return errStopping
	}
	u := h.newUnit(next)
	u.begin()
	err := u.awaitReady(ctx)
	h.mu.Lock()
	if err == nil && h.life.Err() != nil {
		err = errStopping
	}
	if err == nil {
		h.units = append(h.units, u)
	}
	h.mu.Unlock()
	if err != nil {
		u.close(h.drain, err)
		return fmt.Errorf("%w; plugin %s is not served", err, u.name)
	}
	return nil
}

// unit finds a unit by its plugin's name.
func (h *Host) unit(name string) *unit {
	for _, u := range h.list() {
		if u.name == name {
			return u
		}
	}
	return nil
}

// errStopping is what a request gets that comes too late.
var errStopping = &sdk.Error{Code: sdk.CodeUnavailable, Message: "the host is stopping", RetryAfter: 5 * time.Second}

// replace moves the unit to a new part; on failure nothing has changed.
func (u *unit) replace(ctx context.Context, next *part) error {
	old := u.current()
	if old.digest() == next.digest() && samePlaces(old.devices, next.devices) {
		u.keep(next)
		return nil
	}
	if next.demand && len(u.running()) == 0 {
		u.adopt(next)
		return nil
	}
	if !u.reload(true) {
		return errStopping
	}
	before, ran := u.all(), len(u.running()) > 0
	beside := u.host.fits(next)
	if !beside {
		each(before, func(r *replica) { r.rest(u.host.drain) })
	}
	err := u.try(ctx, next)
	if err == nil {
		u.reload(false)
		u.adopt(next)
		return nil
	}
	u.reload(false)
	if u.wanted() || ran && !beside {
		u.ensure()
	}
	return err
}

// samePlaces reports whether the processes that both have are on the same devices.
func samePlaces(a, b []device.Device) bool {
	n := min(len(a), len(b))
	return slices.EqualFunc(a[:n], b[:n], func(x, y device.Device) bool { return x.Name == y.Name && x.Kind == y.Kind && x.UUID == y.UUID })
}

// reload sets whether a reload is under way, unless the unit is closed.
func (u *unit) reload(under bool) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.reloading = under && !u.closed; !under {
		u.unloadLater()
	}
	return u.reloading == under
}

// wanted reports whether requests need a process.
func (u *unit) wanted() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.busy > 0
}

// try starts the planned processes of a part beside those that there are, and takes them away again if one of them fails.
func (u *unit) try(ctx context.Context, next *part) error {
	u.mu.Lock()
	if u.closed { // since the reload began
		u.mu.Unlock()
		return errStopping
	}
	var fresh []*replica
	for n, d := range next.devices {
		fresh = append(fresh, u.add(next, n+1, d))
	}
	u.mu.Unlock()
	for _, r := range fresh {
		r.instance.Start()
	}
	var err error
	for _, r := range fresh {
		if failed := r.instance.AwaitReady(ctx); failed != nil && err == nil {
			err = located(next.plugin, failed)
		}
	}
	if err != nil {
		each(fresh, func(r *replica) { r.retire(u.host.drain) })
	}
	return err
}

// each does something with all replicas at once.
func each(replicas []*replica, do func(*replica)) {
	var group sync.WaitGroup
	for _, r := range replicas {
		group.Go(func() { do(r) })
	}
	group.Wait()
}

// keep makes a part the one that holds whose processes are the same: those that run are its own. Their number may be another.
func (u *unit) keep(next *part) {
	u.mu.Lock()
	next.configured.Store(u.part.configured.Load())
	var surplus []*replica
	awake := false
	for _, r := range u.replicas {
		r.held.CompareAndSwap(u.part, next)
		if r.number > max(len(next.devices), next.plugin.Replicas.Max) {
			r.leaving.Store(true)
			surplus = append(surplus, r)
		}
		awake = awake || r.instance.Status().State != instance.Stopped
	}
	u.hold(next)
	u.mu.Unlock()
	if awake {
		u.ensure()
	}
	each(surplus, func(r *replica) { r.retire(u.host.drain) })
}

// hold is called with the lock held.
func (u *unit) hold(next *part) {
	u.part = next
	u.queue.SetOptions(next.queueing())
	u.unloadLater()
}

// adopt makes a part the one that holds, and ends the processes of another once they have answered what they have. What waits goes on to its own.
func (u *unit) adopt(next *part) {
	u.mu.Lock()
	u.hold(next)
	old := slices.DeleteFunc(slices.Clone(u.replicas), func(r *replica) bool { return r.part() == next })
	for _, r := range old {
		r.leaving.Store(true)
	}
	waits := u.busy > 0
	u.mu.Unlock()
	if waits {
		u.ensure()
	}
	each(old, func(r *replica) { r.retire(u.host.drain) })
}

// fits reports whether the processes of a part find room beside all that runs.
func (h *Host) fits(next *part) bool {
	need := map[string]int64{}
	for _, d := range next.devices {
		need[d.Name] += h.bytes(next)
	}
	for name, bytes := range need {
		if h.ledger.Budget(name)-h.ledger.Reserved(name) < bytes {
			return false
		}
	}
	return true
}
