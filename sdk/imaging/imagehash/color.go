package imagehash

import (
	"math"

	"github.com/vision19/vision/sdk/imaging"
)

// Color hashes which colours a picture has, 42 bits: 3 for each of 14 shares, which are black (luma below 32), gray (saturation below 85), and
// the coloured rest in six hues, faint (saturation below 170), then bright (above 170). The first two are shares of all pixels,
// the others of the coloured ones. It is ImageHash's colorhash with binbits 3.
func Color(p imaging.Pixels) Hash {
	rgb, luma := p.RGB().Pix, p.Gray().Pix
	if len(luma) == 0 {
		return Hash{}
	}
	var black, gray int
	var faint, bright [6]int
	coloured := 0
	for i, l := range luma {
		if l < 32 {
			black++
			continue
		}
		hue, saturation := hueSaturation(rgb[3*i], rgb[3*i+1], rgb[3*i+2])
		if saturation < 85 {
			gray++
			continue
		}
		coloured++
		band := min(int(hue)*2/85, 5) // six bands of 42.5
		switch {
		case saturation < 170:
			faint[band]++
		case saturation > 170:
			bright[band]++
		}
	}
	var h Hash
	h.share(black, len(luma))
	h.share(gray, len(luma))
	for _, counts := range [][6]int{faint, bright} {
		for _, n := range counts {
			h.share(n, max(coloured, 1))
		}
	}
	return h
}

// share appends eighths, at most 7, in ImageHash's code, whose middle bit says 2 or more.
func (h *Hash) share(n, of int) {
	v := min(n*8/of, 7)
	h.push(v >= 4)
	h.push(v >= 2)
	h.push(v%2 == 1)
}

// hueSaturation is Pillow's conversion to HSV (libImaging Convert.c), hue and saturation from 0 to 255: single precision where
// Pillow stores it, double between.
func hueSaturation(r, g, b byte) (hue, saturation byte) {
	high, low := max(r, g, b), min(r, g, b)
	if high == low {
		return 0, 0
	}
	span := float32(high - low)
	s := span / float32(high)
	rc, gc, bc := float32(high-r)/span, float32(high-g)/span, float32(high-b)/span
	var h float32
	switch high {
	case r:
		h = bc - gc
	case g:
		h = float32(2 + float64(rc) - float64(bc))
	default:
		h = float32(4 + float64(gc) - float64(rc))
	}
	turn := float64(h)/6 + 1
	h = float32(turn - math.Floor(turn)) // turn is positive
	return byte(float64(h) * 255), byte(float64(s) * 255)
}
