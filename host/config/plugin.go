package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"

	"github.com/vision19/vision/sdk/schema"
)

// Decode reads the plugin's config block by the schema that the plugin declares. Relative paths become absolute.
func (p Plugin) Decode(s schema.Schema) (schema.Values, hcl.Diagnostics) {
	raw, ranges, diags := map[string]any{}, map[string]hcl.Range{}, hcl.Diagnostics(nil)
	wrong := map[string]bool{}
	if p.body != nil {
		raw, ranges, diags = p.decodeBody(s)
		for name, at := range ranges {
			wrong[name] = slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return d.Subject != nil && at.Overlaps(*d.Subject) })
		}
	}
	values, faults := s.Validate(raw)
	for _, f := range faults {
		at, given := ranges[f.Param]
		if given && wrong[f.Param] {
			continue // its type is wrong, which is said already
		}
		if !given {
			at = p.Range
			if p.body != nil {
				at = p.body.MissingItemRange()
			}
		}
		diags = append(diags, Fault(at, "Wrong configuration of the plugin", "%s %s.", f.Param, f.Message))
	}
	for _, parameter := range s {
		if path := values.String(parameter.Name); parameter.Format == schema.FormatPath && path != "" {
			values[parameter.Name] = absolute(p.dir, path)
		}
	}
	return values, diags
}

// At is where the config block sets a value, for faults that the plugin itself finds: the block when it does not.
func (p Plugin) At(name string) hcl.Range {
	if p.body == nil {
		return p.Range
	}
	attrs, _ := p.body.JustAttributes()
	if attr, ok := attrs[name]; ok {
		return attr.Expr.Range()
	}
	return p.body.MissingItemRange()
}

func (p Plugin) decodeBody(s schema.Schema) (map[string]any, map[string]hcl.Range, hcl.Diagnostics) {
	object, diags := hcldec.Decode(p.body, s.Spec(), nil)
	ranges := map[string]hcl.Range{}
	attrs, _ := p.body.JustAttributes()
	for name, attr := range attrs {
		ranges[name] = attr.Expr.Range()
	}
	for _, d := range diags {
		if d.Summary == "Unsupported argument" {
			takes := "The plugin takes no configuration."
			if len(s) > 0 {
				takes = "The plugin takes " + strings.Join(s.Names(), ", ") + "."
			}
			d.Detail = strings.TrimSpace(d.Detail) + " " + takes
		}
	}
	return s.FromCty(object), ranges, diags
}
