package diffusion

import (
	"bytes"
	"testing"

	"github.com/vision19/vision/sdk/imaging"
)

// half is a mask of the right half.
func half(w, h int) imaging.Pixels {
	m := imaging.Flat(w, h, 0)
	for i := range m.Pix {
		if i%w >= w/2 {
			m.Pix[i] = 255
		}
	}
	return m
}

func TestSeam_keeps_every_pixel_outside_the_mask(t *testing.T) {
	image, painted := imaging.Flat(32, 16, 10, 20, 30), imaging.Flat(32, 16, 200, 100, 0)
	for _, feather := range []int{0, 1, 8, 64} {
		out := seam(image, painted, half(32, 16), feather)
		for i := range 32 * 16 {
			if i%32 < 16 && !bytes.Equal(out.Pix[3*i:3*i+3], image.Pix[3*i:3*i+3]) {
				t.Fatalf("feather %d: pixel %d, which is not masked, is %v", feather, i, out.Pix[3*i:3*i+3])
			}
		}
	}
}

func TestSeam_fades_the_difference_over_the_feather(t *testing.T) {
	// What is painted is brighter by 40 everywhere: at the seam the picture must go on smoothly, and deep inside be what was painted.
	image, painted := imaging.Flat(64, 8, 100, 100, 100), imaging.Flat(64, 8, 140, 140, 140)
	out := seam(image, painted, half(64, 8), 16)
	row := func(x int) byte { return out.Pix[3*(4*64+x)] }
	if row(32) > 102 {
		t.Errorf("the first painted pixel is %d beside 100", row(32))
	}
	for x := 33; x < 64; x++ {
		if row(x) < row(x-1) || row(x)-row(x-1) > 6 {
			t.Errorf("%d follows %d at %d", row(x), row(x-1), x)
		}
	}
	if row(50) != 140 {
		t.Errorf("beyond the feather it is %d", row(50))
	}
	if hard := seam(image, painted, half(64, 8), 0); hard.Pix[3*(4*64+32)] != 140 {
		t.Error("without a feather the first pixel is not what was painted")
	}
}

func TestSeam_of_a_whole_mask_is_what_was_painted(t *testing.T) {
	painted := imaging.Flat(8, 8, 1, 2, 3)
	out := seam(imaging.Flat(8, 8, 9, 9, 9), painted, imaging.Flat(8, 8, 255), 8)
	if !bytes.Equal(out.Pix, painted.Pix) {
		t.Error("it is not")
	}
}

func TestNearestOutside_finds_a_nearest_pixel(t *testing.T) {
	m := imaging.Flat(9, 7, 255)
	for _, i := range []int{0, 13, 40, 62} {
		m.Pix[i] = 0
	}
	got := nearestOutside(m)
	square := func(a, b int) int { dx, dy := a%9-b%9, a/9-b/9; return dx*dx + dy*dy }
	for i := range m.Pix {
		best := square(i, 0)
		for _, k := range []int{13, 40, 62} {
			best = min(best, square(i, k))
		}
		if square(i, int(got[i])) != best {
			t.Errorf("pixel %d: %d is %d away, the nearest %d", i, got[i], square(i, int(got[i])), best)
		}
	}
	for _, from := range nearestOutside(imaging.Flat(3, 3, 255)) {
		if from != -1 {
			t.Error("a mask of everything has an outside")
		}
	}
}

func TestMargins_grow_into_the_image_only_where_it_grows(t *testing.T) {
	image := imaging.Flat(30, 20, 0, 0, 0)
	m := Margins{Left: 10, Top: 5}
	mask := m.mask(image, 8)
	known := func(x, y int) bool { return mask.Pix[y*mask.Width+x] == 0 }
	if mask.Width != 40 || mask.Height != 25 {
		t.Fatalf("%d x %d", mask.Width, mask.Height)
	}
	if known(9, 24) || known(17, 24) || !known(18, 24) || !known(39, 24) || known(39, 10) || !known(39, 11) {
		t.Error("the known part is not where it should be")
	}
	tiny := Margins{Left: 8, Right: 8}.mask(imaging.Flat(2, 2, 0, 0, 0), 8)
	if tiny.Pix[8] != 0 {
		t.Error("nothing is known of a small image")
	}
}
