package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/device"
	"github.com/vision19/vision/host/plan"
	"github.com/vision19/vision/host/telemetry"
	"github.com/vision19/vision/sdk"
)

// Reload implements api.Controller: it reads the configuration again and applies it.
func (h *Host) Reload(ctx context.Context) api.ReloadReport {
	if h.load == nil {
		return api.ReloadReport{Errors: []string{"this host has no files to read again"}}
	}
	c, diags := h.load()
	p, more, err := plan.Plan{}, hcl.Diagnostics(nil), error(nil)
	if !diags.HasErrors() {
		p, more, err = h.Apply(ctx, c)
	}
	diags = append(diags, more...)
	report := api.ReloadReport{Applied: !diags.HasErrors()}
	var text bytes.Buffer
	_ = c.WriteDiagnostics(&text, diags) // a Buffer does not fail
	report.Diagnostics = text.String()
	report.Plan, _ = json.Marshal(p) // of strings and numbers
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			report.Errors = append(report.Errors, e.Error())
		}
	}
	h.log.Info("reloaded", "applied", report.Applied, "failed", len(report.Errors))
	return report
}

// Logs implements api.Controller.
func (h *Host) Logs(plugin string) ([]*telemetry.Ring, error) {
	var rings []*telemetry.Ring
	var names []string
	for _, u := range h.list() {
		if names = append(names, u.name); plugin == "" || plugin == u.name {
			rings = append(rings, u.ring)
		}
	}
	if len(rings) == 0 && plugin != "" {
		return nil, sdk.NewError(api.CodeNotFound, fmt.Sprintf("no plugin %q is declared; there are %v", plugin, names), nil)
	}
	return rings, nil
}

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
	h.mu.RLock()
	p := next.make(h.running(), h.bytes)
	h.mu.RUnlock()
	if diags.HasErrors() {
		return p, diags, nil
	}
	h.ledger.SetDevices(next.devices)
	h.remove(next)
	errs := make([]error, len(next.parts))
	var group sync.WaitGroup
	for i, part := range next.parts {
		group.Go(func() {
			errs[i] = h.move(ctx, part) // which names the plugin, or the line in the file
		})
	}
	group.Wait()
	h.mu.Lock()
	h.setup = next
	h.mu.Unlock()
	return p, diags, errors.Join(errs...)
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
		group.Go(func() { u.close(h.drain) })
	}
	group.Wait()
}

// move brings one plugin to its new part.
func (h *Host) move(ctx context.Context, next *part) error {
	h.mu.RLock()
	i := slices.IndexFunc(h.units, func(u *unit) bool { return u.name == next.plugin.Name })
	var u *unit
	if i >= 0 {
		u = h.units[i]
	}
	h.mu.RUnlock()
	if u != nil {
		return u.replace(ctx, next)
	}
	if h.life.Err() != nil {
		return errClosing
	}
	u = h.newUnit(next)
	u.begin()
	if err := u.awaitReady(ctx); err != nil {
		u.close(h.drain)
		return err
	}
	h.mu.Lock()
	closing := h.life.Err() != nil
	if !closing {
		h.units = append(h.units, u)
	}
	h.mu.Unlock()
	if closing {
		u.close(h.drain)
		return errClosing
	}
	return nil
}

var errClosing = sdk.NewError(sdk.CodeUnavailable, "the host is stopping", nil)

// replace moves the unit to a new part; on failure nothing has changed.
func (u *unit) replace(ctx context.Context, next *part) error {
	old := u.current()
	if old.digest() == next.digest() && slices.Equal(old.devices, next.devices) {
		u.keep(next)
		return nil
	}
	if next.demand && len(u.running()) == 0 {
		u.adopt(next)
		return nil
	}
	before := u.all()
	beside := u.host.fits(next)
	if !beside {
		leaving(before, true)
		for _, r := range before {
			r.rest(u.host.drain)
		}
	}
	fresh, err := u.try(next)
	for _, r := range fresh {
		if failed := r.instance.AwaitReady(ctx); failed != nil && err == nil {
			err = located(next.plugin, failed)
		}
	}
	if err != nil {
		for _, r := range fresh {
			r.retire(u.host.drain)
		}
		if !beside {
			leaving(before, false)
			u.ensure()
		}
		return err
	}
	for _, r := range fresh {
		r.trial.Store(false)
	}
	u.adopt(next)
	return nil
}

// try starts the planned processes of a part beside those that there are.
func (u *unit) try(next *part) ([]*replica, error) {
	u.mu.Lock()
	if u.closed {
		u.mu.Unlock()
		return nil, errClosing
	}
	var fresh []*replica
	for n, d := range next.devices {
		r := u.add(next, n+1, d)
		r.trial.Store(true)
		fresh = append(fresh, r)
	}
	u.mu.Unlock()
	for _, r := range fresh {
		r.instance.Start()
	}
	return fresh, nil
}

func leaving(replicas []*replica, leaving bool) {
	for _, r := range replicas {
		r.leaving.Store(leaving)
	}
}

// keep makes a part the one that holds whose processes are the same: those that run are its own.
func (u *unit) keep(next *part) {
	u.mu.Lock()
	defer u.mu.Unlock()
	next.configured.Store(u.part.configured.Load())
	for _, r := range u.replicas {
		r.held.CompareAndSwap(u.part, next)
	}
	u.hold(next)
}

// hold is called with the lock held.
func (u *unit) hold(next *part) {
	u.part = next
	u.queue.SetOptions(next.queueing())
	u.rest()
}

// adopt makes a part the one that holds, and ends the processes of another once they have answered what they have. What waits goes on to its own.
func (u *unit) adopt(next *part) {
	u.mu.Lock()
	u.hold(next)
	old := slices.DeleteFunc(slices.Clone(u.replicas), func(r *replica) bool { return r.part() == next })
	leaving(old, true)
	waits := u.busy > 0
	u.mu.Unlock()
	if waits {
		u.ensure()
	}
	var group sync.WaitGroup
	for _, r := range old {
		group.Go(func() { r.retire(u.host.drain) })
	}
	group.Wait()
}

// fits reports whether the processes of a part find room beside all that runs.
func (h *Host) fits(next *part) bool {
	need := map[device.Device]int64{}
	for _, d := range next.devices {
		need[d] += h.bytes(next)
	}
	for d, bytes := range need {
		if h.ledger.Budget(d.Name)-h.ledger.Reserved(d.Name) < bytes {
			return false
		}
	}
	return true
}
