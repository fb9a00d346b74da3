package schema

import (
	"math"
	"math/rand/v2"
)

// Draw takes one value from the domain of synthetic requests: of Sampling where there is one, else the default; without either, of all that the
// parameter takes. It is nil for a text that may stay absent.
func (p Parameter) Draw(rng *rand.Rand) any {
	s := p.Sampling
	switch {
	case s != nil && len(s.Values) > 0:
		return s.Values[rng.IntN(len(s.Values))]
	case s != nil && (s.Min != nil || s.Max != nil):
		low, high := s.Min, s.Max
		if low == nil {
			low = p.Min
		}
		if high == nil {
			high = p.Max
		}
		return p.Uniform(rng, low, high)
	case p.Default != nil:
		return p.Default
	case len(p.Allowed) > 0:
		return p.Allowed[rng.IntN(len(p.Allowed))]
	case p.Type == Bool:
		return rng.IntN(2) == 1
	case p.Type == String:
		if p.Required {
			return "x"
		}
		return nil
	}
	return p.Uniform(rng, p.Min, p.Max)
}

// unbounded stands for a bound that a parameter lacks.
const unbounded = 100

// Uniform draws a number from low to high, both included, on the parameter's own step; a bound that is nil is 100 away from the other one.
func (p Parameter) Uniform(rng *rand.Rand, low, high *float64) any {
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
		return a + rng.Float64()*(b-a)
	}
	first, last := math.Ceil(a/step), math.Floor(b/step)
	if last < first {
		return p.number(a) // no multiple lies in the range: the check says so
	}
	return p.number(step * (first + float64(rng.Uint64N(uint64(last-first)+1))))
}

// number is x in the parameter's own type.
func (p Parameter) number(x float64) any {
	if p.Type == Int {
		return int64(x)
	}
	return x
}
