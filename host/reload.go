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
	next, diags := h.prepare(ctx, c)
	h.mu.RLock()
	p := next.make(h.running(), h.bytes)
	h.mu.RUnlock()
	if diags.HasErrors() {
		return p, diags, nil
	}
	h.ledger.SetDevices(next.devices)
	h.remove(ctx, next)
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
func (h *Host) remove(ctx context.Context, next setup) {
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
	for _, u := range gone {
		u.close(ctx)
	}
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
	u = h.newUnit(next)
	u.begin()
	if err := u.awaitReady(ctx); err != nil {
		u.close(ctx)
		return err
	}
	h.mu.Lock()
	h.units = append(h.units, u)
	h.mu.Unlock()
	return nil
}

// replace moves the unit to a new part; on failure nothing has changed.
func (u *unit) replace(ctx context.Context, next *part) error {
	old := u.current()
	moved := !slices.Equal(old.devices, next.devices)
	running := u.running()
	if old.digest() == next.digest() && !moved || len(running) == 0 && next.demand {
		u.adopt(next, old.digest() == next.digest())
		return nil
	}
	before := u.all()
	beside := u.host.fits(next)
	if !beside {
		u.leaving(before, true)
		for _, r := range before {
			r.rest(ctx)
		}
	}
	fresh := u.try(next)
	var err error
	for _, r := range fresh {
		if failed := r.instance.AwaitReady(ctx); failed != nil && err == nil {
			err = located(next.plugin, failed)
		}
	}
	if err != nil {
		for _, r := range fresh {
			r.retire(ctx)
		}
		if !beside {
			u.leaving(before, false)
			u.ensure()
		}
		return err
	}
	for _, r := range fresh {
		r.trial.Store(false)
	}
	u.adopt(next, false)
	for _, r := range before {
		r.retire(ctx)
	}
	return nil
}

// try starts the planned processes of a part beside those that there are.
func (u *unit) try(next *part) []*replica {
	u.mu.Lock()
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
	return fresh
}

func (u *unit) leaving(replicas []*replica, leaving bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, r := range replicas {
		r.leaving = leaving
	}
}

// adopt makes a part the one that holds. When it is the same process under another queue, the processes that run are its own.
func (u *unit) adopt(next *part, same bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if same {
		next.configured.Store(u.part.configured.Load())
		for _, r := range u.replicas {
			r.held.CompareAndSwap(u.part, next)
		}
	}
	u.part = next
	u.queue.SetOptions(next.queueing())
	u.rest()
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
