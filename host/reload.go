package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/plan"
)

// Reload moves to a new configuration: a plugin that is unchanged goes on, a changed one is started anew, warmed up and then
// swapped in, and the old one answers what it has accepted. With errors in the diagnostics nothing has changed. A plugin whose new
// process does not start keeps its old one; the error names it.
func (h *Host) Reload(ctx context.Context, c *config.Config) (plan.Plan, hcl.Diagnostics, error) {
	h.reloading.Lock() // one after another
	defer h.reloading.Unlock()
	next, diags := h.prepare(ctx, c)
	h.mu.RLock()
	p := next.plan(h.running())
	h.mu.RUnlock()
	if diags.HasErrors() {
		return p, diags, nil
	}
	var errs error
	for i, placement := range p.Plugins {
		switch placement.Action {
		case plan.Start, plan.Restart:
			errs = errors.Join(errs, h.replace(ctx, next.parts[i]))
		case plan.Stop:
			if old := h.swap(placement.Name, nil); old != nil {
				old.close(ctx)
			}
		}
	}
	h.mu.Lock()
	h.setup = next
	h.mu.Unlock()
	return p, diags, errs
}

// replace starts a part, waits until it is ready and swaps it in; on failure nothing has changed.
func (h *Host) replace(ctx context.Context, p part) error {
	u := h.newUnit(p)
	u.instance.Start()
	if err := u.instance.AwaitReady(ctx); err != nil {
		err = located(p.plugin, err)
		u.close(ctx)
		return fmt.Errorf("plugin %s: %w", p.plugin.Name, err)
	}
	if old := h.swap(p.plugin.Name, u); old != nil {
		old.close(ctx)
	}
	return nil
}

// swap puts a unit, or none, in the place of the one with that name and returns that one.
func (h *Host) swap(name string, u *unit) *unit {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, old := range h.units {
		if old.part.plugin.Name != name {
			continue
		}
		if u == nil {
			h.units = append(h.units[:i:i], h.units[i+1:]...)
		} else {
			h.units[i] = u
		}
		return old
	}
	if u != nil {
		h.units = append(h.units, u)
	}
	return nil
}
