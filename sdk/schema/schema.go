// Package schema describes parameters: their types, ranges, defaults and the domain that synthetic requests
// are drawn from. One description serves validation, JSON Schema and HCL; the package is pure.
package schema

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Type is the type of a parameter's value.
type Type string

// The types, and the Go types that Values holds for them: bool, int64, float64 and string.
const (
	Bool   Type = "bool"
	Int    Type = "int"
	Float  Type = "float"
	String Type = "string"
)

// FormatPath marks a string that names a file or a folder; a relative one is taken from the folder of the file that declares it.
const FormatPath = "path"

// DefaultMaxLength bounds a string parameter that sets no MaxLength, in characters: a parameter is a setting, not a document.
const DefaultMaxLength = 4096

// Parameter describes one named value, of a request or of a plugin's configuration.
type Parameter struct {
	Name string // a lower-case identifier: letters, digits, underscores
	Doc  string // one sentence
	Type Type

	Required bool // a value must be given; excludes Default and Random
	Default  any  // bool, int64, float64 or string as Type says; nil: absent unless given

	Min, Max   *float64 // inclusive bounds of Int and Float; nil: unbounded
	MultipleOf float64  // Int and Float: 0 or the step that values are multiples of
	Allowed    []any    // the only values allowed; empty: any within the bounds
	MaxLength  int      // String: the most characters; 0 is DefaultMaxLength

	Random   bool      // Int: drawn uniformly from [Min, Max] when absent (a seed)
	Format   string    // "" or FormatPath
	Sampling *Sampling // what synthetic requests draw; nil: the default, or the whole range without one
}

// Sampling is the part of a parameter's domain that synthetic requests are drawn from.
type Sampling struct {
	Min, Max *float64 // bounds for a uniform draw on the parameter's own step
	Values   []any    // or these values, each as likely as the others
}

// Schema is an ordered list of parameters with distinct names.
type Schema []Parameter

// Values holds a bool, int64, float64 or string by parameter name.
type Values map[string]any

// Bool returns the named value, or false when it is absent.
func (v Values) Bool(name string) bool { x, _ := v[name].(bool); return x }

// Int returns the named value, or 0 when it is absent.
func (v Values) Int(name string) int64 { x, _ := v[name].(int64); return x }

// Float returns the named value, or 0 when it is absent.
func (v Values) Float(name string) float64 { x, _ := v[name].(float64); return x }

// String returns the named value, or "" when it is absent.
func (v Values) String(name string) string { x, _ := v[name].(string); return x }

// Bound makes a pointer for Min and Max.
func Bound(x float64) *float64 { return &x }

// Lookup finds a parameter by name.
func (s Schema) Lookup(name string) (Parameter, bool) {
	i := slices.IndexFunc(s, func(p Parameter) bool { return p.Name == name })
	if i < 0 {
		return Parameter{}, false
	}
	return s[i], true
}

// Names lists the parameters' names in order.
func (s Schema) Names() []string {
	names := make([]string, len(s))
	for i, p := range s {
		names[i] = p.Name
	}
	return names
}

// Check reports what is wrong with the schema itself, every fault at once. A plugin whose schema fails is not started.
func (s Schema) Check() Faults {
	var faults Faults
	seen := map[string]bool{}
	for _, p := range s {
		fault := func(format string, args ...any) {
			faults = append(faults, Fault{Param: p.Name, Message: fmt.Sprintf(format, args...)})
		}
		if !identifier(p.Name) {
			fault("the name must be a lower-case identifier")
		}
		if seen[p.Name] {
			fault("declared twice")
		}
		seen[p.Name] = true
		p.check(fault)
	}
	return faults
}

func (p Parameter) check(fault func(string, ...any)) {
	switch p.Type {
	case Bool, String:
		if p.Min != nil || p.Max != nil || p.MultipleOf != 0 {
			fault("a %s has no min, max or multiple", p.Type)
		}
	case Int, Float:
		for _, b := range []*float64{p.Min, p.Max} {
			if b != nil && !finite(*b) {
				fault("min and max must be finite numbers")
			}
		}
		if p.Min != nil && p.Max != nil && *p.Min > *p.Max {
			fault("min %s is above max %s", number(*p.Min), number(*p.Max))
		}
		if p.MultipleOf < 0 || !finite(p.MultipleOf) {
			fault("multiple must be a positive number")
		}
	default:
		fault("unknown type %q; the types are bool, int, float, string", p.Type)
		return
	}
	if p.Random && (p.Type != Int || p.Min == nil || p.Max == nil || p.Required || p.Default != nil) {
		fault("a random value must be an int with min and max, neither required nor with a default")
	}
	if p.Required && p.Default != nil {
		fault("a required value has no default")
	}
	if p.Format != "" && (p.Format != FormatPath || p.Type != String) {
		fault("unknown format %q for %s", p.Format, p.Type)
	}
	for _, a := range p.Allowed {
		if got, message := p.convert(a); message != "" || got != a {
			fault("the allowed value %v is no %s", a, p.Type)
		}
	}
	if p.Default != nil {
		if got, message := p.value(p.Default); message != "" {
			fault("the default %s", message)
		} else if got != p.Default {
			fault("the default is a %T, not what a %s holds", p.Default, p.Type)
		}
	}
	p.checkSampling(fault)
}

func (p Parameter) checkSampling(fault func(string, ...any)) {
	if p.Sampling == nil {
		return
	}
	for _, v := range p.Sampling.Values {
		if _, message := p.value(v); message != "" {
			fault("the sampled value %v %s", v, message)
		}
	}
	for _, b := range []*float64{p.Sampling.Min, p.Sampling.Max} {
		if b == nil {
			continue
		}
		if p.Type != Int && p.Type != Float {
			fault("a %s is sampled by values, not by bounds", p.Type)
		} else if !finite(*b) {
			fault("the sampling bounds must be finite numbers")
		} else if message := p.bounds(*b); message != "" {
			fault("the sampling bound %s", message)
		}
	}
	if lo, hi := p.Sampling.Min, p.Sampling.Max; lo != nil && hi != nil && cmp.Compare(*lo, *hi) > 0 {
		fault("the sampling range is empty")
	}
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func identifier(name string) bool {
	for i, r := range name {
		letter := r >= 'a' && r <= 'z'
		if !letter && (i == 0 || (r != '_' && (r < '0' || r > '9'))) {
			return false
		}
	}
	return name != "" && len(name) <= 64
}
