package synth

import (
	"math"
	"math/rand/v2"

	"github.com/vision19/vision/sdk/imaging"
)

// The share of a picture that a mask covers. Less is hardly seen, more leaves nothing of the picture.
const (
	minCover = 0.05
	maxCover = 0.60
)

// Mask draws a mask: 255 in it and 0 outside, of 5 to 60 % of the picture, as circles, boxes, strokes or polygons. A picture of a few pixels may not
// be divisible so: then one pixel is in it.
func Mask(rng *rand.Rand, width, height int) imaging.Pixels {
	draw := []func(*rand.Rand, imaging.Pixels){circles, boxes, strokes, polygon}
	for range 50 {
		m := imaging.Flat(width, height, 0)
		draw[rng.IntN(len(draw))](rng, m)
		if c := cover(m); c >= minCover && c <= maxCover {
			return m
		}
	}
	// So narrow a picture that no shape has come out right: a box of a quarter of it.
	m := imaging.Flat(width, height, 0)
	fill(m, func(x, y float64) bool { return x < float64(width)/2 && y < float64(height)/2 })
	if cover(m) > maxCover || cover(m) == 0 {
		clear(m.Pix)
		m.Pix[rng.IntN(len(m.Pix))] = 255
	}
	return m
}

func cover(m imaging.Pixels) float64 {
	n := 0
	for _, v := range m.Pix {
		if v == 255 {
			n++
		}
	}
	return float64(n) / float64(len(m.Pix))
}

// fill sets what lies inside, by the pixels' middles.
func fill(m imaging.Pixels, inside func(x, y float64) bool) {
	for y := range m.Height {
		for x := range m.Width {
			if inside(float64(x)+.5, float64(y)+.5) {
				m.Pix[y*m.Width+x] = 255
			}
		}
	}
}

func between(rng *rand.Rand, low, high float64) float64 { return low + rng.Float64()*(high-low) }

func circles(rng *rand.Rand, m imaging.Pixels) {
	w, h := float64(m.Width), float64(m.Height)
	for range 1 + rng.IntN(3) {
		r := between(rng, 0.12, 0.35) * min(w, h)
		cx, cy := between(rng, 0.1, 0.9)*w, between(rng, 0.1, 0.9)*h
		fill(m, func(x, y float64) bool { return math.Hypot(x-cx, y-cy) < r })
	}
}

func boxes(rng *rand.Rand, m imaging.Pixels) {
	w, h := float64(m.Width), float64(m.Height)
	for range 1 + rng.IntN(2) {
		bw, bh := between(rng, 0.2, 0.7)*w, between(rng, 0.2, 0.7)*h
		x0, y0 := between(rng, 0, 1)*(w-bw), between(rng, 0, 1)*(h-bh)
		fill(m, func(x, y float64) bool { return x >= x0 && x < x0+bw && y >= y0 && y < y0+bh })
	}
}

// strokes are lines of a brush, as a person paints over what is to go.
func strokes(rng *rand.Rand, m imaging.Pixels) {
	w, h := float64(m.Width), float64(m.Height)
	r := between(rng, 0.04, 0.1) * min(w, h)
	x, y := between(rng, 0.2, 0.8)*w, between(rng, 0.2, 0.8)*h
	angle := between(rng, 0, 2*math.Pi)
	for range 6 + rng.IntN(10) {
		angle += between(rng, -0.8, 0.8)
		length := between(rng, 0.05, 0.2) * min(w, h)
		nx := max(0, min(w, x+length*math.Cos(angle)))
		ny := max(0, min(h, y+length*math.Sin(angle)))
		fill(m, func(px, py float64) bool { return fromLine(px, py, x, y, nx, ny) < r })
		x, y = nx, ny
	}
}

// fromLine is a point's distance to the line between two others.
func fromLine(px, py, ax, ay, bx, by float64) float64 {
	dx, dy := bx-ax, by-ay
	t := 0.0
	if l := dx*dx + dy*dy; l > 0 {
		t = max(0, min(1, ((px-ax)*dx+(py-ay)*dy)/l))
	}
	return math.Hypot(px-ax-t*dx, py-ay-t*dy)
}

// polygon has its corners around a middle, at random distances.
func polygon(rng *rand.Rand, m imaging.Pixels) {
	w, h := float64(m.Width), float64(m.Height)
	cx, cy := between(rng, 0.3, 0.7)*w, between(rng, 0.3, 0.7)*h
	n := 3 + rng.IntN(6)
	xs, ys := make([]float64, n), make([]float64, n)
	for i := range n {
		a := 2 * math.Pi * (float64(i) + between(rng, 0.1, 0.9)) / float64(n)
		r := between(rng, 0.2, 0.55) * min(w, h)
		xs[i], ys[i] = cx+r*math.Cos(a), cy+r*math.Sin(a)
	}
	fill(m, func(x, y float64) bool { return within(x, y, xs, ys) })
}

// within counts the edges to one side of a point: an odd number is inside.
func within(x, y float64, xs, ys []float64) bool {
	inside := false
	for i, j := 0, len(xs)-1; i < len(xs); j, i = i, i+1 {
		if (ys[i] > y) != (ys[j] > y) && x < (xs[j]-xs[i])*(y-ys[i])/(ys[j]-ys[i])+xs[i] {
			inside = !inside
		}
	}
	return inside
}
