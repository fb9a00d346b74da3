package schema

import (
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"
)

// Spec is the schema as an hcldec spec: one optional attribute a parameter. Required, ranges and defaults are left to Validate, so
// that every fault of a block is reported at once.
func (s Schema) Spec() hcldec.Spec {
	spec := hcldec.ObjectSpec{}
	for _, p := range s {
		spec[p.Name] = &hcldec.AttrSpec{Name: p.Name, Type: p.Type.cty()}
	}
	return spec
}

func (t Type) cty() cty.Type {
	switch t {
	case Bool:
		return cty.Bool
	case String:
		return cty.String
	default:
		return cty.Number
	}
}

// FromCty turns the object that Spec decodes into raw values for Validate; null and unknown attributes are left out.
func (s Schema) FromCty(object cty.Value) map[string]any {
	raw := map[string]any{}
	if !object.Type().IsObjectType() {
		return raw
	}
	for _, p := range s {
		if !object.Type().HasAttribute(p.Name) {
			continue
		}
		v := object.GetAttr(p.Name)
		if v.IsNull() || !v.IsKnown() {
			continue
		}
		switch v.Type() {
		case cty.Bool:
			raw[p.Name] = v.True()
		case cty.String:
			raw[p.Name] = v.AsString()
		case cty.Number:
			raw[p.Name] = fromNumber(v)
		}
	}
	return raw
}

func fromNumber(v cty.Value) any {
	if i, accuracy := v.AsBigFloat().Int64(); accuracy == 0 {
		return i
	}
	f, _ := v.AsBigFloat().Float64()
	return f
}
