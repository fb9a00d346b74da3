package schema

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestDraw_stays_within_the_domain_of_synthetic_requests(t *testing.T) {
	for name, c := range map[string]struct {
		p        Parameter
		low, top float64
	}{
		"sampling bounds":         {Parameter{Type: Int, Min: Bound(1), Max: Bound(50), Default: int64(20), Sampling: &Sampling{Min: Bound(6), Max: Bound(14)}}, 6, 14},
		"one sampling bound":      {Parameter{Type: Int, Min: Bound(0), Max: Bound(9), Default: int64(5), Sampling: &Sampling{Max: Bound(7)}}, 0, 7},
		"the default":             {Parameter{Type: Int, Min: Bound(1), Max: Bound(50), Default: int64(20)}, 20, 20},
		"the whole range":         {Parameter{Type: Int, Min: Bound(7), Max: Bound(100), MultipleOf: 8, Required: true}, 8, 96},
		"a seed":                  {Parameter{Type: Int, Min: Bound(0), Max: Bound(1<<32 - 1), Random: true}, 0, 1<<32 - 1},
		"a decimal step":          {Parameter{Type: Float, Min: Bound(-1), Max: Bound(1), MultipleOf: 0.05, Required: true}, -1, 1},
		"no bounds":               {Parameter{Type: Float, Required: true}, 0, unbounded},
		"a lower bound":           {Parameter{Type: Float, Min: Bound(2.5), Required: true}, 2.5, 2.5 + unbounded},
		"an upper bound":          {Parameter{Type: Int, Max: Bound(-3), Required: true}, -3 - unbounded, -3},
		"allowed within sampling": {Parameter{Type: Int, Allowed: []any{int64(1), int64(2), int64(4)}, Sampling: &Sampling{Min: Bound(2)}}, 2, 4},
	} {
		s := Schema{c.p}
		s[0].Name = "p"
		if faults := s.Check(); len(faults) > 0 {
			t.Fatal(name, faults)
		}
		for seed := range uint64(200) {
			drawn := s[0].Draw(rand.New(rand.NewPCG(seed, 1)))
			if again := s[0].Draw(rand.New(rand.NewPCG(seed, 1))); again != drawn {
				t.Errorf("%s: the same seed gives %v and %v", name, drawn, again)
			}
			values, faults := s.Validate(map[string]any{"p": drawn})
			if len(faults) > 0 || values["p"] != drawn {
				t.Fatalf("%s: %v (%T) is drawn: %v", name, drawn, drawn, faults)
			}
			x, _ := float(drawn)
			if x < c.low || x > c.top {
				t.Errorf("%s: %v is drawn, from %v to %v is meant", name, drawn, c.low, c.top)
			}
		}
	}
}

func TestDraw_reaches_every_value(t *testing.T) {
	for name, c := range map[string]struct {
		p    Parameter
		want []any
	}{
		"values":  {Parameter{Type: Int, Default: int64(2), Sampling: &Sampling{Values: []any{int64(2), int64(4)}}}, []any{int64(2), int64(4)}},
		"allowed": {Parameter{Type: String, Allowed: []any{"p", "q"}}, []any{"p", "q"}},
		"bool":    {Parameter{Type: Bool}, []any{true, false}},
		"bounds":  {Parameter{Type: Int, Min: Bound(1), Max: Bound(3)}, []any{int64(1), int64(2), int64(3)}},
		"text":    {Parameter{Type: String}, []any{nil}},
		"needed":  {Parameter{Type: String, Required: true}, []any{"x"}},
	} {
		rng, seen := rand.New(rand.NewPCG(1, 2)), map[any]bool{}
		for range 200 {
			v := c.p.Draw(rng)
			if seen[v] = true; !slices.Contains(c.want, v) {
				t.Errorf("%s: %v is drawn", name, v)
			}
		}
		if len(seen) != len(c.want) {
			t.Errorf("%s: %v are drawn, want %v", name, seen, c.want)
		}
	}
}

// A schema is foreign: whatever it says, drawing ends without a panic.
func TestDraw_copes_with_absurd_bounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	bounds := []*float64{nil, Bound(0), Bound(0.2), Bound(0.8), Bound(-1e300), Bound(1e300), Bound(-math.MaxFloat64), Bound(math.MaxFloat64), Bound(1 << 63), Bound(-1 << 63)}
	for _, low := range bounds {
		for _, high := range bounds {
			for _, step := range []float64{0, 5e-324, 0.3, 1e308} {
				for _, kind := range []Type{Int, Float} {
					Parameter{Type: kind, Min: low, Max: high, MultipleOf: step}.Draw(rng)
				}
			}
		}
	}
}
