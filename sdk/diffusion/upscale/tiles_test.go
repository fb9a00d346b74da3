package upscale

import (
	"math"
	"testing"
)

func TestSpans_cover_an_axis_with_weights_that_add_up_to_one(t *testing.T) {
	for _, tile := range []int{64, 100, 256} {
		for n := 1; n <= 600; n++ {
			all := spans(n, tile)
			sum := make([]float64, 2*n)
			for i, w := range weights(all, n, 2) {
				s := all[i]
				if s.from < 0 || s.to > n || s.to-s.from > tile {
					t.Fatalf("%d px in tiles of %d: %+v", n, tile, s)
				}
				if i > 0 && all[i-1].to-s.from < overlap {
					t.Fatalf("%d px in tiles of %d: %+v and %+v overlap too little", n, tile, all[i-1], s)
				}
				for x, v := range w {
					if v < 0 || i > 0 && x < 2*margin && v != 0 {
						t.Fatalf("%d px in tiles of %d: sample %d of tile %d has the weight %g", n, tile, x, i, v)
					}
					sum[2*s.from+x] += float64(v)
				}
			}
			for x, v := range sum {
				if !(math.Abs(v-1) <= 1e-5) {
					t.Fatalf("%d px in tiles of %d: the weights at %d add up to %g", n, tile, x, v)
				}
			}
		}
	}
}
