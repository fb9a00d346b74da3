package compare

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestShipped_models_never_rise_with_a_difference_nor_fall_with_what_is_painted(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for _, kind := range []Kind{Image, Strict} {
		m, err := Shipped(kind)
		if err != nil {
			t.Fatal(err)
		}
		probability := func(f []float64) float64 {
			p, err := m.Probability(f)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		moved := false // by what is painted
		for range 4000 {
			f := make([]float64, len(features))
			scale := math.Pow(10, 4*rng.Float64()-3)
			for i := range f {
				f[i] = scale * rng.ExpFloat64()
			}
			f[paintedAt] = rng.Float64()
			i := rng.IntN(len(f))
			more := slices.Clone(f)
			if more[i] *= 1 + 3*rng.Float64(); i == paintedAt {
				more[i] = f[i] + (1-f[i])*rng.Float64()
			}
			before, after := probability(f), probability(more)
			if i == paintedAt && after < before || i != paintedAt && after > before {
				t.Fatalf("%s: %s from %g to %g moves the probability from %g to %g", kind, features[i], f[i], more[i], before, after)
			}
			moved = moved || i == paintedAt && before != after
		}
		if kind == Image && !moved {
			t.Error("what is painted moves nothing")
		}
	}
}
