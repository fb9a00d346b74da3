package schema

import (
	"math"
	"math/rand/v2"
)

// unbounded stands for a bound that a parameter lacks.
const unbounded = 100

// Draw takes one value from the domain that synthetic requests are drawn from: one of Sampling, else the default, else any that the parameter
// takes. It is nil for a parameter that may stay absent and whose domain is not known: a String without one. The same state of rng gives
// the same value. A schema that passes Check may still have no value, such as an Int from 0.2 to 0.8; Validate then refuses what is drawn.
func (p Parameter) Draw(rng *rand.Rand) any {
	low, high, sampled := p.Min, p.Max, false
	if s := p.Sampling; s != nil {
		if len(s.Values) > 0 {
			return s.Values[rng.IntN(len(s.Values))]
		}
		sampled = s.Min != nil || s.Max != nil
		if s.Min != nil {
			low = s.Min
		}
		if s.Max != nil {
			high = s.Max
		}
	}
	switch {
	case p.Default != nil && !sampled:
		return p.Default
	case len(p.Allowed) > 0:
		return p.allowed(low, high, rng)
	case p.Type == Bool:
		return rng.IntN(2) == 1
	case p.Type == String && p.Required:
		return "x"
	case p.Type == String:
		return nil
	}
	return p.uniform(low, high, rng)
}

// allowed draws one of the allowed values that lie within the bounds, or one of all when none does.
func (p Parameter) allowed(low, high *float64, rng *rand.Rand) any {
	var within []any
	for _, v := range p.Allowed {
		if x, ok := float(v); !ok || (low == nil || x >= *low) && (high == nil || x <= *high) {
			within = append(within, v)
		}
	}
	if len(within) == 0 {
		within = p.Allowed
	}
	return within[rng.IntN(len(within))]
}

// uniform draws a number on the parameter's own step.
func (p Parameter) uniform(low, high *float64, rng *rand.Rand) any {
	a, b := 0.0, float64(unbounded)
	switch {
	case low != nil && high != nil:
		a, b = *low, *high
	case low != nil:
		a, b = *low, *low+unbounded
	case high != nil:
		a, b = *high-unbounded, *high
	}
	step := p.MultipleOf
	if step == 0 && p.Type == Int {
		step = 1
	}
	if step == 0 {
		u := rng.Float64()
		return min(max(a*(1-u)+b*u, a), b) // b - a may be more than a float holds
	}
	first, last := math.Ceil(a/step), math.Floor(b/step)
	steps := last - first
	if !(steps >= 0 && steps < 1<<63) { // no multiple lies in the range, or more than can be counted: the check says whether a does
		return p.of(a)
	}
	return p.of(min(max(step*(first+float64(rng.Uint64N(uint64(steps)+1))), a), b)) // decimal steps are not exact in binary
}

// of gives a number the type that Values holds for the parameter.
func (p Parameter) of(x float64) any {
	if p.Type == Int {
		return int64(x)
	}
	return x
}
