package upscale

import (
	"math"
	"testing"
)

func TestSpans_cover_an_axis_with_weights_that_add_up_to_one(t *testing.T) {
	for _, n := range []int{1, 63, 64, 65, 100, 128, 129, 1000} {
		for _, tile := range []int{64, 100, 256} {
			all := spans(n, tile)
			sum := make([]float64, 2*n)
			for i, s := range all {
				if s.from < 0 || s.to > n || s.to-s.from > tile {
					t.Fatalf("%d px in tiles of %d: %+v", n, tile, s)
				}
				if i > 0 && all[i-1].to-s.from < overlap {
					t.Errorf("%d px in tiles of %d: %+v and %+v overlap too little", n, tile, all[i-1], s)
				}
				for x := range 2 * (s.to - s.from) {
					sum[2*s.from+x] += float64(s.weight(x, 2))
				}
			}
			for x, v := range sum {
				if math.Abs(v-1) > 1e-5 {
					t.Fatalf("%d px in tiles of %d: the weights at %d add up to %g", n, tile, x, v)
				}
			}
		}
	}
}
