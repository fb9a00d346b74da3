package diffusion

import (
	"math"

	"github.com/vision19/vision/sdk/imaging"
)

// seam puts the painted pixels into the image where the mask, of 0 and 255, shows. All other pixels are the image's own. What the model
// has repainted beside the mask tells by how much its colours are off there: within the mask that difference, taken at the nearest pixel
// outside, is added and fades to nothing over feather px. So no edge shows, and nothing of what the mask covers shines through.
func seam(image, painted, mask imaging.Pixels, feather int) imaging.Pixels {
	w, h := image.Width, image.Height
	out := imaging.Pixels{Width: w, Height: h, Channels: 3, Pix: append([]byte(nil), image.Pix...)}
	nearest := nearestOutside(mask)
	off := offsets(image, painted, mask, feather)
	for i, m := range mask.Pix {
		if m == 0 {
			continue
		}
		share := float32(0)
		from := nearest[i]
		if from >= 0 {
			dx, dy := float64(i%w-int(from)%w), float64(i/w-int(from)/w)
			share = fade(math.Hypot(dx, dy), feather)
		}
		for k := range 3 {
			v := float32(painted.Pix[3*i+k])
			if share > 0 {
				v += share * off[3*int(from)+k]
			}
			out.Pix[3*i+k] = byte(min(max(v+0.5, 0), 255))
		}
	}
	return out
}

// fade falls from 1 at the edge to 0 at feather px within, smoothly at both ends.
func fade(distance float64, feather int) float32 {
	if feather < 1 || distance > float64(feather) {
		return 0
	}
	t := 1 - (distance-1)/float64(feather)
	t = min(max(t, 0), 1)
	return float32(t * t * (3 - 2*t))
}

// offsets is image minus painted, the mean over the pixels outside the mask within a few px: single pixels would draw streaks.
func offsets(image, painted, mask imaging.Pixels, feather int) []float32 {
	w, h := image.Width, image.Height
	radius := min(max(feather/2, 1), 8)
	// Sums over rectangles from the top left: three channels and a count.
	sums := make([]int64, 4*(w+1)*(h+1))
	for y := range h {
		var row [4]int64
		for x := range w {
			i := y*w + x
			if mask.Pix[i] == 0 {
				row[3]++
				for k := range 3 {
					row[k] += int64(image.Pix[3*i+k]) - int64(painted.Pix[3*i+k])
				}
			}
			for k := range 4 {
				sums[4*((y+1)*(w+1)+x+1)+k] = sums[4*(y*(w+1)+x+1)+k] + row[k]
			}
		}
	}
	out := make([]float32, 3*w*h)
	for y := range h {
		for x := range w {
			if mask.Pix[y*w+x] != 0 {
				continue
			}
			x0, y0, x1, y1 := max(x-radius, 0), max(y-radius, 0), min(x+radius+1, w), min(y+radius+1, h)
			at := func(x, y, k int) int64 { return sums[4*(y*(w+1)+x)+k] }
			n := at(x1, y1, 3) - at(x0, y1, 3) - at(x1, y0, 3) + at(x0, y0, 3)
			for k := range 3 {
				out[3*(y*w+x)+k] = float32(at(x1, y1, k)-at(x0, y1, k)-at(x1, y0, k)+at(x0, y0, k)) / float32(n)
			}
		}
	}
	return out
}

// nearestOutside is, for each pixel of the mask, a nearest pixel outside it, -1 where there is none: the two passes of P.-E. Danielsson,
// Euclidean distance mapping, 1980. Its distances are exact but for a part of a pixel.
func nearestOutside(mask imaging.Pixels) []int32 {
	w, h := mask.Width, mask.Height
	out := make([]int32, w*h)
	for i, m := range mask.Pix {
		out[i] = -1
		if m == 0 {
			out[i] = int32(i)
		}
	}
	far := func(x, y int, from int32) int {
		if from < 0 {
			return math.MaxInt
		}
		dx, dy := x-int(from)%w, y-int(from)/w
		return dx*dx + dy*dy
	}
	take := func(x, y, dx, dy int) {
		if x+dx < 0 || y+dy < 0 || x+dx >= w || y+dy >= h {
			return
		}
		if from := out[(y+dy)*w+x+dx]; far(x, y, from) < far(x, y, out[y*w+x]) {
			out[y*w+x] = from
		}
	}
	for y := range h {
		for x := range w {
			take(x, y, 0, -1)
			take(x, y, -1, -1)
			take(x, y, 1, -1)
			take(x, y, -1, 0)
		}
		for x := w - 1; x >= 0; x-- {
			take(x, y, 1, 0)
		}
	}
	for y := h - 1; y >= 0; y-- {
		for x := w - 1; x >= 0; x-- {
			take(x, y, 0, 1)
			take(x, y, 1, 1)
			take(x, y, -1, 1)
			take(x, y, 1, 0)
		}
		for x := range w {
			take(x, y, -1, 0)
		}
	}
	return out
}
