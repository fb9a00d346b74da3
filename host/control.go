package host

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/vision19/vision/host/api"
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
		return nil, sdk.NewError(api.CodeNotFound, fmt.Sprintf("no plugin %q is declared; there are %s", plugin, strings.Join(names, ", ")), nil)
	}
	return rings, nil
}
